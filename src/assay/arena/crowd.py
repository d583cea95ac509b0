"""How much each judge or annotator can be relied on, together with the ratings: Crowd-BT.

P(judge a says that A beats B) = eta_a sigmoid(z) + (1 - eta_a) sigmoid(-z), z = r_A - r_B

eta is 1 for a judge who always reports what the strengths say, 1/2 for one who tosses a coin and 0
for one who reports the opposite (Chen et al. 2013, WSDM). A tie is half a vote either way. Fitted
by expectation and maximisation: the chance that a vote is reported as meant weighs it in a
Bradley-Terry fit. Strengths and abilities explain the same disagreement, so both have priors: a
Beta prior on eta and prior wins on the pairs that met. Both numbers are regularised, and said so.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from assay.arena.aggregate import Table, outcomes, tabulate
from assay.arena.bradley_terry import Fit, fit_table, with_prior
from assay.arena.connected import connected, rateable
from assay.arena.votes import Codes, Votes
from assay.errors import DataError
from assay.stats import Estimate
from assay.stats.intervals import Array, percentiles, widened

__all__ = ["Crowd", "crowd"]

ROUNDS: Final = 1000
SAME: Final = 1e-7
"""Largest change of an ability in a round after which nothing changes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Crowd:
    """Strengths and abilities."""

    players: tuple[str, ...]
    strength: Array
    """Natural log-odds as a perfect judge would have them, (k,), regularised."""
    abilities: dict[str, Estimate]
    """eta of each judge, regularised; n is its votes. Its interval, if resamples were asked for,
    is of the regularised number, by clusters."""
    prior: tuple[float, float]
    """Of the Beta prior on eta."""
    regularised: float
    """Lambda of the prior wins."""


def crowd(
    votes: Votes,
    *,
    prior: tuple[float, float] = (4.0, 1.0),
    regularised: float = 1.0,
    resamples: int = 0,
    seed: int = 0,
) -> Crowd:
    """Return strengths of players and abilities of judges.

    prior: a and b of Beta(a, b) on every ability. resamples: bootstrap of clusters for the
    abilities' intervals. Covariates are not used. Raises `DataError` without judges, with one
    alone, whose ability no votes can tell, and where the players cannot be compared even so.
    """
    if votes.judge is None or len(votes.judges) < 2:
        raise DataError(
            "abilities need votes of two judges or more; give the column of who voted, or rate"
            " without them"
        )
    if min(prior) < 1 or sum(prior) <= 2:
        raise DataError(f"a Beta prior of {prior} has no single mode; give two numbers >= 1, not 1")
    rateable(votes, connected(with_prior(tabulate(votes), regularised)))
    kinds = _kinds(votes)
    strength, eta, made = _solve(kinds, kinds.count(votes.weights), prior, regularised, None)
    low = high = np.full(len(eta), np.nan)
    if resamples:
        clusters = np.arange(len(votes)) if votes.cluster is None else votes.cluster
        ids = np.unique(clusters, return_inverse=True)[1]
        n = int(ids.max()) + 1
        rng = np.random.default_rng(seed)
        draws = []
        for _ in range(resamples):
            drawn = np.bincount(rng.integers(0, n, size=n), minlength=n)[ids] * votes.weights
            start = (eta, made)
            draws.append(_solve(kinds, kinds.count(drawn), prior, regularised, start)[1])
        spread = widened(np.stack(draws), eta, n, 0.95)
        low, high = (np.clip(end, 0, 1) for end in percentiles(spread, 0.95))
    counts = np.bincount(votes.judge, minlength=len(eta))
    return Crowd(
        players=votes.players,
        strength=strength,
        abilities={
            name: Estimate(value=float(x), low=float(a), high=float(b), n=int(n))
            for name, x, a, b, n in zip(votes.judges, eta, low, high, counts, strict=True)
        },
        prior=prior,
        regularised=regularised,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kinds:
    """Votes of one judge on one pair in one order, each (m,)."""

    players: int
    judges: int
    first: Codes
    second: Codes
    judge: NDArray[np.intp]
    cells: NDArray[np.int64]
    """Three times the kind of each vote, plus what it said, (n,)."""

    def count(self, weight: Array) -> tuple[Array, Array]:
        """Weight of wins and losses of each kind, ties half to either."""
        m = len(self.first)
        counts = np.bincount(self.cells, weights=weight, minlength=3 * m).reshape(m, 3)
        return counts[:, 0] + counts[:, 2] / 2, counts[:, 1] + counts[:, 2] / 2

    def table(self, wins: Array, losses: Array) -> Table:
        """As a fit takes it."""
        nothing = np.zeros(len(wins))
        return Table(
            players=self.players,
            first=self.first,
            second=self.second,
            wins=wins,
            losses=losses,
            ties=nothing,
        )


def _kinds(votes: Votes) -> _Kinds:
    k = len(votes.players)
    code = (np.asarray(votes.judge, dtype=np.int64) * k + votes.first) * k + votes.second
    kinds, at = np.unique(code, return_inverse=True)
    return _Kinds(
        players=k,
        judges=len(votes.judges),
        first=((kinds // k) % k).astype(np.int32),
        second=(kinds % k).astype(np.int32),
        judge=(kinds // (k * k)).astype(np.intp),
        cells=at * 3 + outcomes(votes),
    )


def _solve(
    kinds: _Kinds,
    counts: tuple[Array, Array],
    prior: tuple[float, float],
    regularised: float,
    start: tuple[Array, Fit] | None,
) -> tuple[Array, Array, Fit]:
    """Strengths, abilities and the last fit, by expectation and maximisation."""
    won, lost = counts
    if start is None:
        eta = np.full(kinds.judges, prior[0] / sum(prior))
        made = fit_table(kinds.table(won, lost), regularised=regularised)
    else:
        eta, made = start
    total = np.bincount(kinds.judge, weights=won + lost, minlength=kinds.judges)
    for _ in range(ROUNDS):
        p = expit(made.strength[kinds.first] - made.strength[kinds.second])
        meant_won = _meant(eta[kinds.judge], p) * won
        meant_lost = _meant(eta[kinds.judge], 1 - p) * lost
        meant = np.bincount(kinds.judge, weights=meant_won + meant_lost, minlength=kinds.judges)
        before = eta
        eta = (meant + prior[0] - 1) / (total + prior[0] + prior[1] - 2)
        # What was not meant says the opposite.
        read = kinds.table(meant_won + lost - meant_lost, meant_lost + won - meant_won)
        made = fit_table(read, regularised=regularised, start=made.parameters)
        if np.abs(eta - before).max() < SAME:
            break
    return made.strength, eta, made


def _meant(eta: Array, p: Array) -> Array:
    """Chance that a vote, likely with p by the strengths, is reported as meant."""
    as_meant = eta * p
    return np.asarray(as_meant / (as_meant + (1 - eta) * (1 - p)))
