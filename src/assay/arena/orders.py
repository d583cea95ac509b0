"""Two orders of the same players: how far they agree, and which pairs they surely turn round.

Of each table all differences are held at once: r_i - r_j lies within c standard errors of its
estimate for all pairs, c the quantile of the largest error, simulated (as `rank_intervals` does for
one player). So pairs may be looked for, and what is found counts: no interval is chosen for being
far from 0. Two tables share the error, half each.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from assay.arena.bradley_terry import Fit
from assay.arena.intervals import Covariance, simulated
from assay.arena.ratings import Ratings
from assay.errors import ConfigError
from assay.stats import Estimate
from assay.stats.intervals import Array

__all__ = ["Orders", "Reversal", "compared", "held_at_once", "steps_of", "verdict"]

ERROR: Final = 0.05
CHECKPOINT: Final = re.compile(r"(.*)@(\d+)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Reversal:
    """A pair on which two orders contradict each other for certain."""

    better: str
    """Who is the better by the first order, and the worse by the second."""
    worse: str
    by_one: Estimate
    """Log-odds by which it is the better, of the first order; held with all others at once."""
    by_other: Estimate
    """The same of the second order: below 0."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """How far the order of one table is that of another."""

    players: tuple[str, ...]
    """Those who have a rating in both."""
    left_out: tuple[str, ...]
    """Those who have one in one of them only."""
    tau: Estimate
    """Kendall's tau of the two orders; its interval holds the tau of the true orders, for it counts
    every pair that is not told apart in both as either way. n is the number of clusters."""
    pairs: int
    alike: int
    """Pairs that both tables tell apart, in the same order."""
    reversals: tuple[Reversal, ...]
    """Pairs that both tell apart, in opposite orders; the most reversed by the other first."""
    best: tuple[str, str]
    """The best of each."""
    lost: Estimate
    """Log-odds, by the second table, of its best less the first table's best."""
    rough: str = ""
    """Why what is called sure is so roughly; "" where it is not."""

    @property
    def open(self) -> int:
        """Pairs that one of the tables does not tell apart."""
        return self.pairs - self.alike - len(self.reversals)


def held_at_once(
    fit: Fit, spread: Covariance, *, error: float = ERROR, seed: int = 0
) -> tuple[Array, float]:
    """Return the standard errors of all differences, (k, k), infinite where there is none, and how
    many of them hold all differences at once with probability 1 - error."""
    errors, noise = simulated(fit, spread, draws=2000, seed=seed)
    largest = np.zeros(noise.shape[1])
    for i in range(len(noise) - 1):
        gaps = np.abs(noise[i] - noise[i + 1 :]) / errors[i, i + 1 :, None]
        np.maximum(largest, gaps.max(axis=0), out=largest)
    return errors, float(np.quantile(largest, 1 - error))


def compared(one: Ratings, other: Ratings, *, seed: int = 0) -> Orders:
    """Return how far the order of `one` is that of `other`.

    tau = (C - D) / N over pairs of players with a rating in both. The ends of its interval are
    (2 A - N) / N and (N - 2 R) / N, A and R the pairs that are surely alike and surely reversed, so
    it holds at 95 % or more. Regularised ratings have no intervals, and no pair of them is sure.
    Raises `ConfigError` for fewer than two players in common.
    """
    common = [name for name in one.fit.players if name in other.fit.players]
    if len(common) < 2:
        raise ConfigError(
            f"two orders need two players in common; they have {', '.join(common) or 'none'}"
        )
    tables = [_differences(table, common, seed) for table in (one, other)]
    (d, low, high), (d2, low2, high2) = tables
    i, j = np.triu_indices(len(common), 1)
    sure = (low > 0).astype(int) - (high < 0)
    sure2 = (low2 > 0).astype(int) - (high2 < 0)
    both = (sure * sure2)[i, j]
    n, alike = len(i), int((both > 0).sum())
    reversals = []
    for a, b in zip(i[both < 0], j[both < 0], strict=True):
        a, b = (a, b) if d[a, b] > 0 else (b, a)
        reversals.append(
            Reversal(
                better=common[a],
                worse=common[b],
                by_one=_estimate(d, low, high, a, b, one.spread.n),
                by_other=_estimate(d2, low2, high2, a, b, other.spread.n),
            )
        )
    reversals.sort(key=lambda each: each.by_other.value)
    tau = float((np.sign(d) * np.sign(d2))[i, j].mean())
    top, top2 = int(d.sum(axis=1).argmax()), int(d2.sum(axis=1).argmax())
    known = {*one.fit.players, *other.fit.players}
    return Orders(
        players=tuple(common),
        left_out=tuple(sorted(known - {*common})),
        tau=Estimate(
            value=tau,
            low=(2 * alike - n) / n,
            high=(n - 2 * len(reversals)) / n,
            n=min(one.spread.n, other.spread.n),
        ),
        pairs=n,
        alike=alike,
        reversals=tuple(reversals),
        best=(common[top], common[top2]),
        lost=_estimate(d2, low2, high2, top2, top, other.spread.n),
        rough=one.rough or other.rough,
    )


def _differences(table: Ratings, common: Sequence[str], seed: int) -> tuple[Array, Array, Array]:
    """r_i - r_j of these players, and their ends, each (m, m); NaN ends where there are none."""
    at = [table.fit.players.index(name) for name in common]
    r = table.fit.strength[at]
    d = r[:, None] - r[None]
    if table.fit.regularised:
        return d, np.full_like(d, np.nan), np.full_like(d, np.nan)
    errors, reach = held_at_once(table.fit, table.spread, error=ERROR / 2, seed=seed)
    half = errors[np.ix_(at, at)]
    half = reach * np.where(np.isfinite(half), half, np.nan)
    return d, d - half, d + half


def _estimate(d: Array, low: Array, high: Array, a: int, b: int, n: int) -> Estimate:
    if a == b:
        return Estimate(value=0.0, low=np.nan, high=np.nan, n=n)
    return Estimate(value=float(d[a, b]), low=float(low[a, b]), high=float(high[a, b]), n=n)


def steps_of(players: Sequence[str]) -> dict[str, int]:
    """Return the step of each player, where all are checkpoints of one run, `NAME@STEP`; none
    otherwise."""
    found = {name: CHECKPOINT.fullmatch(name) for name in players}
    runs = {match[1] if match else None for match in found.values()}
    if len(runs) != 1 or None in runs:
        return {}
    return {name: int(match[2]) for name, match in found.items() if match}


def verdict(orders: Orders, judge: str, by: str) -> str:
    """Say in a few sentences whether a judge's order is that of `by`, which stands for gold.

    Over-optimized is an order of checkpoints in which a later one is surely better by the judge and
    surely worse by gold.
    """
    tau, lost = orders.tau, orders.lost
    said = (
        f"{judge} against {by}: tau {tau.value:.2f} [{tau.low:.2f}, {tau.high:.2f}]; of"
        f" {orders.pairs} pairs {orders.alike} are surely alike, {len(orders.reversals)} surely"
        f" reversed, {orders.open} open."
    )
    if orders.rough:
        said += f" These intervals are {orders.rough}."
    if not orders.reversals:
        return f"{said} Its order is not shown to be wrong."
    steps = steps_of(orders.players)
    later = [x for x in orders.reversals if steps and steps[x.better] > steps[x.worse]]
    worst = (later or orders.reversals)[0]
    how = f"Its order is over-optimized in {len(later)} pairs" if later else "Its order is wrong"
    gap = worst.by_other
    said += (
        f" {how}: it puts {worst.better} above {worst.worse}, which is better by"
        f" {-gap.value:.2f} [{-gap.high:.2f}, {-gap.low:.2f}] log-odds by {by}."
    )
    if lost.low > 0:
        said += (
            f" Choosing its best, {orders.best[0]}, loses {lost.value:.2f} [{lost.low:.2f},"
            f" {lost.high:.2f}] log-odds to {orders.best[1]}."
        )
    return said
