"""What is read without the grammar is what the grammar reads, to the last argument."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("math_verify")

from sympy import srepr

from assay.verifiers.answers import latex, plain_latex


def by_grammar(text: str, real: bool = True) -> Any:
    """latex2sympy's own reading, None where it has none."""
    for parser in latex._parsers():
        try:
            return parser(None, real, False).parse(text)
        except Exception:  # noqa: BLE001  the class that the grammar raises
            continue
    return None


def same(text: str, real: bool = True) -> None:
    plain = plain_latex.read(text, real)
    if plain is not None:
        full = by_grammar(text, real)
        assert (type(plain), srepr(plain)) == (type(full), srepr(full))
        assert getattr(plain, "_unsorted_args", None) == getattr(full, "_unsorted_args", None)


READ = [
    "x_1",
    "x_{12}^2",
    "a_n+b_n",
    "x_1=1,2",
    "5!",
    r"\frac{n!}{2}",
    "x^2!",
    "2d",
    r"\frac{d}{2}",
    "7",
    "-7",
    "007",
    ".5",
    "12.50",
    "x",
    "X",
    r"\pi",
    "2x",
    "-2x^2+3x-1",
    "ab",
    "xyz",
    "3x-y+13",
    "a/b",
    "a/bc",
    "1/2/3",
    "2^3",
    "x^10",
    "x^{10}",
    "x^yz",
    "-x^2",
    "2^{-1}",
    "e",
    "e^x",
    "e^{2x}",
    "2e",
    "2^{n+1}",
    "a--b",
    "a*-b",
    "+-x",
    r"\frac{1}{2}",
    r"2\frac{1}{2}",
    r"-2\frac{1}{2}",
    r"2\frac{1}{2}x",
    r"x\frac{1}{2}",
    r"\frac{x+1}{x-1}",
    r"\frac{\sqrt{6}}{12}",
    r"2\sqrt{3}",
    r"\sqrt[3]{x+1}",
    r"\sqrt{2}^3",
    r"\frac{3\pi}{4}",
    r"3\cdot4\times5\div6",
    "(x+1)(x-2)",
    "x(x+3)-4(x+3)",
    "(x)",
    "[x+1]",
    "((x+1))",
    r"\ln 2",
    r"\ln{2}",
    r"\ln(2)",
    r"\log 2",
    r"\log_{2}{3}",
    r"\log_2 x+\sin x",
    r"\sin^2 x+\cos^2 x",
    r"\sin 2x",
    r"\arctan 2",
    r"\frac{\ln 3}{\ln 2}",
    r"\tanh(x)",
    r"\theta+\alpha",
    "x=5",
    "x = 5",
    "2x+1=y",
    "x=1=2",
    "x<2",
    r"2\le x<3",
    r"1<x\le y\ge z",
    r"x\neq 2",
    r"1,2,3",
    "x=1,2",
    "x=1,y=2",
    r"\{1,2\}",
    r"\{x,\{1,2\}\}",
    "(1,2)",
    "[1,2)",
    "(2,1]",
    "(1,2,3)",
    "((1,2),(3,4))",
    "(1,2),(3,4)",
    r"(-\infty,5]",
    r"(-\infty,1)\cup(2,3)\cup[4,\infty)",
    r"\{1\}\cup\{2\}",
    r"x\in[1,2]",
    r"x\in(1,2)\cup(3,4)",
    r"3+4i",
    "[0,2\\pi)",
]


@pytest.mark.parametrize("text", READ)
def test_the_frequent_ones_are_read(text: str) -> None:
    for real in (True, False):
        assert plain_latex.read(text, real) is not None
        same(text, real)


LEFT = [
    "5!!",
    "5!=3",
    "x_{n+1}",
    "x_1(y)",
    "x^2=1,2",
    "d x",
    "",
    " ",
    "+",
    "2+",
    "(",
    "x)",
    r"\frac{1}",
    "f(x)",
    "f(2)",
    "x[2]",
    r"\pi(x)",
    "svd",
    "dx",
    r"\frac{dy}{dx}",
    "A^T",
    "2E5",
    "x'",
    "50%",
    r"50\%",
    r"\text{cm}",
    "x^2^3",
    "gcd",
    "tr",
    "eye",
    "sqrt",
    "|x|",
    r"\pm 1",
    "1;2",
    "1,000",
    r"\sin x/2",
    r"\sin x\cdot 2",
    r"\sin(x)^2",
    r"\sin(x)(y+1)",
    r"\sin -x",
    r"\ln 2e",
    "2(3)",
    r"e\in[1,2]",
    "(x=1)",
    "(1,2",
    r"[1,2)\cup 3",
    r"1\cup 2",
    r"\emptyset",
    r"\binom{3}{2}",
    "Monday",
    "x==2",
    "x<=2",
    "5 6",
    "2.3.4",
    "5.",
    "{x}",
    "x{y}",
    "I",
    "²",
    "1/",
    r"\\",
    "a:b",
    r"\begin{pmatrix}1\end{pmatrix}",
]


@pytest.mark.parametrize("text", LEFT)
def test_what_is_rare_or_has_two_readings_is_left_to_the_grammar(text: str) -> None:
    assert plain_latex.read(text, True) is None


SIGNS = r"""
    2 10 0.5 7 x y a d e i x_1 _n _{12} ! \pi + - + - * / \cdot ^ ^{ _ ( ) ( ) [ ] { } , , = < \le
    \in \cup \infty \{ \} \frac \frac{1}{2} \sqrt{ \sqrt[3]{x} \ln \log_2 \sin \cos^2 \sin(x) (x+1)
    (1,2) [0,3] \{1,2\} e^x
""".split()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(SIGNS), min_size=1, max_size=8), st.booleans())
def test_any_row_of_signs(signs: list[str], real: bool) -> None:
    same(" ".join(signs), real)


def built(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    forms = [
        "{}+{}",
        "{}-{}",
        "{}{}",
        "{}*{}",
        "{}/{}",
        r"\frac{{{}}}{{{}}}",
        "({}){}",
        "{}({})",
        "({})^{{{}}}",
        "{}={}",
    ]
    forms += [
        "({},{})",
        "[{},{})",
        "{},{}",
        r"\{{{},{}\}}",
        r"{}\le {}",
        r"\log_{{{}}}{{{}}}",
        r"\sqrt[{}]{{{}}}",
    ]
    single = [r"\sqrt{{{}}}", "-{}", r"\sin {}", r"\ln({})", "e^{{{}}}", "({})"]
    return st.one_of(
        st.builds(lambda form, pair: form.format(*pair), st.sampled_from(forms), two),
        st.builds(lambda form, part: form.format(part), st.sampled_from(single), inner),
    )


TEXTS = st.recursive(
    st.sampled_from(["2", "3", "10", "0.5", "x", "y", "n", r"\pi ", "e", r"\infty "]),
    built,
    max_leaves=6,
)


@settings(max_examples=120, deadline=None)
@given(TEXTS)
def test_any_text_that_is_built_by_the_rules(text: str) -> None:
    same(text)
