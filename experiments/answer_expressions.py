r"""Powers, roots and expressions in many spellings, and others that look like them.

As in `experiments.answer_numbers`: values are whole numbers, fractions and polynomials with whole
coefficients that are multiplied out here, and a spelling is written from its value and never read
back.
"""

import random
from collections.abc import Mapping, Sequence
from fractions import Fraction

from experiments.answer_numbers import RAISED, Item, fraction, grouped, root_free

__all__ = ["EXPRESSIONS", "Polynomial", "multiplied", "written"]

Polynomial = Mapping[tuple[int, int], int]
"""Coefficients by the powers of two letters; a letter alone has powers (k, 0)."""

SQUARE_FREE = [n for n in range(2, 40) if root_free(n)]


def powers(draw: random.Random) -> Item:
    """A power of a whole number."""
    base, exponent = draw.choice(
        ((2, 10), (2, 5), (3, 4), (5, 3), (7, 2), (10, 6), (10, 3), (6, 3), (2, -3), (10, -4))
    )
    value = Fraction(base) ** exponent
    same = {
        "plain": f"{base}^{{{exponent}}}",
        "raised signs": f"{base}{str(exponent).translate(RAISED)}",
    }
    same |= {"value": fraction(value), "named": rf"N = {base}^{{{exponent}}}"}
    same |= {
        "product": rf"{base}^{{{exponent - 2}}} \cdot {base * base}",
        "base in braces": f"{{{base}}}^{{{exponent}}}",
    }
    if exponent > 0:
        same |= {
            "stars": f"{base}**{exponent}",
            "factors": r" \times ".join([str(base)] * exponent),
        }
        same |= {"bare": f"{base}^{exponent}"} if exponent < 10 else {}
    if value > 999:
        same |= {"comma": grouped(int(value), ","), r",\!": grouped(int(value), r",\!")}
    if base == 10:
        same["e"] = f"1e{exponent}"
    different = {
        "exponent off by one": f"{base}^{{{exponent + 1}}}",
        "base off by one": f"{base + 1}^{{{exponent}}}",
        "exponent dropped": str(base),
        "product for power": rf"{base} \cdot {exponent}",
        "caret dropped": f"{base}{abs(exponent)}",
        "exponent's sign": f"{base}^{{{-exponent}}}",
        "negative": f"-{base}^{{{exponent}}}",
        "value off by one": fraction(value + 1),
        "power of a power": f"({base}^{{{exponent}}})^{{2}}",
    }
    return Item(same, different)


def roots(draw: random.Random) -> Item:
    """A root of a whole number: square or cube, some of them whole."""
    n, degree = draw.randint(2, 14), draw.choice((2, 2, 3))
    if draw.random() < 0.5:
        inside, value = n**degree, str(n)
        same = {
            "plain": rf"\sqrt{{{inside}}}" if degree == 2 else rf"\sqrt[3]{{{inside}}}",
            "value": value,
        }
        different = {"value off by one": str(n + 1), "inside": str(inside), "sign flipped": f"-{n}"}
    else:
        inside = draw.choice(SQUARE_FREE)
        same = {"plain": rf"\sqrt{{{inside}}}" if degree == 2 else rf"\sqrt[3]{{{inside}}}"}
        different = {
            "radical dropped": str(inside),
            "rounded": str(round(inside ** (1 / degree), 3)),
        }
    plain = same["plain"]
    same |= {
        "power": rf"{inside}^{{\frac{{1}}{{{degree}}}}}",
        "slash in the power": f"{inside}^{{1/{degree}}}",
    }
    if degree == 2:
        same |= {"sign": f"√{inside}" if inside < 10 else f"√({inside})", "word": f"sqrt({inside})"}
        same |= {"space": rf"\sqrt {inside}"} if inside < 10 else {}
    different |= {
        "inside off by one": plain.replace(f"{{{inside}}}", f"{{{inside + 1}}}"),
        "another root": (
            rf"\sqrt[{5 - degree}]{{{inside}}}" if degree == 2 else rf"\sqrt{{{inside}}}"
        ),
        "negative": f"-{plain}",
        "inverse": rf"\frac{{1}}{{{plain}}}",
        "squared": f"{inside}^2",
    }
    return Item(same, different)


def surds(draw: random.Random) -> Item:
    """p + q times a root, in lowest terms: equal only where p, q and the root are."""
    p, q = draw.choice((0, 0, *range(1, 20))), draw.choice((-1, 1)) * draw.randint(2, 9)
    r = draw.choice(SQUARE_FREE)

    def spelled(p: int, q: int, r: int) -> str:
        plus = "+" if p and q > 0 else ""
        return rf"{p or ''}{plus}{q}\sqrt{{{r}}}"

    root, sign = rf"\sqrt{{{q * q * r}}}", "-" if q < 0 else "+"
    head = f"{p}{sign}" if p else sign.strip("+")
    same = {
        "plain": spelled(p, q, r),
        "under the root": f"{head}{root}",
        "cdot": rf"{head}{abs(q)} \cdot \sqrt{{{r}}}",
    }
    same |= {
        "sign": f"{head}{abs(q)}√{r}" if r < 10 else f"{head}{abs(q)}√({r})",
        "star": f"{head}{abs(q)}*sqrt({r})",
    }
    same |= {
        "rationalised": rf"{head}\frac{{{abs(q) * r}}}{{\sqrt{{{r}}}}}",
        "named": f"x = {spelled(p, q, r)}",
    }
    same |= {"halves": rf"\frac{{{spelled(2 * p, 2 * q, r)}}}{{2}}"}
    if p:
        inner = fraction(Fraction(p, q))
        plus = "" if inner.startswith("-") else "+"
        same |= {
            "commuted": rf"{q}\sqrt{{{r}}}+{p}",
            "factored": rf"{q}\left(\sqrt{{{r}}}{plus}{inner}\right)",
        }
    different = {
        "coefficient off by one": spelled(p, q + 1 if q != -1 else 3, r),
        "root off": spelled(p, q, SQUARE_FREE[(SQUARE_FREE.index(r) + 1) % len(SQUARE_FREE)]),
        "conjugate": spelled(p, -q, r),
        "term added": spelled(p + 1, q, r),
        "root dropped": str(p + q),
        "root over all": rf"\sqrt{{{p + abs(q) * r}}}",
        "coefficient under the root": rf"{head}\sqrt{{{abs(q) * r}}}",
    }
    return Item(same, different)


def multiples_of_pi(draw: random.Random) -> Item:
    """A rational multiple of pi."""
    value = Fraction(draw.randint(1, 30), draw.choice((1, 2, 3, 4, 5, 6, 8, 12)))
    p, q = value.numerator, value.denominator
    s = rf"\frac{{{p}\pi}}{{{q}}}" if q > 1 else rf"{p}\pi"
    same = {
        "plain": s,
        "coefficient before": rf"{fraction(value)}\pi",
        "commuted": rf"\pi \cdot {fraction(value)}",
    }
    same |= {
        "sign": f"{p}π/{q}" if q > 1 else f"{p}π",
        "word": f"{p}*pi/{q}",
        "named": rf"\theta = {s}",
    }
    same |= {"dfrac": rf"\dfrac{{{p}}}{{{q}}}\pi", "unreduced": rf"\frac{{{2 * p}\pi}}{{{2 * q}}}"}
    other = value + Fraction(1, q)
    different = {
        "coefficient off": rf"{fraction(other)}\pi",
        "pi dropped": fraction(value),
        "pi below": rf"\frac{{{p}}}{{{q}\pi}}",
        "sign flipped": f"-{s}",
        "squared": rf"{fraction(value)}\pi^2",
        "3.14 for pi": f"{float(value * Fraction(314, 100)):.4f}",
        "degrees": rf"{fraction(value)}^\circ",
    }
    return Item(same, different)


def multiplied(one: Polynomial, other: Polynomial) -> dict[tuple[int, int], int]:
    """The product, multiplied out with whole numbers."""
    product: dict[tuple[int, int], int] = {}
    for (a, b), c in one.items():
        for (d, e), f in other.items():
            product[a + d, b + e] = product.get((a + d, b + e), 0) + c * f
    return {place: c for place, c in product.items() if c}


def written(
    polynomial: Polynomial, letters: str, order: Sequence[tuple[int, int]] = (), power: str = "^{}"
) -> str:
    """Its terms, by falling powers or in this order; `power` may be "^{}" (x^2), "**{}" or ""
    (raised signs)."""
    text = ""
    for place in order or sorted(polynomial, reverse=True):
        c = polynomial[place]
        names = ""
        for letter, exponent in zip(letters, place, strict=False):
            raised = power.format(exponent) if power else str(exponent).translate(RAISED)
            names += letter * (exponent > 0) + raised * (exponent > 1)
        number = "" if abs(c) == 1 and names else str(abs(c))
        text += ("-" if c < 0 else "+" if text else "") + number + names
    return text or "0"


def changed(polynomial: Polynomial, draw: random.Random) -> dict[str, dict[tuple[int, int], int]]:
    """Other polynomials: a coefficient off, a sign flipped, a term dropped or of another power."""
    place = draw.choice([place for place in polynomial if any(place)])
    rest = {other: c for other, c in polynomial.items() if other != place}
    c = polynomial[place]
    higher = (place[0] + 3, place[1])
    return {
        "coefficient off": rest | {place: c + 1 if c != -1 else 2},
        "sign flipped": rest | {place: -c},
        "term dropped": rest,
        "power off": rest | {higher: c},
        "constant off": {**polynomial, (0, 0): polynomial.get((0, 0), 0) + 1 or 3},
        "negative": {other: -c for other, c in polynomial.items()},
    }


def polynomials(draw: random.Random) -> Item:
    """A polynomial in one letter, of degree two or three, factored and multiplied out."""
    letter = draw.choice("xxtynmkap")
    roots = [draw.choice((-1, 1)) * draw.randint(1, 9) for _ in range(draw.choice((2, 2, 3)))]
    scale = draw.choice((1, 1, 1, 2, 3))
    expanded: dict[tuple[int, int], int] = {(0, 0): scale}
    for root in roots:
        expanded = multiplied(expanded, {(1, 0): 1, (0, 0): -root})
    factors = [f"({written({(1, 0): 1, (0, 0): -root}, letter)})" for root in roots]
    front, s = str(scale) if scale > 1 else "", written(expanded, letter)
    rising = written(expanded, letter, sorted(expanded))
    same = {
        "plain": s,
        "rising": rising,
        "factored": front + "".join(factors),
        "spaces": s.replace("+", " + "),
    }
    brackets = [rf"\left{factor[:-1]}\right)" for factor in factors]
    same |= {
        "factors commuted": front + "".join(reversed(factors)),
        "left, right": front + "".join(brackets),
    }
    same |= {"dots": r" \cdot ".join([front, *factors] if front else factors)}
    same |= {
        "raised signs": written(expanded, letter, power=""),
        "stars": written(expanded, letter, power="**{}"),
    }
    same |= {"braces": written(expanded, letter, power="^{{{}}}"), "named": f"f({letter}) = {s}"}
    different = {name: written(other, letter) for name, other in changed(expanded, draw).items()}
    flipped = front + "".join([f"({written({(1, 0): 1, (0, 0): roots[0]}, letter)})", *factors[1:]])
    different |= {"root flipped": flipped, "factor dropped": front + "".join(factors[1:])}
    different |= {
        "another letter": written(expanded, "z"),
        "factors added": front + "+".join(factors),
    }
    return Item(same, different, plain_only=frozenset({"another letter"}))


def two_letters(draw: random.Random) -> Item:
    """A product of two sums in two letters, also multiplied out."""
    letters = draw.choice(("xy", "ab", "mn", "xt", "pq"))

    def nonzero() -> int:
        return draw.choice((-1, 1)) * draw.randint(1, 7)

    one = {(1, 0): draw.randint(1, 5), (0, 1): nonzero()}
    other = {(1, 0): draw.randint(1, 5), (0, 1): nonzero(), (0, 0): nonzero()}
    product = multiplied(one, other)
    order = sorted(product)
    draw.shuffle(order)
    s, factors = (
        written(product, letters),
        [f"({written(one, letters)})", f"({written(other, letters)})"],
    )
    same = {"plain": s, "any order": written(product, letters, order), "factored": "".join(factors)}
    same |= {
        "factors commuted": "".join(reversed(factors)),
        "raised signs": written(product, letters, power=""),
    }
    same |= {"cdot": r" \cdot ".join(factors), "named": f"f({letters[0]},{letters[1]}) = {s}"}
    same |= {"minus sign": s.replace("-", "−"), "times": r" \times ".join(factors)}
    different = {name: written(o, letters) for name, o in changed(product, draw).items()}
    exchanged = {(b, a): c for (a, b), c in product.items()}
    if exchanged != product:
        different["letters exchanged"] = written(exchanged, letters)
    different["factors added"] = "+".join(factors)
    different["another letter"] = written(product, letters[0] + "w")
    return Item(same, different, plain_only=frozenset({"another letter"}))


def quotients(draw: random.Random) -> Item:
    """A quotient of two linear expressions without a common root."""
    letter = draw.choice("xtkn")
    a, b, c = (
        draw.randint(2, 9),
        draw.choice((-1, 1)) * draw.randint(1, 9),
        draw.choice((-1, 1)) * draw.randint(1, 9),
    )
    while b == -a * c:
        b += 1 if b != -1 else 2
    top, bottom = {(1, 0): a, (0, 0): b}, {(1, 0): 1, (0, 0): -c}

    def by(k: int, p: Polynomial) -> Polynomial:
        return {place: k * value for place, value in p.items()}

    def over(p: Polynomial, q: Polynomial) -> str:
        return rf"\frac{{{written(p, letter)}}}{{{written(q, letter)}}}"

    same = {
        "plain": over(top, bottom),
        "slash": f"({written(top, letter)})/({written(bottom, letter)})",
    }
    same |= {
        "both negative": over(by(-1, top), by(-1, bottom)),
        "unreduced": over(by(3, top), by(3, bottom)),
    }
    same |= {
        "commuted": (
            rf"\frac{{{written(top, letter, sorted(top))}}}"
            rf"{{{written(bottom, letter, sorted(bottom))}}}"
        )
    }
    same |= {
        "divided": rf"{a}+\frac{{{b + a * c}}}{{{written(bottom, letter)}}}",
        "dfrac": "\\d" + over(top, bottom)[1:],
    }
    different = {
        "upside down": over(bottom, top),
        "constant off": over({**top, (0, 0): b + 1}, bottom),
        "sign below": over(top, {(1, 0): 1, (0, 0): c}),
        "negative": over(by(-1, top), bottom),
        "denominator dropped": written(top, letter),
        "another letter": over(top, bottom).replace(letter, "z"),
        "brackets dropped": f"{written(top, letter)}/{written(bottom, letter)}",
    }
    return Item(same, different, plain_only=frozenset({"another letter"}))


EXPRESSIONS = {
    "power": powers,
    "root": roots,
    "surd": surds,
    "multiple of pi": multiples_of_pi,
    "polynomial": polynomials,
    "two letters": two_letters,
    "quotient": quotients,
}
