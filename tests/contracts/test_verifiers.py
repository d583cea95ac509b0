"""What every verifier promises: three outcomes, no exception for any text, and proof on one's own
data."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from assay import Group, Prompt, Response, Score, Unscored, Verdict
from assay.errors import DataError
from assay.protocols import Scorer, Verifier
from assay.scorers.code import Executed
from assay.scorers.rule_checks import Ruled
from assay.scorers.verifier import Verified
from assay.verifiers import Math, Numeric
from assay.verifiers.code.suites import Calls, with_suite
from assay.verifiers.code.verifier import Code
from assay.verifiers.rules.checks import Format

pytest.importorskip("math_verify")
pytest.importorskip("pyseccomp")

CODED = with_suite(Prompt.of("Write f."), Calls.of("f", [((1,), 2), ((5,), 6)]))
FORMED = Prompt.of("Think.")

KINDS: dict[str, tuple[Any, Prompt, str, str]] = {
    "numeric": (Verified(Numeric()), Prompt.of("1+1?", reference="2"), "It is 2.", "It is 3."),
    "math": (
        Verified(Math(timeout=20)),
        Prompt.of("?", reference=r"\sqrt{2}"),
        r"\boxed{\sqrt 2}",
        r"\boxed{2}",
    ),
    "code": (Executed(Code()), CODED, "def f(x): return x + 1", "def f(x): return x"),
    "rules": (Ruled(rules=(Format(),)), FORMED, "<think>a</think><answer>b</answer>", "b"),
}
"""Name -> scorer, prompt, a right response and a wrong one."""

HOSTILE = [
    "",
    " ",
    "\0",
    "\ud7ff",
    "{" * 5000,
    r"\boxed{" * 500,
    "```python\n" * 300,
    "<think>" * 2000,
    "9" * 5000,
    "#### \n" * 999,
]


@pytest.mark.parametrize("name", KINDS)
def test_it_is_a_scorer_of_right_and_wrong(name: str) -> None:
    scorer, prompt, right, wrong = KINDS[name]
    assert isinstance(scorer, Scorer)
    group = Group(prompt=prompt, responses=(Response.of(right), Response.of(wrong)))
    assert scorer.score([group, group]) == [[Score(value=1.0), Score(value=0.0)]] * 2
    ((first, second),) = scorer.verdicts([group])
    assert (first.outcome, second.outcome) == ("right", "wrong")
    assert second.reason
    assert first.stage
    assert scorer.score([]) == []


@pytest.mark.parametrize("name", KINDS)
def test_no_text_raises_and_every_verdict_says_why(name: str) -> None:
    scorer, prompt, _, _ = KINDS[name]
    (verdicts,) = scorer.verdicts(
        [Group(prompt=prompt, responses=tuple(map(Response.of, HOSTILE)))]
    )
    for text, verdict in zip(HOSTILE, verdicts, strict=True):
        assert isinstance(verdict, Verdict)
        assert verdict.outcome != "right", text[:20]
        assert verdict.reason
        if verdict.span is not None:
            start, end = verdict.span
            assert 0 <= start <= end <= len(text)


@pytest.mark.parametrize("name", ["numeric", "math", "code"])
def test_a_prompt_without_a_reference_leaves_it_unscored(name: str) -> None:
    scorer, _, right, _ = KINDS[name]
    ((score,),) = scorer.score([Group(prompt=Prompt.of("?"), responses=(Response.of(right),))])
    assert isinstance(score, Unscored)


@pytest.mark.parametrize(
    ("validate", "good"),
    [
        (Numeric().validate, ["1", "2", "1,000"]),
        (Math(timeout=20).validate, ["1", r"\frac{1}{2}", "x+1"]),
        (Code().validate, [("def f(x): return x + 1", Calls.of("f", [((1,), 2), ((5,), 6)]))]),
    ],
)
def test_it_can_be_proved_on_data(
    validate: Callable[[Sequence[Any]], dict[str, int]], good: Sequence[Any]
) -> None:
    counts = validate(good)
    assert counts["planted"] > 0
    with pytest.raises(DataError):
        validate([])


def test_answers_have_keys_that_equal_ones_share() -> None:
    for verifier in (Numeric(), Math()):
        assert isinstance(verifier, Verifier)
        assert verifier.canonical("0.5") == verifier.canonical("1/2")
