"""Means with intervals that hold for few and for skewed values: Student's, corrected for skewness,
by cluster.

Student's interval alone holds a lognormal's mean 86 % of the time at n = 20, the percentile
bootstrap 85 %. Hall's cubic transformation of t (1992, J. R. Stat. Soc. B 54:221) takes the
sample's skewness into account, so that the interval reaches further on the side of the long tail;
but it believes a skewness that heavy tails show by chance. The wider of the two ends is taken on
each side, up to twice Student's: 93 % there, 95 to 96 % for normal values, at 1.04 of Student's
width.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.estimate import Estimate
from assay.stats.intervals import Array, cluster_ids, percentiles, student_quantile, widened

__all__ = ["Spread", "bootstrap", "mean", "spread_by_cluster", "student"]

SKEWED: Final = 5
"""Fewest clusters whose skewness is believed."""
FURTHEST: Final = 2.0
"""How many times as far as Student's an end may lie: a skewness that one outlier makes would have
no bounds."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How a mean over clusters varies."""

    value: float
    deviations: Array
    """(k,) What each cluster adds to the mean's deviation; they average near 0."""
    error: float
    """Standard error of the mean, from leaving out one cluster at a time."""
    df: float
    """Degrees of freedom: k - 1, fewer where a few clusters hold most of the rows."""


def spread_by_cluster(
    x: Array, ids: NDArray[np.intp], k: int, weights: Array | None = None
) -> Spread:
    """Mean over the rows of k >= 2 clusters with its jackknife error.

    With S_g and m_g the sum and the rows of cluster g, M all rows: u_g = (k - 1)(S_g - m_g mean) /
    (M - m_g), the error √(Σ u² / (k (k - 1))). The degrees of freedom are M² / Σ m_g² - 1, Kish's
    effective number of clusters less 1. Rows count as many as their weights, where there are any.
    """
    sums = np.bincount(ids, weights=x if weights is None else weights * x, minlength=k)
    rows = np.bincount(ids, weights=weights, minlength=k).astype(np.float64)
    total = rows.sum()
    value = float(np.average(x, weights=weights))
    u = (k - 1) * (sums - rows * value) / (total - rows)
    # Equal values differ by rounding only, which is no spread.
    u[np.abs(u) <= 1e-12 * max(1.0, abs(value))] = 0.0
    error = float(np.sqrt((u * u).sum() / (k * (k - 1))))
    return Spread(value=value, deviations=u, error=error, df=float(total**2 / (rows**2).sum()) - 1)


def mean(
    values: ArrayLike,
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    confidence: float = 0.95,
    unscored: int = 0,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """Mean of values (n,) with Student's interval by cluster, corrected for skewness where it makes
    an end wider.

    n is the number of clusters. There is no interval (NaN) from one cluster, nor where all clusters
    agree: equal values tell nothing about how far others may lie. within: the range that values
    cannot leave, nor does the interval. For a share there is `proportion`. Raises `DataError` for
    NaN values: leave unscored items out and count them.
    """
    x = _defined(values)
    ids, k = cluster_ids(clusters, len(x))
    if k < 2:
        value = float(x.mean()) if k else float("nan")
        return Estimate(value=value, low=float("nan"), high=float("nan"), n=k, unscored=unscored)
    spread = spread_by_cluster(x, ids, k)
    low, high = np.clip(_ends(spread, k, confidence), *within).tolist()
    return Estimate(value=spread.value, low=low, high=high, n=k, unscored=unscored)


def _ends(spread: Spread, k: int, confidence: float) -> tuple[float, float]:
    if not spread.error > 0:
        return float("nan"), float("nan")
    t = student_quantile(spread.df, confidence)
    if k < SKEWED:
        return spread.value - t * spread.error, spread.value + t * spread.error
    u = spread.deviations - spread.deviations.mean()
    skewness = float((u**3).mean() / (u * u).mean() ** 1.5)
    scale = spread.error * float(np.sqrt(k))
    y = t / float(np.sqrt(k))
    down = min(max(_hall(y, skewness, k), y), FURTHEST * y)
    up = max(min(_hall(-y, skewness, k), -y), -FURTHEST * y)
    return spread.value - scale * down, spread.value - scale * up


def _hall(y: float, skewness: float, k: int) -> float:
    """The T whose transform T + g T²/3 + g² T³/27 + g/(6k) is y; T is (mean - truth) / s."""
    if abs(skewness) < 1e-6:
        return y
    return float(3 / skewness * (np.cbrt(1 + skewness * (y - skewness / (6 * k))) - 1))


def bootstrap(
    values: ArrayLike,
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    statistic: Callable[[Array], float] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    unscored: int = 0,
) -> Estimate:
    """A statistic of `values` with the interval of its bootstrap, widened as Student's is for few
    clusters.

    values: (n,), or (n, k) for a statistic of rows. clusters: one id a value; whole clusters are
    resampled and the estimate's n is their number. statistic: of an array of resampled values; None
    is the mean, whose interval needs no resamples and is that of `mean`. Without values, everything
    is NaN; without an interval where there is one cluster, or all resamples agree. Raises
    `DataError` for NaN values: leave unscored items out and count them.
    """
    if statistic is None:
        return mean(values, clusters=clusters, confidence=confidence, unscored=unscored)
    x = _defined(values)
    ids, k = cluster_ids(clusters, len(x))
    if k == 0:
        return Estimate(
            value=float("nan"), low=float("nan"), high=float("nan"), n=0, unscored=unscored
        )
    value = float(statistic(x))
    draws = widened(_statistics(statistic, x, ids, k, resamples, seed), value, k, confidence)
    low, high = (float(end) for end in percentiles(draws, confidence))
    if low == high:
        low = high = float("nan")
    return Estimate(value=value, low=low, high=high, n=k, unscored=unscored)


def student(values: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Mean of a few values, such as one a seed, with Student's interval: mean ± t s/√n, s with ddof
    1.

    NaN values are left out and counted as unscored; one value alone has no interval (NaN), nor have
    equal ones.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    there = x[~np.isnan(x)]
    n, unscored = len(there), int(np.isnan(x).sum())
    if not n:
        return Estimate(
            value=float("nan"), low=float("nan"), high=float("nan"), n=0, unscored=unscored
        )
    centre, half = float(there.mean()), float("nan")
    if n > 1:
        deviation = float(there.std(ddof=1))
        if deviation > 1e-12 * max(1.0, abs(centre)):
            half = student_quantile(n - 1, confidence) * deviation / float(np.sqrt(n))
    return Estimate(value=centre, low=centre - half, high=centre + half, n=n, unscored=unscored)


def _statistics(
    statistic: Callable[[Array], float],
    x: Array,
    ids: NDArray[np.intp],
    k: int,
    resamples: int,
    seed: int,
) -> Array:
    rng = np.random.default_rng(seed)
    order = np.argsort(ids, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(ids, minlength=k))[:-1])
    draws = [
        statistic(x[np.concatenate([members[c] for c in rng.integers(0, k, size=k)])])
        for _ in range(resamples)
    ]
    return np.array(draws, dtype=np.float64)


def _defined(values: ArrayLike) -> Array:
    x = np.asarray(values, dtype=np.float64)
    if np.isnan(x).any():
        raise DataError(
            f"{int(np.isnan(x).sum())} of {x.size} values are NaN; leave them out and count them as"
            " unscored"
        )
    return x
