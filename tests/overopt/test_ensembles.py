from math import inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import ConfigError, DataError
from assay.overopt.ensembles import (
    disagreement,
    error_correlation,
    mean,
    standardise,
    uncertainty_weighted,
    worst_case,
)

MEMBERS = [[1.0, 4.0], [2.0, 4.0], [6.0, 4.0]]


def test_by_hand():
    np.testing.assert_array_equal(mean(MEMBERS), [3, 4])
    np.testing.assert_array_equal(worst_case(MEMBERS), [1, 4])
    # Deviations -2, -1, 3: variance 14/3 with ddof 0 (7 with ddof 1).
    np.testing.assert_allclose(uncertainty_weighted(MEMBERS, 0.5), [3 - 0.5 * 14 / 3, 4])
    np.testing.assert_allclose(disagreement(MEMBERS), [sqrt(14 / 3), 0])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=6))
def test_without_weight_uncertainty_weighting_is_the_mean_exactly(members):
    with np.errstate(over="ignore", invalid="ignore"):
        assert uncertainty_weighted(members, 0.0) == mean(members) or not np.isfinite(mean(members))


def test_one_member_is_itself():
    for combine in (mean, worst_case, lambda m: uncertainty_weighted(m, 2.0)):
        np.testing.assert_array_equal(combine([[1.0, nan, 3.0]]), [1.0, nan, 3.0])


def test_a_member_that_did_not_score_leaves_no_number():
    for combine in (mean, worst_case, lambda m: uncertainty_weighted(m, 0.5)):
        np.testing.assert_array_equal(np.isnan(combine([[1.0, nan], [2.0, 3.0]])), [False, True])


def test_standardise():
    reference = [[0.0, 2.0, nan], [100.0, 300.0, 500.0]]
    z = standardise([[[1.0, 3.0]], [[300.0, 500.0]]], reference)
    assert z.shape == (2, 1, 2)
    np.testing.assert_allclose(z[0], [[0, 2]])
    np.testing.assert_allclose(z[1], [[0, 200 / np.std([100, 300, 500])]])
    rng = np.random.default_rng(0)
    x = rng.normal(3, 7, size=(4, 5, 6))
    np.testing.assert_allclose(standardise(x, x).std(axis=(1, 2)), 1)


def planted(rho, members=3, prompts=400, responses=8, seed=0):
    """Members are gold at different scales plus errors that correlate rho, and prompts differ by
    far more."""
    rng = np.random.default_rng(seed)
    gold = rng.normal(size=(prompts, responses)) + 10 * rng.normal(size=(prompts, 1))
    shared, own = rng.normal(size=gold.shape), rng.normal(size=(members, *gold.shape))
    errors = sqrt(rho) * shared + sqrt(1 - rho) * own
    scale = np.array([0.5, 1.0, 20.0, 3.0])[:members, None, None]
    return scale * (gold + errors) + 5 * rng.normal(size=(members, prompts, 1)), gold


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.95])
def test_error_correlation_finds_what_was_planted(rho):
    members, gold = planted(rho)
    found = error_correlation(members, gold)
    assert found.against == "gold"
    assert [(p.first, p.second) for p in found.pairs] == [(0, 1), (0, 2), (1, 2)]
    for e in (found.mean, *(p.correlation for p in found.pairs)):
        assert e.value == pytest.approx(rho, abs=4 * (1 - rho**2) / sqrt(2800) + 1e-9)
        assert e.low < e.value < e.high
    assert found.shared == (rho > 0.9)
    assert ("err alike" in found.words) == (rho > 0.9)


def test_error_correlation_by_hand():
    """One prompt: partial correlation from residuals of a regression with an intercept."""
    rng = np.random.default_rng(1)
    members, gold = rng.normal(size=(2, 1, 20)), rng.normal(size=(1, 20))
    residuals = [m[0] - np.polyval(np.polyfit(gold[0], m[0], 1), gold[0]) for m in members]
    found = error_correlation(members, gold)
    assert found.mean.value == pytest.approx(np.corrcoef(residuals)[0, 1])
    assert np.isnan(found.mean.low)


def test_without_gold_what_all_share_is_invisible_and_what_two_share_is_not():
    # All correlate (1 + .9)/2 = .95, errors or not.
    members, _ = planted(0.9, members=4)
    found = error_correlation(members)
    assert found.against == "members"
    assert not found.shared
    assert found.mean.value == pytest.approx(0.95 / (1 + 2 * 0.95), abs=0.01)
    rng = np.random.default_rng(2)
    bias = rng.normal(size=members.shape[1:])
    members, _ = planted(0.0, members=4)
    members[0] += 0.5 * 3 * bias
    members[1] += 3 * bias
    found = error_correlation(members)
    assert max(found.pairs, key=lambda p: p.correlation.value).first == 0
    assert found.pairs[0].correlation.value > 0.6


def test_a_response_that_a_member_did_not_score_is_left_out_and_counted():
    members, gold = planted(0.5, prompts=50)
    holes = members.copy()
    holes[0, :, 7] = nan
    found = error_correlation(holes, gold, resamples=50)
    wanted = error_correlation(members[:, :, :7], gold[:, :7], resamples=50)
    assert found.mean.value == pytest.approx(wanted.mean.value)
    assert found.mean.unscored == 50


def test_refusals():
    members, gold = planted(0.5, prompts=5)
    for call in (
        lambda: mean([]),
        lambda: standardise(MEMBERS, MEMBERS[:2]),
        lambda: standardise(MEMBERS[:1], [[2.0, 2.0]]),
        lambda: standardise(MEMBERS[:1], [[nan, nan]]),
        lambda: error_correlation(members[:1], gold),
        lambda: error_correlation(members[:2]),
        lambda: error_correlation(members, gold[:, :2]),
        lambda: error_correlation(members, np.zeros_like(gold)),
        lambda: error_correlation(members * nan, gold),
    ):
        with pytest.raises(DataError):
            call()
    for weight in (-0.1, inf, nan):
        with pytest.raises(ConfigError):
            uncertainty_weighted(MEMBERS, weight)
