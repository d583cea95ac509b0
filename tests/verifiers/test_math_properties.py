"""Whatever the text: a verdict, and one that does not depend on which side is the reference."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.verifiers import Math, Numeric
from assay.verifiers.answers.answer import POLICIES
from assay.verifiers.answers.units import behind

pytest.importorskip("math_verify")

MATH = Math(timeout=20.0, workers=1)
FEW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

NUMBERS = st.integers(-30, 30).map(str)
LEAVES = st.one_of(NUMBERS, st.sampled_from(["x", "y", r"\pi", "0.5", r"\sqrt{2}", "50", "e"]))
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"{p[0]}+({p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]})({p[1]})"),
        st.tuples(inner, inner).map(lambda p: rf"\frac{{{p[0]}}}{{{p[1]}}}"),
        inner.map(lambda e: rf"\sqrt{{{e}}}"),
        inner.map(lambda e: f"({e})^{{2}}"),
        inner.map(lambda e: rf"\sin({e})"),
    ),
    max_leaves=4,
)
ANSWERS = st.one_of(
    EXPRESSIONS,
    st.tuples(EXPRESSIONS, EXPRESSIONS).map(lambda p: f"({p[0]},{p[1]})"),
    st.tuples(NUMBERS, NUMBERS).map(lambda p: rf"\{{{p[0]},{p[1]}\}}"),
    NUMBERS.map(lambda n: f"x={n}"),
    NUMBERS.map(lambda n: rf"x \ge {n}"),
    NUMBERS.map(lambda n: rf"[{n},\infty)"),
    NUMBERS.map(lambda n: f"{n} cm"),
    NUMBERS.map(lambda n: rf"{n}\%"),
)


def outcome(answer: str, reference: str) -> str:
    return MATH.check(rf"\boxed{{{answer}}}", reference).outcome


@FEW
@given(ANSWERS)
def test_equivalence_is_reflexive(answer: str) -> None:
    assert outcome(answer, answer) == "right"
    # Not by its spelling alone: an answer that only looks different.
    assert outcome(rf"{answer}\,", f"  {answer} ") == "right"


@FEW
@given(EXPRESSIONS)
def test_equivalence_is_reflexive_where_it_is_computed(answer: str) -> None:
    assert outcome(f"({answer})+0", answer) in ("right", "undecided")  # undecided: 1/0
    assert outcome(f"({answer})+1", answer) in ("wrong", "undecided")


STYLES = (
    "${0}$",
    r"\({0}\)",
    "{0}.",
    "  {0} ",
    r"\displaystyle {0}",
    r"\boldsymbol{{{0}}}",
    r"\bm{{{0}}}",
    r"{0}\,",
    r"\;{0}",
    "{0} \\blacksquare",
    "**{0}**",
    "{{{0}}}",
    "\ufeff{0}",
    "{0}\u200b",
)


@FEW
@given(ANSWERS, ANSWERS, st.sampled_from(STYLES))
def test_the_verdict_does_not_depend_on_the_style(one: str, other: str, style: str) -> None:
    assert outcome(style.format(other), one) == outcome(other, one)
    assert outcome(other, style.format(one)) == outcome(other, one)


@FEW
@given(EXPRESSIONS, EXPRESSIONS)
def test_the_verdict_does_not_depend_on_the_spelling_of_commands(one: str, other: str) -> None:
    spelled = (
        other.replace(r"\frac", r"\dfrac")
        .replace("(", r"\left(")
        .replace(")", r"\right)")
        .replace("-", "−")
    )
    assert outcome(spelled, one) == outcome(other, one)


@FEW
@given(
    st.integers(-9999, 9999),
    st.sampled_from(["cm", r"\text{ cm}", r"\textbf{ apples}", r"\text{ units}^2", " kg"]),
)
def test_a_unit_may_be_left_out_but_no_number_changed(number: int, unit: str) -> None:
    assert (
        outcome(f"{number}{unit}", f"{number}")
        == outcome(f"{number}", f"{number}{unit}")
        == "right"
    )
    assert (
        outcome(f"{number + 1}{unit}", f"{number}")
        == outcome(f"{number + 1}", f"{number}{unit}")
        == "wrong"
    )


WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=9)


@FEW
@given(st.integers(1, 99), st.lists(WORDS, min_size=1, max_size=3))
def test_unknown_words_behind_a_number_are_never_a_unit(number: int, words: list[str]) -> None:
    """Whatever is not in the closed lists is no unit."""
    text = " ".join(words)
    if behind(text) in ("words", "unknown") and len(text) > 2:
        assert outcome(rf"{number}\text{{ {text}}}", f"{number}") != "right"
        assert outcome(f"{number}", rf"{number}\text{{ {text}}}") != "right"


@FEW
@given(st.lists(st.integers(-99, 99), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_order_counts_in_tuples_alone(numbers: list[int], draw: random.Random) -> None:
    other = draw.sample(numbers, len(numbers))
    one, two = (",".join(map(str, side)) for side in (numbers, other))
    assert outcome(f"({one})", f"({two})") == ("right" if numbers == other else "wrong")
    assert outcome(rf"\{{{one}\}}", rf"\{{{two}\}}") == "right"
    assert outcome(rf"\{{{one},100\}}", rf"\{{{two}\}}") == "wrong"


@FEW
@given(ANSWERS, ANSWERS)
def test_equivalence_is_symmetric(one: str, other: str) -> None:
    """But for what cannot be read: as an answer it is wrong, as a reference it decides nothing."""
    forth, back = (MATH.check(rf"\boxed{{{a}}}", b) for a, b in ((one, other), (other, one)))
    if "reference" not in (forth.stage, back.stage):
        assert forth.outcome == back.outcome


@FEW
@given(st.text(max_size=200), st.text(max_size=60))
def test_no_text_raises(text: str, reference: str) -> None:
    for verifier in (
        MATH,
        Numeric(find=(*POLICIES, "field"), several="refuse", units="strict", tolerance="digits"),
    ):
        for shown in (text, rf"\boxed{{{text}}}", f"The answer is {text}"):
            assert verifier.check(shown, reference).outcome in ("right", "wrong", "undecided")


@FEW
@given(st.text(alphabet=r"\{}[]()^_$%&#0123456789.,+-*/=<>!|xyzfracsqtiempo ", max_size=60))
def test_no_latex_raises(text: str) -> None:
    verdict = MATH.check(rf"\boxed{{{text}}}", r"\frac{x}{2}")
    assert verdict.outcome in ("right", "wrong", "undecided")
    assert verdict.outcome == "right" or verdict.reason
