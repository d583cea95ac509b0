"""Few values, equal values, one prompt: what can be said of them, and what cannot."""

import math

import numpy as np
import pytest
from scipy.stats import t

from assay.stats import (
    auroc,
    best_of_n_curve,
    bootstrap,
    bracket,
    brier,
    curve,
    ece,
    mean,
    paired_bootstrap,
    proportion,
    student,
    summarise,
    wilson,
)
from assay.stats.intervals import widened


def none(estimate) -> bool:
    return math.isnan(estimate.low) and math.isnan(estimate.high)


@pytest.mark.owed
def test_one_prompt_has_no_interval_whatever_is_measured():
    one = ["a"] * 5
    assert none(mean([0.714]))
    assert none(bootstrap([0.714]))
    assert none(bootstrap([1.0, 2.0], clusters=["a", "a"], statistic=np.median))
    assert none(proportion([1, 1, 1, 1, 0], clusters=one))
    assert none(paired_bootstrap([1, 2], [0, 1], clusters=["a", "a"]))
    assert none(auroc([1, 2, 3, 4, 5], [0, 0, 1, 0, 1], clusters=one))
    assert none(ece([0.1, 0.9, 0.5, 0.5, 0.2], [0, 1, 1, 0, 0], clusters=one))
    assert none(brier([0.3], [1]))
    rng = np.random.default_rng(0)
    assert none(best_of_n_curve(rng.random((1, 8)), rng.random((1, 8)), [4])[0].estimate)
    assert none(student([1.0]))


@pytest.mark.owed
def test_the_number_of_prompts_is_said_and_used():
    few = proportion([1, 1, 1, 1, 0, 1, 1, 0, 1, 1], clusters=["a"] * 5 + ["b"] * 5)
    assert few.n == 2
    # Two prompts have one degree of freedom.
    assert few.high - few.low > 0.7


@pytest.mark.owed
def test_equal_values_have_no_interval_unless_they_are_shares():
    for values in (np.ones(12), np.full(12, 0.714), np.zeros(12), [0.1 + 0.2] * 6 + [0.3] * 6):
        assert none(mean(values))
        assert none(student(values))
    assert none(paired_bootstrap(np.arange(9.0) + 1, np.arange(9.0)))
    right = proportion(np.ones(12))
    assert right == wilson(12, 12)
    assert (round(right.low, 3), right.high) == (0.758, 1.0)
    assert proportion(np.ones(24), clusters=np.arange(24) // 2) == right
    half = proportion(np.full(12, 0.5))
    assert half.low < 0.3
    assert half.high > 0.7


@pytest.mark.owed
def test_a_curve_whose_prompts_agree():
    right = best_of_n_curve(np.random.default_rng(0).random((12, 8)), np.ones((12, 8)), [1, 4, 8])
    assert [round(p.estimate.low, 3) for p in right] == [0.758] * 3
    assert all(p.estimate.high == 1 for p in right)
    # A reward that is always .7 may be one that can be anything, and so may one that leaves [0, 1].
    assert none(best_of_n_curve(np.zeros((12, 8)), np.full((12, 8), 0.7), [4])[0].estimate)
    assert none(best_of_n_curve(np.zeros((12, 8)), np.full((12, 8), 3.0), [4])[0].estimate)
    assert none(curve(np.zeros((12, 1)), [1], share=False)[0].estimate)


@pytest.mark.owed
def test_rows_that_separate_leave_room():
    found = auroc(np.arange(10.0), np.r_[np.zeros(5), np.ones(5)])
    assert (found.value, found.high) == (1.0, 1.0)
    # Of area .6, ten rows separate by chance about one time in 40.
    assert 0.5 < found.low < 0.7
    turned = auroc(-np.arange(10.0), np.r_[np.zeros(5), np.ones(5)])
    assert (turned.low, turned.high) == pytest.approx((0, 1 - found.low))
    more = auroc(np.arange(200.0), np.r_[np.zeros(100), np.ones(100)])
    assert 0.9 < more.low < 1
    # Copies within a prompt are no more rows.
    copies = auroc(
        np.repeat(np.arange(10.0), 9),
        np.repeat(np.r_[np.zeros(5), np.ones(5)], 9),
        clusters=np.arange(90) // 9,
    )
    assert copies.low == pytest.approx(found.low, abs=0.03)


def test_the_interval_of_a_mean_is_at_least_students():
    x = np.random.default_rng(1).normal(size=9)
    half = t.ppf(0.975, 8) * x.std(ddof=1) / 3
    found = mean(x)
    assert found.low <= x.mean() - half + 1e-12
    assert found.high >= x.mean() + half - 1e-12
    assert x.mean() - found.low <= 2 * half + 1e-12
    assert found.high - x.mean() <= 2 * half + 1e-12
    three, seeds = mean(x[:3]), student(x[:3])
    assert (three.value, three.low, three.high) == pytest.approx(
        (seeds.value, seeds.low, seeds.high)
    )


def test_the_interval_of_a_mean_reaches_to_the_long_tail_and_turns_with_the_sign():
    x = np.random.default_rng(2).lognormal(size=30)
    found, turned, moved = mean(x), mean(-x), mean(10 * x + 7)
    assert found.high - found.value > 1.3 * (found.value - found.low)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    assert (moved.low, moved.high) == pytest.approx((10 * found.low + 7, 10 * found.high + 7))


def test_rows_of_a_prompt_that_are_copies_change_nothing():
    x = np.random.default_rng(3).normal(size=12)
    once, often = mean(x), mean(np.repeat(x, 7), clusters=np.arange(84) // 7)
    assert (often.low, often.high, often.n) == pytest.approx((once.low, once.high, 12))
    y = x > -0.3
    soft = proportion(np.repeat(y, 7), clusters=np.arange(84) // 7)
    assert (soft.low, soft.high) == pytest.approx((proportion(y).low, proportion(y).high), abs=0.06)


def test_a_prompt_that_holds_most_rows_costs_degrees_of_freedom():
    rng = np.random.default_rng(4)
    even = np.repeat(np.arange(10), 10)
    one_large = np.r_[np.zeros(91, dtype=int), np.arange(1, 10)]
    x = rng.normal(size=100)
    wide, narrow = mean(x, clusters=one_large), mean(x, clusters=even)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_draws_are_spread_by_students_factor():
    draws = np.array([1.0, 2.0, 3.0])
    factor = t.ppf(0.975, 4) / 1.959964 * math.sqrt(5 / 4)
    np.testing.assert_allclose(
        widened(draws, 2.0, 5, 0.95), 2 + factor * np.array([-1, 0, 1]), rtol=1e-6
    )
    assert np.isnan(widened(draws, 2.0, 1, 0.95)).all()
    np.testing.assert_allclose(widened(draws, 2.0, 100_000, 0.95), draws, rtol=1e-3)


def test_rare_events_widen_wilsons_ends_from_twenty_trials_on():
    """At .99 in 50, Wilson's interval of two failures begins at .011: with it, coverage would be 91
    %."""
    assert wilson(48, 50).high > 0.99 > wilson(45, 50).high
    assert wilson(1, 50).low == pytest.approx(-math.log(0.95) / 50)
    assert round(wilson(2, 10).low, 3) == 0.057
    assert wilson(100, 200).low == pytest.approx(0.4314, abs=1e-3)


def test_what_is_printed_without_an_interval():
    assert bracket(mean([0.714])) == "(no interval from n = 1)"
    assert bracket(mean([1.0, 1.0])) == "(no interval)"
    assert bracket(wilson(8, 10), ".2f") == "[0.49, 0.94]"
    assert summarise(mean([0.714])) == "0.714 (no interval from n = 1), n=1"
    assert summarise(mean([])) == "n/a (no interval), n=0"


def test_many_rows_are_fast():
    x = np.random.default_rng(5).random(100_000)
    y = (x > 0.5) * 1.0
    ids = np.arange(100_000) // 4
    for found in (mean(x), proportion(y, clusters=ids), auroc(x, y, clusters=ids)):
        assert found.high > found.low


def test_no_interval_leaves_the_range_of_its_numbers() -> None:
    score = brier([0.9, 0.4], [1, 1])
    assert (score.low, score.high) == (0.0, 1.0)
    apart = paired_bootstrap([1, 0], [0, 0.5], within=(-1, 1))
    assert (apart.value, apart.low, apart.high) == (0.25, -1.0, 1.0)
    assert paired_bootstrap([1, 0], [0, 0.5]).high > 1
    assert none(mean([0.5, 0.5], within=(0, 1)))
