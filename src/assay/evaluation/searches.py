"""Searches held against one another: how often the choice is right, at what cost, and at equal
cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay import stats
from assay.search import SearchResult
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Score, Unscored

__all__ = [
    "Point",
    "at_tokens",
    "gain_at_tokens",
    "mean_of",
    "nothing_had",
    "point_of",
    "shared_budgets",
]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One strategy at one size, on P prompts; NaN where a right answer could not be told from a
    wrong one."""

    n: int
    """Its size, as the strategy counts it."""
    right_P: Array
    """1 where the choice is right; 0 also where nothing was chosen; NaN also where nothing was had
    to choose from."""
    tokens: float | None
    """Generated tokens a prompt that got any, on average; None where nobody counts them."""
    scored_tokens: float | None
    samples: float

    @property
    def accuracy(self) -> Estimate:
        """With its 95 % interval by prompt."""
        return mean_of(self.right_P)


def nothing_had(result: SearchResult) -> str:
    """Why a prompt says nothing of the strategy: it got no samples, or its requests failed before
    any came to its end.

    "" where the strategy had what it chose from, or chose not to ask.
    """
    if not result.spent.samples and result.spent.missing:
        return result.failed[0] if result.failed else "no sample was to be had"
    ended = any(response.finished for response in result.group.responses)
    return "" if ended or not result.failed else result.failed[0]


def point_of(
    n: int, results: Sequence[SearchResult], gold: Sequence[Score | Unscored | None]
) -> Point:
    """The point of a search's results. gold: of each choice; None where nothing was chosen, which
    is wrong only where there was something to choose from (`nothing_had`)."""
    pairs = list(zip(results, gold, strict=True))
    right = [math.nan if nothing_had(r) else 0.0 if g is None else _truth(g) for r, g in pairs]
    # What got nothing cost nothing: it would make the others look cheaper than they were.
    paid = [r for r in results if r.spent.samples] or results
    return Point(
        n=n,
        right_P=np.array(right),
        tokens=_mean([r.spent.generated_tokens for r in paid]),
        scored_tokens=_mean([r.spent.scored_tokens for r in paid]),
        samples=float(np.mean([r.spent.samples for r in paid])),
    )


def mean_of(right_P: Array) -> Estimate:
    """The mean of what is known, with its 95 % interval by prompt."""
    there = right_P[~np.isnan(right_P)]
    return stats.proportion(there, unscored=len(right_P) - len(there))


def at_tokens(points: Sequence[Point], budget: float) -> Array | None:
    """(P,) what a strategy gets with so many generated tokens a prompt, between its points on the
    scale of log tokens.

    None where that is below its cheapest point or above its dearest: nothing is extrapolated.
    """
    known = sorted((p for p in points if p.tokens), key=lambda p: p.tokens or 0)
    costs = [p.tokens for p in known if p.tokens]
    if not costs or not costs[0] <= budget <= costs[-1]:
        return None
    above = next(i for i, cost in enumerate(costs) if cost >= budget)
    if costs[above] == budget:
        return known[above].right_P
    share = math.log(budget / costs[above - 1]) / math.log(costs[above] / costs[above - 1])
    return (1 - share) * known[above - 1].right_P + share * known[above].right_P


def gain_at_tokens(
    points: Sequence[Point],
    over: Sequence[Point],
    budget: float,
    *,
    clusters: Sequence[int] | None = None,
) -> Estimate | None:
    """Difference in accuracy of two strategies at equal generated tokens, paired by
    prompt."""
    one, other = at_tokens(points, budget), at_tokens(over, budget)
    if one is None or other is None:
        return None
    there = ~(np.isnan(one) | np.isnan(other))
    kept = (
        None if clusters is None else [c for c, known in zip(clusters, there, strict=True) if known]
    )
    return stats.paired_difference(
        one[there],
        other[there],
        clusters=kept,
        unscored=int((~there).sum()),
        within=(-1.0, 1.0),
    )


def shared_budgets(strategies: Sequence[Sequence[Point]], most: int = 5) -> list[int]:
    """A few budgets, by doubling, at which at least two strategies can be compared."""
    ranges = [
        (min(costs), max(costs))
        for points in strategies
        if (costs := [p.tokens for p in points if p.tokens])
    ]
    if len(ranges) < 2:
        return []
    low, high = sorted(start for start, _ in ranges)[1], sorted(end for _, end in ranges)[-2]
    if high < low:
        return []
    count = min(most, 1 + int(math.log2(high / low)))
    return (
        sorted({round(low * (high / low) ** (i / max(1, count - 1))) for i in range(count)})
        if count > 1
        else [round(low)]
    )


def _truth(gold: Score | Unscored) -> float:
    return gold.value if isinstance(gold, Score) else math.nan


def _mean(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None
