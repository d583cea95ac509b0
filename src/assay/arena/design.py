"""Which votes to collect: how many more, on which pair next, and when to stop.

Votes that were not drawn evenly are weighted back (`undone`). Everything else reads the covariance
of a fit (`intervals.covariance`), so clusters count as what they are worth.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, ndtri

from assay.arena.bradley_terry import Fit
from assay.arena.intervals import NONE, Covariance, difference, rough
from assay.arena.votes import Votes
from assay.errors import ConfigError, DataError
from assay.stats import Estimate
from assay.stats.intervals import Array

__all__ = [
    "Decision",
    "Open",
    "Proposal",
    "Sequential",
    "anytime",
    "decide",
    "more_votes",
    "next_pairs",
    "spent",
    "undone",
    "votes_for_gap",
]

FLOOR: Final = 50
"""Votes of a pair below which it is weighted as if it had so many, as arena-rank has it."""
TIGHTEST: Final = 100
"""Clusters at which a confidence sequence is narrowest for its length."""


def undone(votes: Votes, probability: ArrayLike | None = None) -> Votes:
    """Return votes weighted so that it does not matter how often each pair was drawn.

    probability: with which each vote's pair was drawn, (n,); its inverse is the weight. None takes
    how often each pair was drawn instead, but no less than 50, so that a pair of three votes
    does not decide everything. Weights average 1. Where Bradley-Terry holds, they change only the
    precision; where it does not, ratings are those of pairs met equally often.
    """
    if probability is None:
        k = len(votes.players)
        low, high = np.minimum(votes.first, votes.second), np.maximum(votes.first, votes.second)
        _, at, count = np.unique(
            low.astype(np.int64) * k + high, return_inverse=True, return_counts=True
        )
        weight = 1 / np.maximum(count[at].astype(np.float64), FLOOR)
    else:
        p = np.asarray(probability, dtype=np.float64)
        if p.shape != votes.first.shape or not ((p > 0) & (p <= 1)).all():
            raise DataError(
                f"sampling probabilities {p.shape} must be one per vote ({len(votes)}), above 0 and"
                " at most 1"
            )
        weight = 1 / p
    weight = weight * votes.weights
    return replace(votes, weight=weight / weight.mean())


def votes_for_gap(
    gap: float,
    *,
    ties: float = 0.0,
    power: float = 0.8,
    clustering: float = 1.0,
) -> float:
    """Return votes on one pair after which a gap is found at 95 % with this power.

    n = deff (z_.975 + z_power)^2 / (information of a vote . gap^2); a vote's
    information about z with half ties is (p (1 - p))^2 / Var(points), and ties make the points'
    variance smaller. gap: in natural log-odds (70 points of 400 log10 are .40). ties: their share.
    clustering: design effect, how many times the variance is that of independent votes.
    """
    if gap == 0:
        return math.inf
    p = float(expit(gap))
    lean = p * (1 - p)
    variance = p * (1 - p) - ties / 4
    if not variance > 0:
        raise ConfigError(f"with {ties:.0%} ties a gap of {gap:g} cannot be; give fewer")
    z = float(ndtri(0.975) + ndtri(power))
    return float(clustering * z * z * variance / (lean * lean * gap * gap))


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
    *,
    among: Sequence[int] | None = None,
) -> list[Proposal]:
    """Return the pairs whose votes are expected to tell most, each given that those before it were
    asked.

    gain(i, j) = 1/2 ln(1 + p (1 - p) Var(r_i - r_j)), the fall of the strengths' entropy (D-optimal
    design); after each, the covariance is that with one more vote. among: codes of players who may
    be asked about; None is all.
    """
    kept = np.arange(len(fit.players)) if among is None else np.asarray(among, dtype=np.intp)
    if len(kept) < 2:
        raise ConfigError("a pair needs two players")
    cov = spread.matrix[np.ix_(kept, kept)].copy()
    r = fit.strength[kept]
    p = expit(r[:, None] - r[None])
    information = p * (1 - p)
    found = []
    for _ in range(count):
        variance = np.diag(cov)[:, None] + np.diag(cov)[None] - 2 * cov
        gain = np.triu(0.5 * np.log1p(information * np.maximum(variance, 0.0)), 1)
        i, j = divmod(int(gain.argmax()), len(kept))
        found.append(
            Proposal(
                first=fit.players[kept[i]], second=fit.players[kept[j]], gain=float(gain[i, j])
            )
        )
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
    same: float = 0.0,
) -> Decision:
    """Return whether to stop: all neighbours are told apart, or the best from all others.

    Looking after every batch would find a difference sooner or later where there is none; so look t
    spends 6 / (pi t)^2 of the error, shared evenly by the differences. same: natural log-odds that
    make no difference; a pair whose interval lies within it is settled, too.
    """
    order = np.argsort(-fit.strength, kind="stable")
    pairs = [(order[0], i) for i in order[1:]]
    if goal == "order":
        pairs = list(pairwise(order))
    level = 1 - spent(error, look) / max(len(pairs), 1)
    unsettled = []
    for i, j in pairs:
        gap = difference(fit, spread, int(i), int(j), level)
        apart = gap.low > 0 or gap.high < 0
        if not apart and not (gap.low > -same and gap.high < same):
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Sequential:
    """A share of points after each cluster, with intervals that hold at all times at once."""

    mean: Array
    low: Array
    """(n,) At no time does the interval miss the truth, but for the stated error."""
    high: Array
    error: float

    @property
    def decided(self) -> int | None:
        """Clusters after which the share is told from 1/2; None where it is not."""
        away = np.flatnonzero((self.low > 0.5) | (self.high < 0.5))
        return int(away[0]) + 1 if len(away) else None


def anytime(
    points: ArrayLike,
    *,
    clusters: NDArray[Any] | None = None,
    error: float = 0.05,
) -> Sequential:
    """Return the share of points of one player against another with a confidence sequence.

    points: (n,) in [0, 1], in the order in which they came; a cluster's mean is one observation, at
    its first vote. One may look after each and stop whenever one likes: P(the interval ever misses)
    <= error. Two-sided normal mixture for observations in [0, 1] (variance proxy 1/4; Howard et al.
    2021, arXiv:1810.08240): |S_n - n mu| < sqrt((n/4 + rho) ln((n/4 + rho) / (rho error^2))).
    It is tightest at about 100 clusters, and holds at all others.
    """
    x = np.asarray(points, dtype=np.float64)
    if x.ndim != 1 or not ((x >= 0) & (x <= 1)).all():
        raise DataError("points must be a list of numbers from 0 to 1")
    if clusters is not None:
        x = np.array(list(_means(x, clusters)))
    n = np.arange(1, len(x) + 1)
    rho = TIGHTEST / 4 / (-2 * math.log(error) + math.log(1 - 2 * math.log(error)))
    v = n / 4 + rho
    half = np.sqrt(v * np.log(v / (rho * error**2))) / n
    mean = np.cumsum(x) / n
    # What holds at all times holds together: the interval may only shrink.
    low = np.maximum.accumulate(np.clip(mean - half, 0, 1))
    high = np.minimum.accumulate(np.clip(mean + half, 0, 1))
    return Sequential(mean=mean, low=low, high=high, error=error)


def _means(x: Array, clusters: NDArray[Any]) -> Iterator[float]:
    _, first, at = np.unique(clusters, return_index=True, return_inverse=True)
    means = np.bincount(at, weights=x) / np.bincount(at)
    yield from means[np.argsort(first)].tolist()
