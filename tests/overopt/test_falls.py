from math import isnan, sqrt

import numpy as np
import pytest
from scipy.stats import t

from assay.errors import DataError
from assay.overopt import default_ns, recommend_stop, sweep_best_of_n
from assay.overopt.falls import errors_of_estimates, errors_of_units, falls, largest_fall
from assay.overopt.study import Study, study
from assay.stats import best_of_n, paired_bootstrap


def test_of_two_points_it_is_students_paired_test():
    rng = np.random.default_rng(0)
    for count in (3, 8, 40):
        y = rng.normal(size=(count, 2)) + np.array([0.5, 0.0])
        found = largest_fall(y.mean(axis=0), errors_of_units(y), resamples=40_000)
        difference = y[:, 0] - y[:, 1]
        if difference.mean() <= 0:
            assert found is None
            continue
        half = t.ppf(0.975, count - 1) * difference.std(ddof=1) / sqrt(count)
        assert found.loss.value == pytest.approx(difference.mean())
        assert found.loss.low == pytest.approx(difference.mean() - half, abs=0.05 * half)


def test_several_points_pay_for_their_choice_and_correlated_ones_pay_less():
    def width(values):
        _, half = falls(values.mean(axis=0), errors_of_units(values), resamples=4000)
        return float(half[0, -1])

    rng = np.random.default_rng(0)
    two, others = rng.normal(size=(200, 2)), rng.normal(size=(200, 10))
    many = np.column_stack([two[:, 0], others, two[:, 1]])
    same = np.column_stack([two[:, 0], *[two[:, 0]] * 10, two[:, 1]])
    assert width(many) > 1.3 * width(two)
    assert width(same) == pytest.approx(width(two), rel=0.05)


def test_estimates_are_independent_and_their_errors_known():
    errors = errors_of_estimates(np.array([3.0, 4.0]), 10)
    assert errors.of_differences()[0, 1] == pytest.approx(5)
    _, half = falls(np.array([1.0, 0.0]), errors, resamples=40_000)
    assert half[0, 1] == pytest.approx(1.96 * 5, rel=0.03)


@pytest.mark.parametrize("count", [2, 6, 40])
def test_equal_differences_prove_nothing(count):
    """They have no spread, and may be one prompt many times over."""
    found = largest_fall(np.array([1.0, 0.0]), errors_of_units(np.tile([1.0, 0.0], (count, 1))))
    assert not found.sure
    assert isnan(found.loss.low)
    # Errors that are known to be nothing are.
    assert largest_fall(np.array([1.0, 0.0]), errors_of_estimates(np.zeros(2), count)).sure


def test_a_sure_fall_among_the_points_that_count_is_told_before_a_later_one():
    rng = np.random.default_rng(0)
    y = np.array([0.0, 2.0, 1.0, -1.0]) + 0.1 * rng.normal(size=(30, 4))
    trusted = np.array([True, True, True, False])
    found = largest_fall(y.mean(axis=0), errors_of_units(y), first_K=trusted)
    assert (found.start, found.end) == (1, 2)
    assert largest_fall(y.mean(axis=0), errors_of_units(y)).end == 3
    # Where those that count do not fall for sure, the later one is.
    assert (
        largest_fall(
            y.mean(axis=0), errors_of_units(y), first_K=np.array([True, True, False, False])
        ).end
        == 3
    )


def test_too_little_to_compare():
    with pytest.raises(DataError, match="two are needed"):
        errors_of_units(np.ones((1, 3)))
    assert largest_fall(np.array([1.0]), errors_of_units(np.ones((3, 1)))) is None


def world(name, prompts, size, seed):
    """(proxy, gold) of a world whose course is known: gold rises, stays, or is highest near n =
    5."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(prompts, size))
    noise = rng.normal(size=z.shape)
    gold = {
        "rises": 0.5 * z,
        "saturates": np.minimum(z, 0.5),
        "flat": 0 * z,
        "falls": 0.8 * z - 0.45 * z * z,
    }[name]
    return z + 0.5 * rng.normal(size=z.shape), gold + noise


def told(name, prompts, size, seed) -> tuple[Study, np.ndarray]:
    x, y = world(name, prompts, size, seed)
    (found,) = study(
        sweep_best_of_n({"rm": x}, {"human": y}, resamples=100),
        {"rm": x},
        {"human": y},
        resamples=300,
    )
    return found, best_of_n(x, y, default_ns(size))


@pytest.mark.owed
@pytest.mark.parametrize("name", ["rises", "saturates", "flat"])
@pytest.mark.parametrize("prompts", [3, 10, 40])
def test_gold_that_never_falls_is_seldom_said_to(name, prompts):
    ns = default_ns(64)
    sure = stopped = 0
    for seed in range(100):
        gold = best_of_n(*world(name, prompts, 64, seed), ns)
        found = largest_fall(gold.mean(axis=0), errors_of_units(gold), resamples=300)
        sure += found is not None and found.sure
        if name == "rises":
            kl, near = np.arange(len(ns), dtype=float), np.array(ns) * 8 <= 64
            stopped += not recommend_stop(kl, gold, epsilon=0.05, trusted=near, resamples=50).at_end
    # Of a hundred trials at 5 % more than ten come up in one of eighty.
    assert sure <= 10
    assert stopped <= 10


@pytest.mark.owed
@pytest.mark.parametrize("size", [16, 64])
def test_a_planted_fall_beyond_an_eighth_of_the_pool_is_not_hidden(size):
    shown = 0
    for seed in range(8):
        found, gold = told("falls", 40, size, seed)
        top = int(gold.mean(axis=0).argmax())
        fall = paired_bootstrap(gold[:, top], gold[:, -1], resamples=300)
        if fall.low > 0:
            assert "nothing says to stop" not in found.verdict
            assert found.fall is not None
            assert f"n = {found.points[found.fall.end].n}" in found.verdict
            shown += found.fall.sure
            # A sure fall among the points that count is told without that word.
            if (
                "Beyond it human falls" in found.verdict
                and not found.points[found.fall.end].trusted
            ):
                assert "few responses per prompt (n > N/8)" in found.verdict
    assert shown >= (7 if size == 64 else 0)


def test_a_rise_is_told_as_one():
    found, _ = told("rises", 40, 64, 0)
    assert "nothing says to stop earlier" in found.verdict
    assert found.stop.at_end
    assert found.stop.loss.high == 0
