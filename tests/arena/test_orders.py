"""Two orders: tau by brute force, and how often what is sure is true."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from assay.arena.orders import compared, steps_of, verdict
from assay.arena.ratings import Ratings, rate
from assay.arena.votes import votes
from assay.errors import ConfigError

NAMES = [f"r@{i}" for i in range(5)]


def simulated(rng: np.random.Generator, strength: np.ndarray, games: int = 60, **more) -> Ratings:
    """A round robin by strengths that vary by prompt."""
    k = len(strength)
    first, second = np.array([(i, j) for i in range(k) for j in range(k) if i != j]).T
    rows = []
    for prompt in range(games):
        r = strength + 0.4 * rng.standard_normal(k)
        p = 1 / (1 + np.exp(r[second] - r[first]))
        rows.append((first, second, rng.random(len(p)) >= p, np.full(len(p), prompt)))
    a, b, lost, prompts = (np.concatenate(column) for column in zip(*rows, strict=True))
    cast = votes(
        [NAMES[i] for i in a], [NAMES[i] for i in b], lost.astype(int).tolist(),
        cluster=prompts.tolist(), players=NAMES[:k],
    )  # fmt: skip
    return rate(cast, **more)


def test_tau_is_that_of_the_estimated_orders() -> None:
    rng = np.random.default_rng(1)
    one = simulated(rng, np.array([0.2, 0.1, 0.0, -0.1, -0.2]))
    other = simulated(rng, np.array([0.0, 0.3, -0.1, 0.1, -0.3]))
    found = compared(one, other)
    brute = kendalltau(one.fit.strength, other.fit.strength).statistic
    assert found.tau.value == pytest.approx(brute)
    assert found.alike + len(found.reversals) + found.open == found.pairs == 10


def test_opposite_orders_are_reversed_and_equal_ones_are_not() -> None:
    rng, up = np.random.default_rng(2), np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    gold, judge = simulated(rng, -up), simulated(rng, up)
    found = compared(judge, gold)
    assert (found.tau.value, found.tau.high) == (-1, -1)
    assert len(found.reversals) == 10
    assert found.best == ("r@4", "r@0")
    assert found.lost.low > 2
    said = verdict(found, "proxy", "gold")
    assert "over-optimized in 10 pairs: it puts r@4 above r@0" in said
    assert "loses" in said
    same = compared(judge, simulated(rng, up))
    assert (same.tau.value, same.tau.low, len(same.reversals)) == (1, 1, 0)
    assert "not shown to be wrong" in verdict(same, "proxy", "gold")


def test_early_ones_put_first_are_wrong_and_not_over_optimized() -> None:
    rng, up = np.random.default_rng(3), np.array([-2.0, 0.0, 2.0])
    said = verdict(compared(simulated(rng, -up), simulated(rng, up)), "length", "gold")
    assert "Its order is wrong: it puts r@0 above r@2" in said


def test_what_is_sure_is_seldom_false() -> None:
    """Of orders that are alike nothing is reversed, and tau's interval holds the truth."""
    rng = np.random.default_rng(4)
    strength = np.array([0.3, 0.15, 0.0, -0.15, -0.3])
    false = missed = 0
    for _ in range(60):
        found = compared(simulated(rng, strength, 25), simulated(rng, 2 * strength, 25))
        false += bool(found.reversals)
        missed += not found.tau.low <= 1 <= found.tau.high
    assert max(false, missed) <= 6


def test_regularised_ratings_make_nothing_sure() -> None:
    rng, up = np.random.default_rng(5), np.array([-2.0, 0.0, 2.0])
    found = compared(simulated(rng, up, regularised=1.0), simulated(rng, -up))
    assert (found.alike, len(found.reversals), found.open) == (0, 0, 3)
    assert (found.tau.low, found.tau.high) == (-1, 1)


def test_strangers_have_no_tau() -> None:
    rng, up = np.random.default_rng(6), np.array([-1.0, 0.0, 1.0])
    one = simulated(rng, up)
    other = rate(votes(["x", "y"] * 4, ["y", "x"] * 4, [0, 0, 1, 1, 2, 2, 0, 0]))
    with pytest.raises(ConfigError, match="two players in common; they have none"):
        compared(one, other)


def test_steps_are_those_of_one_run() -> None:
    assert steps_of(["a@0", "a@10"]) == {"a@0": 0, "a@10": 10}
    assert steps_of(["a@0", "b@10"]) == {}
    assert steps_of(["a@0", "a"]) == {}
