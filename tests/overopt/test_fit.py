from math import exp, inf, isnan, log, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from assay.errors import DataError
from assay.overopt import (
    GaussianGoodhart,
    best_of_n_kl,
    fit_form,
    fit_forms,
    predict,
    scaling,
    trusted,
)
from assay.overopt.fit import aicc, peak, value, zero_crossing
from assay.stats import best_of_n

KL = np.array([0.0, 0.2, 0.5, 1.0, 2.0, 3.0, 4.5, 6.0])
D = np.sqrt(KL)


def noisy(alpha=1.0, beta=0.25, form="best_of_n", prompts=200, spread=1.0, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    start = rng.normal(size=(prompts, 1)) * spread
    return (
        start + value(form, alpha, beta, D) + rng.normal(size=(prompts, len(KL))) * noise * (KL > 0)
    )


@pytest.mark.parametrize("tau", [0.0, 0.7])
def test_recovers_the_gaussian_world(tau):
    world = GaussianGoodhart(1.3, 0.4, tau)
    found = fit_form(KL, world.gold(D) + 5.0)
    assert found.alpha.value == pytest.approx(world.alpha, abs=1e-9)
    assert found.beta.value == pytest.approx(world.beta, abs=1e-9)
    assert found.peak is not None
    assert found.peak.d.value == pytest.approx(world.peak_d, abs=1e-9)
    assert found.peak.value.value == pytest.approx(world.peak_gold, abs=1e-9)
    assert found.r2.value == pytest.approx(1)
    # One curve has residuals, and they say nothing of what another prompt would do.
    assert isnan(found.alpha.low)
    assert isnan(found.alpha.high)
    assert found.resampled == "nothing"


@settings(max_examples=50, deadline=None)
@given(st.floats(-5, 5), st.floats(-2, 2), st.sampled_from(["best_of_n", "rl"]))
def test_recovers_both_forms(alpha, beta, form):
    found = fit_form(KL, value(form, alpha, beta, D), form=form, resamples=10)
    assert found.alpha.value == pytest.approx(alpha, abs=1e-9)
    assert found.beta.value == pytest.approx(beta, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 50), st.floats(-100, 100))
def test_a_scale_of_gold_scales_the_coefficients_and_a_shift_does_nothing(scale, shift):
    gold = noisy(prompts=20)
    for form in ("best_of_n", "rl"):
        one = fit_form(KL, gold, form=form, resamples=50)
        other = fit_form(KL, scale * gold + shift, form=form, resamples=50)
        for name in ("alpha", "beta"):
            for end in ("value", "low", "high"):
                wanted = scale * getattr(getattr(one, name), end)
                assert getattr(getattr(other, name), end) == pytest.approx(
                    wanted, abs=1e-8, rel=1e-8
                )
        assert other.r2.value == pytest.approx(one.r2.value, abs=1e-8)


@pytest.mark.parametrize("form", ["best_of_n", "rl"])
def test_peaks_by_brute_force(form):
    for alpha, beta in ((1.0, 0.3), (0.4, 0.5), (2.0, 0.9)):
        d, top = peak(form, alpha, beta)
        grid = np.linspace(0, 30, 300_001)
        curve = value(form, alpha, beta, grid)
        assert d == pytest.approx(grid[curve.argmax()], abs=2e-4)
        assert top == pytest.approx(curve.max(), abs=1e-7)
        crossing = zero_crossing(form, alpha, beta)
        assert value(form, alpha, beta, crossing) == pytest.approx(0, abs=1e-12)
        assert crossing > d


def test_peaks_by_hand():
    assert peak("best_of_n", 2.0, 0.5) == (2.0, 2.0)
    assert zero_crossing("best_of_n", 2.0, 0.5) == 4.0
    assert peak("rl", 1.0, 0.5) == (pytest.approx(exp(1)), pytest.approx(exp(1) / 2))
    assert zero_crossing("rl", 1.0, 0.5) == pytest.approx(exp(2))


def test_peaks_at_the_edges():
    for form in ("best_of_n", "rl"):
        assert peak(form, 1.0, 0.0) == (inf, inf)
        assert peak(form, 1.0, -0.1) == (inf, inf)
        assert zero_crossing(form, 1.0, 0.0) == inf
        assert isnan(peak(form, nan, 1.0)[0])
        assert value(form, 1.0, 1.0, 0.0) == 0
    # exp(alpha/beta - 1) overflows, and there is no warning about it.
    assert peak("rl", 1.0, 1e-6) == (inf, inf)
    assert zero_crossing("rl", 1.0, 1e-6) == inf
    assert peak("best_of_n", -1.0, 1.0) == (0, 0)


def test_no_peak_is_said():
    rising = fit_form(KL, value("best_of_n", 1.0, -0.1, D))
    assert rising.peak is None
    assert not rising.peak_in_range
    assert "no peak" in rising.words
    falling = fit_form(KL, value("best_of_n", -1.0, 0.1, D))
    assert falling.peak is None


def test_an_extrapolated_peak_is_said():
    beyond = fit_form(KL, value("best_of_n", 1.0, 0.1, D))
    assert beyond.peak is not None
    assert beyond.peak.d.value == pytest.approx(5.0)
    assert not beyond.peak_in_range
    assert "extrapolation" in beyond.words
    assert beyond.row()["peak_in_range"] is False
    within = fit_form(KL, value("best_of_n", 1.0, 0.3, D))
    assert within.peak_in_range
    assert "extrapolation" not in within.words
    before = fit_form(KL, value("best_of_n", 0.2, 0.5, D))
    assert before.peak is not None
    assert not before.peak_in_range
    assert "before" in before.words


def test_aicc_by_hand():
    # n = 6, RSS = 3: 6 ln(1/2) + 6 + 24/2.
    assert aicc(3.0, 6) == pytest.approx(6 * log(0.5) + 6 + 12)
    assert aicc(0.0, 6) == -inf
    assert isnan(aicc(1.0, 4))


def test_fit_by_hand():
    """Points at d = 1, 2, 3 with R = 1, 1, 0: normal equations 14 a - 36 b = 3, 36 a - 98 b = 5."""
    found = fit_form([0, 1, 4, 9, 16, 25], [0, 1, 1, 0, 7, nan], trusted=[1, 1, 1, 1, 0, 1])
    beta = (36 * 3 - 14 * 5) / (98 * 14 - 36 * 36)
    alpha = (3 + 36 * beta) / 14
    assert found.alpha.value == pytest.approx(alpha)
    assert found.beta.value == pytest.approx(beta)
    residuals = np.array([1, 1, 0]) - [alpha - beta, 2 * alpha - 4 * beta, 3 * alpha - 9 * beta]
    assert found.r2.value == pytest.approx(1 - (residuals**2).sum() / (2 / 3))
    assert (found.points, found.left_out) == (3, 2)
    assert isnan(found.aicc)
    assert (found.d_min, found.d_max) == (1, 3)


def test_weights_are_least_squares_weights():
    """A weight of two is the point twice; a weight of 0 is no point."""
    gold = value("rl", 1.0, 0.3, D) + np.array([0, 0.1, -0.2, 0.1, 0.3, -0.1, 0.2, -0.3])
    twice = fit_form(np.append(KL, KL[3]), np.append(gold, gold[3]), form="rl")
    weighted = fit_form(KL, gold, form="rl", weights=[1, 1, 1, 2, 1, 1, 1, 1])
    assert weighted.alpha.value == pytest.approx(twice.alpha.value)
    assert weighted.beta.value == pytest.approx(twice.beta.value)
    assert weighted.alpha.value != pytest.approx(
        fit_form(KL, gold, form="rl").alpha.value, abs=1e-3
    )
    none = fit_form(KL, gold, form="rl", weights=[1, 1, 1, 0, 1, 1, 1, 1])
    without = fit_form(np.delete(KL, 3), np.delete(gold, 3), form="rl")
    assert none.beta.value == pytest.approx(without.beta.value)


def test_the_start_may_be_given():
    gold = noisy(prompts=30)
    with_start = fit_form(KL, gold, resamples=100)
    given_start = fit_form(KL[1:], gold[:, 1:], origin=gold[:, 0], resamples=100)
    assert given_start.alpha == with_start.alpha
    mean = fit_form(KL[1:], gold[:, 1:].mean(axis=0), origin=gold[:, 0].mean())
    assert mean.alpha.value == pytest.approx(with_start.alpha.value)
    with pytest.raises(DataError, match="origin"):
        fit_form(KL[1:], gold[:, 1:])


def test_a_prompt_with_fewer_points_does_not_bend_the_curve():
    """Prompts differ by far more than the curve; one that leaves half way must not shift the
    rest."""
    gold = noisy(prompts=3, spread=100.0, noise=0.0)
    gold[0, 5:] = nan
    found = fit_form(KL, gold, resamples=50)
    assert found.alpha.value == pytest.approx(1.0)
    assert found.beta.value == pytest.approx(0.25)


def test_intervals_cover_the_truth():
    hits = np.zeros(3)
    for seed in range(150):
        found = fit_form(KL, noisy(prompts=60, seed=seed), resamples=300, seed=seed)
        assert found.peak is not None
        truths = ((found.alpha, 1.0), (found.beta, 0.25), (found.peak.d, 2.0))
        hits += [e.low <= truth <= e.high for e, truth in truths]
    assert (abs(hits / 150 - 0.95) < 4 * sqrt(0.95 * 0.05 / 150)).all()


@pytest.mark.owed
def test_one_curve_has_no_interval_however_well_it_fits():
    gold = value("best_of_n", 1.0, 0.25, D[1:]) + np.array([0.1, -0.1, 0.05, 0.2, -0.2, 0.1, -0.05])
    found = fit_form(KL[1:], gold, origin=0.0)
    assert found.peak is not None
    told = (
        found.alpha,
        found.beta,
        found.r2,
        found.peak.d,
        found.peak.kl,
        found.peak.value,
        found.peak.zero_crossing,
    )
    assert all(isnan(e.low) and isnan(e.high) and e.n == 1 for e in told)
    assert isnan(found.peak.share_in_range)
    assert np.isnan(predict(found, [1.0, 2.0]).low_K).all()
    assert found.row()["alpha_low"] is None
    # The unit of the weights does not matter.
    again = fit_form(KL[1:], gold, origin=0.0, weights=np.full(7, 10.0))
    assert again.aicc == pytest.approx(found.aicc)


@pytest.mark.owed
def test_few_prompts_have_the_intervals_of_students_t():
    """All prompts complete and one run: a coefficient is the mean of those of the prompts, each
    fitted by itself."""
    gold = noisy(prompts=6, seed=4)
    design = np.stack([D[1:], -KL[1:]], axis=1)
    own = np.linalg.lstsq(design, (gold - gold[:, :1])[:, 1:].T)[0]
    found = fit_form(KL, gold, resamples=20_000)
    for e, of_prompts in zip((found.alpha, found.beta), own, strict=True):
        assert e.value == pytest.approx(of_prompts.mean())
        half = t.ppf(0.975, 5) * of_prompts.std(ddof=1) / sqrt(6)
        assert (e.high - e.low) / 2 == pytest.approx(half, rel=0.08)


@pytest.mark.owed
def test_two_models_have_no_interval_of_their_slope():
    found = scaling([10, 100], [1.02, 1.01])
    assert found.slope.value == pytest.approx(-0.01 / log(10))
    assert isnan(found.slope.low)
    assert isnan(found.slope.high)
    assert isnan(found.spearman.low)
    # Nor do their prompts' draws give them one.
    drawn = np.random.default_rng(0).normal(size=(100, 2))
    assert isnan(scaling([10, 100], [1.02, 1.01], drawn).slope.low)
    three = scaling([10, 100, 1000], [1.02, 1.01, 0.9]).slope
    assert three.low < three.value < three.high
    assert three.high - three.low > 0.2  # one degree of freedom


def test_the_share_of_resamples_with_a_peak_in_the_data():
    for beta, low, high in (
        (0.25, 0.99, 1.0),
        (0.5 / D[-1], 0.2, 0.8),
        (0.1, 0.0, 0.01),
        (1.0, 0.05, 0.95),
    ):
        # The last has its peak at the first point.
        alpha = 2 * D[1] if beta == 1.0 else 1.0
        found = fit_form(KL, noisy(alpha=alpha, beta=beta, prompts=400))
        assert found.peak is not None
        assert low <= found.peak.share_in_range <= high


def test_seeds_are_resampled_too():
    """Runs that differ make wide intervals, however many prompts there are."""
    rng = np.random.default_rng(0)
    slopes = rng.normal(1.0, 0.3, size=8)
    gold = (
        slopes[:, None, None] * D - 0.2 * D**2 + rng.normal(size=(8, 100, len(KL))) * 0.1 * (KL > 0)
    )
    both = fit_form(KL, gold)
    assert both.resampled == "prompts and seeds"
    assert both.alpha.value == pytest.approx(slopes.mean(), abs=0.05)
    half = (both.alpha.high - both.alpha.low) / 2
    # Student's: eight runs have seven degrees of freedom.
    assert half == pytest.approx(t.ppf(0.975, 7) * slopes.std(ddof=1) / sqrt(8), rel=0.1)
    one = fit_form(KL, gold[0])
    assert one.alpha.high - one.alpha.low < half / 3
    assert fit_form(KL, gold.mean(axis=1, keepdims=True)).resampled == "seeds"


def test_runs_may_have_their_own_kl():
    kl = np.stack([KL, KL * 2])
    gold = value("rl", 1.0, 0.4, np.sqrt(kl))[:, None, :]
    found = fit_form(kl, gold, form="rl", resamples=50)
    assert found.alpha.value == pytest.approx(1.0, abs=1e-9)
    assert found.beta.value == pytest.approx(0.4, abs=1e-9)
    assert found.points == 14


def test_both_forms_side_by_side():
    for form in ("best_of_n", "rl"):
        found = fit_forms(KL, noisy(form=form, beta=0.4, prompts=400, noise=0.05))
        assert found.preferred == form
        assert (found.delta_aicc > 0) == (form == "best_of_n")
        assert (found.share_best_of_n > 0.9) == (form == "best_of_n")
        assert (found.share_best_of_n < 0.1) == (form == "rl")
    unknown = fit_forms(KL[:4], value("rl", 1.0, 0.4, D[:4]))
    assert isnan(unknown.share_best_of_n)
    assert unknown.preferred is None


def test_predicted_curve():
    gold = noisy()
    found = fit_form(KL, gold)
    band = predict(found, [0.0, 1.0, 3.0, 9.0])
    assert band.value_K[0] == band.low_K[0] == band.high_K[0] == 0
    assert (band.low_K <= band.value_K).all()
    assert (band.value_K <= band.high_K).all()
    np.testing.assert_array_equal(band.extrapolated_K, [False, False, False, True])
    np.testing.assert_allclose(
        band.value_K, value("best_of_n", found.alpha.value, found.beta.value, [0, 1, sqrt(3), 3])
    )
    assert band.low_K[1] < value("best_of_n", 1.0, 0.25, 1.0) < band.high_K[1]
    assert band.high_K[3] - band.low_K[3] > band.high_K[2] - band.low_K[2]


def test_simulated_best_of_n_lies_in_the_interval():
    """The curve that best-of-n really has, fitted, lies in the interval of what a pool gives."""
    world = GaussianGoodhart(1.0, 0.3, 0.5)
    proxy, gold = world.pools(300, 256, seed=3)
    ns = np.array([1, 2, 4, 8, 16, 32, 64])
    kl = best_of_n_kl(ns)
    fair = trusted(ns, 256)
    exact = fit_form(kl, [world.best_of_n(int(n))[1] for n in ns], trusted=fair)
    found = fit_form(kl, best_of_n(proxy, gold, list(ns)), trusted=fair)
    assert found.left_out == 1
    assert found.alpha.low <= exact.alpha.value <= found.alpha.high
    assert found.beta.low <= exact.beta.value <= found.beta.high
    # Close to the tilted policy's, which has the form exactly.
    assert exact.alpha.value == pytest.approx(world.alpha, rel=0.1)
    assert found.r2.value > 0.95


def test_scaling_recovers_a_planted_slope():
    sizes = np.array([1e3, 1e4, 1e5, 1e6, 1e7])
    found = scaling(sizes, 0.3 - 0.02 * np.log(sizes))
    assert found.slope.value == pytest.approx(-0.02, abs=1e-12)
    assert found.intercept == pytest.approx(0.3)
    # Points on a line to the last digit have no scatter to judge it by.
    assert isnan(found.slope.low)
    assert found.spearman.value == pytest.approx(-1)
    rng = np.random.default_rng(0)
    values = 0.3 - 0.02 * np.log(sizes)
    draws = values + rng.normal(size=(2000, 5)) * 0.05
    wide = scaling(sizes, values, draws)
    error = 0.05 / np.sqrt(((np.log(sizes) - np.log(1e5)) ** 2).sum())
    assert (wide.slope.high - wide.slope.low) / 2 == pytest.approx(
        t.ppf(0.975, 3) * error, rel=0.05
    )
    # A perfect order of five has no scatter either.
    assert isnan(wide.spearman.low)


def test_scaling_of_fits():
    fits = [
        fit_form(KL, noisy(beta=b, seed=i), resamples=200)
        for i, b in enumerate((0.4, 0.3, 0.2, 0.1))
    ]
    found = scaling(
        [10, 100, 1000, 10000],
        [f.beta.value for f in fits],
        np.stack([f.draws_R_2[:, 1] for f in fits], axis=1),
    )
    assert found.slope.low < -0.1 / log(10) < found.slope.high < 0


def test_refusals():
    for call in (
        lambda: fit_form([0, 1], [0, 1]),
        lambda: fit_form([0, 1, 1], [0, 1, 1]),
        lambda: fit_form(KL, np.zeros(3)),
        lambda: fit_form(KL, np.zeros((2, 2, 2, 8))),
        lambda: fit_form(-KL, np.zeros(8)),
        lambda: fit_form(KL, np.full(8, inf)),
        lambda: fit_form(KL, np.zeros(8), weights=-np.ones(8)),
        lambda: fit_form(KL, np.zeros(8), trusted=[True]),
        lambda: fit_form(KL, np.zeros(8), origin=nan),
        lambda: predict(fit_form(KL, noisy()), [-1.0]),
        lambda: scaling([1, 1], [0.1, 0.2]),
        lambda: scaling([1, 0], [0.1, 0.2]),
        lambda: scaling([1, 2], [0.1, 0.2], np.zeros((4, 3))),
    ):
        with pytest.raises(DataError):
            call()
    with pytest.raises(DataError, match="smaller n"):
        fit_form(KL, noisy(), trusted=KL < 0.3)


def test_the_peak_of_a_form_that_fits_poorly_is_told_with_a_doubt() -> None:
    kl = np.array([0.0, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0])
    d = np.sqrt(kl)
    rng = np.random.default_rng(0)
    good = fit_form(kl, 1.0 * d - 0.4 * d**2 + rng.normal(0, 0.01, (20, 7)))
    assert good.peak_in_range
    assert "fits poorly" not in good.words
    # Flat, then up at once and down as fast: no parabola in d.
    jump = np.array([0.0, 0.0, 0.0, 1.0, 0.0, -0.1, -0.2])
    poor = fit_form(kl, jump + rng.normal(0, 0.01, (20, 7)))
    assert poor.r2.value < 0.9
    assert ("fits poorly" in poor.words) == poor.peak_in_range
    assert poor.peak_in_range
