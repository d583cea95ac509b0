import math

import numpy as np
import pytest
from scipy.special import expit

from assay.data.records import as_groups
from assay.errors import DataError
from assay.evaluation import evaluate
from assay.types import Message, Preference, Prompt, Response, Score, StepLabels, Unscored


def labelled(prompt, *labels):
    steps = tuple(f"step {i}. " for i in range(len(labels)))
    return StepLabels(prompt=Prompt.of(prompt), response=Response(steps=steps), labels=labels)


def judged(*steps):
    return [Score(value=min(steps), steps=steps)]


def test_by_hand():
    records = [
        labelled("a", 1, 1, 0, None),
        labelled("b", 1, 1),
        labelled("c", 1, 0),
        labelled("d", 1, None, 0),
        labelled("e", 1, 1),
    ]
    scores = [
        judged(0.9, 0.6, 0.1, 0.9),  # the first error found
        judged(0.9, 0.4),  # an error where there is none
        judged(0.9, 0.5),  # an error missed: one half is right
        judged(0.9, 0.1, 0.1),  # the first error is not known: the second step has no label
        [Unscored(reason="test")],
    ]
    report = evaluate(records, scores, probabilities=True)
    assert report.kind == "process"
    accuracy = report.metrics["step_accuracy"]
    assert (accuracy.value, accuracy.n, accuracy.unscored) == (pytest.approx(7 / 9), 4, 1)
    assert report.baselines["step_accuracy/base_rate"].value == pytest.approx(6 / 9)
    assert report.baselines["step_base_rate"].value == pytest.approx(6 / 9)
    first = report.metrics["first_error_accuracy"]
    assert (first.value, first.n) == (pytest.approx(1 / 3), 3)
    assert report.metrics["first_error_accuracy_wrong"].value == 0.5
    assert report.metrics["first_error_accuracy_right"].value == 0
    assert report.baselines["first_error_accuracy/never"].value == pytest.approx(1 / 3)
    # Right: .9 .6 .9 .4 .9 .9; wrong: .1 .5 .1. Only .4 against .5 is lost.
    assert report.metrics["step_auroc"].value == pytest.approx(17 / 18)
    assert any(note.startswith("2 of 11 steps") for note in report.notes)
    assert any(note.startswith("1 of 4 responses have an unlabelled step") for note in report.notes)


def test_logits_are_cut_at_zero():
    records = [labelled("a", 1, 0), labelled("b", 0, 1)]
    p = [(0.8, 0.3), (0.6, 0.9)]
    as_probabilities = evaluate(records, [judged(*x) for x in p], probabilities=True)
    as_logits = evaluate(records, [judged(*np.log(np.array(x) / (1 - np.array(x)))) for x in p])
    for name, estimate in as_logits.metrics.items():
        assert as_probabilities.metrics[name].value == pytest.approx(estimate.value, nan_ok=True)
    assert "step_brier" in as_probabilities.metrics
    assert "step_brier" not in as_logits.metrics


def test_calibrated_steps_look_so():
    rng = np.random.default_rng(0)
    p = expit(2 * rng.normal(size=(300, 5)))
    y = (rng.random(p.shape) < p).astype(float)
    records = [labelled(f"p{i}", *row) for i, row in enumerate(y)]
    report = evaluate(records, [judged(*row) for row in p], probabilities=True, resamples=200)
    slope = report.metrics["step_calibration_slope"]
    assert slope.low - 0.05 < 1 < slope.high + 0.05
    assert slope.n == 300
    assert report.metrics["step_ece"].value < report.baselines["step_ece/calibrated"].high
    assert report.metrics["step_accuracy_over_base_rate"].low > 0


def test_a_scorer_without_step_scores_is_refused():
    with pytest.raises(DataError, match="record 0: 0 step scores for 2 steps"):
        evaluate([labelled("a", 1, 0)], [[Score(value=1.0)]])


def test_everything_unscored():
    report = evaluate([labelled("a", 1, 0)], [[Unscored(reason="test")]], probabilities=True)
    assert math.isnan(report.metrics["step_accuracy"].value)
    assert report.metrics["step_accuracy"].unscored == 1


def test_as_groups_gives_what_a_scorer_scores():
    step = labelled("a", 1, 0)
    two = Preference(
        prompt=Prompt.of("b"), responses=(Response.of("x"), Response.of("y")), prefer=1.0
    )
    assert [len(group.responses) for group in as_groups([step, two])] == [1, 2]
    assert as_groups([step])[0].prompt == step.prompt
    assert type(as_groups([two])[0]).__name__ == "Group"
    with pytest.raises(DataError, match="Message records"):
        as_groups([Message(role="user", content="x")])


def test_refusals():
    step = labelled("a", 1)
    two = Preference(
        prompt=Prompt.of("b"), responses=(Response.of("x"), Response.of("y")), prefer=1.0
    )
    one = [Score(value=0.0)]
    with pytest.raises(DataError, match="no record"):
        evaluate([], [])
    with pytest.raises(DataError, match="Preference, StepLabels"):
        evaluate([step, two], [one, one * 2])
    with pytest.raises(DataError, match="2 groups of scores for 1 records"):
        evaluate([step], [one, one])
    with pytest.raises(DataError, match="record 0: 1 scores for 2 responses"):
        evaluate([two], [one])
    with pytest.raises(DataError, match="no record has a label"):
        evaluate([labelled("a", None)], [one])
    with pytest.raises(DataError, match="outside \\[0, 1\\]"):
        evaluate(
            [labelled("a", 1), labelled("a", 0)], [[Score(value=3.0)], one], probabilities=True
        )
