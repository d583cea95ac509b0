import math

import numpy as np
import pytest
from scipy.special import expit

from assay.evaluation import evaluate
from assay.types import Preference, Prompt, Response, Score, Unscored


def pair(prompt, first, second, prefer=1.0):
    responses = (Response.of(first), Response.of(second))
    return Preference(prompt=Prompt.of(prompt), responses=responses, prefer=prefer)


def scored(*values):
    return [
        [Unscored(reason="test") if v is None else Score(value=v) for v in two] for two in values
    ]


def planted(n, slope=1.0, seed=0):
    """Pairs whose preference follows sigmoid(slope x score difference), two a prompt, in random
    order."""
    rng = np.random.default_rng(seed)
    s = rng.normal(size=(n, 2)) * 1.5
    prefer = (rng.random(n) < expit(slope * (s[:, 0] - s[:, 1]))).astype(float)
    records = [
        pair(f"p{i // 2}", "x" * rng.integers(1, 20), "x" * rng.integers(1, 20), prefer[i])
        for i in range(n)
    ]
    return records, [[Score(value=float(a)), Score(value=float(b))] for a, b in s]


def test_by_hand():
    records = [
        pair("a", "long one", "short"),
        pair("b", "short", "long one", prefer=0.0),
        pair("c", "x", "xxx"),
        pair("d", "x", "xx"),
        pair("e", "x", "y", prefer=0.5),
        pair("f", "x", "y"),
    ]
    report = evaluate(records, scored((2, 1), (3, 0), (1, 1), (0, 4), (9, 1), (None, 1)))
    accuracy = report.metrics["accuracy"]
    # Right, wrong, tied, wrong; the fifth has no preferred side and the sixth no score.
    assert (accuracy.value, accuracy.n, accuracy.unscored) == (1.5 / 4, 4, 1)
    assert report.metrics["mean_margin"].value == (1 - 3 + 0 - 4) / 4
    assert report.baselines["accuracy/longer"].value == 0.5
    assert report.baselines["accuracy/random"].value == 0.5
    assert report.metrics["brier"].value == pytest.approx(np.mean((1 - expit([1, -3, 0, -4])) ** 2))
    assert any(note.startswith("1 of 6 pairs prefer neither") for note in report.notes)
    assert any(note.startswith("1 of 4 scored pairs have equal scores") for note in report.notes)
    assert report.kind == "preference"


def test_every_number_is_indifferent_to_order_in_pairs_and_to_a_shift_of_each_prompt():
    records, scores = planted(120)
    report = evaluate(records, scores, resamples=200)
    moved = []
    for i, (one, two) in enumerate(scores):
        shift = (i // 2) % 7 - 3.0
        moved.append([Score(value=one.value + shift), Score(value=two.value + shift)])
    swapped = [record.swap() if i % 3 else record for i, record in enumerate(records)]
    moved = [two[::-1] if i % 3 else two for i, two in enumerate(moved)]
    again = evaluate(swapped, moved, resamples=200)
    for name, estimate in report.metrics.items():
        other = again.metrics[name]
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
            (other.value, other.low, other.high)
        )
    for name, estimate in report.baselines.items():
        assert estimate.value == pytest.approx(again.baselines[name].value)


def test_the_scorer_is_tested_against_the_better_length_ruler():
    records = [pair(f"p{i}", "x", "xx") for i in range(12)] + [
        pair(f"q{i}", "xx", "x") for i in range(2)
    ]
    report = evaluate(records, scored(*[(0, 1)] * 10, *[(1, 0)] * 4))
    # Shorter is right in the first 12, the scorer in the last 4.
    test = report.tests["accuracy/shorter"]
    assert (test.only_a, test.only_b, test.n) == (2, 10, 14)
    assert test.p_value == pytest.approx(158 / 4096)
    assert report.metrics["accuracy_over_shorter"].value == pytest.approx((4 - 12) / 14)


@pytest.mark.parametrize("slope", [1.0, 0.5])
def test_planted_slope_is_recovered_and_calibration_tells_them_apart(slope):
    report = evaluate(*planted(3000, slope), resamples=200)
    found = report.metrics["calibration_slope"]
    assert found.low - 0.05 < slope < found.high + 0.05
    assert found.high - found.low < 0.3
    calibrated = report.metrics["ece"].value <= report.baselines["ece/calibrated"].high
    assert calibrated == (slope == 1.0)
    assert found.n == 1500


def test_length_scorer_ties_with_its_ruler():
    records, _ = planted(200)
    scores = [[Score(value=-float(len(r.text))) for r in record.responses] for record in records]
    report = evaluate(records, scores, resamples=100)
    assert report.metrics["accuracy"].value == pytest.approx(
        report.baselines["accuracy/shorter"].value
    )
    longer, shorter = (
        report.baselines["accuracy/longer"].value,
        report.baselines["accuracy/shorter"].value,
    )
    assert longer + shorter == pytest.approx(1)


def test_soft_preferences_and_probabilities():
    report = evaluate([pair("a", "x", "y", prefer=0.7)], scored((0.8, 0.5)), probabilities=True)
    # logit(.8) - logit(.5) is log 4, whose sigmoid is .8.
    assert report.metrics["brier"].value == pytest.approx((0.8 - 0.7) ** 2)


def test_when_nothing_is_scored_the_report_says_so():
    report = evaluate([pair("a", "x", "y")], scored((None, None)))
    assert math.isnan(report.metrics["accuracy"].value)
    assert (report.metrics["accuracy"].n, report.metrics["accuracy"].unscored) == (0, 1)


def test_temperature_is_found_on_other_prompts_and_divides_margins():
    records, scores = planted(600, slope=0.5)
    cold = evaluate(records, scores, resamples=100)
    warm = evaluate(records, scores, resamples=100, temperature=2.0)
    rescaled = cold.metrics["calibration_slope_rescaled"]
    assert rescaled.low <= 1 <= rescaled.high
    assert cold.metrics["nll"].value > cold.metrics["nll_rescaled"].value
    assert warm.metrics["nll_rescaled"].value == pytest.approx(cold.metrics["nll_rescaled"].value)
    assert warm.metrics["calibration_slope"].value == pytest.approx(
        2 * cold.metrics["calibration_slope"].value
    )
    debiased = warm.metrics["squared_ece_debiased"]
    assert debiased.low <= 0 <= debiased.high
    assert cold.metrics["squared_ece_debiased"].low > 0
    for name in ("accuracy", "mean_margin", "aurc", "aurc_excess"):
        assert warm.metrics[name] == cold.metrics[name]


def test_the_surest_are_right_more_often():
    report = evaluate(*planted(600), resamples=100)
    assert report.baselines["aurc/oracle"].value < report.metrics["aurc"].value
    assert report.metrics["aurc"].value < report.baselines["aurc/random"].value
    first, last = report.selective[0].accuracy, report.selective[-1].accuracy
    assert first.value > last.value
    assert last.value == pytest.approx(report.metrics["accuracy"].value)
    assert report.to_json()["selective"][0]["share"]["value"] == pytest.approx(0.05)
