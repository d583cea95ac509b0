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
from scipy.special import expit

from assay.arena.aggregate import Table, outcomes, tabulate
from assay.arena.bradley_terry import Fit, fit_table, with_prior
from assay.arena.connected import connected, rateable
from assay.arena.votes import Votes
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
    abilities' intervals. Raises `DataError` without judges, with one alone, whose ability no votes
    can tell, and where the players cannot be compared even so.
    """
    if votes.judge is None or len(votes.judges) < 2:
        raise DataError(
            "abilities need votes of two judges or more; give the column of who voted, or rate"
            " without them"
        )
    if prior[0] < 1 or prior[1] < 1:
        raise DataError(f"a Beta prior of {prior} has no finite maximum; give two numbers >= 1")
    rateable(votes, connected(with_prior(tabulate(votes), regularised)))
    k, m = len(votes.players), len(votes.judges)
    said = outcomes(votes)
    code = (votes.judge.astype(np.int64) * k + votes.first) * k + votes.second
    kinds, at = np.unique(code, return_inverse=True)
    cells = at * 3 + said
    first, second = ((kinds // k) % k).astype(np.int32), (kinds % k).astype(np.int32)
    judge = (kinds // (k * k)).astype(np.intp)

    def solve(weight: Array, start: tuple[Fit, Array] | None) -> tuple[Fit, Array]:
        counts = np.bincount(cells, weights=weight, minlength=3 * len(kinds)).reshape(-1, 3)
        won, lost = counts[:, 0] + counts[:, 2] / 2, counts[:, 1] + counts[:, 2] / 2
        table = Table(
            players=k, first=first, second=second, wins=won, losses=lost, ties=np.zeros(len(won))
        )
        eta = np.full(m, prior[0] / sum(prior)) if start is None else start[1]
        made = start[0] if start is not None else fit_table(table, regularised=regularised)
        total = np.bincount(judge, weights=won + lost, minlength=m)
        for _ in range(ROUNDS):
            p = expit(made.strength[first] - made.strength[second])
            meant_won = _meant(eta[judge], p) * won
            meant_lost = _meant(eta[judge], 1 - p) * lost
            meant = np.bincount(judge, weights=meant_won + meant_lost, minlength=m)
            new = (meant + prior[0] - 1) / (total + prior[0] + prior[1] - 2)
            read = Table(
                players=k,
                first=first,
                second=second,
                wins=meant_won + lost - meant_lost,
                losses=meant_lost + won - meant_won,
                ties=np.zeros(len(won)),
            )
            made = fit_table(read, regularised=regularised, start=made.parameters)
            moved, eta = np.abs(new - eta).max(), new
            if moved < SAME:
                break
        return made, eta

    found = solve(votes.weights, None)
    low = high = np.full(m, np.nan)
    if resamples:
        clusters = np.arange(len(votes)) if votes.cluster is None else votes.cluster
        ids = np.unique(clusters, return_inverse=True)[1]
        n = int(ids.max()) + 1
        rng = np.random.default_rng(seed)
        draws = []
        for _ in range(resamples):
            drawn = np.bincount(rng.integers(0, n, size=n), minlength=n)[ids] * votes.weights
            draws.append(solve(drawn, found)[1])
        spread = widened(np.stack(draws), found[1], n, 0.95)
        low, high = (np.clip(end, 0, 1) for end in percentiles(spread, 0.95))
    n_votes = np.bincount(votes.judge, minlength=m)
    return Crowd(
        players=votes.players,
        strength=found[0].strength,
        abilities={
            name: Estimate(
                value=float(found[1][j]), low=float(low[j]), high=float(high[j]), n=int(n_votes[j])
            )
            for j, name in enumerate(votes.judges)
        },
        prior=prior,
        regularised=regularised,
    )


def _meant(eta: Array, p: Array) -> Array:
    """Chance that a vote, likely with p by the strengths, is reported as meant."""
    as_meant = eta * p
    return np.asarray(as_meant / (as_meant + (1 - eta) * (1 - p)))
