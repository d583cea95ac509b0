import math

import numpy as np
import pytest

from assay.errors import DataError
from assay.stats import auroc


def by_brute_force(scores, labels):
    positive, negative = scores[labels == 1], scores[labels == 0]
    return np.mean([(p > q) + (p == q) / 2 for p in positive for q in negative])


@pytest.mark.parametrize("levels", [3, 1000])
def test_auroc_by_brute_force(levels):
    rng = np.random.default_rng(levels)
    scores, labels = rng.integers(0, levels, size=60), rng.integers(0, 2, size=60)
    assert auroc(scores, labels, resamples=10).value == pytest.approx(
        by_brute_force(scores, labels), abs=1e-12
    )


def test_auroc_by_hand():
    assert auroc([1, 2, 3], [0, 0, 1], resamples=10).value == 1
    assert auroc([1, 2, 2, 3], [0, 1, 0, 1], resamples=10).value == 0.875
    assert auroc([5, 5, 5], [0, 1, 1], resamples=10).value == 0.5


def test_indifferent_to_shift_order_and_mirrored_by_sign():
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=50), rng.integers(0, 2, size=50)
    order = rng.permutation(50)
    one = auroc(scores, labels).value
    assert auroc(3 * scores + 7, labels).value == one
    assert auroc(scores[order], labels[order]).value == pytest.approx(one)
    assert auroc(-scores, labels).value == pytest.approx(1 - one)


def test_a_soft_label_is_part_of_a_positive():
    soft = auroc([1, 2, 3], [0, 0.25, 1], resamples=10).value
    # Positives .25 at 2 and 1 at 3; negatives 1 at 1 and .75 at 2.
    assert soft == pytest.approx((0.25 * (1 + 0.75 / 2) + 1 * 1.75) / (1.25 * 1.75))


def test_clustered_interval_covers_and_row_interval_does_not():
    rng, hits, by_row = np.random.default_rng(1), 0, 0
    prompts = np.repeat(np.arange(60), 6)
    for seed in range(200):
        # Label and score share the prompt's difficulty only by chance: the truth is one half.
        labels = (rng.random(360) < np.where(rng.random(60) < 0.5, 0.9, 0.1)[prompts]).astype(float)
        scores = rng.normal(size=60)[prompts] + 0.1 * rng.normal(size=360)
        found = auroc(scores, labels, clusters=prompts, resamples=300, seed=seed)
        hits += found.low <= 0.5 <= found.high
        rows = auroc(scores, labels, resamples=300, seed=seed)
        by_row += rows.low <= 0.5 <= rows.high
    assert hits / 200 > 0.95 - 4 * math.sqrt(0.95 * 0.05 / 200)
    assert by_row / 200 < 0.8


def test_one_class_has_no_area():
    found = auroc([1, 2], [1, 1], unscored=1)
    assert math.isnan(found.value)
    assert math.isnan(found.low)
    assert (found.n, found.unscored) == (2, 1)


@pytest.mark.parametrize(
    ("scores", "labels"),
    [([math.nan, 1], [0, 1]), ([0, 1], [0, 2]), ([0, 1], [0]), ([0], [math.nan])],
)
def test_refusals(scores, labels):
    with pytest.raises(DataError):
        auroc(scores, labels)
