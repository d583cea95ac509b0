from itertools import combinations
from math import comb, isnan

import numpy as np
import pytest

from assay.errors import DataError
from assay.stats import best_of_n, best_of_n_curve, oracle_curve, pad_pools

NAN = float("nan")


def by_brute_force(proxy, gold, n):
    """Mean over all subsets of the mean gold of those with the highest proxy."""
    picks = []
    for subset in combinations(range(len(proxy)), n):
        top = max(proxy[i] for i in subset)
        picks.append(np.mean([gold[i] for i in subset if proxy[i] == top]))
    return np.mean(picks)


@pytest.mark.parametrize("levels", [2, 4, 100])
def test_every_n_by_brute_force_with_ties(levels):
    rng = np.random.default_rng(levels)
    proxy, gold = rng.integers(0, levels, size=(5, 8)), rng.normal(size=(5, 8))
    found = best_of_n(proxy, gold, list(range(1, 9)))
    for p in range(5):
        for n in range(1, 9):
            assert found[p, n - 1] == pytest.approx(by_brute_force(proxy[p], gold[p], n), abs=1e-12)


def test_a_constant_scorer_gets_the_mean():
    gold = np.random.default_rng(0).normal(size=(3, 64))
    found = best_of_n(np.zeros((3, 64)), gold, [1, 5, 64])
    np.testing.assert_allclose(found, np.repeat(gold.mean(axis=1)[:, None], 3, axis=1), atol=1e-12)


def test_a_perfect_scorer_gets_pass_at_n():
    right = np.array([[1] * 3 + [0] * 17, [0] * 20, [1] * 20])
    for n in (1, 2, 5, 18, 20):
        wanted = [1 - comb(20 - w, n) / comb(20, n) for w in right.sum(axis=1)]
        assert best_of_n(right, right, n) == pytest.approx(wanted, abs=1e-12)
        assert oracle_curve(right, [n], resamples=10)[0].estimate.value == pytest.approx(
            np.mean(wanted)
        )


def test_large_pools_do_not_overflow():
    found = best_of_n(np.arange(5000)[None], np.arange(5000)[None] / 5000, [1, 100, 5000])[0]
    # The expected largest of n from 0..N-1 is n(N + 1)/(n + 1) - 1.
    assert found == pytest.approx(
        [(n * 5001 / (n + 1) - 1) / 5000 for n in (1, 100, 5000)], abs=1e-9
    )


def test_indifferent_to_order_and_to_monotone_changes_of_the_proxy():
    rng = np.random.default_rng(1)
    proxy, gold = rng.integers(0, 6, size=(4, 16)).astype(float), rng.random((4, 16))
    order = rng.permutation(16)
    wanted = best_of_n(proxy, gold, [2, 7])
    np.testing.assert_allclose(
        best_of_n(proxy[:, order], gold[:, order], [2, 7]), wanted, atol=1e-12
    )
    np.testing.assert_allclose(best_of_n(np.exp(proxy) - 3, gold, [2, 7]), wanted, atol=1e-12)


def test_unscored_and_padding_leave_the_pool_and_only_unscored_is_counted():
    proxy = np.array([[3.0, NAN, 1.0, NAN], [1.0, 2.0, 3.0, 4.0]])
    gold = np.array([[1.0, 0.5, 0.0, NAN], [0.0, 0.0, 1.0, 1.0]])
    found = best_of_n(proxy, gold, [1, 2, 3])
    assert found[0, :2] == pytest.approx([0.5, 1.0])
    assert isnan(found[0, 2])
    points = best_of_n_curve(proxy, gold, [1, 2, 3], resamples=200)
    assert [point.estimate.n for point in points] == [2, 2, 1]
    assert [point.estimate.unscored for point in points] == [1, 1, 1]
    assert points[2].estimate.value == pytest.approx(best_of_n(proxy[1:], gold[1:], 3)[0])


def test_the_gold_of_an_unscored_response_does_not_matter():
    proxy = np.array([[1.0, NAN, 2.0]])
    assert best_of_n(proxy, [[0.0, 9.0, 1.0]], 1) == best_of_n(proxy, [[0.0, -9.0, 1.0]], 1) == 0.5


def test_curve_of_nothing():
    (point,) = best_of_n_curve(np.empty((0, 4)), np.empty((0, 4)), [2])
    assert isnan(point.estimate.value)
    assert point.estimate.n == 0


def test_unbiased_against_fresh_samples():
    """The estimate from a pool of 16 is that of drawing four from the source, within four standard
    errors."""
    rng = np.random.default_rng(2)
    gold = rng.normal(size=(4000, 16))
    proxy = gold + rng.normal(size=gold.shape)
    estimate = best_of_n(proxy, gold, 4)
    # E max of four normals is 1.02938; regression of gold on the proxy scales it by 1/√2.
    error = estimate.std() / np.sqrt(len(estimate))
    assert abs(estimate.mean() - 1.029375 / np.sqrt(2)) < 4 * error


def test_curve_interval_covers():
    rng, hits = np.random.default_rng(3), 0
    for seed in range(200):
        right = (rng.random((100, 8)) < rng.random((100, 1))).astype(float)
        point = best_of_n_curve(rng.random((100, 8)), right, [4], resamples=400, seed=seed)[
            0
        ].estimate
        hits += point.low <= 0.5 <= point.high
    assert abs(hits / 200 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 200)


def test_refusals():
    with pytest.raises(DataError, match="must both be"):
        best_of_n(np.zeros((2, 3)), np.zeros((2, 4)), 1)
    with pytest.raises(DataError, match="at least 1"):
        best_of_n(np.zeros((2, 3)), np.zeros((2, 3)), [0])


def test_pad_pools():
    np.testing.assert_array_equal(pad_pools([[1.0], [2.0, 3.0]]), [[1.0, NAN], [2.0, 3.0]])


def test_a_prompt_with_nothing_scored_is_left_out_and_does_not_count_as_0() -> None:
    (point,) = best_of_n_curve(
        [[np.nan, np.nan], [1.0, 2.0]], [[1.0, 1.0], [0.0, 1.0]], [1], resamples=10
    )
    assert (point.estimate.value, point.estimate.n) == (0.5, 1)
