"""Dawid-Skene: against another implementation, against brute force, and on planted annotators."""

from itertools import pairwise

import numpy as np
import pytest
from experiments.simulated_annotators import codes_of

from assay.annotate.dawid_skene import dawid_skene, pooled_posterior
from assay.errors import DataError

# Drawn at random: 30 items, 4 annotators, 3 categories, a fifth of the labels missing.
CODES = np.array([
    [2, -1, 2, 2], [2, -1, 0, 1], [2, -1, -1, 0], [2, 2, 2, 0], [1, 0, -1, 1], [2, 2, 2, 0],
    [2, -1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, -1, -1], [0, -1, 0, -1], [2, 2, 2, -1],
    [-1, 0, 0, 2], [0, 0, 0, 0], [1, 0, 1, 1], [2, 2, -1, 1], [0, 2, -1, 2], [2, 2, 2, -1],
    [0, 0, 0, 1], [1, 1, 1, 1], [-1, 0, -1, 1], [1, 0, 0, -1], [1, 1, 1, -1], [0, -1, 0, 0],
    [2, 2, 0, -1], [0, 0, 0, 0], [2, 2, -1, 2], [1, 1, -1, 2], [-1, 1, -1, 1], [1, -1, 0, 1],
])  # fmt: skip


def test_it_is_what_crowd_kit_1_4_2_gives():
    """`crowdkit.aggregation.DawidSkene(n_iter=2000, tol=1e-12)` on these labels."""
    fit = dawid_skene(CODES, 3, tolerance=1e-13, most=3000, resamples=0)
    assert fit.converged
    assert fit.prior_C == pytest.approx([0.298995, 0.355479, 0.345526], abs=1e-6)
    first = [[1, 0, 0], [0, 0.807144, 0.192856], [0.100170, 0, 0.899830]]
    assert fit.confusion_A_C_C[0] == pytest.approx(np.array(first), abs=1e-6)
    last = [[0.712874, 0.180461, 0.106665], [0, 0.855272, 0.144728], [0.410554, 0.180813, 0.408633]]
    assert fit.confusion_A_C_C[3] == pytest.approx(np.array(last), abs=1e-6)
    soft = [[0, 0, 1], [0, 0.67255, 0.32745], [0, 0, 1]]
    assert fit.soft_I_C[:3] == pytest.approx(np.array(soft), abs=1e-5)


def test_log_likelihood_by_brute_force():
    fit = dawid_skene(CODES, 3, resamples=0)
    total = 0.0
    for row in CODES:
        said = [(a, k) for a, k in enumerate(row) if k >= 0]
        each = [
            fit.prior_C[c] * np.prod([fit.confusion_A_C_C[a, c, k] for a, k in said])
            for c in range(3)
        ]
        total += np.log(sum(each))
    # The last expectation was taken at the parameters that are returned.
    assert fit.log_likelihood == pytest.approx(total, rel=1e-6)


def test_every_iteration_raises_the_likelihood():
    heights = [dawid_skene(CODES, 3, most=k, resamples=0).log_likelihood for k in range(1, 15)]
    assert all(b >= a - 1e-9 for a, b in pairwise(heights))
    assert not dawid_skene(CODES, 3, most=2, resamples=0).converged
    assert any("converged" in c for c in dawid_skene(CODES, 3, most=2, resamples=0).caveats)


def test_order_of_items_annotators_and_categories_is_no_matter():
    fit = dawid_skene(CODES, 3, resamples=0)
    turned = np.where(CODES < 0, -1, (CODES + 1) % 3)[::-1, [2, 0, 3, 1]]
    other = dawid_skene(turned, 3, resamples=0)
    assert other.soft_I_C[::-1][:, [1, 2, 0]] == pytest.approx(fit.soft_I_C, abs=1e-4)
    assert other.accuracy[1].value == pytest.approx(fit.accuracy[0].value, abs=1e-4)


@pytest.mark.parametrize(("annotators", "per_item", "categories"), [(5, 3, 2), (6, 4, 3)])
def test_intervals_hold_planted_accuracies(annotators, per_item, categories):
    """Over 30 simulated sets of labels: 95 % within four standard errors, and no bias to see."""
    inside, off = [], []
    right = np.linspace(0.6, 0.95, annotators)
    each = (1 - right)[:, None, None] / (categories - 1)
    confusion = np.where(np.eye(categories, dtype=bool), right[:, None, None], each)
    for seed in range(30):
        truth = np.random.default_rng(seed).integers(0, categories, 150)
        codes = codes_of(truth, confusion, per_item, seed)
        fit = dawid_skene(codes, categories, resamples=40, tolerance=1e-5, seed=seed)
        inside += [one.low <= x <= one.high for one, x in zip(fit.accuracy, right, strict=True)]
        off += [one.value - x for one, x in zip(fit.accuracy, right, strict=True)]
    error = np.sqrt(0.95 * 0.05 / len(inside))
    assert 0.95 - 4 * error < np.mean(inside) < 0.995
    assert abs(np.mean(off)) < 0.01


def test_it_beats_the_majority_where_one_annotator_is_good():
    truth = np.random.default_rng(0).integers(0, 2, 400)
    right = np.array([0.97, 0.6, 0.6, 0.6, 0.6])
    confusion = np.array([[[x, 1 - x], [1 - x, x]] for x in right])
    codes = codes_of(truth, confusion, 5, 1)
    fit = dawid_skene(codes, 2, resamples=0)
    majority = (codes.mean(axis=1) > 0.5) == truth
    assert (fit.soft_I_C.argmax(axis=1) == truth).mean() > majority.mean() + 0.05


def test_what_is_not_identified_is_said_and_has_no_number():
    two = dawid_skene(CODES[:, :2], 3)
    assert all(np.isnan(one.value) for one in two.accuracy)
    assert "fewer than two others" in two.caveats[0]
    alone = np.full((9, 3), -1)
    alone[np.arange(9), np.arange(9) % 3] = np.arange(9) % 2
    assert dawid_skene(alone, 2).caveats == (
        "no two annotators labelled the same item, so nothing says who is right",
    )
    parts = np.full((60, 6), -1)
    parts[:30, :3] = parts[30:, 3:] = np.random.default_rng(0).integers(0, 2, (30, 3))
    assert any("2 sets that share no item" in caveat for caveat in dawid_skene(parts, 2).caveats)
    pairs = np.full((60, 3), -1)
    for i in range(60):
        pairs[i, [i % 3, (i + 1) % 3]] = i % 2
    assert any("no item has three labels" in caveat for caveat in dawid_skene(pairs, 2).caveats)
    # Known truths tell of anybody who labelled them.
    known = dawid_skene(CODES[:, :2], 3, known=CODES[:, 0])
    assert known.accuracy[0].value == pytest.approx(1.0)
    assert not known.caveats


def test_known_truths_stay_what_they_are():
    known = np.full(len(CODES), -1)
    known[0] = 1
    assert dawid_skene(CODES, 3, known=known, resamples=0).soft_I_C[0].tolist() == [0, 1, 0]


def test_what_is_no_label_is_refused():
    with pytest.raises(DataError, match="places are 0 to 1"):
        dawid_skene([[2, 0]], 2)
    with pytest.raises(DataError, match="got shape"):
        dawid_skene([0, 1], 2)


def test_pooled_posterior_follows_the_votes():
    counts = np.array([[0, 0], [1, 0], [3, 0], [2, 2], [0, 5.0]] * 10)
    soft, confusion = pooled_posterior(counts)
    assert soft[2, 0] > soft[1, 0] > soft[0, 0] > soft[4, 0]
    assert abs(soft[3, 0] - soft[0, 0]) < 0.1
    assert confusion.sum(axis=1) == pytest.approx([1, 1])
    assert confusion[0, 0] > 0.5 < confusion[1, 1]
