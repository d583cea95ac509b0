from contextlib import suppress
from math import inf, isnan, nan, sqrt

import numpy as np
import pytest

from assay.errors import ConfigError, DataError
from assay.overopt import (
    GaussianGoodhart,
    base_correlation,
    diagnose,
    gaussian_shrinkage,
    laidlaw_bound,
    laidlaw_lambda,
    tail_index,
)


def test_shrinkage_by_hand():
    assert gaussian_shrinkage(5.0, 1.0, 3.0, 0.0, 1.0) == pytest.approx(1 + 4 * 0.75)
    np.testing.assert_allclose(gaussian_shrinkage([0, 2], 0, 1, 0, 1), [0, 1])


def test_gaussian_noise_is_regressional():
    """Both slopes are Var X / (Var X + Var Z)."""
    proxy, gold = GaussianGoodhart(1.0, 0.0, tau=0.5).pools(400, 64, seed=0)
    found = diagnose(proxy, gold)
    assert found.kind == "regressional"
    slope = gaussian_shrinkage(1.0, 0, 1, 0, 0.25)
    for e in (found.below, found.above):
        assert e.low <= slope <= e.high
        assert e.value == pytest.approx(slope, abs=0.05)
    assert found.difference.low <= 0 <= found.difference.high
    assert found.correlation.value == pytest.approx(sqrt(0.8), abs=0.01)
    assert found.quantile == 0.9
    assert np.mean(proxy - proxy.mean(axis=1, keepdims=True) < found.threshold) == pytest.approx(
        0.9, abs=1e-3
    )


def test_a_gold_that_turns_is_extremal():
    proxy, gold = GaussianGoodhart(1.0, 0.6).pools(400, 64, seed=0)
    found = diagnose(proxy, gold)
    assert found.kind == "extremal"
    assert found.above.high < 0 < found.below.low
    assert found.difference.value == pytest.approx(found.above.value - found.below.value)
    assert "extremal" in found.words


def test_other_kinds():
    rng = np.random.default_rng(0)
    proxy = rng.normal(size=(400, 64))
    assert (
        diagnose(proxy, np.minimum(proxy, 1.0) + rng.normal(size=proxy.shape) * 0.1).kind
        == "weakening"
    )
    opposed = diagnose(proxy, rng.normal(size=proxy.shape) - proxy)
    assert opposed.kind == "opposed"
    assert "surely opposed to gold" in opposed.words
    useless = diagnose(proxy, rng.normal(size=proxy.shape))
    assert useless.kind == "useless"
    assert "next to nothing" in useless.words
    few = rng.normal(size=(6, 64))
    assert diagnose(few, few + 3 * rng.normal(size=few.shape)).kind in ("unclear", "useless")


def test_slopes_by_hand_and_what_prompts_differ_in():
    x = np.array([[0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9]])
    y = np.array([[0.0, 1, 2, 3, 4, 9, 8, 7, 6, 5]])
    found = diagnose(x, y, quantile=0.5)
    assert found.below.value == pytest.approx(1)
    assert found.above.value == pytest.approx(-1)
    both = np.concatenate([x, x + 100]), np.concatenate([y, y - 1000])
    again = diagnose(*both, quantile=0.5)
    assert again.below.value == pytest.approx(1)
    assert again.above.value == pytest.approx(-1)
    assert again.below.n == 2
    # A scale of gold scales the slopes.
    assert diagnose(x, 3 * y + 1, quantile=0.5).above.value == pytest.approx(-3)


def test_missing_scores_are_left_out_and_counted():
    proxy, gold = GaussianGoodhart(1.0, 0.6).pools(20, 16, seed=0)
    holes = gold.copy()
    holes[:, 3] = nan
    found = diagnose(proxy, holes, resamples=50)
    wanted = diagnose(np.delete(proxy, 3, axis=1), np.delete(gold, 3, axis=1), resamples=50)
    assert found.below.value == pytest.approx(wanted.below.value)
    assert found.below.unscored == 20


def test_base_correlation_is_within_prompts():
    rng = np.random.default_rng(0)
    gold = rng.normal(size=(50, 20))
    proxy = gold + rng.normal(size=gold.shape) + 100 * rng.normal(size=(50, 1))
    found = base_correlation(proxy, gold)
    centred = [v - v.mean(axis=1, keepdims=True) for v in (proxy, gold)]
    assert found.value == pytest.approx(np.corrcoef(*(c.ravel() for c in centred))[0, 1])
    assert found.low < sqrt(0.5) < found.high
    assert isnan(base_correlation(np.zeros((3, 4)), np.ones((3, 4))).value)


def test_laidlaws_bound_is_never_violated_and_is_tight():
    """20,000 random policies over random rewards of 2 to 12 outcomes, everything by its
    definition."""
    rng = np.random.default_rng(0)
    closest, done = inf, 0
    while done < 20_000:
        k = int(rng.integers(2, 13))
        size = 500
        base = rng.dirichlet(np.full(k, 0.7), size=size) + 1e-6
        base /= base.sum(axis=1, keepdims=True)
        policy = rng.dirichlet(np.full(k, rng.choice([0.1, 1.0])), size=size)
        gold = rng.standard_t(3, size=(size, k))
        proxy = rng.uniform(0, 2, size=(size, 1)) * gold + rng.normal(size=(size, k))

        def moments(values, base=base, policy=policy):
            first = (base * values).sum(axis=1)
            centred = values - first[:, None]
            return (
                (policy * values).sum(axis=1) - first,
                np.sqrt((base * centred**2).sum(axis=1)),
                centred,
            )

        gain, sd, g = moments(gold)
        proxy_gain, proxy_sd, p = moments(proxy)
        rho = (base * g * p).sum(axis=1) / (sd * proxy_sd)
        chi2 = (policy**2 / base).sum(axis=1) - 1
        use = rho > 0.01
        bound = laidlaw_bound(proxy_gain[use], proxy_sd[use], np.minimum(rho[use], 1), chi2[use])
        slack = gain[use] / sd[use] - bound
        assert (slack > -1e-6 * (1 + chi2[use])).all()
        closest, done = min(closest, float(slack.min())), done + int(use.sum())
    # With two or three outcomes it is met, so a bound that promises more would be caught.
    assert closest < 1e-3


def test_laidlaw_by_hand():
    # rho = .8: sqrt(1 - .64) = .6; (3/2 - .6 * 2)/.8.
    assert laidlaw_bound(3.0, 2.0, 0.8, 4.0) == pytest.approx(0.375)
    assert laidlaw_lambda(2.0, 0.8) == pytest.approx(1.2)
    # The bound is (gain - lambda sqrt(chi2)) / (sd rho).
    assert laidlaw_bound(3.0, 2.0, 0.8, 4.0) == pytest.approx(
        (3 - laidlaw_lambda(2.0, 0.8) * 2) / (2 * 0.8)
    )
    assert laidlaw_bound(3.0, 2.0, 1.0, 1e9) == 1.5


@pytest.mark.parametrize("index", [1.5, 3.0])
def test_hill_covers_the_index_of_a_power_law(index):
    rng, hits, warned = np.random.default_rng(0), 0, 0
    for _ in range(200):
        found = tail_index(rng.pareto(index, 2000) + 1, centre=0.0, k=100)
        hits += found.index.low <= index <= found.index.high
        warned += found.heavy
    assert abs(hits / 200 - 0.95) < 4 * sqrt(0.95 * 0.05 / 200)
    assert warned > 150


def test_hill_by_hand():
    found = tail_index([-9, -9, -9, 0, 0, 0, 1, 2, 4, 8], centre=0.0, k=3)
    assert found.index.value == pytest.approx(3 / (np.log(2) + np.log(4) + np.log(8)))
    assert found.index.n == 10


def test_light_tails_raise_no_alarm():
    rng = np.random.default_rng(1)
    for draw in (rng.normal, rng.logistic, rng.uniform, rng.exponential):
        alarms = sum(tail_index(draw(size=(20, 100))).heavy for _ in range(100))
        assert alarms <= 12, draw
    heavy = tail_index(rng.standard_t(2, size=(20, 200)))
    assert heavy.heavy
    assert "catastrophic" in heavy.words
    assert "no sign" in tail_index(rng.normal(size=2000)).words


def test_scores_that_tie_have_no_tail():
    """Less the means of their prompts they come in clumps, which the moment estimate takes for a
    power law."""
    rng = np.random.default_rng(1)
    share = rng.beta(1, 1, size=(50, 1))
    for draw in (
        lambda: np.clip(rng.normal(size=(1, 1000)), -1, 1),
        lambda: rng.random((20, 64)) < 0.5,
        lambda: rng.random((100, 8)) < 0.5,
        lambda: rng.random((500, 4)) < 0.3,
        lambda: rng.random((50, 32)) < share,
        lambda: rng.integers(1, 6, size=(50, 32)),
        lambda: rng.normal(size=(20, 64)).round(),
    ):
        for _ in range(5):
            scores = np.asarray(draw(), dtype=float)
            with pytest.raises(DataError, match="have no tail"):
                tail_index(scores - scores.mean(axis=1, keepdims=True))


def test_bounded_scores_of_two_heaps_raise_no_alarm():
    rng, alarms = np.random.default_rng(2), 0
    for _ in range(20):
        scores = 1 / (
            1 + np.exp(-8 * rng.choice([-1, 1], size=(100, 8)) + rng.normal(size=(100, 8)))
        )
        with suppress(DataError):
            alarms += tail_index(scores - scores.mean(axis=1, keepdims=True)).heavy
    assert alarms <= 1
    # Whole numbers that are many are a tail.
    counts = (50 * rng.pareto(1.5, size=(20, 200))).round()
    assert tail_index(counts - counts.mean(axis=1, keepdims=True)).heavy


def test_tails_do_not_depend_on_scale_or_place_and_nan_are_counted():
    x = np.random.default_rng(0).standard_t(3, size=500)
    one, other = tail_index(x), tail_index(np.append(1000 * x - 7, nan))
    assert other.index.value == pytest.approx(one.index.value)
    assert other.extreme_value.low == pytest.approx(one.extreme_value.low)
    assert (one.index.unscored, other.index.unscored) == (0, 1)


@pytest.mark.parametrize(("prompts", "most"), [(2, 0), (3, 0), (5, 0), (10, 4)])
def test_a_proxy_that_says_nothing_is_given_no_kind(prompts, most):
    rng, kinds = np.random.default_rng(7), []
    for seed in range(60):
        x, y = rng.normal(size=(2, prompts, 32))
        kinds.append(diagnose(x, y, resamples=300, seed=seed).kind)
    assert sum(kind not in ("unclear", "useless") for kind in kinds) <= most


def test_prompts_that_are_all_alike_or_mostly_undefined_have_no_interval():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1, 64)), rng.normal(size=(1, 64))
    found = diagnose(np.tile(x, (20, 1)), np.tile(x + y, (20, 1)))
    for told in (found.below, found.above, found.correlation):
        assert isnan(told.low)
        assert isnan(told.high)
    assert found.kind == "unclear"
    # Gold varies within one prompt of eight only: more than a third of the resamples lack it.
    gold = np.zeros((8, 16))
    gold[0] = rng.normal(size=16)
    assert isnan(base_correlation(rng.normal(size=(8, 16)), gold).low)


def test_refusals():
    x = np.arange(20.0).reshape(2, 10)
    for call in (
        lambda: gaussian_shrinkage(1.0, 0, 0, 0, 0),
        lambda: diagnose(x, x[:, :2]),
        lambda: diagnose(x * 0, x),
        lambda: diagnose(np.full((2, 10), nan), x),
        lambda: diagnose(x[:, :1], x[:, :1]),
        lambda: laidlaw_bound(1, 1, 0.0, 1),
        lambda: laidlaw_bound(1, 1, -0.5, 1),
        lambda: laidlaw_bound(1, 0, 0.5, 1),
        lambda: laidlaw_bound(1, 1, 0.5, -1),
        lambda: laidlaw_lambda(1, 1.5),
        lambda: tail_index([1.0, 2.0]),
        lambda: tail_index(np.ones(100)),
        lambda: tail_index(np.append(np.arange(100.0), inf)),
    ):
        with pytest.raises(DataError):
            call()
    with pytest.raises(ConfigError):
        diagnose(x, x, quantile=1.0)


def test_whether_a_tail_is_heavy_is_a_plain_truth_value():
    rng = np.random.default_rng(0)
    for values, heavy in ((rng.pareto(1.5, 4000), True), (rng.normal(size=4000), False)):
        found = tail_index(values)
        assert type(found.heavy) is bool
        assert found.heavy == heavy
