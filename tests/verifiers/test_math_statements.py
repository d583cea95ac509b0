r"""When two answers say the same thing: names, choices, words, lists, conditions, sets; with near
misses.

Each row is a reference and answers that are right, then wrong, then such that only the exercise
could tell.
"""

import pytest

from assay.verifiers import Math

pytest.importorskip("math_verify")

SHARED = Math(timeout=20.0, workers=1)

Row = tuple[str, str, list[str], list[str], list[str]]
"""Kind, reference, right, wrong, undecided."""

MATRIX = r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"

ROWS: list[Row] = [
    (
        "names of values",
        "8",
        [
            "x=8",
            "x_1=8",
            "CD=8",
            "|CD|=8",
            r"\overline{CD}=8",
            "[ABC]=8",
            "S_{ABC}=8",
            r"\text{Area}=8",
            "Area = 8",
            "P(A)=8",
            r"\theta=8",
            "x = 8 cm",
        ],
        ["not x=8", r"\not=8", "CD=9", "x=3k", "x<8", r"x\ne 8", "2x+z=8", "8=9", "a+b=9"],
        ["|z|=8", "a+b=8", "m+n+p=8", "ab=8", "p-q=8"],
    ),
    (
        "names of angles",
        r"60^\circ",
        [r"\angle A=60^\circ", r"m\angle ABC = 60^\circ"],
        [r"\angle A=61^\circ"],
        [],
    ),
    ("two names", "CD=8", ["CD = 8", "8"], ["AB=8", "CD=9"], []),
    (
        "names of several values",
        "(3,2)",
        ["(p,q)=(3,2)", "(x, y) = (3, 2)", "P=(3,2)", "A(3,2)", "B'(3, 2)"],
        ["(p,q)=(2,3)", "A(2,3)", "p=3", "(3,2,1)"],
        ["x=3,y=2"],
    ),
    (
        "values by their names",
        "x=3, y=2",
        ["y=2, x=3", r"x=3\text{ and }y=2", "(x,y)=(3,2)", "(y,x)=(2,3)"],
        ["x=2, y=3", "x=3", "x=3 or y=2", "x=3, z=2", "3"],
        [],
    ),
    (
        "names of functions",
        "f(x)=2x+1",
        ["f(t)=2t+1", "2x+1", "f(x)=1+2x"],
        ["f(t)=2t+2", "2x"],
        ["y=2x+1"],
    ),
    (
        "for all x",
        "x^2",
        [r"f(x)=x^2 \text{ for all } x", r"x^2, \text{ for every real number }x"],
        ["x for all x"],
        [],
    ),
    ("ratios", "3:4", ["6:8", "a:b=3:4", "3 to 4", r"\frac34"], ["4:3", "3:5", "3:4:5"], []),
    ("ratios of three", "2:3:5", ["4:6:10", "a:b:c=2:3:5"], ["2:5:3", "4:6:11", "2:3"], []),
    ("ranges", "[2,5]", [r"2\le x\le 5", r"x\in[2,5]"], ["(2,5)", "3 to 5"], ["2 to 5"]),
    (
        "letters of a choice",
        "D",
        [
            "(D)",
            "D.",
            r"\text{(D)}",
            r"\textbf{(D) }25",
            r"\textbf{(D)}\ 25",
            "(D) 25",
            "D) 25",
            "Option D",
            "choice (D)",
        ],
        ["C", "(C)", r"\textbf{(C) }25", "Option C", "25"],
        [],
    ),
    (
        "choices by their text",
        r"\textbf{(D)}\ 25",
        ["25", "D", "25.0", r"\text{(D) }25"],
        ["24", "C", r"\textbf{(C) }25"],
        [],
    ),
    ("a choice in LaTeX", r"\textbf{(E)}\ \sqrt{8}", [r"2\sqrt2"], [r"\sqrt 2"], []),
    (
        "no solution",
        "no solution",
        ["None", r"\emptyset", "No real solutions", r"\{\}", "There is no solution"],
        ["0", "1"],
        ["DNE"],
    ),
    (
        "does not exist",
        "DNE",
        ["does not exist", r"\text{undefined}", "The limit does not exist"],
        ["0", "exists"],
        [],
    ),
    (
        "articles",
        "a circle",
        ["circle", "the circle", r"\text{Circle}"],
        ["a sphere", "not a circle", "two circles"],
        [],
    ),
    (
        "quoted words",
        '"DOG"',
        ["dog", r'\text{"dog"}', "“Dog”", r"\text{dog}\,"],
        ["god", '"cat"'],
        [],
    ),
    ("days", "Monday", ["On Monday", "on monday", "It is Monday"], ["Tuesday", "not Monday"], []),
    ("dates", "June 5", [r"\text{june 5}"], ["June 6", "July 5", "7"], ["5 June"]),
    (
        "names joined",
        r"\text{Bob and Al}",
        [r"\text{Al and Bob}"],
        ["Bob", "Bob or Al", "Bob and Ann"],
        [],
    ),
    ("names in a row", "red, blue", ["red, blue"], ["red", "red and green"], ["blue, red"]),
    ("short words", "yes", ["Yes", r"\text{yes}", "YES"], ["sey", "no", "yse", r"\text{eys}"], []),
    ("words in LaTeX", r"\text{no}", ["no", "No"], [r"\text{on}", "on", "yes"], []),
    ("rows of capitals", "CAT", ["cat", r"\text{CAT}"], ["ACT", "TAC", r"\text{TCA}", "CA"], []),
    ("rows of truth values", "TTF", [], ["FTT", "TFT", "TTT"], []),
    ("longer words", "even", ["Even"], ["neve", "odd"], []),
    ("products of letters", "xyz", ["zyx", r"x\cdot z\cdot y", "xyz"], ["xy", "xyy", "x+y+z"], []),
    ("letters that may be either", "AB", [], ["AC"], ["BA"]),
    (
        "lists",
        "1, 2",
        [
            "2, 1",
            "1 and 2",
            "2 or 1",
            r"\{1,2\}",
            "x=1 or x=2",
            "x=2, 1",
            r"x=1\text{ or }x=2",
            "x=1, x=2",
        ],
        ["1", "1, 3", "(2,1)", "1, 2, 3", r"1,2,\ldots"],
        ["(1,2)"],
    ),
    ("dots in lists", "1,3,5,99", [], [r"1,3,5,\ldots,99", "1,3,5,...,99", r"\{1,3,5,\dots\}"], []),
    (
        "dots in sets",
        r"\{2,4,6\}",
        ["6,4,2"],
        [r"\{2,4,6,\dots\}", r"\{2,4,6,...\}", "(2,4,6)"],
        [],
    ),
    ("dots in sums", "13", [], [r"1+2+\cdots+10", "1+2+...+4"], []),
    (
        "plus or minus",
        r"\pm 3",
        ["3, -3", r"\{-3,3\}", r"x=\pm 3", "x=3 or x=-3", "±3"],
        ["3", "-3", r"\pm 2"],
        [],
    ),
    (
        "plus or minus in an expression",
        r"\frac{-1\pm\sqrt5}{2}",
        [r"\frac{\sqrt5-1}{2}, \frac{-1-\sqrt5}{2}", r"\frac{-1\mp\sqrt5}{2}"],
        [r"\frac{1\pm\sqrt5}{2}", r"\frac{-1+\sqrt5}{2}"],
        [],
    ),
    (
        "conditions",
        r"(-\infty,2)\cup(3,\infty)",
        [r"x<2 \text{ or } x>3", "x<2 or x>3", r"x<2 \lor x>3", r"x>3 \text{ or } x<2"],
        [r"x\le 2 or x>3", "x<2 and x>3", "x<2", "x<2 or x>4"],
        [],
    ),
    (
        "conditions that hold together",
        "(2,5)",
        [r"x>2\text{ and }x<5", "2<x<5"],
        ["x>2 or x<5", "x>2"],
        [],
    ),
    ("half a condition", "5", [], [">5", r"\le 5", "x>5"], []),
    (
        "all numbers",
        r"\mathbb{R}",
        [r"\mathbb R", "ℝ", r"(-\infty,\infty)", "all real numbers"],
        [r"\mathbb{Z}", "0"],
        [],
    ),
    (
        "sets with names",
        r"A\cap B",
        [r"B\cap A", "A∩B"],
        [r"A\cup B", "A", r"A\setminus B", "5"],
        [],
    ),
    (
        "sets by De Morgan",
        r"\overline{A\cup B}",
        [r"\overline{A}\cap\overline{B}", r"(A\cup B)^c"],
        [r"\overline{A}\cup\overline{B}"],
        [],
    ),
    (
        "matrices",
        MATRIX,
        ["[[1,2],[3,4]]", MATRIX.replace("p", "b", 1).replace("{pm", "{bm")],
        ["[[1,3],[2,4]]", "[1,2,3,4]"],
        [],
    ),
    (
        "matrices with a factor",
        r"\begin{pmatrix}2\\4\end{pmatrix}",
        [r"2\begin{pmatrix}1\\2\end{pmatrix}"],
        [r"2\begin{pmatrix}2\\4\end{pmatrix}"],
        [],
    ),
    (
        "exponentials",
        "e^2",
        ["exp(2)", r"\exp(2)", r"\exp 2", r"\mathrm{e}^2"],
        ["2e", "exp(3)"],
        [],
    ),
    (
        "odd roots",
        "-2",
        [r"\sqrt[3]{-8}", "(-8)^{1/3}", r"\sqrt[5]{-32}"],
        [r"\sqrt[3]{8}", r"\sqrt[3]{-9}"],
        [],
    ),
    ("roots of products", r"\sqrt{ab}", [], [r"\sqrt a+\sqrt b", "ab"], [r"\sqrt a\sqrt b"]),
    (
        "antiderivatives",
        "5x^2+C",
        ["5x^2+K", "5x^2+c", "5x^2+1+C"],
        ["5x^2", "6x^2+C", "5x^3+C", "5x^2+Cx"],
        [],
    ),
    ("what is still to be computed", r"\frac13", [], [r"\int_0^1 x^3 dx"], [r"\int_0^1 x^2 dx"]),
    ("primes", "f(x)", ["f(x)"], ["f'(x)", "f''(x)"], []),
    (
        "letters for whole numbers",
        "2n+1",
        ["1+2n", r"2\cdot n+1"],
        ["2n-1", "2m+1", "2n", "7", "n"],
        [],
    ),
    (
        "more of them",
        r"\frac{n(n+1)}{2}",
        [r"\frac{n^2+n}{2}"],
        [r"\frac{n(n-1)}{2}", r"\frac{k(k+1)}{2}", "n^2"],
        [],
    ),
    ("large factorials", "100!", [r"100\cdot 99!"], ["100!+1", "100!-1", "101!"], []),
    ("letters in both cases", "A+a", ["a+A"], ["2a", "2A"], []),
]


def flat(place: int) -> list[object]:
    cases = [(kind, gold, answer) for kind, gold, *answers in ROWS for answer in answers[place]]
    return [
        pytest.param(gold, answer, id=f"{kind}: {gold} and {answer}")
        for kind, gold, answer in cases
    ]


def outcome(gold: str, answer: str) -> str:
    return SHARED.check(rf"so \boxed{{{answer}}}", gold).outcome


@pytest.mark.parametrize(("gold", "answer"), flat(0))
def test_an_answer_that_says_the_same_is_right(gold: str, answer: str) -> None:
    assert outcome(gold, answer) == "right"
    assert outcome(answer, gold) == "right"


@pytest.mark.parametrize(("gold", "answer"), flat(1))
def test_an_answer_that_says_something_else_is_wrong(gold: str, answer: str) -> None:
    verdict = SHARED.check(rf"so \boxed{{{answer}}}", gold)
    assert verdict.outcome == "wrong", verdict
    assert verdict.reason
    assert outcome(answer, gold) != "right"


@pytest.mark.parametrize(("gold", "answer"), flat(2))
def test_what_only_the_exercise_tells(gold: str, answer: str) -> None:
    assert outcome(gold, answer) == outcome(answer, gold) == "undecided"


ESCAPES = [
    "9^{9^{9^9}}",
    "10^{10^{100}}",
    "((30!)!)!",
    r"\sum_{i=1}^{999999999} i",
    "7" * 5000,
    "(" * 60 + "7" + ")" * 60,
    "asdf qwer",
    r"\foo\bar{baz}",
    "@@7",
    "????",
    "(7",
    r"\lim_{x\to\infty}",
    "7 7",
    "lorem ipsum dolor",
    "7 7 7 or so",
]


@pytest.mark.parametrize("reference", ["7", r"\frac12", "x+1", "Monday", "(1,2)", r"\{1,2\}"])
@pytest.mark.parametrize("escape", ESCAPES, ids=lambda text: text[:20])
def test_nothing_is_a_way_around_a_zero(escape: str, reference: str) -> None:
    assert outcome(reference, escape) == "wrong"
