"""Designs, abilities and style against planted truths."""

import math
from itertools import pairwise

import numpy as np
import pytest

from assay.arena.bradley_terry import fit
from assay.arena.crowd import crowd
from assay.arena.design import (
    anytime,
    decide,
    more_votes,
    next_pairs,
    spent,
    undone,
    votes_for_gap,
)
from assay.arena.intervals import covariance, difference
from assay.arena.style import controlled, measured
from assay.arena.votes import Votes, votes
from assay.errors import ConfigError, DataError


def drawn(rng: np.random.Generator, strength: np.ndarray, n: int) -> Votes:
    k = len(strength)
    a = rng.integers(0, k, n)
    b = (a + rng.integers(1, k, n)) % k
    won = rng.random(n) < 1 / (1 + np.exp(strength[b] - strength[a]))
    return votes(
        [f"p{i}" for i in a], [f"p{i}" for i in b], np.where(won, 0, 1).tolist(),
        players=[f"p{i}" for i in range(k)],
    )  # fmt: skip


def test_as_many_votes_as_asked_for_have_the_power_asked_for() -> None:
    rng = np.random.default_rng(0)
    gap, ties = 0.5, 0.2
    n = math.ceil(votes_for_gap(gap, ties=ties, power=0.8))
    p = 1 / (1 + math.exp(-gap))
    points = rng.choice([1, 0.5, 0], size=(4000, n), p=[p - ties / 2, ties, 1 - p - ties / 2])
    z = (points.mean(axis=1) - 0.5) / (points.std(axis=1, ddof=1) / np.sqrt(n))
    assert np.mean(z > 1.96) == pytest.approx(0.8, abs=0.03)
    assert votes_for_gap(gap, clustering=2.0) == pytest.approx(2 * votes_for_gap(gap))
    assert votes_for_gap(0.0) == math.inf
    with pytest.raises(ConfigError, match="ties"):
        votes_for_gap(4.0, ties=0.9)


def test_more_votes_are_those_after_which_the_error_is_small_enough() -> None:
    made = drawn(np.random.default_rng(1), np.array([0.3, 0.0, -0.3]), 200)
    ratings = fit(made)
    spread = covariance(ratings, made)
    more = more_votes(ratings, spread, made, 0, 1, power=0.5)
    # With half the power the gap is just 1.96 errors wide.
    c = spread.matrix
    error = np.sqrt((c[0, 0] + c[1, 1] - 2 * c[0, 1]) * 200 / (200 + more))
    gap = ratings.strength[0] - ratings.strength[1]
    assert more == 0 or abs(gap) / error == pytest.approx(1.95996, abs=1e-4)
    assert more_votes(ratings, spread, made, 0, 2, power=0.99) >= 0
    sure = more_votes(ratings, spread, made, 0, 1, confidence=0.99)
    assert sure > more_votes(ratings, spread, made, 0, 1) > 0
    # A decision says it at its own level, of each pair that is open.
    found = decide(ratings, spread, made)
    assert found.open
    for each in found.open:
        one, other = (made.players.index(x) for x in (each.first, each.second))
        assert each.more == more_votes(ratings, spread, made, one, other, confidence=found.level)


def test_the_next_pair_is_the_one_that_leaves_least_unknown() -> None:
    made = drawn(np.random.default_rng(2), np.array([1.0, 0.3, 0.0, -1.0]), 120)
    ratings = fit(made)
    spread = covariance(ratings, made, "model")
    (best,) = next_pairs(ratings, spread)
    gains = {}
    for i in range(4):
        for j in range(i + 1, 4):
            e = np.zeros(4)
            e[i], e[j] = 1, -1
            p = 1 / (1 + np.exp(ratings.strength[j] - ratings.strength[i]))
            more = ratings.hessian + p * (1 - p) * np.outer(e, e)
            # Volumes of the curvature without its flat direction.
            gains[i, j] = 0.5 * (
                np.linalg.slogdet(more[1:, 1:])[1] - np.linalg.slogdet(ratings.hessian[1:, 1:])[1]
            )
    top = max(gains, key=gains.get)
    assert (best.first, best.second) == tuple(f"p{i}" for i in top)
    assert best.gain == pytest.approx(gains[top])
    many = next_pairs(ratings, spread, 30)
    assert len({(each.first, each.second) for each in many}) > 1
    assert all(a.gain >= b.gain - 1e-12 for a, b in pairwise(many))
    only = next_pairs(ratings, spread, 2, among=[2, 3])
    assert {each.first for each in only} == {"p2"}


def test_looking_after_every_vote_keeps_its_error() -> None:
    rng = np.random.default_rng(3)
    fair = (rng.random((400, 500)) < 0.5).astype(float)
    wrong = [anytime(row).decided is not None for row in fair]
    assert np.mean(wrong) <= 0.05
    # The same looks with an interval for one look alone find a difference that is not there.
    n = np.arange(1, 501)
    mean = np.cumsum(fair, axis=1) / n
    naive = np.abs(mean - 0.5)[:, 20:] > 1.96 * 0.5 / np.sqrt(n)[20:]
    assert naive.any(axis=1).mean() > 0.3
    better = (rng.random((50, 500)) < 0.7).astype(float)
    found = [anytime(row).decided for row in better]
    assert all(each is not None and each < 400 for each in found)


def test_votes_of_a_cluster_are_one_observation() -> None:
    points, clusters = np.repeat([1.0, 0.0, 1.0], 5), np.repeat([7, 3, 9], 5)
    np.testing.assert_allclose(anytime(points, clusters=clusters).mean, [1, 0.5, 2 / 3])
    with pytest.raises(DataError, match="from 0 to 1"):
        anytime([2.0])


def test_all_looks_together_spend_the_error() -> None:
    assert sum(spent(0.05, t) for t in range(1, 20000)) == pytest.approx(0.05, abs=1e-5)
    with pytest.raises(ConfigError, match="looks count from 1"):
        spent(0.05, 0)


def test_collecting_stops_when_the_order_is_known_or_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    few, many = (drawn(rng, np.array([0.8, 0.0, -0.8]), n) for n in (60, 4000))
    for made, stop in ((few, False), (many, True)):
        ratings = fit(made)
        found = decide(ratings, covariance(ratings, made), made, look=3)
        assert found.stop is stop
        assert found.level == pytest.approx(1 - spent(0.05, 3) / 2)
        assert (len(found.open) == 0) is stop
    equal = drawn(rng, np.zeros(2), 20000)
    ratings = fit(equal)
    spread = covariance(ratings, equal)
    assert not decide(ratings, spread, equal, goal="best", look=2).stop
    assert decide(ratings, spread, equal, goal="best", look=2, same=0.2).stop


def test_uneven_sampling_is_undone_by_its_probabilities() -> None:
    """A player whose strength depends on the opponent: ratings depend on who is drawn how often,
    and weights give back what even sampling has."""
    rng = np.random.default_rng(5)
    p = np.array([[0.5, 0.9, 0.5], [0.1, 0.5, 0.8], [0.5, 0.2, 0.5]])
    pairs = np.array([(0, 1), (0, 2), (1, 2)])

    def sample(chance: np.ndarray, n: int) -> tuple[Votes, np.ndarray]:
        which = rng.choice(3, size=n, p=chance)
        a, b = pairs[which].T
        said = np.where(rng.random(n) < p[a, b], 0, 1).tolist()
        made = votes([f"p{i}" for i in a], [f"p{i}" for i in b], said, players=["p0", "p1", "p2"])
        return made, chance[which]

    even = fit(sample(np.full(3, 1 / 3), 60000)[0]).strength
    uneven, chance = sample(np.array([0.8, 0.1, 0.1]), 60000)
    assert np.abs(fit(uneven).strength - even).max() > 0.2
    np.testing.assert_allclose(fit(undone(uneven, chance)).strength, even, atol=0.06)
    np.testing.assert_allclose(fit(undone(uneven)).strength, even, atol=0.06)
    with pytest.raises(DataError, match="one per vote"):
        undone(uneven, [0.5])


def test_abilities_of_judges_are_found() -> None:
    rng = np.random.default_rng(6)
    strength, eta = np.linspace(-1.5, 1.5, 6), np.array([0.97, 0.8, 0.5, 0.15])
    n = 6000
    a = rng.integers(0, 6, n)
    b = (a + rng.integers(1, 6, n)) % 6
    judge = rng.integers(0, 4, n)
    p = 1 / (1 + np.exp(strength[b] - strength[a]))
    said = rng.random(n) < eta[judge] * p + (1 - eta[judge]) * (1 - p)
    made = votes(
        [f"p{i}" for i in a], [f"p{i}" for i in b], np.where(said, 0, 1).tolist(),
        judge=[f"j{j}" for j in judge], players=[f"p{i}" for i in range(6)],
    )  # fmt: skip
    found = crowd(made)
    for j, truth in enumerate(eta):
        assert found.abilities[f"j{j}"].value == pytest.approx(truth, abs=0.06)
    np.testing.assert_allclose(found.strength, strength, atol=0.3)
    # Without abilities the coin and the liar draw everybody together.
    assert np.ptp(fit(made).strength) < 0.6 * np.ptp(found.strength)
    with pytest.raises(DataError, match="two judges"):
        crowd(drawn(rng, strength, 100))


def test_marks_are_counted_outside_of_code() -> None:
    text = "# One\n## Two\n- a\n* b\n1. c\n**bold** and __so__\n```\n# code\n- x\n```"
    assert measured(text)[1:] == (2, 3, 2)
    assert measured(text)[0] == len(text)
    assert measured("", 7.0) == (7, 0, 0, 0)


def length_votes() -> Votes:
    """Judges who like length, of players of whom the weaker writes more."""
    rng = np.random.default_rng(3)
    n, k = 4000, 6
    a = rng.integers(0, k, n)
    b = (a + rng.integers(1, k, n)) % k
    la, lb = rng.integers(50, 900, n), rng.integers(50, 900, n)
    strength = np.linspace(-0.8, 0.8, k)
    z = strength[a] - strength[b] + 0.7 * (la - lb) / (la + lb + 1)
    u = rng.random(n)
    said = np.where(u < 0.15, 2, np.where(rng.random(n) < 1 / (1 + np.exp(-z)), 0, 1))
    return votes(
        [f"m{i}" for i in a], [f"m{i}" for i in b], said.tolist(),
        measures={"length": np.stack([la, lb], axis=1)}, players=[f"m{i}" for i in range(k)],
    )  # fmt: skip


def test_style_control_is_that_of_arena_rank() -> None:
    """arena-rank 0.1.1 on these votes: ContextualBradleyTerry(reg=1), not reweighted."""
    made = controlled(length_votes())
    ratings = fit(made, ridge=len(made))
    elo = 1000 + 400 / math.log(10) * ratings.strength
    published = (879.0242821, 926.63228135, 978.82012514, 1022.44256277, 1077.046143, 1116.03460564)
    np.testing.assert_allclose(elo, published, atol=1e-3)
    assert ratings.coefficients[0] == pytest.approx(0.04475438, abs=1e-6)
    errors = np.sqrt(np.diag(covariance(ratings, made, "sandwich", small=False).matrix))[:6]
    published = (7.78927268, 7.50440641, 7.45549121, 7.43790031, 7.76886303, 7.80328798)
    np.testing.assert_allclose(errors * 400 / math.log(10), published, rtol=1e-3)


def test_style_control_names_what_was_not_measured() -> None:
    made = length_votes()
    assert controlled(made, how="difference").covariate_names == ("length",)
    with pytest.raises(ConfigError, match="bold was not measured"):
        controlled(made, ["bold"])
    with pytest.raises(ConfigError, match="no measures"):
        controlled(drawn(np.random.default_rng(0), np.zeros(2), 5))


def test_deciding_look_after_look_keeps_its_error() -> None:
    """Two equal players, five looks at ever more votes: one look's interval errs far more often."""
    rng = np.random.default_rng(8)
    wrong, naive = [], []
    for _ in range(100):
        made = drawn(rng, np.zeros(2), 400)
        stopped, apart = False, False
        for look in range(1, 6):
            part = made.where(np.arange(80 * look))
            ratings = fit(part)
            spread = covariance(ratings, part)
            stopped |= decide(ratings, spread, part, look=look).stop
            gap = difference(ratings, spread, 0, 1)
            apart |= gap.low > 0 or gap.high < 0
        wrong.append(stopped)
        naive.append(apart)
    assert np.mean(wrong) <= 0.05
    assert np.mean(naive) >= 0.1
