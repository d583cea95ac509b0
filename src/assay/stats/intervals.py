"""Intervals: Wilson's for a proportion, the percentile bootstrap (by cluster), Student's for a handful of runs.

Answers to one prompt are not independent, so what is resampled is the cluster (the prompt), never the row. A bootstrap
over k clusters is a matrix of k multinomial weights a resample; every statistic here that is a function of weighted
sums is computed for a block of resamples with one matrix product.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from assay.errors import DataError
from assay.stats.estimate import Estimate

__all__ = ["Array", "bootstrap", "cluster_ids", "percentiles", "proportion", "resample_weights", "student", "wilson"]

Array = NDArray[np.float64]
BLOCK = 2_000_000
"""Most cells of a weight matrix held at once: 16 MB."""


def wilson(successes: float, n: int, *, confidence: float = 0.95, unscored: int = 0) -> Estimate:
    """A proportion with Wilson's score interval; `successes` may be soft (ties count one half).

    With p = successes/n and z the normal quantile: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n). With soft
    successes the interval is conservative. Where n is 0 the value is NaN and the interval [0, 1].
    Raises `DataError` unless 0 <= successes <= n.
    """
    if not 0 <= successes <= n:
        raise DataError(f"{successes} successes in {n} trials; give 0 <= successes <= n")
    if n == 0:
        return Estimate(value=float("nan"), low=0.0, high=1.0, n=0, unscored=unscored)
    p, z = successes / n, float(ndtri((1 + confidence) / 2))
    centre = p + z * z / (2 * n)
    half = z * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    scale = 1 + z * z / n
    # At p = 0 and p = 1 the end of the interval is the value exactly; rounding must not pass it.
    low, high = min(p, (centre - half) / scale), max(p, (centre + half) / scale)
    return Estimate(value=p, low=max(0.0, low), high=min(1.0, high), n=n, unscored=unscored)


def proportion(
    credit: ArrayLike,
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    unscored: int = 0,
) -> Estimate:
    """Mean of credits in [0, 1]: Wilson's interval where every cluster is one item, otherwise the cluster bootstrap.

    Where all credits agree a bootstrap has no width, so Wilson's interval over the clusters stands in.
    """
    x = np.asarray(credit, dtype=np.float64)
    ids, k = cluster_ids(clusters, len(x))
    agree = len(x) > 0 and bool((x == x[0]).all())
    if k == len(ids) or agree:
        return wilson(float(x.mean()) * k if k else 0.0, k, confidence=confidence, unscored=unscored)
    return bootstrap(x, clusters=ids, resamples=resamples, seed=seed, confidence=confidence, unscored=unscored)


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
    """A statistic of `values` with its percentile-bootstrap interval.

    values: (n,), or (n, k) for a statistic of rows. clusters: one id a value; whole clusters are resampled and the
    estimate's n is their number. statistic: of an array of resampled values; None is the mean, which takes a fast path.
    Without values, everything is NaN. Raises `DataError` for NaN values: leave unscored items out and count them.
    """
    x = np.asarray(values, dtype=np.float64)
    if np.isnan(x).any():
        raise DataError(
            f"{int(np.isnan(x).sum())} of {x.size} values are NaN; leave them out and count them as unscored"
        )
    ids, k = cluster_ids(clusters, len(x))
    if k == 0:
        return Estimate(value=float("nan"), low=float("nan"), high=float("nan"), n=0, unscored=unscored)
    if statistic is None:
        value, draws = float(x.mean()), _means(x, ids, k, resamples, seed)
    else:
        value, draws = float(statistic(x)), _statistics(statistic, x, ids, k, resamples, seed)
    low, high = percentiles(draws, confidence)
    return Estimate(value=value, low=float(low), high=float(high), n=k, unscored=unscored)


def student(values: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Mean of a few values, such as one a seed, with Student's interval: mean ± t s/√n, s with ddof 1.

    NaN values are left out and counted as unscored; one value alone has no interval (NaN).
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    there = x[~np.isnan(x)]
    n, unscored = len(there), int(np.isnan(x).sum())
    if not n:
        return Estimate(value=float("nan"), low=float("nan"), high=float("nan"), n=0, unscored=unscored)
    mean, half = float(there.mean()), float("nan")
    if n > 1:
        half = float(stdtrit(n - 1, (1 + confidence) / 2) * there.std(ddof=1) / np.sqrt(n))
    return Estimate(value=mean, low=mean - half, high=mean + half, n=n, unscored=unscored)


def cluster_ids(clusters: Sequence[Hashable] | NDArray[Any] | None, n: int) -> tuple[NDArray[np.intp], int]:
    """Cluster ids as integers 0..k-1 in order of appearance, and k; every value its own cluster where None."""
    if clusters is None:
        return np.arange(n), n
    if len(clusters) != n:
        raise DataError(f"{len(clusters)} cluster ids for {n} values; give one id a value")
    code: dict[Hashable, int] = {}
    return np.array([code.setdefault(c, len(code)) for c in clusters], dtype=np.intp), len(code)


def resample_weights(k: int, resamples: int, seed: int) -> Iterator[Array]:
    """Blocks (r, k) of how often each of k clusters was drawn, `resamples` rows in all."""
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK // k)
    for start in range(0, resamples, rows):
        r = min(rows, resamples - start)
        drawn = rng.integers(0, k, size=(r, k))
        flat = (drawn + k * np.arange(r)[:, None]).ravel()
        yield np.bincount(flat, minlength=r * k).reshape(r, k).astype(np.float64)


def percentiles(draws: Array, confidence: float) -> tuple[Array, Array]:
    """Lower and upper ends over the first axis of `draws`; draws without a value (NaN) are left out."""
    tail = 100 * (1 - confidence) / 2
    defined = ~np.isnan(draws)
    if defined.all():
        ends = np.percentile(draws, [tail, 100 - tail], axis=0)
    else:
        # A column without any defined draw has no interval; numpy would warn.
        some = defined.any(axis=0)
        ends = np.full((2, *draws.shape[1:]), np.nan)
        if np.any(some):
            ends[:, some] = np.nanpercentile(draws[:, some], [tail, 100 - tail], axis=0)
    return ends[0], ends[1]


def _means(x: Array, ids: NDArray[np.intp], k: int, resamples: int, seed: int) -> Array:
    sums, counts = np.bincount(ids, weights=x, minlength=k), np.bincount(ids, minlength=k)
    return np.concatenate([(w @ sums) / (w @ counts) for w in resample_weights(k, resamples, seed)])


def _statistics(
    statistic: Callable[[Array], float], x: Array, ids: NDArray[np.intp], k: int, resamples: int, seed: int
) -> Array:
    rng = np.random.default_rng(seed)
    order = np.argsort(ids, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(ids, minlength=k))[:-1])
    draws = [statistic(x[np.concatenate([members[c] for c in rng.integers(0, k, size=k)])]) for _ in range(resamples)]
    return np.array(draws, dtype=np.float64)
