"""Records refuse what is malformed and survive a round trip through JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from assay import (
    Message,
    Preference,
    Prompt,
    Ranking,
    Response,
    Score,
    StepLabels,
    Unscored,
    Verdict,
)

PROMPT = Prompt.of("2 + 2?", reference="4")
PAIR = (Response.of("4"), Response.of("5"))

texts = st.text(max_size=20)
responses = st.lists(texts, max_size=4).map(lambda steps: Response(steps=tuple(steps)))
labels = st.one_of(st.none(), st.floats(0, 1))


@given(st.lists(st.tuples(texts, labels), max_size=5), texts)
def test_step_labels_round_trip(steps: list[tuple[str, float | None]], question: str) -> None:
    record = StepLabels(
        prompt=Prompt.of(question),
        response=Response(steps=tuple(text for text, _ in steps)),
        labels=tuple(label for _, label in steps),
    )
    assert StepLabels.model_validate_json(record.model_dump_json()) == record
    assert record.response.text == "".join(text for text, _ in steps)


@given(st.floats(0, 1), responses, responses)
def test_swapping_a_preference_twice_gives_it_back(
    prefer: float, first: Response, second: Response
) -> None:
    pair = Preference(prompt=PROMPT, responses=(first, second), prefer=prefer)
    assert pair.swap().responses == (second, first)
    assert pair.swap().prefer == 1 - prefer
    assert pair.swap().swap().prefer == pytest.approx(prefer, abs=1e-15)


def test_an_outcome_labels_the_last_step_alone() -> None:
    record = StepLabels.outcome(PROMPT, Response(steps=("a", "b", "c")), 1.0)
    assert record.labels == (None, None, 1.0)


@pytest.mark.parametrize("prefer", [-0.1, 1.1, float("nan")])
def test_a_preference_is_a_probability(prefer: float) -> None:
    with pytest.raises(ValidationError):
        Preference(prompt=PROMPT, responses=PAIR, prefer=prefer)


def test_a_preference_holds_two_responses() -> None:
    with pytest.raises(ValidationError, match="holds 2 responses, got 1"):
        Preference(prompt=PROMPT, responses=PAIR[:1], prefer=1)


def test_grades_and_labels_are_one_each() -> None:
    with pytest.raises(ValidationError, match="1 grades for 2 responses"):
        Ranking(prompt=PROMPT, responses=PAIR, grades=(1.0,))
    with pytest.raises(ValidationError, match="2 labels for 1 steps"):
        StepLabels(prompt=PROMPT, response=PAIR[0], labels=(1.0, 0.0))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_is_finite(value: float) -> None:
    with pytest.raises(ValidationError):
        Score(value=value)


def test_unknown_fields_are_refused_and_records_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Message.model_validate({"role": "user", "content": "x", "weight": 1})
    with pytest.raises(ValidationError):
        PROMPT.id = "other"  # type: ignore[misc]


def test_a_score_and_an_unscored_are_told_apart_in_json() -> None:
    either = TypeAdapter(Score | Unscored)
    for item in (Score(value=0.0), Unscored(reason="too long")):
        assert either.validate_json(item.model_dump_json()) == item


def test_a_verdict_scores_what_it_decides_and_nothing_else() -> None:
    assert Verdict(outcome="right").score == Score(value=1.0)
    assert Verdict(outcome="wrong", reason="x").score == Score(value=0.0)
    assert Verdict(outcome="wrong", credit=0.25).score == Score(value=0.25)
    assert Verdict(outcome="undecided", reason="too long").score == Unscored(reason="too long")
