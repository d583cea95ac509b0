"""Metrics that are functions of sums, such as F1, with intervals by prompt.

A prompt's rows are summed once; a resample of prompts is then one row of a matrix product, so 2,000
resamples of 80,000 steps take a fraction of a second.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.stats import Estimate
from assay.stats.intervals import Array, cluster_ids, resample_weights
from assay.stats.shares import UNSEEN, score_ends, trials_worth

__all__ = ["Statistic", "estimates", "harmonic", "over"]


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A function of sums of columns."""

    formula: Callable[[Array], Array]
    """From sums (..., columns) to values (...)."""
    base: int
    """The column that counts what it is about: its prompts are the estimate's n, its unscored rows
    are counted."""
    low: float = 0.0
    """Smallest possible value."""
    high: float = 1.0
    """Largest possible value."""
    parts: tuple[int, ...] = ()
    """Columns that count what it is made of, e.g. wrong and right solutions: it is as uncertain as
    the rarest."""


def estimates(
    columns: Array,
    statistics: Mapping[str, Statistic],
    *,
    clusters: Sequence[Hashable],
    counted: NDArray[np.bool_],
    unscored: NDArray[np.bool_],
    resamples: int,
    seed: int,
) -> dict[str, Estimate]:
    """Each statistic of the sums of the counted rows of `columns` (rows, columns), with its 95 %
    interval by cluster.

    The interval is Wilson's on as many trials as the bootstrap's error by cluster leaves, with
    Student's quantile for the clusters of the statistic's rarest part; each of these counts as one
    trial where every resample agrees, and one of them alone has no interval. As in
    `stats.proportion`.
    """
    ids, k = cluster_ids(
        [c for c, kept in zip(clusters, counted, strict=True) if kept], int(counted.sum())
    )
    kept = columns[counted]
    sums: Array = np.stack(
        [np.bincount(ids, weights=column, minlength=k) for column in kept.T], axis=1
    )
    draws: dict[str, list[Array]] = {name: [] for name in statistics}
    for weights in resample_weights(k, resamples, seed) if k else ():
        drawn = weights @ sums
        for name, statistic in statistics.items():
            draws[name].append(statistic.formula(drawn))
    return {
        name: _estimate(
            statistic, sums, draws[name], int((columns[unscored, statistic.base] > 0).sum())
        )
        for name, statistic in statistics.items()
    }


def over(a: Any, b: Any) -> Array:
    """a / b, NaN where b is 0."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    quotient: Array = np.divide(
        a, b, out=np.full(np.broadcast_shapes(a.shape, b.shape), np.nan), where=b != 0
    )
    return quotient


def harmonic(a: Array, b: Array) -> Array:
    """Harmonic mean, 2ab/(a + b): 0 where both are 0."""
    total = a + b
    return np.where(total == 0, 0.0, over(2 * a * b, total))


def _estimate(statistic: Statistic, sums: Array, draws: list[Array], unscored: int) -> Estimate:
    n = int((sums[:, statistic.base] > 0).sum())
    value = float(statistic.formula(sums.sum(axis=0)))
    if np.isnan(value):
        return Estimate(value=value, low=value, high=value, n=n, unscored=unscored)
    rarest = min(int((sums[:, part] > 0).sum()) for part in statistic.parts or (statistic.base,))
    if rarest < 2:
        return Estimate(value=value, low=float("nan"), high=float("nan"), n=n, unscored=unscored)
    width = statistic.high - statistic.low
    unit = min(max((value - statistic.low) / width, 0.0), 1.0)
    error = float(np.nanstd(np.concatenate(draws))) * float(np.sqrt(rarest / (rarest - 1))) / width
    unseen = UNSEEN / (1 + rarest * min(unit, 1 - unit)) * unit * (1 - unit) / rarest**2
    trials = (
        trials_worth(unit, float(np.sqrt(error**2 + unseen)))
        if error > 1e-12 and 0 < unit < 1
        else rarest
    )
    low, high = (statistic.low + width * x for x in score_ends(unit, trials, 0.95, rarest - 1))
    return Estimate(value=value, low=low, high=high, n=n, unscored=unscored)
