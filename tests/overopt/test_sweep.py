import json
from itertools import combinations
from math import isnan, log, nan

import numpy as np
import pytest

from assay.errors import ConfigError, DataError
from assay.overopt import (
    GaussianGoodhart,
    best_of_n_kl,
    default_ns,
    fit_forms,
    pool_kl,
    read_points,
    recommend_stop,
    sweep_best_of_n,
    write_points,
)
from assay.overopt.study import study
from assay.stats import best_of_n_curve

WORLD = GaussianGoodhart(1.0, 0.35, 0.3)
PROXY, GOLD = WORLD.pools(60, 64, seed=0)


def best_by_brute_force(proxy, values, n):
    picks = []
    for subset in combinations(range(len(proxy)), n):
        top = max(proxy[i] for i in subset)
        picks.append(np.mean([values[i] for i in subset if proxy[i] == top]))
    return np.mean(picks)


def test_points_by_brute_force():
    rng = np.random.default_rng(0)
    proxies = {"a": rng.integers(0, 4, size=(3, 7)), "b": rng.normal(size=(3, 7))}
    golds = {"x": rng.normal(size=(3, 7)), "y": rng.normal(size=(3, 7))}
    lengths, spread = rng.integers(5, 50, size=(3, 7)), rng.random((3, 7))
    found = sweep_best_of_n(
        proxies, golds, ns=[1, 2, 5, 7], lengths=lengths, disagreement=spread, resamples=100
    )
    assert len(found.points) == 16
    for point in found.points:
        x, n = proxies[point.proxy], point.n

        def mean(values, x=x, n=n):
            return np.mean([best_by_brute_force(x[p], values[p], n) for p in range(3)])

        assert point.method == "best_of_n"
        assert point.gold_mean.value == pytest.approx(mean(golds[point.gold]))
        assert point.proxy_mean.value == pytest.approx(mean(x))
        assert point.length == pytest.approx(mean(lengths))
        assert point.disagreement == pytest.approx(mean(spread))
        assert point.kl == best_of_n_kl(n)
        assert point.kl_empirical is not None
        assert point.kl_empirical.value == pytest.approx(
            np.mean([pool_kl(x[p], n) for p in range(3)])
        )
        each = [best_by_brute_force(x[p], golds[point.gold][p], n) for p in range(3)]
        assert point.gold_se == pytest.approx(np.std(each, ddof=1) / np.sqrt(3))
        assert point.trusted == (n == 1 or 8 * n <= 7)
        assert point.pool == 7


def test_intervals_are_those_of_the_statistics():
    found = sweep_best_of_n({"p": PROXY}, {"g": GOLD}, ns=[4], resamples=2000, seed=3).points[0]
    (wanted,) = best_of_n_curve(PROXY, GOLD, [4], resamples=2000, seed=3)
    assert found.gold_mean.value == pytest.approx(wanted.estimate.value)
    assert found.gold_mean.low == pytest.approx(wanted.estimate.low, abs=0.02)
    assert found.gold_mean.high == pytest.approx(wanted.estimate.high, abs=0.02)


def test_from_a_pool_to_a_fit_and_a_stop():
    found = sweep_best_of_n({"p": PROXY}, {"g": GOLD}, resamples=200)
    curve = found.curve("p", "g")
    assert tuple(curve.n_K) == default_ns(64) == (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)
    np.testing.assert_array_equal(curve.trusted_K, curve.n_K <= 8)
    np.testing.assert_array_equal(curve.kl_best_K, curve.kl_K)
    assert all(point.kl_holds and point.kl_best == point.kl for point in found.points)
    assert not found.notes
    fits = fit_forms(curve.kl_best_K, curve.gold_P_K, resamples=200)
    assert fits.best_of_n.alpha.value == pytest.approx(WORLD.alpha, rel=0.15)
    assert fits.best_of_n.r2.value > 0.9
    stop = recommend_stop(
        curve.kl_best_K, curve.gold_P_K, epsilon=0.1, n_K=curve.n_K, trusted=curve.trusted_K
    )
    assert stop.n is not None
    assert 1 < stop.n <= 8
    with pytest.raises(DataError, match="there are p/g"):
        found.curve("p", "h")


def test_duplicates_are_counted_and_the_empirical_kl_stands_in():
    proxy, gold = np.repeat(PROXY[:, :8], 8, axis=1), np.repeat(GOLD[:, :8], 8, axis=1)
    keys = [[f"{p}: {i // 8}" for i in range(64)] for p in range(60)]
    found = sweep_best_of_n({"p": proxy}, {"g": gold}, keys=keys, resamples=100)
    last = found.points[-1]
    assert last.dup_rate == last.tie_rate == pytest.approx(1 - 8 / 64)
    assert not last.kl_holds
    assert last.kl_best == pytest.approx(log(8), abs=0.02)
    assert found.points[0].kl_holds
    curve = found.curve("p", "g")
    np.testing.assert_array_equal(curve.kl_best_K, curve.kl_empirical_K)
    assert any("repeat or tie" in note for note in found.notes)
    # Scored with noise, only the keys tell.
    noisy = proxy + 1e-6 * np.random.default_rng(0).normal(size=proxy.shape)
    assert sweep_best_of_n({"p": noisy}, {"g": gold}, resamples=10).points[-1].kl_holds
    again = sweep_best_of_n({"p": noisy}, {"g": gold}, keys=keys, resamples=10).points[-1]
    assert not again.kl_holds
    assert (again.dup_rate, again.tie_rate) == (pytest.approx(7 / 8), 0)


def test_a_constant_proxy_says_so_and_gives_the_mean():
    found = sweep_best_of_n(
        {"flat": np.full((60, 64), 0.3), "p": PROXY}, {"g": GOLD}, ns=[1, 8, 64], resamples=50
    )
    assert any("'flat' is constant within every prompt" in note for note in found.notes)
    assert not any("'p'" in note for note in found.notes)
    for point in found.points[:3]:
        assert point.gold_mean.value == pytest.approx(GOLD.mean())
        assert point.kl_best == pytest.approx(0, abs=0.06)
        assert point.proxy_mean.value == pytest.approx(0.3)
    half = PROXY.copy()
    half[:20] = 1.0
    notes = sweep_best_of_n({"half": half}, {"g": GOLD}, ns=[1, 2], resamples=10).notes
    assert any("constant within 20 of 60 prompts" in note for note in notes)


def test_unscored_responses_leave_the_pool_and_padding_is_not_counted():
    proxy, gold = PROXY.copy(), GOLD.copy()
    proxy[:, 60] = nan
    proxy[:, 61:], gold[:, 61:] = nan, nan
    found = sweep_best_of_n({"p": proxy}, {"g": gold}, ns=[1, 8, 60], resamples=50)
    wanted = sweep_best_of_n({"p": PROXY[:, :60]}, {"g": GOLD[:, :60]}, ns=[1, 8, 60], resamples=50)
    for one, other in zip(found.points, wanted.points, strict=True):
        assert one.gold_mean.value == pytest.approx(other.gold_mean.value)
        assert (one.unscored, one.gold_mean.unscored, one.no_gold) == (60, 60, 0)
        assert other.unscored == 0
    assert any("could not score 60" in note for note in found.notes)


def test_short_pools_end_early_and_cost_trust():
    proxy = PROXY.copy()
    proxy[:10, 20:] = nan
    gold = np.where(np.isnan(proxy), nan, GOLD)
    points = sweep_best_of_n({"p": proxy}, {"g": gold}, ns=[1, 2, 8, 32], resamples=50).points
    assert [p.gold_mean.n for p in points] == [60, 60, 60, 50]
    assert [p.trusted for p in points] == [True, True, False, False]


def test_one_prompt_has_no_interval():
    found = sweep_best_of_n({"p": PROXY[:1]}, {"g": GOLD[:1]}, ns=[2], resamples=10)
    (point,) = found.points
    assert isnan(point.gold_mean.low)
    assert isnan(point.gold_se)
    assert any("one prompt" in note for note in found.notes)


def test_missing_gold_is_refused_or_left_out():
    gold = GOLD.copy()
    gold[2, 5] = nan
    with pytest.raises(DataError, match=r"1 of 3840 responses .* prompt 2, response 5"):
        sweep_best_of_n({"p": PROXY}, {"g": gold})
    found = sweep_best_of_n(
        {"p": PROXY}, {"g": gold}, ns=[1, 2], missing_gold="leave_out", resamples=10
    )
    assert found.points[0].no_gold == 1
    assert any("1 responses without gold" in note for note in found.notes)
    with pytest.raises(ConfigError):
        sweep_best_of_n({"p": PROXY}, {"g": gold}, missing_gold="zero")


def test_refusals():
    apart = np.full_like(PROXY, nan)
    apart[:, 0] = 1.0
    for proxies, golds, options, message in (
        ({}, {"g": GOLD}, {}, "no proxy"),
        ({"p": PROXY}, {}, {}, "no gold"),
        ({"p": PROXY}, {"g": GOLD * nan}, {}, "no score at all"),
        ({"p": PROXY}, {"g": GOLD[:, :3]}, {}, r"gold g is \(60, 3\)"),
        ({"p": PROXY[0]}, {"g": GOLD[0]}, {}, "must be"),
        ({"p": PROXY[:, :1]}, {"g": GOLD[:, :1]}, {}, "one response a prompt"),
        ({"p": apart}, {"g": GOLD}, {}, "no prompt has two"),
        ({"p": PROXY}, {"g": np.where(GOLD > 0, np.inf, GOLD)}, {}, "infinite"),
        ({"p": [["one", "two"]]}, {"g": [[1, 2]]}, {}, "not an array of numbers"),
        ({"p": PROXY}, {"g": GOLD}, {"ns": [0, 1]}, "from 1 to 64"),
        ({"p": PROXY}, {"g": GOLD}, {"ns": [65]}, "from 1 to 64"),
        ({"p": PROXY}, {"g": GOLD}, {"ns": []}, "from 1 to 64"),
        ({"p": PROXY}, {"g": GOLD}, {"keys": [["a"]]}, "keys"),
        ({"p": PROXY}, {"g": GOLD}, {"lengths": [1]}, "lengths"),
    ):
        with pytest.raises(DataError, match=message):
            sweep_best_of_n(proxies, golds, **options)


def test_points_go_to_a_file_and_back(tmp_path):
    found = sweep_best_of_n(
        {"p": PROXY}, {"g\u2028": GOLD}, ns=[1, 4], lengths=np.ones((60, 64)), resamples=20
    )
    path = tmp_path / "points.jsonl"
    write_points(path, found.points)
    assert len(path.read_bytes().decode().strip().split("\n")) == 2
    # At n = 1 every prompt has a KL of 0, so it has no interval: NaN, which is not equal to itself.
    assert repr(read_points(path)) == repr(list(found.points))
    # One prompt has numbers that are not finite, which JSON does not know.
    write_points(
        path, sweep_best_of_n({"p": PROXY[:1]}, {"g": GOLD[:1]}, ns=[2], resamples=20).points
    )
    assert json.loads(path.read_text())["gold_se"] is None
    (back,) = read_points(path)
    assert isnan(back.gold_se)
    assert isnan(back.gold_mean.high)


def test_rows_that_are_no_points_are_named(tmp_path):
    path = tmp_path / "points.jsonl"
    write_points(path, sweep_best_of_n({"p": PROXY}, {"g": GOLD}, ns=[1], resamples=20).points)
    good = path.read_text()
    row = json.loads(good)
    for bad in (
        "{",
        "[1]",
        "{}",
        json.dumps(row | {"extra": 1}),
        json.dumps({k: v for k, v in row.items() if k != "kl"}),
        json.dumps(row | {"gold_mean": 3.0}),
        json.dumps(row | {"gold_mean": {"value": 1}}),
        json.dumps(row | {"kl": "much"}),
    ):
        path.write_text(good + bad + "\n")
        with pytest.raises(DataError, match="line 2"):
            read_points(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_points(tmp_path / "none.jsonl")


def test_a_stop_that_gains_nothing_is_no_advice_to_choose():
    """The best of two has the same mean square as one: within epsilon, so no reason to stop, and no
    gain either."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 64))
    y = -0.2 * x**2 + 0.3 * rng.normal(size=x.shape)
    (found,) = study(
        sweep_best_of_n({"rm": x}, {"gold": y}, resamples=200),
        {"rm": x},
        {"gold": y},
        resamples=200,
    )
    assert found.stop is not None
    assert found.stop.n is not None
    assert found.stop.n > 1
    assert found.gain is not None
    assert found.gain.low <= 0
    assert found.verdict.startswith(
        "Choosing by rm gains nothing that can be seen: even the best of n = "
    )
    assert "Beyond it gold falls while rm keeps rising" in found.verdict


@pytest.mark.owed
def test_opposed_and_constant_scores_are_called_so():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20, 64))

    def told(proxy, gold):
        sweep = sweep_best_of_n({"rm": proxy}, {"human": gold}, resamples=50)
        return study(sweep, {"rm": proxy}, {"human": gold}, resamples=200)[0]

    opposed = told(x, rng.normal(size=x.shape) - x - 0.2 * x * x)
    assert opposed.verdict.startswith("Do not select by rm: human falls from the start")
    assert "surely opposed" in " ".join(opposed.warnings)
    assert opposed.diagnosis.kind == "opposed"
    assert "falls from the start, so no optimisation pays" in opposed.fits.best_of_n.words
    for value in (3.0, 0.1):
        level = told(x, np.full_like(x, value))
        assert level.constant_gold
        assert "nothing to measure" in level.verdict
        assert level.fits is None
    # Numbers whose size hides their differences from a relative tolerance are not constant.
    assert not told(1e15 + np.arange(64) + 0 * x, 1e12 + np.arange(64) + 0 * x).constant
    with pytest.raises(DataError, match="beyond 1e"):
        told(x * 1e300, x)


def test_prompts_of_other_sizes_are_not_compared_with_each_other():
    """Gold is high on the prompts that have many responses, and falls for none: no fall, whoever
    drops out."""
    rng = np.random.default_rng(0)
    x, level = rng.normal(size=(40, 64)), np.repeat([[5.0], [0.0]], 20, axis=0)
    y = level + x + 0.1 * rng.normal(size=x.shape)
    x[:20, 8:] = nan
    y[:20, 8:] = nan
    sweep = sweep_best_of_n({"rm": x}, {"g": y}, resamples=50)
    (found,) = study(sweep, {"rm": x}, {"g": y}, resamples=200)
    means = {p.n: p.gold_mean.value for p in found.points}
    assert means[64] < means[1]
    assert found.fall is None
    assert "falls" not in found.verdict
