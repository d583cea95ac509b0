"""Typed decisions: published and hand-made values."""

import math

import numpy as np
import pytest

from assay.data.decisions import Decisions
from assay.errors import ConfigError, DataError
from assay.evaluation.decisions import brier, coverage, credit, divergence, evaluate
from assay.questions import Distribution, Question
from assay.types import Prompt, Unscored

TRUE = Question.predicate("Is it so?")
WHICH = Question.choice("Which?", ["a", "b", "c"])


def of(*p: float) -> Distribution:
    return Distribution(probabilities=p)


GOLD, FOUND, THIRDS = of(0.7, 0.2, 0.1), of(0.5, 0.3, 0.2), of(1 / 3, 1 / 3, 1 / 3)


def record(number: int, *gold: Distribution | None, ask: Question = WHICH) -> Decisions:
    return Decisions(prompt=Prompt.of(f"state {number}"), questions=(ask,) * len(gold), gold=gold)


@pytest.mark.parametrize(
    ("gold", "found", "kl", "squares"),
    [
        (GOLD, FOUND, 0.085123, 0.06),
        (GOLD, THIRDS, 0.296794, 0.206667),
        (of(1.0, 0.0, 0.0), FOUND, math.log(2), 0.38),
        (GOLD, GOLD, 0.0, 0.0),
        (of(1.0, 0.0, 0.0), of(0.0, 1.0, 0.0), math.log(1e9), 2.0),
    ],
)
def test_divergence_and_brier(
    gold: Distribution, found: Distribution, kl: float, squares: float
) -> None:
    # The clip on the other side is worth 1e-9 ln(1e-9) at most.
    assert divergence(gold, found) == pytest.approx(kl, abs=1e-6)
    assert brier(gold, found) == pytest.approx(squares, abs=1e-6)


def test_credit_of_ties() -> None:
    assert credit(GOLD, THIRDS) == pytest.approx(1 / 3)
    assert credit(of(0.4, 0.4, 0.2), of(0.0, 1.0, 0.0)) == 0
    assert credit(of(0.4, 0.4, 0.2), of(1.0, 0.0, 0.0)) == 1


def test_a_report_by_hand() -> None:
    yes = of(0.75, 0.25)
    records = [
        record(0, GOLD, GOLD),
        record(1, GOLD, None),
        record(2, yes, ask=TRUE),
        record(3, GOLD, GOLD),
    ]
    wrong = of(0.1, 0.8, 0.1)
    answers = [
        [FOUND, wrong],
        [FOUND, wrong],
        [of(0.5, 0.5)],
        [FOUND, Unscored(reason="refused")],
    ]
    report = evaluate(records, answers)
    metrics = report.metrics
    assert metrics["accuracy"].value == pytest.approx((1 + 0 + 1 + 0.5 + 1) / 5)
    assert metrics["accuracy/choice"].value == pytest.approx(3 / 4)
    assert metrics["accuracy/predicate"].value == pytest.approx(0.5)
    assert {metrics[key].unscored for key in ("accuracy", "kl", "brier", "ece")} == {1}
    kls = [0.085123, divergence(GOLD, wrong), 0.085123, divergence(yes, of(0.5, 0.5)), 0.085123]
    assert metrics["kl"].value == pytest.approx(np.mean(kls), abs=1e-6)
    assert metrics["kl"].n == 4
    # States 0 and 2 are wrong in part, 1 is right, 3 has no answer to one question.
    assert metrics["exact"].value == pytest.approx(1 / 3)
    assert metrics["exact"].unscored == 1
    # Bin [.5, .6): four answers of .5, right 3.5 times; bin [.8, .9): one of .8, wrong.
    assert metrics["ece"].value == pytest.approx((abs(3.5 - 2.0) + 0.8) / 5)
    assert metrics["ece_soft"].value == pytest.approx((abs(3 * 0.7 + 0.75 - 2.0) + 0.6) / 5)
    # Of the choices alone: three answers of .5, right each time, and one of .8.
    assert metrics["ece/choice"].value == pytest.approx((1.5 + 0.8) / 4)
    assert metrics["ece_equal_count/choice"].value == pytest.approx((1.5 + 0.8) / 4)
    assert metrics["kl/predicate"].value == pytest.approx(divergence(yes, of(0.5, 0.5)))
    assert metrics["brier/choice"].n == 3
    assert "exact/choice" not in metrics
    base = report.baselines
    assert base["accuracy/uniform"].value == pytest.approx((5 * 1 / 3 + 1 / 2) / 6)
    assert base["brier/uniform"].value == pytest.approx((5 * 0.206667 + 0.125) / 6, abs=1e-5)
    assert base["kl/uniform"].unscored == 0
    assert "accuracy/prior" not in base


def test_the_prior_is_the_mean_gold_of_the_same_question() -> None:
    train = [record(5, of(0.2, 0.7, 0.1)), record(6, of(0.4, 0.5, 0.1))]
    test = [record(0, of(0.3, 0.6, 0.1)), record(1, of(1.0, 0.0), ask=TRUE)]
    base = evaluate(test, [[FOUND], [of(0.9, 0.1)]], train=train).baselines
    # The choice is met exactly, and the predicate, which is not there, uniformly.
    assert base["kl/prior"].value == pytest.approx(math.log(2) / 2, abs=1e-6)
    assert base["accuracy/prior"].value == pytest.approx((1 + 0.5) / 2)


def test_calibrated_answers_have_no_soft_error() -> None:
    rng = np.random.default_rng(0)
    drawn = [of(*p) for p in rng.dirichlet(np.ones(3), size=400)]
    records = [record(i, one) for i, one in enumerate(drawn)]
    metrics = evaluate(records, [[one] for one in drawn]).metrics
    assert metrics["ece_soft"].value == pytest.approx(0)
    # Gold's argmax is always met, so hard labels make the same answers look unsure.
    assert metrics["accuracy"].value == 1
    assert metrics["ece"].value > 0.25


def test_coverage_by_hand() -> None:
    records = [record(i, GOLD) for i in range(4)]
    answers: list[list[Distribution | Unscored]] = [
        [of(0.9, 0.05, 0.05)],
        [of(0.05, 0.9, 0.05)],
        [of(0.6, 0.2, 0.2)],
        [Unscored(reason="refused")],
    ]
    points = coverage(records, answers, "top", [0.0, 0.7, 0.95])
    assert [point.share.value for point in points] == [0.75, 0.5, 0.0]
    assert [point.accuracy.value for point in points[:2]] == [pytest.approx(2 / 3), 0.5]
    assert math.isnan(points[2].accuracy.value)
    with pytest.raises(ConfigError, match="label mass"):
        coverage(records, answers, "mass")


def test_what_cannot_be_evaluated() -> None:
    with pytest.raises(DataError, match="no question has a gold"):
        evaluate([record(0, None)], [[FOUND]])
    with pytest.raises(DataError, match="1 lists of answers for 2"):
        evaluate([record(0, GOLD)] * 2, [[FOUND]])
    with pytest.raises(DataError, match="record 0: 2 answers to 1"):
        evaluate([record(0, GOLD)], [[FOUND, FOUND]])
