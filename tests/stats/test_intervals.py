import math

import numpy as np
import pytest

from assay.errors import DataError
from assay.stats import Estimate, bootstrap, proportion, student, summarise, wilson
from assay.stats.intervals import cluster_ids, resample_weights


def test_wilson_by_hand():
    found = wilson(8, 10)
    assert (found.value, round(found.low, 3), round(found.high, 3)) == (0.8, 0.490, 0.943)


def test_wilson_at_the_ends():
    assert wilson(0, 10).low == 0
    assert wilson(10, 10).high == 1
    # At p = 0 the upper end is z²/(n + z²).
    assert wilson(0, 10).high == pytest.approx(1.959964**2 / (10 + 1.959964**2))
    nothing = wilson(0, 0, unscored=3)
    assert math.isnan(nothing.value)
    assert (nothing.low, nothing.high, nothing.n, nothing.unscored) == (0, 1, 0, 3)


@pytest.mark.parametrize("successes", [-1, 11, float("nan")])
def test_wilson_refuses_impossible_counts(successes):
    with pytest.raises(DataError, match="successes"):
        wilson(successes, 10)


def within_four_errors(hits: int, trials: int, rate: float) -> bool:
    return abs(hits / trials - rate) < 4 * math.sqrt(rate * (1 - rate) / trials)


def test_wilson_covers():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(2000):
        found = wilson(int(rng.binomial(200, 0.3)), 200)
        hits += found.low <= 0.3 <= found.high
    assert within_four_errors(hits, 2000, 0.95)


def test_cluster_bootstrap_covers_where_the_row_bootstrap_does_not():
    rng, hits, by_row = np.random.default_rng(1), 0, 0
    prompts = np.repeat(np.arange(100), 5)
    for seed in range(300):
        values = rng.normal(size=100)[prompts] + rng.normal(size=500)
        found = bootstrap(values, clusters=prompts, resamples=500, seed=seed)
        hits += found.low <= 0 <= found.high
        rows = bootstrap(values, resamples=500, seed=seed)
        by_row += rows.low <= 0 <= rows.high
    assert within_four_errors(hits, 300, 0.95)
    assert by_row / 300 < 0.85


def test_bootstrap_standard_error_is_the_textbook_one():
    values = np.random.default_rng(2).normal(size=400)
    found = bootstrap(values, resamples=20000)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(values.std() / 20, rel=0.03)


def test_fast_mean_agrees_with_the_generic_path():
    rng = np.random.default_rng(3)
    values, prompts = rng.normal(size=300), rng.integers(0, 40, size=300)
    fast = bootstrap(values, clusters=prompts, resamples=4000)
    slow = bootstrap(values, clusters=prompts, resamples=4000, statistic=lambda x: float(x.mean()))
    assert fast.value == pytest.approx(slow.value)
    assert (fast.n, slow.n) == (40, 40)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), abs=0.01)


def test_statistic_of_rows():
    rows = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    found = bootstrap(rows, statistic=lambda x: float(x[:, 1].sum() / x[:, 0].sum()), resamples=50)
    # Every resample has the same ratio, which says nothing of how far another sample's may lie.
    assert found.value == 10
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    turned = bootstrap(
        rows + np.eye(3, 2), statistic=lambda x: float(x[:, 1].sum() / x[:, 0].sum())
    )
    assert turned.low < turned.value < turned.high


def test_bootstrap_is_seeded_and_indifferent_to_the_names_of_clusters():
    values = np.random.default_rng(4).normal(size=60)
    ids = np.arange(60) // 3
    first = bootstrap(values, clusters=ids, statistic=np.median, seed=5, resamples=200)
    named = [f"prompt {i}" for i in ids]
    assert first == bootstrap(values, clusters=named, statistic=np.median, seed=5, resamples=200)
    assert first != bootstrap(values, clusters=ids, statistic=np.median, seed=6, resamples=200)
    # The mean needs no resamples, so no seed either.
    assert bootstrap(values, clusters=ids, seed=5) == bootstrap(values, clusters=named, seed=6)


def test_bootstrap_of_nothing_and_of_nan():
    empty = bootstrap([], unscored=2)
    assert math.isnan(empty.value)
    assert (empty.n, empty.unscored) == (0, 2)
    with pytest.raises(DataError, match="1 of 2 values are NaN"):
        bootstrap([1.0, float("nan")])


def test_resample_weights_draw_k_of_k_in_every_row():
    blocks = list(resample_weights(7, 11, seed=0))
    weights = np.concatenate(blocks)
    assert weights.shape == (11, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_cluster_ids():
    ids, k = cluster_ids(["b", "a", "b"], 3)
    assert (ids.tolist(), k) == ([0, 1, 0], 2)
    with pytest.raises(DataError, match="2 cluster ids for 3 values"):
        cluster_ids(["a", "b"], 3)


def test_proportion_is_wilson_for_single_rows_and_never_without_width():
    credit = [1.0] * 8 + [0.0] * 2
    assert proportion(credit) == wilson(8, 10)
    # Two rows a prompt, all right: the bootstrap would say [1, 1].
    assert proportion([1.0] * 20, clusters=np.arange(20) // 2) == wilson(10, 10)
    assert proportion(credit, clusters=np.arange(10) // 2).n == 5
    assert math.isnan(proportion([]).value)


def test_summarise():
    some = Estimate(value=0.518, low=0.489, high=0.547, n=300, unscored=2)
    assert summarise(some) == "0.518 [0.489, 0.547], n=300, 2 unscored"
    assert summarise(wilson(0, 0)) == "n/a (no interval), n=0"


def test_student_by_hand() -> None:
    """Three values 1, 2, 6: mean 3, s = sqrt(7), t(.975, 2) = 4.3027."""
    found = student([1.0, 2.0, 6.0])
    half = 4.302653 * 7**0.5 / 3**0.5
    assert found.value == 3
    assert (found.low, found.high) == (pytest.approx(3 - half), pytest.approx(3 + half))
    assert (found.n, found.unscored) == (3, 0)
    partly = student([1.0, math.nan])
    assert (partly.value, partly.n, partly.unscored) == (1.0, 1, 1)
    assert math.isnan(partly.low)
    assert math.isnan(student([]).value)
