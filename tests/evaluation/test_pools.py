import json
import math
from itertools import combinations

import numpy as np
import pytest
from scipy.special import expit

from assay.evaluation import evaluate
from assay.types import Prompt, Ranking, Response, Score, StepLabels, Unscored


def ranking(prompt, grades, lengths=None):
    lengths = lengths or range(1, len(grades) + 1)
    return Ranking(
        prompt=Prompt.of(prompt),
        responses=tuple(Response.of("x" * n) for n in lengths),
        grades=tuple(grades),
    )


def scored(values):
    return [Unscored(reason="test") if v is None else Score(value=float(v)) for v in values]


def pools(count=60, size=8, seed=0):
    rng = np.random.default_rng(seed)
    p = expit(1.5 * rng.normal(size=(count, size)))
    right = (rng.random((count, size)) < p).astype(float)
    return p, right


def test_by_hand():
    records = [ranking("a", [1, 0, 0, 1]), ranking("b", [0, 0, 0, 1]), ranking("c", [1, 1, 1, 1])]
    scores = [scored([4, 3, 2, 1]), scored([1, 1, 1, 1]), scored([None, 1, 2, 3])]
    report = evaluate(records, scores)
    # Two of a's four pairs, ties in all of b's, and none in c.
    found = report.metrics["pairwise_accuracy"]
    assert (found.value, found.n, found.unscored) == (0.5, 2, 1)
    # Longest: in a, 1 of 1 and 4 against 2 and 3: two of four; in b all three.
    assert report.baselines["pairwise_accuracy/longest"].value == pytest.approx((0.5 + 1) / 2)
    # c has too few scored responses for n = 4, so the curve is over a and b.
    points = {point.n: point.estimate for point in report.curves["scorer"]}
    assert list(points) == [1, 2, 4]
    assert (points[4].value, points[4].n, points[4].unscored) == ((1 + 0.25) / 2, 2, 1)
    assert points[1].value == pytest.approx((0.5 + 0.25) / 2)
    # a: best of {4,3},{4,2},{4,1} is right, of the other three wrong; b: the mean.
    assert points[2].value == pytest.approx((0.5 + 0.25) / 2)
    assert report.baselines["best_of_4/random"].value == pytest.approx((0.5 + 0.25) / 2)
    assert report.baselines["best_of_4/longest"].value == 1
    assert report.baselines["best_of_4/shortest"].value == 0.5
    assert report.baselines["best_of_4/oracle"].value == 1
    assert report.metrics["best_of_4_over_mean"].value == pytest.approx(0.25)


def test_pairwise_and_auroc_by_brute_force():
    rng = np.random.default_rng(1)
    grades, values = (
        rng.integers(0, 2, (12, 6)).astype(float),
        rng.integers(0, 4, (12, 6)).astype(float),
    )
    report = evaluate(
        [ranking(f"p{i}", g) for i, g in enumerate(grades)], [scored(v) for v in values]
    )
    shares = []
    for g, v in zip(grades, values, strict=True):
        pairs = [
            (i, j) if g[i] > g[j] else (j, i) for i, j in combinations(range(6), 2) if g[i] != g[j]
        ]
        if pairs:
            shares.append(np.mean([(v[i] > v[j]) + (v[i] == v[j]) / 2 for i, j in pairs]))
    assert report.metrics["pairwise_accuracy"].value == pytest.approx(np.mean(shares))
    up, down = values[grades == 1], values[grades == 0]
    assert report.metrics["auroc"].value == pytest.approx(
        np.mean([(a > b) + (a == b) / 2 for a in up for b in down])
    )
    assert report.metrics["auroc"].n == 12


def test_grades_that_are_not_labels_have_no_auroc_and_no_vote():
    report = evaluate([ranking("a", [3, 1, 2])], [scored([3, 1, 2])], answers=[["x", "y", "z"]])
    assert report.metrics["pairwise_accuracy"].value == 1
    assert "auroc" not in report.metrics
    assert "majority" not in report.curves
    assert report.curves["scorer"][-1].estimate.value == 3


def test_votes_stand_beside_the_scorer_where_answers_are_given():
    records = [ranking("a", [1, 1, 0]), ranking("b", [0, 1, 0])]
    scores, answers = (
        [scored([0.2, 0.3, 0.9]), scored([0.1, 0.9, 0.2])],
        [["4", "4", "5"], ["7", "8", "7"]],
    )
    report = evaluate(records, scores, answers=answers, probabilities=True, ns=[3])
    assert report.baselines["best_of_3/majority"].value == 0.5
    assert report.baselines["best_of_3/weighted_majority"].value == 0.5
    assert report.metrics["best_of_3"].value == 0.5
    assert "weighted_majority" not in evaluate(records, scores, answers=answers).curves


def outcome_records(p, right, seed=0):
    """Rows of all prompts in random order, and the scores with them."""
    rows = [(i, j) for i in range(p.shape[0]) for j in range(p.shape[1])]
    order = np.random.default_rng(seed).permutation(len(rows))
    records, scores = [], []
    for i, j in (rows[k] for k in order):
        response = Response(steps=("think. ", "x" * (j + 1)))
        # Case and white space do not make another prompt.
        prompt = Prompt.of(f"Question  {i}" if j % 2 else f"question {i} ")
        records.append(StepLabels.outcome(prompt, response, right[i, j]))
        scores.append([Score(value=p[i, j])])
    return records, scores


def test_outcome_rows_group_by_prompt_into_the_same_pools():
    p, right = pools()
    rows = evaluate(*outcome_records(p, right), probabilities=True, resamples=300)
    groups = evaluate(
        [ranking(f"question {i}", g) for i, g in enumerate(right)],
        [scored(v) for v in p],
        probabilities=True,
        resamples=300,
    )
    assert rows.kind == "outcome"
    assert rows.metrics["best_of_8"].n == 60
    for name, estimate in groups.metrics.items():
        assert rows.metrics[name].value == pytest.approx(estimate.value), name
        assert rows.metrics[name].n == estimate.n, name


def test_calibrated_probabilities_look_so_and_sharpened_ones_do_not():
    p, right = pools(400)
    good = evaluate(*outcome_records(p, right), probabilities=True, resamples=200)
    slope = good.metrics["calibration_slope"]
    assert slope.low - 0.05 < 1 < slope.high + 0.05
    assert good.metrics["ece"].value < good.baselines["ece/calibrated"].high
    assert good.metrics["brier"].high < good.baselines["brier/base_rate"].low
    sharp = p**3 / (p**3 + (1 - p) ** 3)
    bad = evaluate(*outcome_records(sharp, right), probabilities=True, resamples=200)
    assert bad.metrics["calibration_slope"].value == pytest.approx(slope.value / 3, rel=1e-2)
    assert bad.metrics["ece"].low > bad.baselines["ece/calibrated"].high
    assert bad.metrics["auroc"].value == pytest.approx(good.metrics["auroc"].value)


def test_logits_are_ranked_but_not_calibrated():
    p, right = pools(20)
    report = evaluate(*outcome_records(np.log(p / (1 - p)), right), resamples=100)
    assert "auroc" in report.metrics
    assert "brier" not in report.metrics
    assert not report.reliability


def test_rows_without_a_label_are_left_out_and_counted():
    p, right = pools(10)
    records, scores = outcome_records(p, right)
    extra = StepLabels(prompt=Prompt.of("question 1"), response=Response.of("?"), labels=(None,))
    report = evaluate(
        [*records, extra], [*scores, [Score(value=0.5)]], probabilities=True, resamples=50
    )
    assert report.notes[0] == "1 of 81 rows have no label and were left out"
    assert (
        report.metrics["auroc"].value
        == evaluate(records, scores, resamples=50).metrics["auroc"].value
    )


def test_pools_of_different_sizes_share_one_set_of_prompts_over_the_curve():
    records = [ranking("a", [1, 0, 0, 0]), ranking("b", [1, 0, 0, 0]), ranking("c", [1])]
    report = evaluate(records, [scored([1, 2, 3, 4]), scored([4, 3, 2, 1]), scored([1])])
    assert [point.estimate.n for point in report.curves["scorer"]] == [2, 2, 2]
    assert any("2 of 3 prompts" in note for note in report.notes)


def test_baselines_choose_from_what_the_scorer_could_choose_from():
    # The one right response is the longest and was not scored: no baseline may have it either.
    records = [ranking("a", [0, 0, 1])]
    report = evaluate(records, [scored([1, 2, None])], answers=[["x", "y", "z"]], ns=[2])
    for name in ("random", "longest", "oracle", "majority"):
        assert report.baselines[f"best_of_2/{name}"].value == 0
        assert report.baselines[f"best_of_2/{name}"].unscored == 1
    assert report.metrics["best_of_2_over_mean"].value == 0


def test_json_has_no_nan_and_flat_curves():
    report = evaluate([ranking("a", [1, 1])], [scored([1, None])], ns=[1, 2])
    body = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert math.isnan(report.metrics["auroc"].value)
    assert body["metrics"]["auroc"]["value"] is None
    assert body["curves"]["scorer"][0].keys() == {
        "n",
        "value",
        "low",
        "high",
        "prompts",
        "unscored",
    }
    assert body["curves"]["scorer"][1]["n"] == 2


def test_prompts_that_differ_in_punctuation_alone_are_two():
    records = [ranking("2 + 3", [1, 0]), ranking("2 - 3", [1, 0]), ranking("2  - 3", [0, 1])]
    report = evaluate(records, [scored([2, 1])] * 3)
    # The second and the third are one prompt: case and white space do not tell prompts apart.
    assert report.metrics["pairwise_accuracy"].n == 2


def test_outcomes_of_prompts_that_differ_in_punctuation_alone_are_not_put_together():
    records = [
        StepLabels.outcome(Prompt.of(text), Response.of("x"), label)
        for text, label in [("2 + 3", 1.0), ("2 - 3", 0.0)]
    ]
    report = evaluate(records, [scored([1]), scored([2])])
    # Were they, there would be one pair, in which the wrong response has the higher score.
    assert report.metrics["pairwise_accuracy"].n == 0
