"""No text takes long in `Math`: not at 40 kB, nor cut to the longest that is tried at all."""

import itertools
import time
from collections.abc import Iterator

import pytest

from assay.verifiers import Math
from assay.verifiers.answers.refusals import MAX_BYTES, MAX_SIGNS, refusal

pytest.importorskip("math_verify")

REPEATED = r"""
    1+ 1- x+ x^{2}+ x^2y^3 x- 2x 1! n! n!+ ab xy a_1 x_1x_2 x= 1= x< x\le = < - + \pm \cdot 1/ x/
    x\cdot \times2 1e5 0.1+ 12,34 x, 1, 1,x, (1,2), [1,2], \{1, \{1\}, (x+1) (x+1)(x-1) [x+1] |x|+ |
    || \frac1 \frac{1}{x}+ \sqrt{ \sqrt{x}+ \sqrt2 √ π e e^x+ \sin \sin{x}+ \ln{x}+ \sin(x) f(x)
    f(x)+ i i+ \infty \cup[1,2] \cup \in \overline{3} 0.\overline{3}+ 5^\circ 50\%
    \begin{pmatrix}1\end{pmatrix} 1& 1\\ \text{a} \text{or} \mathbb{R} \alpha \alpha+ {} {x} () ($ ²
    ½ 5cm A: * ** _ ' " \\
""".split()
NESTED = [
    ("(", ")"),
    ("{", "}"),
    ("[", "]"),
    ("|", "|"),
    (r"\{", r"\}"),
    ("(1,", ")"),
    ("(1+", ")"),
    (r"\frac{1}{", "}"),
    (r"\frac{", "}{1}"),
    (r"\sqrt{", "}"),
    (r"\sqrt{1+", "}"),
    ("x^{", "}"),
    ("e^{", "}"),
    ("2^{", "}"),
    ("x_{", "}"),
    (r"\sin(", ")"),
    (r"\sin ", ""),
    ("f(", ")"),
    (r"\log_{", "}{3}"),
    (r"\binom{n}{", "}"),
    (r"\int ", " dx"),
    (r"\sum_{i=1}^{3} ", ""),
    (r"\exp(", ")"),
    ("(", "+1)^2"),
    ("(", ")!"),
    (r"\text{", "}"),
    (r"\overline{", "}"),
    (r"\left|", r"\right|"),
    (r"\boxed{", "}"),
    ("x^", ""),
    ("-", ""),
]


def longest(start: str, middle: str, end: str) -> Iterator[str]:
    """The longest of a shape that is tried: filled to the limit of signs, and nested as deep as
    may be."""
    texts = (start * n + middle + end * n for n in reversed(range(1, MAX_SIGNS)))
    yield from itertools.islice((text for text in texts if refusal(text) is None), 1)


@pytest.mark.parametrize(("middle", "reference"), [("5", "0.123"), ("x", "x+1")])
def test_the_longest_answers_that_are_tried_are_decided_before_the_deadline(
    middle: str, reference: str
) -> None:
    shapes = [*((part, "") for part in REPEATED), *NESTED]
    texts = [text for start, end in shapes for text in longest(start, middle, end)]
    assert texts
    slow = texts
    for workers in (2, 1):  # on a busy machine the deadline may pass in a queue: those again, alone
        verifier = Math(timeout=5.0, workers=workers)
        found = verifier.check_all([(rf"\boxed{{{text}}}", reference) for text in slow])
        slow = [t for t, verdict in zip(slow, found, strict=True) if verdict.stage == "timeout"]
    assert slow == []


@pytest.mark.parametrize("part", [*REPEATED, *(start for start, _ in NESTED)])
def test_long_texts_are_decided_at_once(part: str) -> None:
    verifier = Math(timeout=5.0)
    text = part * (40_000 // len(part))
    for response, reference in (
        (text, "5"),
        (rf"\boxed{{{text}}}", "5"),
        (rf"\boxed{{{text}", "5"),
        (f"The answer is {text}", "5"),
        (rf"\boxed{{{text[:MAX_BYTES]}}}", "5"),
        (r"\boxed{5}", text),
    ):
        start = time.process_time()
        assert verifier.check(response, reference).stage != "timeout"
        assert time.process_time() - start < 0.6  # measured at 100 kB: 0.1
