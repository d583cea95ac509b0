"""Each diagnostic by hand, and on scorers that are planted to have its disease."""

import math
from pathlib import Path

import numpy as np
import pytest

from assay.benchmarks.bigbench_mistake import BIGBenchMistake
from assay.benchmarks.diagnostics import Diagnostics
from assay.errors import DataError
from assay.types import StepLabels
from tests.benchmarks.planted import LOST, many, noisy, says, scored, solution


def test_minimum_at_last_by_hand():
    records = [solution(f"a-{i}", "a", steps) for i, steps in enumerate((2, 2, 3, 1, 2))]
    scores = [scored(0.9, 0.1), scored(0.1, 0.9), scored(0.9, 0.2, 0.2), scored(0.5), LOST]
    found = Diagnostics().metrics(records, scores)["minimum_at_last"]
    # One, none, half of a tie; one step has no last to speak of; one is unscored.
    assert (found.value, found.n, found.unscored) == (pytest.approx(1.5 / 3), 3, 1)


def test_an_outcome_model_is_found_out():
    records = many(200, 0)
    outcome = [scored(*[0.9] * (len(r.labels) - 1), 0.1 if 0 in r.labels else 0.8) for r in records]
    assert Diagnostics().metrics(records, outcome)["minimum_at_last"].value == 1
    process = noisy(records, 1, noise=0.1)
    baselines = Diagnostics(resamples=50).baselines(records)
    chance = np.mean([1 / len(r.labels) for r in records])
    assert baselines["minimum_at_last/always_right"].value == pytest.approx(chance)
    assert Diagnostics().metrics(records, process)["minimum_at_last"].value < 0.6


def test_accuracy_by_position_by_hand():
    records = [solution("a-0", "a", 4), solution("a-1", "a", 4, 2), solution("a-2", "a", 2, 1)]
    scores = [scored(0.9, 0.9, 0.1, 0.9), scored(0.9, 0.1, 0.1, 0.9), scored(0.9, 0.5)]
    found = Diagnostics(positions=3).metrics(records, scores)
    assert found["step_accuracy_1"].value == 1
    assert found["step_accuracy_2"].value == pytest.approx(1 / 3)
    # Third and fourth: one of the right solution's two, and the error; what follows the error has
    # no label.
    assert found["step_accuracy_3_on"].value == pytest.approx(2 / 3)
    assert found["step_accuracy"].value == pytest.approx(6 / 9)
    assert "step_accuracy_4" not in found


def test_macro_f1_and_auroc_by_hand():
    records = [solution("a-0", "a", 3), solution("a-1", "a", 3, 1), solution("b-0", "b", 2, 0)]
    scores = [scored(0.9, 0.9, 0.4), scored(0.6, 0.7, 0.1), scored(0.2, 0.9)]
    found = Diagnostics().metrics(records, scores)
    # Steps: four right ones, three of them called right, and two wrong ones, one of them called
    # wrong; what follows an error has no label.
    assert found["step_macro_f1"].value == pytest.approx(
        (2 * 3 / (2 * 3 + 1 + 1) + 2 * 1 / (2 * 1 + 1 + 1)) / 2
    )
    # Of the right ones' .9, .9, .4 and .6, two are above the wrong ones' .7, four above .2.
    assert found["step_auroc"].value == pytest.approx((2 + 4) / 8)
    # Of the solutions, none is called right; the right one's lowest is .4, above .1 and .2.
    assert found["solution_macro_f1"].value == pytest.approx((0 + 2 * 2 / (2 * 2 + 1)) / 2)
    assert found["solution_auroc"].value == 1
    assert found["a_step_auroc"].value == pytest.approx(2 / 4)
    assert found["b_solution_macro_f1"].value != found["b_solution_macro_f1"].value  # NaN
    lost = Diagnostics().metrics(records, [*scores[:2], LOST])
    assert lost["step_macro_f1"].value == pytest.approx(found["a_step_macro_f1"].value)
    assert (lost["solution_auroc"].n, lost["solution_auroc"].unscored) == (2, 1)
    baselines = Diagnostics().baselines(records)
    assert baselines["step_auroc/always_right"].value == 0.5
    assert baselines["step_macro_f1/always_right"].value == pytest.approx(2 * 4 / (2 * 4 + 2) / 2)


def test_macro_f1_and_auroc_are_those_of_the_textbook():
    records = many(60, 3)
    scores = noisy(records, 4, noise=1.0)
    found = Diagnostics(resamples=50).metrics(records, scores)
    pairs = [
        (x, y)
        for record, (score,) in zip(records, scores, strict=True)
        for x, y in zip(score.steps, record.labels, strict=True)
        if y is not None
    ]
    wins = [(a > b) + (a == b) / 2 for a, p in pairs for b, q in pairs if p > q]
    assert found["step_auroc"].value == pytest.approx(np.mean(wins))
    f1 = []
    for cls in (True, False):
        said = [(x >= 0.5) is cls for x, _ in pairs]
        true = [(y > 0.5) is cls for _, y in pairs]
        both = sum(a and b for a, b in zip(said, true, strict=True))
        precision, recall = both / sum(said), both / sum(true)
        f1.append(2 * precision * recall / (precision + recall))
    assert found["step_macro_f1"].value == pytest.approx(np.mean(f1))


def test_wrong_process_by_hand():
    records = [
        solution("a-0", "a", 3, 1, final_answer_correct=True),
        solution("a-1", "a", 3, 1, final_answer_correct=True),
        solution("a-2", "a", 3, 1, final_answer_correct=True),
        solution("a-3", "a", 3, final_answer_correct=True),
        solution("a-4", "a", 3, 1, final_answer_correct=False),
        solution("a-5", "a", 3, 1),  # nobody says
    ]
    found = Diagnostics().metrics(
        records, [says(3, 1), says(3, 2), says(3), says(3), says(3, 1), says(3, 1)]
    )
    assert (found["wrong_process"].value, found["wrong_process"].n) == (pytest.approx(3 / 4), 4)
    assert (found["wrong_process_noticed"].value, found["wrong_process_noticed"].n) == (
        pytest.approx(2 / 3),
        3,
    )
    assert found["wrong_process_located"].value == pytest.approx(1 / 3)
    lost = Diagnostics().metrics(records, [says(3, 1), LOST, says(3), says(3), LOST, LOST])
    assert (lost["wrong_process_located"].value, lost["wrong_process_located"].unscored) == (0.5, 1)


def test_the_rates_that_the_paper_counts():
    """259 of the 500 right answers on Omni-MATH hide a wrong process (ProcessBench), 7 of 200 on
    GSM8K."""
    for lucky, right, rate in (
        (7, 193, 0.035),
        (94, 406, 0.188),
        (161, 339, 0.322),
        (259, 241, 0.518),
    ):
        records = [
            solution(str(i), "a", 2, 0 if i < lucky else -1, final_answer_correct=True)
            for i in range(lucky + right)
        ]
        found = Diagnostics(resamples=50, probabilities=False).metrics(
            records, [says(2)] * len(records)
        )
        assert found["wrong_process"].value == pytest.approx(rate)
        assert found["wrong_process_noticed"].value == 0


def test_calibration():
    rng = np.random.default_rng(0)
    records, scores, overconfident = [], [], []
    for i in range(400):
        p = rng.uniform(0.05, 0.95, size=5)
        labels = tuple((rng.random(5) < p).astype(float).tolist())
        records.append(solution(str(i), "a", 5).model_copy(update={"labels": labels}))
        scores.append(scored(*p.tolist()))
        overconfident.append(scored(*(1 / (1 + ((1 - p) / p) ** 3)).tolist()))
    well = Diagnostics(resamples=200).metrics(records, scores)
    badly = Diagnostics(resamples=200).metrics(records, overconfident)
    assert well["step_calibration_slope"].low < 1 < well["step_calibration_slope"].high
    assert well["step_ece"].value <= well["step_ece_if_calibrated"].high
    assert badly["step_calibration_slope"].high < 0.5
    assert badly["step_ece"].value > badly["step_ece_if_calibrated"].high
    assert badly["step_brier"].value > well["step_brier"].value
    baselines = Diagnostics(resamples=50).baselines(records)
    y = np.mean([label for record in records for label in record.labels])
    assert baselines["step_brier/base_rate"].value == pytest.approx(y * (1 - y))


def test_scores_that_are_not_probabilities():
    records = [solution("a-0", "a", 2, 1), solution("a-1", "a", 2)]
    with pytest.raises(DataError, match="1 of 4 step scores are outside"):
        Diagnostics().metrics(records, [scored(3.0, 0.2), scored(0.9, 0.9)])
    found = Diagnostics(probabilities=False, threshold=0.0).metrics(
        records, [scored(3.0, -0.2), scored(0.9, 0.0)]
    )
    assert found["step_accuracy"].value == 1
    assert "step_brier" not in found


def test_labels_that_say_nothing_are_left_out():
    soft = solution("a-0", "a", 4).model_copy(update={"labels": (0.9, 0.5, None, 0.2)})
    found = Diagnostics().metrics([soft], [scored(0.9, 0.1, 0.1, 0.1)])
    assert found["step_accuracy"].value == 1
    assert math.isnan(found["step_accuracy_2"].value)
    assert Diagnostics().baselines([soft])["step_accuracy/always_right"].value == 0.5


def test_everything_unscored():
    records = many(6, 0)
    found = Diagnostics().metrics(records, [LOST] * 6)
    assert math.isnan(found["step_accuracy"].value)
    assert found["step_accuracy"].unscored == 6


def test_any_step_labelled_file_can_be_read():
    golden = Path(__file__).resolve().parent.parent / "golden"
    benchmark = Diagnostics(
        data=(str(golden / "prm800k.jsonl"), str(golden / "processbench.jsonl")), resamples=50
    )
    records = benchmark.records()
    assert len({record.prompt.id for record in records}) == len(records) == 8
    assert all(isinstance(record, StepLabels) for record in records)
    benchmark.validate(records)
    with pytest.raises(DataError, match="Preference records"):
        Diagnostics(data=(str(golden / "trl_preference.jsonl"),)).records()


def test_right_answers_with_a_wrong_process_in_public_data(assay_data: Path):
    """The chain's answer is the target in 660 of 2,186; a third of these have a mistake on the
    way."""
    records = BIGBenchMistake(data=(str(assay_data / "steps" / "bigbench_mistake"),)).records()
    found = Diagnostics(resamples=50).baselines(records)["wrong_process/always_right"]
    assert found.n == pytest.approx(660, abs=3)
    assert found.value == pytest.approx(213 / 660, abs=0.003)
