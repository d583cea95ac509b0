"""Reports on rubrics: verdicts made by hand, and judges with planted faults."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from assay.data.io import read
from assay.data.rubrics import ABSTAINED, Answer, Credit, Criterion, Judged, Rubric, rate
from assay.errors import DataError
from assay.evaluation.rubrics import (
    agreement,
    by_tag,
    criteria,
    macro_f1,
    order_sensitivity,
    overall,
    uniform,
    votes_of,
    weights_against_uniform,
)
from assay.judges.rubric import RubricScorer
from assay.questions import Distribution, Question
from assay.types import Group, Prompt, Response, StepLabels, Unscored

RUBRIC = Rubric(
    criteria=(
        Criterion(id="a", text="A", points=4, tags=("form",)),
        Criterion(id="b", text="B", points=1, tags=("form", "facts")),
        Criterion(id="c", text="C", points=-2, tags=("facts",)),
        Criterion(id="g", text="G", veto=True),
    )
)


def judged(*credits: float | str | None) -> Judged:
    answers: list[Answer] = []
    for credit in credits:
        known = isinstance(credit, float)
        answers.append(Credit.of(credit) if known else (ABSTAINED if credit else None))
    return Judged(RUBRIC, tuple(answers))


SOME = [
    judged(1.0, 0.0, 0.0, 0.0),
    judged(0.0, None, 0.0, 0.0),
    judged(0.6, "abstained", 0.0, 0.2),
    Unscored(reason="cut off"),
]


def test_figures_of_criteria() -> None:
    a, b, c, g = criteria(SOME)
    assert (a.asked, a.answered, a.credit) == (3, 3, pytest.approx(1.6 / 3))
    assert (a.low, a.high, a.varies) == (0.0, 1.0, True)
    assert (b.answered, b.abstained, b.failed, b.varies) == (1, 1, 1, False)
    assert (c.varies, c.fired, c.always_fires) == (False, 0, False)
    assert (g.gate, g.fired, g.always_fires) == (True, 3, True)
    (more,) = (x for x in criteria([*SOME, judged(1.0, 1.0, 1.0, 0.9)]) if x.id == "g")
    assert (more.fired, more.always_fires) == (3, False)
    never = criteria([judged(None, None, None, None)])
    assert math.isnan(never[0].credit)
    assert not never[3].always_fires


def test_criteria_of_two_rubrics_are_apart() -> None:
    other = RUBRIC.model_copy(update={"normaliser": "rar"})
    both = [judged(1.0, 1.0, 0.0, 1.0), Judged(other, judged(0.0, 1.0, 0.0, 1.0).answers)]
    assert len(criteria(both)) == 8
    assert not any(x.varies for x in criteria(both))


def test_weights_against_uniform_is_the_correlation_of_the_two_scores() -> None:
    rng = np.random.default_rng(0)
    some = [judged(*rng.random(3).round(2).tolist(), 1.0) for _ in range(40)]
    pairs = [[rate(r, one.answers).value for r in (RUBRIC, uniform(RUBRIC))] for one in some]  # type: ignore[union-attr]
    found = weights_against_uniform([*some, Unscored(reason="x")])
    assert found.value == pytest.approx(np.corrcoef(np.array(pairs).T)[0, 1])
    assert found.unscored == 1
    assert found.low < found.value < found.high < 1
    two = weights_against_uniform(some[:6], clusters=[0, 0, 0, 1, 1, 1])
    assert -1 <= two.low <= two.value <= two.high <= 1
    assert math.isnan(weights_against_uniform([some[0]] * 5).value)


def test_weights_of_which_nothing_depends_say_nothing() -> None:
    """The mean of ten times 1/27 is not 1/27."""
    points = 7.0, 5.0, 10.0, 3.0, 1.0, 1.0, -6.0
    criteria = tuple(Criterion(id=str(i), text="x", points=p) for i, p in enumerate(points))
    met = tuple(Credit(float(i in (1, 4, 5))) for i in range(7))
    alike = [Judged(Rubric(criteria=criteria), met)] * 10
    assert math.isnan(weights_against_uniform(alike).value)
    assert [c.points for c in uniform(RUBRIC).criteria] == [1, 1, -1, 1]


def test_order_sensitivity_by_hand() -> None:
    first = [judged(1.0, 0.4, 0.0, 1.0), judged(0.0, 0.0, 0.0, 1.0), SOME[3]]
    second = [judged(0.2, 0.6, 0.0, 1.0), judged(0.0, None, 0.0, 1.0), SOME[0]]
    found = order_sensitivity(first, second)
    assert found.flips.value == pytest.approx(2 / 7)
    assert found.flips.unscored == 1
    assert found.credit.value == pytest.approx(1.0 / 7)
    values = [abs(4.4 - 1.4) / 5, 0.0]
    assert found.value.value == pytest.approx(np.mean(values))
    assert found.value.unscored == 1
    other = Judged(RUBRIC.model_copy(update={"criteria": RUBRIC.criteria[:1]}), (Credit(1.0),))
    with pytest.raises(DataError, match="two rubrics"):
        order_sensitivity([first[0]], [other])


@dataclass
class Placed:
    """Judges by the place that a criterion is asked at, or by its name."""

    by_place: bool

    fingerprint = "placed"

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        def one(place: int, question: Question) -> Distribution:
            met = float(place % 2 if self.by_place else question.name in "ac")
            return Distribution(probabilities=(met, 1.0 - met))

        return [[one(i, q) for i, q in enumerate(some)] for some in questions]


@pytest.mark.parametrize("by_place", [True, False])
def test_a_judge_that_goes_by_the_place_is_found(by_place: bool) -> None:
    group = Group(prompt=Prompt.of("?"), responses=tuple(Response.of(str(i)) for i in range(30)))
    said = [
        RubricScorer(Placed(by_place), RUBRIC, abstain=False, shuffle=seed).judge([group])[0]
        for seed in (0, 1)
    ]
    found = order_sensitivity(*said)
    if by_place:
        assert found.flips.low > 0.2
    else:
        assert found.flips.value == found.value.value == 0


def test_overall_is_clipped_once() -> None:
    assert overall([-1.0, 1.0, 0.6]).value == pytest.approx(0.2)
    assert overall([-1.0, 0.5]).value == 0
    found = overall([0.2, 0.4, 0.9, 0.1], unscored=2)
    assert 0 <= found.low < found.value < found.high <= 1
    assert (found.n, found.unscored) == (4, 2)


def test_tags_skip_responses_without_positive_points_under_them() -> None:
    faults = Rubric(
        criteria=(
            Criterion(id="a", text="A", tags=("form",)),
            Criterion(id="c", text="C", points=-2, tags=("facts",)),
        )
    )
    some = [
        judged(1.0, 0.0, 0.0, 1.0),
        judged(0.0, 1.0, 1.0, 1.0),
        judged(1.0, None, None, 1.0),
        Judged(faults, (Credit(1.0), Credit(1.0))),
    ]
    found = by_tag(some)
    assert found["form"].value == pytest.approx(np.mean([4 / 5, 1 / 5, 1.0, 1.0]))
    assert found["facts"].value == pytest.approx(max(0.0, np.mean([0.0, 1 - 2])))
    assert (found["form"].n, found["facts"].n, found["facts"].unscored) == (4, 2, 1)


def test_macro_f1_by_hand() -> None:
    # tp 3, fp 1, fn 2, tn 4: F1 of met 6/9, of unmet 8/11.
    assert macro_f1(np.array([[3.0, 1, 2, 4]])) == pytest.approx((6 / 9 + 8 / 11) / 2)
    assert macro_f1(np.array([[0.0, 0, 0, 5]])) == 0.5
    assert macro_f1(np.array([[0.0, 5, 5, 0]])) == 0


def one(credit: float | None) -> Judged:
    single = Rubric(criteria=(Criterion(id="a", text="A"),))
    return Judged(single, (None if credit is None else Credit(credit),))


def test_agreement_counts_every_vote() -> None:
    said = [one(0.9), one(0.2), one(0.5), one(None), Unscored(reason="x")]
    votes = [[True, False], [True, False, False], [True], [True], [False]]
    found = agreement(said, votes, categories=["p", "p", "q", "q", "q"])
    # all: tp 1+1, fp 1, fn 1, tn 2
    assert found["all"].value == pytest.approx((4 / 6 + 4 / 6) / 2)
    assert (found["all"].n, found["all"].unscored) == (3, 2)
    assert found["p"].value == pytest.approx((2 / 4 + 4 / 6) / 2)
    assert found["q"].value == pytest.approx(0.5)
    with pytest.raises(DataError, match="4 criteria"):
        agreement(SOME[:1], [[True]])


def test_votes_of_the_meta_evaluation() -> None:
    path = Path(__file__).resolve().parent.parent / "golden" / "healthbench_meta.jsonl"
    records = [record for record in read(path) if isinstance(record, StepLabels)]
    assert [votes_of(record) for record in records] == [[True, True], [True, False], [False]]
    with pytest.raises(DataError, match="no votes"):
        votes_of(StepLabels.outcome(Prompt.of("?"), Response.of("x"), 1.0))
