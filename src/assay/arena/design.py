"""Which votes to collect: how many more, on which pair next, and when to stop.

All of it reads the covariance of a fit (`intervals.covariance`), so clusters count as what they are
worth.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.special import expit, ndtri

from assay.arena.bradley_terry import Fit
from assay.arena.intervals import NONE, Covariance, difference, rough
from assay.arena.votes import Votes
from assay.errors import ConfigError
from assay.stats import Estimate

__all__ = [
    "Decision",
    "Open",
    "Proposal",
    "decide",
    "more_votes",
    "next_pairs",
    "spent",
]


def more_votes(
    fit: Fit,
    spread: Covariance,
    votes: Votes,
    one: int,
    other: int,
    *,
    confidence: float = 0.95,
    power: float = 0.8,
) -> float:
    """Return how many more votes, drawn as before, would tell two players apart.

    confidence: of the interval of their difference, which then leaves 0 out with this power. If the
    gap is what it looks like: the variance of the difference falls as 1 / n, so n grows by
    ((z + z_power) error / gap)^2. 0 where there are enough already, infinite for equal strengths.
    """
    at = [one, other]
    v = spread.matrix[np.ix_(at, at)]
    variance = float(v[0, 0] + v[1, 1] - 2 * v[0, 1])
    gap = float(fit.strength[one] - fit.strength[other])
    if abs(gap) <= NONE:
        return math.inf
    z = float(ndtri((1 + confidence) / 2) + ndtri(power))
    return max(0.0, float(votes.weights.sum()) * (z * z * variance / (gap * gap) - 1))


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A pair to vote on next."""

    first: str
    second: str
    gain: float
    """Information that the vote is expected to give about the strengths, in nats."""


def next_pairs(
    fit: Fit,
    spread: Covariance,
    count: int = 1,
) -> list[Proposal]:
    """Return the pairs whose votes are expected to tell most, each given that those before it were
    asked.

    gain(i, j) = 1/2 ln(1 + p (1 - p) Var(r_i - r_j)), the fall of the strengths' entropy (D-optimal
    design); after each, the covariance is that with one more vote.
    """
    k, r = len(fit.players), fit.strength
    if k < 2:
        raise ConfigError("a pair needs two players")
    cov = spread.matrix[:k, :k].copy()
    p = expit(r[:, None] - r[None])
    information = p * (1 - p)
    found = []
    for _ in range(count):
        variance = np.diag(cov)[:, None] + np.diag(cov)[None] - 2 * cov
        gain = np.triu(0.5 * np.log1p(information * np.maximum(variance, 0.0)), 1)
        i, j = divmod(int(gain.argmax()), k)
        found.append(Proposal(first=fit.players[i], second=fit.players[j], gain=float(gain[i, j])))
        moved = cov[:, i] - cov[:, j]
        cov -= np.outer(moved, moved) / (1 / information[i, j] + variance[i, j])
    return found


def spent(error: float, look: int) -> float:
    """Return the error that the look of this number, from 1 on, may spend: error 6 / (pi look)^2.

    All looks together, however many, spend no more than `error`.
    """
    if look < 1 or not 0 < error < 1:
        raise ConfigError(f"look {look} with error {error}; looks count from 1, errors are shares")
    return error * 6 / (math.pi * look) ** 2


@dataclass(frozen=True, kw_only=True)
class Open:
    """Two players who are not told apart yet."""

    first: str
    second: str
    gap: Estimate
    """First less second, in natural log-odds, with its interval at the decision's level."""
    more: float
    """Votes, drawn as before, that would tell them apart four times in five if the gap is what it
    looks like; infinite for none (`more_votes`)."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether collecting may stop, and at what error."""

    stop: bool
    error: float
    """Chance, over all looks, that some difference here is called with the wrong sign."""
    look: int
    level: float
    """Confidence of each difference's interval at this look."""
    open: tuple[Open, ...]
    rough: str
    """Why the intervals are rough; "" where they are not."""


def decide(
    fit: Fit,
    spread: Covariance,
    votes: Votes,
    *,
    goal: Literal["order", "best"] = "order",
    look: int = 1,
    error: float = 0.05,
) -> Decision:
    """Return whether to stop: all neighbours are told apart, or the best from all others.

    Looking after every batch would find a difference sooner or later where there is none; so look t
    spends 6 / (pi t)^2 of the error, shared evenly by the differences.
    """
    order = np.argsort(-fit.strength, kind="stable")
    pairs = [(order[0], i) for i in order[1:]]
    if goal == "order":
        pairs = list(pairwise(order))
    level = 1 - spent(error, look) / max(len(pairs), 1)
    unsettled = []
    for i, j in pairs:
        gap = difference(fit, spread, int(i), int(j), level)
        if not (gap.low > 0 or gap.high < 0):
            more = more_votes(fit, spread, votes, int(i), int(j), confidence=level)
            one, other = fit.players[i], fit.players[j]
            unsettled.append(Open(first=one, second=other, gap=gap, more=more))
    return Decision(
        stop=not unsettled,
        error=error,
        look=look,
        level=level,
        open=tuple(unsettled),
        rough=rough(fit, spread),
    )
