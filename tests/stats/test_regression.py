import math

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from assay.stats import mean
from assay.stats.discovery import benjamini_hochberg, detectable
from assay.stats.regression import least_squares


def test_q_values_by_hand_and_by_scipy():
    found = benjamini_hochberg([0.01, 0.04, 0.03, 0.005, math.nan])
    assert found[:4] == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert math.isnan(found[4])
    p = np.random.default_rng(0).random(30)
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p))
    assert len(benjamini_hochberg([])) == 0


def test_the_detectable_effect_is_found_four_times_of_five():
    rng = np.random.default_rng(1)
    effect = detectable(1 / math.sqrt(30), 29)
    tests = [
        least_squares(rng.normal(effect, 1, 30), np.ones((30, 1)))[0].p_value for _ in range(1500)
    ]
    assert np.mean(np.array(tests) <= 0.05) == pytest.approx(0.8, abs=0.04)


def test_on_a_column_of_ones_it_is_the_mean_by_cluster():
    rng = np.random.default_rng(2)
    y, ids = rng.normal(size=60), np.arange(60) // 3
    (found,) = least_squares(y, np.ones((60, 1)), clusters=ids)
    assert found.estimate.value == pytest.approx(y.mean())
    assert found.estimate.n == 20
    assert found.estimate.high == pytest.approx(mean(y, clusters=ids).high, rel=0.05)


def test_coefficients_and_errors_are_those_of_leaving_out_each_cluster():
    rng = np.random.default_rng(3)
    x, ids = rng.normal(size=(40, 3)), np.arange(40) // 2
    y = x @ [1.0, -2.0, 0.0] + rng.normal(size=40)
    found = least_squares(y, x, clusters=ids)
    fit = np.linalg.lstsq(x, y, rcond=None)[0]
    assert [c.estimate.value for c in found] == pytest.approx(fit)
    left = np.array([np.linalg.lstsq(x[ids != g], y[ids != g], rcond=None)[0] for g in range(20)])
    error = np.sqrt(19 / 20 * ((left - fit) ** 2).sum(axis=0))
    widths = [(c.estimate.high - c.estimate.low) / 2 for c in found]
    assert (np.array(widths) / error > 2.09).all()  # Student's t, 19 degrees of freedom at most
    assert (np.array(widths) / error < 2.6).all()  # 5 at least, for clusters of uneven weight
    assert found[1].p_value < 1e-4


def test_what_the_columns_leave_open_is_not_known():
    rng = np.random.default_rng(4)
    one, y = rng.normal(size=30), rng.normal(size=30)
    rare = np.zeros(30)
    rare[7] = 1.0
    first, second, other, once = least_squares(y, np.column_stack([one, -2 * one, y + one, rare]))
    assert math.isnan(first.estimate.value)
    assert math.isnan(second.p_value)
    assert not math.isnan(other.estimate.value)
    assert math.isnan(once.p_value)
    assert once.detectable == math.inf


def test_a_rare_feature_rests_on_the_clusters_that_have_it():
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(400):
        y, x = rng.normal(size=200), np.zeros(200)
        x[:6] = 1.0
        (_, found) = least_squares(y, np.column_stack([np.ones(200), x]))
        rejected += found.p_value <= 0.05
        assert 6 <= found.estimate.n <= 200
    assert rejected / 400 < 0.08


def test_rows_that_all_agree_do_not_make_it_certain():
    (found,) = least_squares(np.zeros(100), np.ones((100, 1)), step=1.0)
    assert found.estimate.low == pytest.approx(-0.0198, abs=1e-3)
    assert found.p_value == 1.0
    (found,) = least_squares(np.ones(100), np.ones((100, 1)))
    assert math.isnan(found.estimate.low)
    assert math.isnan(found.p_value)


def test_a_noisy_column_keeps_its_share():
    rng = np.random.default_rng(6)
    values, naive = [], []
    for _ in range(100):
        truth = rng.normal(size=400)
        beside = truth + rng.normal(size=400)
        y = truth + 0.3 * rng.normal(size=400)
        x = np.column_stack([truth + 0.7 * rng.normal(size=400), beside])
        known = np.column_stack([np.full(400, 0.49), np.zeros(400)])
        values.append([c.estimate.value for c in least_squares(y, x, noise=known)])
        naive.append(least_squares(y, x)[1].estimate.value)
    assert np.mean(values, axis=0) == pytest.approx([1.0, 0.0], abs=0.03)
    assert np.mean(naive) > 0.15
