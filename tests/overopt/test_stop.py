from dataclasses import replace
from math import ceil, isnan, nan, sqrt

import numpy as np
import pytest
from scipy.stats import poisson

from assay.errors import ConfigError, DataError
from assay.overopt import METHODS, GaussianGoodhart, best_of_n_kl, hedge_tune, recommend_stop
from assay.overopt.words import stop_words
from assay.stats import Estimate, best_of_n

KL = [0.0, 0.5, 1.0, 2.0, 3.0, 4.0]


def prompts(curve, count=100, noise=0.0, spread=5.0, seed=0):
    """Per-prompt values with exactly this mean; prompts differ by `spread`, points of one prompt by
    `noise`."""
    rng = np.random.default_rng(seed)
    each, own = rng.normal(size=(count, 1)) * spread, rng.normal(size=(count, len(curve))) * noise
    return np.array(curve) + each - each.mean() + own - own.mean(axis=0)


def estimates(curve, half, n=100):
    return [Estimate(value=v, low=v - half, high=v + half, n=n) for v in curve]


@pytest.mark.parametrize(
    ("curve", "epsilon", "wanted"),
    [
        ([0, 1, 2, 3, 4, 5], 0.1, 5),  # rises to the end
        ([0, 1, 2, 1.5, 1, 0], 0.1, 2),  # a peak
        ([0, 1, 2, 1.95, 1, 0], 0.1, 3),  # within epsilon of the peak
        ([0, 1, 2, 1.95, 1, 0], 0.01, 2),
        ([0, 1, 0.2, 2, 1, 0], 0.1, 3),  # the running maximum recovers
        ([0, -1, -2, -3, -4, -5], 0.1, 0),  # only falls
        ([0, 1, 2, 1.5, 1, 0], 0.5, 3),  # exactly epsilon
        ([0, 0, 0, 0, 0, 0], 0.0, 5),  # flat
    ],
)
def test_constructed_curves_without_noise(curve, epsilon, wanted):
    ns = [1, 2, 4, 8, 16, 32]
    # Prompts that differ by a hair: equal ones say nothing for certain.
    hair = 1 + 1e-6 * np.array([[1.0], [-1.0]] * 4)
    for gold in (hair * np.array(curve, dtype=float), estimates(curve, 0.0)):
        found = recommend_stop(KL, gold, epsilon=epsilon, n_K=ns)
        assert (found.index, found.kl, found.n) == (wanted, KL[wanted], ns[wanted])
        assert found.at_end == (wanted == 5)
        assert found.settled
        assert found.more_prompts == found.more_labels == 0
        assert found.gold is not None
        assert found.gold.value == pytest.approx(curve[wanted])
        assert f"n = {ns[wanted]}" in found.words


def test_points_in_any_order():
    curve, order = np.array([0, 1, 2, 1.5, 1, 0]), [3, 0, 5, 2, 1, 4]
    found = recommend_stop(np.array(KL)[order], prompts(curve)[:, order], epsilon=0.1)
    assert (found.index, found.kl) == (3, 1.0)


def test_the_rule_for_estimates_by_hand():
    """Errors are halves / 1.96 and independent, so that of a difference is the root of 2 times
    one."""
    half = 0.15
    gold = estimates([0.8, 1.0, 0.95, 0.5], half)
    # The last has surely lost 0.5; before it, 0.05 are within epsilon, and are not within a smaller
    # one.
    found = recommend_stop(KL[:4], gold, epsilon=0.18)
    assert (found.index, found.rule, found.sure) == (2, "intervals", True)
    assert found.fall is not None
    assert (found.fall.start, found.fall.end) == (1, 3)
    assert found.fall.loss.value == pytest.approx(0.5)
    found = recommend_stop(KL[:4], gold, epsilon=0.01)
    assert found.index == 1
    assert not found.settled
    error = half / 1.959964 * sqrt(2)
    assert found.more_prompts == ceil(100 * ((1.959964 + 0.5) * error / (0.05 - 0.01)) ** 2) - 100


def test_rising_gold_is_not_stopped_by_its_noise():
    found = recommend_stop(KL, estimates([0, 1, 2, 3, 4, 5], 2.5), epsilon=0.1, labels_a_prompt=64)
    assert (found.index, found.at_end, found.sure, found.fall) == (5, True, False, None)
    assert found.more_prompts == 0
    assert "Nothing says to stop" in found.words


def test_what_prompts_differ_in_does_not_matter_where_they_are_paired():
    curve = [0, 1, 2, 1.95, 1, 0]
    wide, narrow = (
        recommend_stop(KL, prompts(curve, noise=0.05, spread=s), epsilon=0.1, resamples=500)
        for s in (50.0, 0.0)
    )
    assert wide.index == narrow.index == 3
    assert wide.loss is not None
    assert narrow.loss is not None
    assert wide.loss.high == pytest.approx(narrow.loss.high)


def test_a_doubtful_next_point_asks_for_more_gold_and_as_much_settles_it():
    """0.25 are lost at the fourth point, with an error of 0.2: too much for 20 prompts, not for
    what is asked."""
    curve, settled = [0, 1, 2, 1.75, 0, -1], []
    few = recommend_stop(
        KL, prompts(curve, count=20, noise=0.6, seed=1), epsilon=0.1, labels_a_prompt=10
    )
    assert (few.index, few.sure, few.settled) == (2, True, False)
    assert few.more_prompts is not None
    assert few.more_labels == 10 * few.more_prompts
    assert (
        f"about {few.more_prompts:,} more prompts with gold ({few.more_labels:,} gold labels)"
        in few.words
    )
    for seed in range(2, 8):
        more = prompts(curve, count=20 + few.more_prompts, noise=0.6, seed=seed)
        settled.append(recommend_stop(KL, more, epsilon=0.1, resamples=300).settled)
    assert sum(settled) >= 4


def test_a_surely_worse_next_point_needs_no_more_gold():
    found = recommend_stop(KL, prompts([0, 1, 2, 1, 0, 0], noise=0.1), epsilon=0.1)
    assert (found.index, found.settled, found.more_prompts) == (2, True, 0)
    assert "surely more" in found.words


def test_what_lies_too_near_to_epsilon_is_not_to_be_settled():
    found = recommend_stop([0.0, 1.0, 2.0], estimates([1.0, 0.899, 0.0], 0.1, n=1000), epsilon=0.1)
    assert (found.index, found.sure) == (0, True)
    assert found.more_prompts is None
    assert "too close to epsilon" in found.words


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (100_000, "about 99,000 more prompts (100,000 gold labels) would settle it"),
        (52_370_176, "it would take more than 100,000 gold labels"),
    ],
)
def test_a_number_of_labels_is_named_only_where_someone_could_pay_it(labels: int, said: str):
    found = recommend_stop(KL, prompts([0, 1, 2, 1, 0, 0], noise=0.1), epsilon=0.1)
    made = replace(found, settled=False, more_prompts=99_000, more_labels=labels)
    names = [str(i) for i in range(6)]
    words = stop_words(made, names, ("3", Estimate(value=1.0, low=0.0, high=2.0, n=9)), "prompts")
    assert said in words
    assert ("52,370,176" in words, "99,000" in words) == (False, labels == 100_000)
    assert "(0.1, a loss that counts as none)" in words


def test_only_trusted_points_count_and_prompts_without_a_value_there_are_left_out():
    gold = prompts([0, 1, 2, 3, 9, 9])
    gold[0, 5] = nan
    gold[1, 0] = nan
    found = recommend_stop(KL, gold, epsilon=0.1, trusted=[1, 1, 1, 1, 0, 0])
    assert found.index == 3
    assert found.at_end
    assert found.gold is not None
    assert found.gold.n == 99


def test_refusals_of_a_stop():
    good = prompts([0, 1, 2, 1, 0, 0])
    for call in (
        lambda: recommend_stop(KL, good[:, :3], epsilon=0.1),
        lambda: recommend_stop(KL, good[:1], epsilon=0.1),
        lambda: recommend_stop(KL, good, epsilon=0.1, trusted=[False] * 6),
        lambda: recommend_stop(KL, good, epsilon=0.1, n_K=[1]),
        lambda: recommend_stop([nan, *KL[1:]], good, epsilon=0.1),
        lambda: recommend_stop(KL, estimates([0, 1], 0.1), epsilon=0.1),
        lambda: recommend_stop(KL[:2], estimates([nan, 1], 0.1), epsilon=0.1),
    ):
        with pytest.raises(DataError):
            call()
    with pytest.raises(ConfigError):
        recommend_stop(KL, good, epsilon=-0.1)


WORLD = GaussianGoodhart(1.0, 0.35)
PROXY, GOLD = WORLD.pools(150, 128, seed=0)
EXPECTED = best_of_n(PROXY, GOLD, list(range(1, 129))).mean(axis=0)


def by_weights(method, strength, proxy, gold):
    """Expected gold, from the method's own definition and by other means than the library's."""
    if method == "best_of_n":
        return float(best_of_n(proxy, gold, int(strength)).mean())
    if method == "best_of_poisson":
        return float(EXPECTED @ poisson.pmf(np.arange(128), strength))
    feature = proxy
    if method == "tilt":
        feature = (proxy.argsort(axis=1).argsort(axis=1) + 0.5) / proxy.shape[1]
    weights = np.exp(strength * feature)
    return float(((weights * gold).sum(axis=1) / weights.sum(axis=1)).mean())


@pytest.mark.parametrize("method", METHODS)
def test_hedge_by_brute_force(method):
    found = hedge_tune(PROXY, GOLD, method=method, resamples=300)
    assert not found.at_end
    assert found.gold.value == pytest.approx(
        by_weights(method, found.strength.value, PROXY, GOLD), abs=1e-9
    )
    strengths = np.arange(1, 17) if method == "best_of_n" else np.linspace(0, found.most, 200)
    best = max(strengths, key=lambda t: by_weights(method, t, PROXY, GOLD))
    spacing = 0.0 if method == "best_of_n" else found.most / 199
    assert found.strength.value == pytest.approx(best, abs=spacing + 1e-12)
    assert found.gold.value >= by_weights(method, best, PROXY, GOLD) - 1e-12
    if method != "best_of_n":
        # The root itself, not the nearest of the strengths that were tried.
        for beside in (found.strength.value * 0.999, found.strength.value * 1.001):
            assert found.gold.value > by_weights(method, beside, PROXY, GOLD)
    assert found.base.value == pytest.approx(GOLD.mean())
    assert found.gain.value == pytest.approx(found.gold.value - found.base.value)
    assert found.strength.low <= found.strength.value <= found.strength.high
    assert found.strength.low < found.strength.high


def test_hedge_finds_the_peaks_of_the_analytic_world():
    """Soft selection by a Gaussian proxy is the tilted policy: gold is highest at lambda = a /
    (2b), d = lambda/√2."""
    proxy, gold = WORLD.pools(200, 512, seed=1)
    soft = hedge_tune(proxy, gold, method="soft", resamples=300)
    # A pool of 512 is not yet the tilted policy: it takes a little more to get as far.
    assert 1 < soft.strength.value * 0.7 < 1.08
    assert soft.kl == pytest.approx(WORLD.peak_d**2, rel=0.1)
    assert soft.gold.value == pytest.approx(WORLD.peak_gold, rel=0.1)
    hard = hedge_tune(proxy, gold, method="best_of_n", resamples=300)
    exact = max(range(1, 65), key=lambda n: WORLD.best_of_n(n)[1])
    assert hard.strength.low <= exact <= hard.strength.high
    assert hard.kl == best_of_n_kl(hard.strength.value)
    poisson_mean = (
        hedge_tune(proxy, gold, method="best_of_poisson", resamples=300).strength.value + 1
    )
    assert poisson_mean == pytest.approx(exact, abs=3)


@pytest.mark.parametrize("method", METHODS)
def test_hedge_where_gold_only_rises_or_only_falls(method):
    rising = hedge_tune(PROXY, PROXY, method=method, resamples=50)
    assert rising.at_end
    assert rising.strength.value == rising.most
    assert "still rises" in rising.words
    falling = hedge_tune(PROXY, -PROXY, method=method, resamples=50)
    assert not falling.at_end
    assert falling.strength.value == (1 if method == "best_of_n" else 0)
    assert falling.gain.value == 0
    assert falling.kl == pytest.approx(0, abs=1e-12)
    assert "do not select" in falling.words


def test_the_strength_that_is_tried_reaches_the_same_kl():
    for method in ("tilt", "soft"):
        found = hedge_tune(PROXY, PROXY, method=method, resamples=10)
        assert found.kl == pytest.approx(best_of_n_kl(16), abs=1e-3)


def test_hedge_leaves_unscored_responses_out():
    holes = PROXY.copy()
    holes[:, 100:] = nan
    gold = np.where(np.isnan(holes), 1e6, GOLD)
    for method in METHODS:
        one = hedge_tune(holes, gold, method=method, most=8, resamples=20)
        other = hedge_tune(PROXY[:, :100], GOLD[:, :100], method=method, most=8, resamples=20)
        assert one.strength.value == pytest.approx(other.strength.value)
        assert one.gold.value == pytest.approx(other.gold.value)


def test_hedge_for_pools_of_different_sizes():
    holes = PROXY.copy()
    holes[:40, 4:] = nan
    found = hedge_tune(holes, GOLD, most=16, resamples=20)
    wanted = [
        np.concatenate(
            [
                best_of_n(PROXY[:40, :4], GOLD[:40, :4], min(n, 4)),
                best_of_n(PROXY[40:], GOLD[40:], n),
            ]
        ).mean()
        for n in range(1, 17)
    ]
    assert found.strength.value == 1 + int(np.argmax(wanted))
    assert found.gold.value == pytest.approx(max(wanted))


def test_one_prompt_has_no_interval():
    found = hedge_tune(PROXY[:1], GOLD[:1], resamples=20)
    assert isnan(found.gold.low)
    assert found.gold.n == 1


def test_refusals_of_a_hedge():
    for call in (
        lambda: hedge_tune(PROXY[:, :8], GOLD[:, :8]),
        lambda: hedge_tune(PROXY, GOLD[:, :8]),
        lambda: hedge_tune(PROXY, GOLD * nan),
        lambda: hedge_tune(PROXY, GOLD, most=1000),
        lambda: hedge_tune(PROXY, GOLD, method="best_of_poisson", most=1000),
        lambda: hedge_tune(PROXY * 0, GOLD, method="soft"),
        lambda: hedge_tune(np.full_like(PROXY, np.inf), GOLD),
    ):
        with pytest.raises(DataError):
            call()
    for call in (
        lambda: hedge_tune(PROXY, GOLD, most=0),
        lambda: hedge_tune(PROXY, GOLD, method="harder"),
    ):
        with pytest.raises(ConfigError):
            call()


def test_what_is_said_can_be_written_as_json():
    """Flags are Python's own: numpy's would be refused by json."""
    x = np.random.default_rng(0).normal(size=(6, 64))
    for gold in (x, -x):
        found = hedge_tune(x, gold, most=8, resamples=20)
        assert type(found.at_end) is bool
    stop = recommend_stop([0.0, 1.0], x[:, :2], epsilon=10.0)
    assert type(stop.at_end) is bool
    assert type(stop.settled) is bool
