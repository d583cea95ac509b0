"""What is not tried, and that finding it out takes time in proportion to the text."""

import time

import pytest

from assay.verifiers.answers.refusals import MAX_SIGNS, refusal, too_long

TRIED = [
    "x^y^z^2",
    "x^{y^{z^2}}",
    "e^{e^{x^2}}",
    "(x^2)^2(y^2)^2(z^2)^2(w^2)^2",
    "x^{2}y^{2}z^{2}w^{2}v^{2}",
    "5000!",
    "2^{10000}",
    r"\frac{1}{1+\frac{1}{1+\frac{1}{1+\frac{1}{1+x}}}}",
    r"\sum_{i=1}^{n}\sum_{j=1}^{n} ij",
    "n!",
    r"\binom{n}{k}",
    r"\log_2 3",
    "((((1,2),3),4),5)",
    ",".join("7" * 150),
    "7" * 300,
    r"\begin{pmatrix}"
    + r"\\".join("&".join("12" for _ in range(10)) for _ in range(10))
    + r"\end{pmatrix}",
]
NOT_TRIED = [
    ("x^x^x^x^x", "tower"),
    ("x^{x^{x^{x^{x}}}}", "tower"),
    (r"\exp(\exp(\exp(\exp(1))))", "tower"),
    ("9^9^9", "tower"),
    ("x^{2}^3^{4}^5", "tower"),
    ("e^{e^{e^{(1+x)^2}}}", "tower"),
    ("x**y**x**y**2", "tower"),
    ("5001!", "factorial"),
    ("(3!)!", "factorial"),
    ("2^{10001}", "exponent"),
    (r"\binom{10^9}{10^6}", "binomial"),
    ("7" * 301, "digits"),
    ("(" * 13 + "x" + ")" * 13, "nested"),
    (r"\int" * 5 + " x", "operators"),
    (r"\log_{" * 5 + "2" + "}3" * 5, "operators"),
    ("x+" * 150 + "x", "signs"),
    ("|x|+" * 21 + "x", "bars"),
    ("f(x)" * 41, "brackets"),
    ("ab " * 300, "signs"),
    ("x" * 5000, "bytes"),
    ("é" * 2100, "bytes"),
]


@pytest.mark.parametrize("text", TRIED)
def test_what_answers_hold_is_tried(text: str) -> None:
    assert refusal(text) is None


@pytest.mark.parametrize(("text", "why"), NOT_TRIED)
def test_what_would_take_too_long_is_not(text: str, why: str) -> None:
    assert why in str(refusal(text))


@pytest.mark.parametrize(
    "part",
    [
        "1",
        "1 ",
        "^",
        "^ ",
        "^(",
        "^{1",
        "1^",
        "1^(",
        "!",
        "1!",
        ")",
        "(",
        "{",
        r"\sum",
        "**",
        "C(",
        "_1",
    ],
)
def test_it_is_found_out_in_no_time(part: str) -> None:
    text = part * (4096 // len(part))
    assert too_long(text) is None
    start = time.process_time()
    for _ in range(10):
        refusal(text)
        refusal(part * MAX_SIGNS)
    assert time.process_time() - start < 0.5  # measured: 0.02
