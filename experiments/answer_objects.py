r"""Sets, tuples, intervals, equations, matrices and words in many spellings, and others that look
like them.

As in `experiments.answer_numbers`: a spelling is written from its whole numbers and never read
back.
"""

import random
from collections.abc import Sequence
from fractions import Fraction

from experiments.answer_expressions import written
from experiments.answer_numbers import Item, fraction

__all__ = ["OBJECTS"]

OPENED = {"[": "(", "(": "[", "]": ")", ")": "]"}
LESS, MORE = (
    {"[": r"\le", "]": r"\le", "(": "<", ")": "<"},
    {"[": r"\ge", "]": r"\ge", "(": ">", ")": ">"},
)
TURNED = {"<": ">", r"\le": r"\ge", ">": "<", r"\ge": r"\le"}
STRICT = {"<": r"\le", r"\le": "<", ">": r"\ge", r"\ge": ">"}
SIGNS = {"<": "<", ">": ">", r"\le": "≤", r"\ge": "≥"}

WORDS = (
    # words of one kind: each is another answer than the others
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    ("red", "green", "blue", "yellow", "purple"),
    ("circle", "ellipse", "parabola", "hyperbola", "point", "line"),
    ("Alice", "Bob", "Carol", "Dan", "Eve", "Mia"),
    ("yes", "no"),
    ("true", "false"),
    ("even", "odd"),
    ("north", "south", "east", "west"),
    ("acute", "right", "obtuse"),
    ("CAT", "DOG", "TTF", "HHT", "ABE"),
)


def listed(parts: Sequence[object], mark: str = ", ") -> str:
    """One after another."""
    return mark.join(map(str, parts))


def as_set(parts: Sequence[object], mark: str = ", ") -> str:
    """In braces."""
    return rf"\{{{listed(parts, mark)}\}}"


def as_fractions(numbers: Sequence[int], k: int) -> list[str]:
    """Each as the fraction of its k-fold and k."""
    return [rf"\frac{{{k * n}}}{{{k}}}" for n in numbers]


def solution_sets(draw: random.Random) -> Item:
    """Two to five different numbers, in no order."""
    numbers = draw.sample(range(-9, 60), draw.randint(2, 5))
    shuffled = draw.sample(numbers, len(numbers))
    plain, head, last = listed(numbers), listed(numbers[:-1]), numbers[-1]
    same = {
        "plain": as_set(numbers),
        "any order": as_set(shuffled),
        "list": plain,
        "named": f"S = {as_set(numbers)}",
    }
    same |= {"left, right": rf"\left\{{{plain}\right\}}", "no spaces": as_set(numbers, ",")}
    same |= {"and": rf"{head} \text{{ and }} {last}", "list, any order": listed(shuffled, ",")}
    same |= {"equal form": as_set(as_fractions(numbers, 2))}
    same |= {"equations": listed([f"x = {n}" for n in numbers], r" \text{ or } ")}
    another = next(n for n in range(last + 1, 99) if n not in numbers)
    different = {
        "element dropped": as_set(numbers[1:]),
        "element added": as_set([*numbers, 77]),
        "element off": as_set([*numbers[:-1], another]),
        "signs flipped": as_set([-n for n in numbers]),
        "dots added": rf"\{{{plain}, \ldots\}}",
        "dots inside": rf"\{{{head}, \ldots, {last}\}}",
        "list, element dropped": head,
        "list, element off": listed([*numbers[:-1], another]),
        "list, dots added": rf"{plain}, \dots",
        "sum": listed([f"({n})" for n in numbers], "+"),
        "one of them": str(last),
    }
    if {-n for n in numbers} == set(numbers):
        del different["signs flipped"]
    return Item(same, different)


def tuples(draw: random.Random) -> Item:
    """Two to four numbers, in order."""
    numbers = draw.sample(range(-9, 40), draw.choice((2, 2, 3, 4)))
    letters = {2: draw.choice(("x, y", "p,q", "a, b")), 3: "x, y, z", 4: "a,b,c,d"}[len(numbers)]
    plain, exchanged = listed(numbers), [*numbers[1::-1], *numbers[2:]]

    def of(parts: Sequence[object], mark: str = ", ") -> str:
        return f"({listed(parts, mark)})"

    same = {
        "plain": of(numbers),
        "left, right": rf"\left({plain}\right)",
        "no spaces": of(numbers, ","),
    }
    same |= {
        "named": f"({letters}) = {of(numbers)}",
        r"\,": of(numbers, r",\,"),
        "bigl": rf"\bigl({plain}\bigr)",
    }
    same |= {
        "full width": f"（{listed(numbers, '，')}）",
        "equal form": of(as_fractions(numbers, 3)),
    }
    different = {
        "exchanged": of(exchanged),
        "off by one": of([*numbers[:-1], numbers[-1] + 1]),
        "element dropped": of(numbers[1:]) if len(numbers) > 2 else str(numbers[0]),
        "element added": of([*numbers, 0]),
        "signs flipped": of([-n for n in numbers]),
        "dots added": rf"({plain}, \ldots)",
        "set": as_set(numbers),
        "named, exchanged": f"({letters}) = {of(exchanged)}",
    }
    return Item(same, different)


def intervals(draw: random.Random) -> Item:
    """A bounded interval."""
    a = draw.randint(-20, 20)
    b = a + draw.randint(2, 15)
    left, right = draw.choice(("[)", "(]", "[]", "[)"))
    s, low, high = f"{left}{a}, {b}{right}", LESS[left], LESS[right]
    start, end = as_fractions((a, b), 2)
    same = {
        "plain": s,
        "left, right": rf"\left{left}{a}, {b}\right{right}",
        "no spaces": f"{left}{a},{b}{right}",
    }
    same |= {
        "inequality": f"{a} {low} x {high} {b}",
        "turned": f"{b} {TURNED[high]} x {TURNED[low]} {a}",
    }
    same |= {"signs": f"{a} {SIGNS[low]} x {SIGNS[high]} {b}", "member": rf"x \in {s}"}
    same |= {
        "equal form": f"{left}{start}, {end}{right}",
        "leq": f"{a} {low} x {high} {b}".replace(r"\le", r"\leq"),
    }
    same |= {"set of x": rf"\{{x \mid {a} {low} x {high} {b}\}}"}
    different = {
        "end off by one": f"{left}{a}, {b + 1}{right}",
        "start off by one": f"{left}{a - 1}, {b}{right}",
        "end open for closed": f"{left}{a}, {b}{OPENED[right]}",
        "start open for closed": f"{OPENED[left]}{a}, {b}{right}",
        "< for <=": f"{a} {STRICT[low]} x {high} {b}",
        "<= for <": f"{a} {low} x {STRICT[high]} {b}",
        "half-line": rf"{left}{a}, \infty)",
        "length": str(b - a),
        "ends as a set": as_set((a, b)),
        "moved": f"{left}{a + 1}, {b + 1}{right}",
    }
    return Item(same, different, several=False)


def half_lines(draw: random.Random) -> Item:
    """An inequality with one end."""
    a, sign = draw.randint(-20, 20), draw.choice(("<", ">", r"\le", r"\ge"))
    letter, k = draw.choice("xxyt"), draw.randint(2, 5)
    s = f"{letter} {sign} {a}"

    def interval(end: int, sign: str) -> str:
        closed = sign in (r"\le", r"\ge")
        if sign in (">", r"\ge"):
            return rf"{'[' if closed else '('}{end}, \infty)"
        return rf"(-\infty, {end}{']' if closed else ')'}"

    same = {
        "plain": s,
        "turned": f"{a} {TURNED[sign]} {letter}",
        "signs": f"{letter}{SIGNS[sign]}{a}",
    }
    same |= {
        "interval": interval(a, sign),
        "interval, sign": interval(a, sign).replace(r"\infty", "∞"),
    }
    same |= {
        "multiple": f"{k}{letter} {sign} {k * a}",
        "negative": f"-{letter} {TURNED[sign]} {-a}",
    }
    same |= {
        "moved": f"{letter} + {k} {sign} {a + k}",
        "member": rf"{letter} \in {interval(a, sign)}",
    }
    different = {
        "strict or not": f"{letter} {STRICT[sign]} {a}",
        "other direction": f"{letter} {TURNED[sign]} {a}",
        "off by one": f"{letter} {sign} {a + 1}",
        "equation": f"{letter} = {a}",
        "number": str(a),
        "another letter": f"w {sign} {a}",
        "interval, strict or not": interval(a, STRICT[sign]),
        "interval, other direction": interval(a, TURNED[sign]),
        "interval, off by one": interval(a - 1, sign),
        "multiple of one side": f"{k}{letter} {sign} {a}" if a else f"{letter} {sign} 1",
        "sides turned alone": f"{a} {sign} {letter}",
    }
    return Item(same, different, several=False, plain_only=frozenset({"another letter"}))


def unions(draw: random.Random) -> Item:
    """All numbers below one and above another."""
    a = draw.randint(-20, 20)
    b = a + draw.randint(1, 15)
    right, left = draw.choice("])"), draw.choice("[(")
    lower, upper = rf"(-\infty, {a}{right}", rf"{left}{b}, \infty)"
    s = rf"{lower} \cup {upper}"
    same = {"plain": s, "commuted": rf"{upper} \cup {lower}", "no spaces": s.replace(", ", ",")}
    same |= {
        "inequalities": rf"x {LESS[right]} {a} \text{{ or }} x {MORE[left]} {b}",
        "member": rf"x \in {s}",
    }
    same |= {"signs": s.replace(r"\infty", "∞").replace(r"\cup", "∪")}
    sized = (
        s.replace("(", r"\left(")
        .replace("[", r"\left[")
        .replace(")", r"\right)")
        .replace("]", r"\right]")
    )
    same |= {"left, right": sized}
    after, before = "(" if right == "]" else "[", ")" if left == "[" else "]"
    different = {
        "half dropped": lower,
        "other half dropped": upper,
        "common part": rf"{lower} \cap {upper}",
        "between": f"{after}{a}, {b}{before}",
        "end off by one": rf"(-\infty, {a - 1}{right} \cup {upper}",
        "end open for closed": rf"(-\infty, {a}{OPENED[right]} \cup {upper}",
        "inequalities, one turned": rf"x {LESS[right]} {a} \text{{ or }} x {LESS[left]} {b}",
        "inequalities, and": rf"x {LESS[right]} {a} \text{{ and }} x {MORE[left]} {b}",
    }
    return Item(same, different, several=False)


def lines(draw: random.Random) -> Item:
    """The equation of a line, y = mx + b."""
    m, b = draw.choice((-1, 1)) * draw.randint(2, 9), draw.choice((-1, 1)) * draw.randint(1, 12)
    k = draw.randint(2, 4)

    def of(m: int, b: int) -> str:
        return written({(1, 0): m, (0, 0): b}, "x")

    s = f"y = {of(m, b)}"
    same = {"plain": s, "commuted": f"y = {written({(1, 0): m, (0, 0): b}, 'x', [(0, 0), (1, 0)])}"}
    same |= {"sides exchanged": f"{of(m, b)} = y", "multiple": f"{k}y = {of(k * m, k * b)}"}
    same |= {"no spaces": s.replace(" ", "")}
    same |= {"to one side": f"{written({(1, 0): m, (0, 1): -1, (0, 0): b}, 'xy')} = 0"}
    same |= {"constant alone": f"{written({(1, 0): -m, (0, 1): 1}, 'xy', [(0, 1), (1, 0)])} = {b}"}
    different = {
        "slope off": f"y = {of(m + 1 if m != -1 else 2, b)}",
        "slope's sign": f"y = {of(-m, b)}",
        "constant off": f"y = {of(m, b + 1 or 2)}",
        "constant's sign": f"y = {of(m, -b)}",
        "letters exchanged": f"x = {of(m, b).replace('x', 'y')}",
        "another letter": f"z = {of(m, b)}",
        "to one side, sign": f"{written({(1, 0): m, (0, 1): 1, (0, 0): b}, 'xy')} = 0",
        "inequality": rf"y \le {of(m, b)}",
        "constant dropped": f"y = {m}x",
        "square": f"y = {of(m, b).replace('x', 'x^2')}",
    }
    return Item(same, different)


def circles(draw: random.Random) -> Item:
    """The equation of a circle."""
    h, k = draw.choice((-1, 1)) * draw.randint(1, 8), draw.choice((-1, 1)) * draw.randint(1, 8)
    r = draw.randint(2, 12)

    def of(h: int, k: int, square: int) -> str:
        left, right = written({(1, 0): 1, (0, 0): -h}, "x"), written({(1, 0): 1, (0, 0): -k}, "y")
        return f"({left})^2 + ({right})^2 = {square}"

    def out(h: int, k: int, constant: int, side: int) -> str:
        terms = {(2, 0): 1, (0, 2): 1, (1, 0): -2 * h, (0, 1): -2 * k, (0, 0): constant}
        return f"{written({place: c for place, c in terms.items() if c}, 'xy')} = {side}"

    rest = h * h + k * k - r * r
    first, second = of(h, k, 0).removesuffix(" = 0").split(" + ")
    same = {
        "plain": of(h, k, r * r),
        "commuted": f"{second} + {first} = {r * r}",
        "square": of(h, k, 0)[:-1] + f"{r}^2",
    }
    same |= {"multiplied out": out(h, k, rest, 0), "constant alone": out(h, k, 0, -rest)}
    same |= {
        "sides exchanged": f"{r * r} = {first} + {second}",
        "no spaces": of(h, k, r * r).replace(" ", ""),
    }
    different = {
        "radius for its square": of(h, k, r),
        "center's sign": of(-h, k, r * r),
        "center off": of(h, k + 1, r * r),
        "radius off": of(h, k, (r + 1) ** 2),
        "difference": of(h, k, r * r).replace("^2 + (", "^2 - ("),
        "multiplied out, constant off": out(h, k, rest + 1, 0),
        "exponent dropped": of(h, k, r * r).replace("^2 +", " +"),
    }
    if h != k:
        different["letters exchanged"] = of(k, h, r * r)
    return Item(same, different)


def matrices(draw: random.Random) -> Item:
    """A matrix of two or three rows, or a column."""
    rows, columns = draw.choice(((2, 2), (2, 2), (2, 3), (3, 1), (2, 1)))
    cells = draw.sample(range(-9, 30), rows * columns)
    matrix = [cells[row * columns : (row + 1) * columns] for row in range(rows)]

    def inside(matrix: Sequence[Sequence[object]], gap: str = " ") -> str:
        return rf"{gap}\\{gap}".join(f"{gap}&{gap}".join(map(str, row)) for row in matrix)

    def of(matrix: Sequence[Sequence[object]], kind: str = "pmatrix", gap: str = " ") -> str:
        return rf"\begin{{{kind}}}{gap}{inside(matrix, gap)}{gap}\end{{{kind}}}"

    array = rf"\begin{{array}}{{{'c' * columns}}} {inside(matrix)} \end{{array}}"
    same = {"plain": of(matrix), "bmatrix": of(matrix, "bmatrix"), "no spaces": of(matrix, gap="")}
    same |= {
        "array": rf"\left({array}\right)",
        "named": f"A = {of(matrix)}",
        "lines": of(matrix, gap="\n"),
    }
    same |= {"equal form": of([as_fractions(row, 2) for row in matrix])}
    same |= {"factor": "2" + of([[fraction(Fraction(cell, 2)) for cell in row] for row in matrix])}
    different = {
        "transposed": of([list(column) for column in zip(*matrix, strict=True)]),
        "entry off": of([*matrix[:-1], [*matrix[-1][:-1], matrix[-1][-1] + 1]]),
        "rows exchanged": of([*matrix[1::-1], *matrix[2:]]),
        "row dropped": of(matrix[1:]),
        "negative": "-" + of(matrix),
        "twice": "2" + of(matrix),
        "one entry": str(cells[0]),
    }
    if rows == columns:
        different["determinant"] = of(matrix, "vmatrix")
    return Item(same, different)


def words(draw: random.Random) -> Item:
    """A word that is no mathematics."""
    word, other = draw.sample(draw.choice(WORDS), 2)
    same = {
        "plain": word,
        "text": rf"\text{{{word}}}",
        "textbf": rf"\textbf{{{word}}}",
        "mathrm": rf"\mathrm{{{word}}}",
    }
    same |= {"quoted": f'"{word}"', "text, spaces": rf"\text{{ {word} }}"}
    if not word.isupper():
        same |= {"capitals": word.upper(), "small": word.lower()}
    mixed = next(
        text
        for text in (word[1:] + word[0], word[::-1], word + word[0])
        if text.lower() != word.lower()
    )
    different = {
        "another word": other,
        "another word, text": rf"\text{{{other}}}",
        "letters exchanged": rf"\text{{{mixed}}}",
        "letters exchanged, bare": mixed,
        "a letter less": word[:-1],
        "not": f"not {word}",
        "not, text": rf"\text{{not {word}}}",
        "or": f"{word} or {other}",
        "neither": f"neither {word} nor {other}",
        "number": "5",
    }
    bare = {
        "plain",
        "capitals",
        "small",
        "quoted",
        "another word",
        "letters exchanged, bare",
        "a letter less",
        "not",
    }
    return Item(same, different, words=frozenset(bare | {"or", "neither"}))


def choices(draw: random.Random) -> Item:
    """A letter of a multiple choice."""
    letter, other, third = draw.sample("ABCDE", 3)
    same = {
        "plain": letter,
        "brackets": f"({letter})",
        "text": rf"\text{{{letter}}}",
        "bold": rf"\textbf{{({letter})}}",
    }
    same |= {"mathrm": rf"\mathrm{{({letter})}}", "text, brackets": rf"\text{{({letter})}}"}
    different = {
        "another letter": other,
        "another letter, brackets": f"({other})",
        "another letter, text": rf"\text{{{other}}}",
        "or": f"{letter} or {other}",
        "list": f"{letter}, {other}",
        "and": rf"{other} \text{{ and }} {letter}",
        "not": f"not {letter}",
        "all": f"({letter}), ({other}), ({third})",
        "neither": f"neither {letter} nor {other}",
    }
    return Item(
        same,
        different,
        ("math", "choice"),
        words=frozenset({"or", "list", "not", "neither", "plain"}),
    )


OBJECTS = {
    "solution set": solution_sets,
    "tuple": tuples,
    "interval": intervals,
    "inequality": half_lines,
    "union": unions,
    "line": lines,
    "circle": circles,
    "matrix": matrices,
    "plain words": words,
    "choice letter": choices,
}
