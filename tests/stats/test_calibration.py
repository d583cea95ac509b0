import math

import numpy as np
import pytest
from scipy.special import expit

from assay.errors import DataError
from assay.stats import (
    brier,
    calibration_slope,
    debiased_squared_ece,
    ece,
    ece_if_calibrated,
    reliability,
    to_logits,
)


def planted(n, slope, intercept, seed=0):
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=n)
    return logits, (rng.random(n) < expit(intercept + slope * logits)).astype(float)


def test_brier_by_hand():
    assert brier([0.9, 0.2], [1, 1]).value == pytest.approx((0.01 + 0.64) / 2)
    assert brier([0.5] * 4, [0, 1, 1, 0]).value == 0.25


def test_ece_by_hand():
    p, y = [0.1, 0.1, 0.9, 0.9], [0, 1, 1, 1]
    # Two bins of two: gaps |.5 - .1| and |1 - .9|.
    assert ece(p, y, bins=2).value == pytest.approx((0.4 + 0.1) / 2)
    assert ece(p, y, bins=2, binning="equal-width").value == pytest.approx((0.4 + 0.1) / 2)
    # One bin: mean label .75, mean probability .5.
    assert ece(p, y, bins=1).value == pytest.approx(0.25)


def test_equal_probabilities_share_a_bin():
    assert len(reliability([0.3] * 50 + [0.7] * 50, [0, 1] * 50, bins=10)) == 2
    # Were equal probabilities spread over bins, the labels' order would show as an error.
    assert ece([0.5] * 100, [0] * 50 + [1] * 50, bins=10).value == pytest.approx(0)


def test_equal_count_bins_hold_equal_counts():
    p, y = np.random.default_rng(0).beta(1, 6, size=1000), np.zeros(1000)
    assert [b.observed.n for b in reliability(p, y)] == [100] * 10
    widths = reliability(p, y, binning="equal-width")
    assert all(int(b.low * 10) == int(b.high * 10) for b in widths)


def test_reliability_by_hand():
    low, high = reliability([0.2, 0.4, 0.6, 0.9], [0, 1, 1, 1], bins=2)
    assert (low.low, low.high, low.predicted, low.observed.value) == pytest.approx(
        (0.2, 0.4, 0.3, 0.5)
    )
    assert (high.low, high.high, high.predicted, high.observed.value) == pytest.approx(
        (0.6, 0.9, 0.75, 1.0)
    )


def test_ece_interval_holds_its_value_and_the_ruler_is_what_calibration_shows():
    logits, y = planted(2000, 1, 0)
    p = expit(logits)
    found, baseline = ece(p, y), ece_if_calibrated(p)
    assert found.low <= found.value <= found.high
    assert baseline.low <= found.value <= baseline.high
    sharper = expit(3 * logits)
    assert ece(sharper, y).low > ece_if_calibrated(sharper).high


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (0.4, -0.7), (2.5, 0.5)])
def test_planted_slope_and_intercept_are_recovered(slope, intercept):
    found = calibration_slope(*planted(4000, slope, intercept, seed=1))
    for estimate, truth in ((found.slope, slope), (found.intercept, intercept)):
        error = (estimate.high - estimate.low) / (2 * 1.96)
        assert abs(estimate.value - truth) < 4 * error
        assert error < 0.2


def test_slope_solves_the_score_equations():
    logits, y = planted(500, 1.5, 0.3)
    found = calibration_slope(logits, y)
    residual = y - expit(found.intercept.value + found.slope.value * logits)
    assert residual.sum() == pytest.approx(0, abs=1e-6)
    assert residual @ logits == pytest.approx(0, abs=1e-6)


def test_slope_interval_covers_with_clusters():
    rng, hits = np.random.default_rng(2), 0
    prompts = np.repeat(np.arange(80), 5)
    for _ in range(300):
        # Rows of a prompt are copies: independent prompts only.
        logits = (1.5 * rng.normal(size=80))[prompts]
        y = (rng.random(80) < expit(logits[::5])).astype(float)[prompts]
        found = calibration_slope(logits, y, clusters=prompts).slope
        hits += found.low <= 1 <= found.high
    assert abs(hits / 300 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 300)


def test_without_intercept_the_order_in_pairs_does_not_matter():
    logits, y = planted(300, 0.8, 0)
    flip = np.arange(300) % 3 == 0
    one = calibration_slope(logits, y, intercept=False)
    other = calibration_slope(
        np.where(flip, -logits, logits), np.where(flip, 1 - y, y), intercept=False
    )
    assert one.slope.value == pytest.approx(other.slope.value)
    assert one.intercept.value == 0
    assert calibration_slope(5 * logits, y, intercept=False).slope.value == pytest.approx(
        one.slope.value / 5
    )


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        ([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1]),
        ([1.0, 2.0, 3.0], [1, 1, 1]),
        ([1.0, 1.0, 1.0], [0, 1, 1]),
        ([], []),
    ],
)
def test_no_finite_fit_is_said(logits, labels):
    found = calibration_slope(logits, labels)
    assert math.isnan(found.slope.value)
    assert math.isnan(found.slope.low)


def test_to_logits():
    assert to_logits([0.5, expit(2.0)]) == pytest.approx([0, 2])
    assert np.isfinite(to_logits([0.0, 1.0])).all()


def test_refusals():
    for measure in (brier, ece, reliability):
        with pytest.raises(DataError, match="in \\[0, 1\\]"):
            measure([1.5], [1])
        with pytest.raises(DataError, match="in \\[0, 1\\]"):
            measure([math.nan], [1])
    with pytest.raises(DataError, match="labels must be"):
        calibration_slope([1.0, 2.0], [0, 2])
    with pytest.raises(DataError, match="finite"):
        calibration_slope([math.inf, 2.0], [0, 1])
    with pytest.raises(DataError, match="at least 1"):
        ece([0.5], [1], bins=0)


def test_debiased_squared_error_by_hand():
    # Two bins of two rows: gaps (-.1, .9) and (.1, .1); a bin's square is the product of its pair.
    found = debiased_squared_ece([0.1, 0.1, 0.9, 0.9], [0, 1, 1, 1], bins=2)
    assert found.value == pytest.approx((-0.09 + 0.01) / 2)
    # Where rows are their own clusters: the plug-in square less the variance of the bin's mean.
    logits, y = planted(40, 1, 0)
    d = y - expit(logits)
    plain = debiased_squared_ece(expit(logits), y, bins=1).value
    assert plain == pytest.approx(d.mean() ** 2 - d.var(ddof=1) / 40)


def test_debiased_squared_error_is_zero_on_average_where_calibration_is_perfect():
    rng, debiased, plug_in, held = np.random.default_rng(0), [], [], []
    for _ in range(300):
        p = np.repeat(rng.random(50), 2)
        # Both rows of a prompt share their label: twice the rows, not twice the evidence.
        y = np.repeat(rng.random(50) < p[::2], 2).astype(float)
        found = debiased_squared_ece(p, y, clusters=np.arange(100) // 2)
        debiased.append(found.value)
        held.append(found.low <= 0 <= found.high)
        plug_in.append(ece(p, y, resamples=2).value)
    error = np.std(debiased) / np.sqrt(300)
    assert abs(np.mean(debiased)) < 3 * error
    assert error < 0.002
    assert np.mean(plug_in) > 0.1
    assert np.mean(held) > 0.93


def test_debiased_squared_error_finds_the_truth():
    rng = np.random.default_rng(1)
    found, held = [], []
    for _ in range(200):
        p = np.repeat([0.2, 0.8], 60)
        y = (rng.random(120) < np.repeat([0.4, 0.7], 60)).astype(float)
        one = debiased_squared_ece(p, y, bins=2)
        found.append(one.value)
        held.append(one.low <= (0.04 + 0.01) / 2 <= one.high)
    assert np.mean(found) == pytest.approx(0.025, abs=4 * np.std(found) / np.sqrt(200))
    assert np.mean(held) > 0.9
