"""Best-of-n for every n up to N, unbiased, from one pool of N responses a prompt.

Of all C(N, n) subsets of a pool, the response of proxy rank i (1 = lowest) is the best in C(i-1,
n-1). So the expected gold of the best of n is the mean of the sorted gold with weights C(i-1,
n-1)/C(N, n), computed from log-gammas; among equal proxies the choice is uniform, so gold is
averaged within tie groups first (arXiv:2112.09332, appendix I).

Where a response could not be scored its proxy is NaN: it leaves the pool, as if it had not been
sampled, and is counted. The curve then describes the best of n *scorable* responses; a prompt whose
pool has fewer than n of them has no value (NaN) at that n and is left out there, which the
estimate's n shows. Where pools differ in size, pad the short ones with NaN in both arrays: padding
is not counted as unscored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.estimate import Estimate
from assay.stats.intervals import Array
from assay.stats.means import mean
from assay.stats.shares import proportion

__all__ = ["CurvePoint", "best_of_n", "best_of_n_curve", "curve", "oracle_curve", "pad_pools"]


@dataclass(frozen=True)
class CurvePoint:
    """One point of a curve over the number of responses."""

    n: int
    estimate: Estimate


def best_of_n(proxy: ArrayLike, gold: ArrayLike, ns: int | Sequence[int]) -> Array:
    """Expected gold of the response with the highest proxy among n drawn without replacement, for
    each prompt.

    proxy, gold: (P, N). Returns (P,) for one n, (P, len(ns)) for several; NaN where the pool has
    fewer than n. Raises `DataError` when the shapes differ or an n is below 1.
    """
    x, y = _pools(proxy, gold)
    sizes = np.atleast_1d(np.asarray(ns, dtype=np.int64))
    if (sizes < 1).any():
        raise DataError(f"best of {int(sizes.min())}: n must be at least 1")
    there = ~(np.isnan(x) | np.isnan(y))
    averaged = _tie_averaged(np.where(there, x, np.nan), np.where(there, y, 0.0))
    pool_sizes = there.sum(axis=1)
    expected = np.full((len(x), len(sizes)), np.nan)
    for m in np.unique(pool_sizes[pool_sizes > 0]):
        rows = pool_sizes == m
        expected[rows] = averaged[rows, :m] @ _rank_weights(int(m), sizes)
    return expected[:, 0] if isinstance(ns, int) else expected


def best_of_n_curve(
    proxy: ArrayLike,
    gold: ArrayLike,
    ns: Sequence[int],
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> list[CurvePoint]:
    """`best_of_n` averaged over prompts, with intervals bootstrapped by prompt; unscored responses
    are counted."""
    x, y = _pools(proxy, gold)
    unscored = int((np.isnan(x) & ~np.isnan(y)).sum())
    return curve(
        best_of_n(x, y, list(ns)),
        ns,
        resamples=resamples,
        seed=seed,
        confidence=confidence,
        unscored=unscored,
    )


def oracle_curve(
    gold: ArrayLike,
    ns: Sequence[int],
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> list[CurvePoint]:
    """The curve of a perfect scorer; for gold in {0, 1} it is pass@n = 1 - C(wrong, n)/C(N, n)
    (arXiv:2107.03374)."""
    return best_of_n_curve(gold, gold, ns, resamples=resamples, seed=seed, confidence=confidence)


def curve(
    expected: Array,
    ns: Sequence[int],
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    unscored: int = 0,
    share: bool | None = None,
) -> list[CurvePoint]:
    """Per-prompt values (P, len(ns)), averaged over the prompts that have one, with intervals by
    prompt.

    share: whether values cannot leave [0, 1], and `proportion` has the interval instead of `mean`;
    None reads it from the values. `resamples` and `seed` are taken so that one set of options
    serves every estimator.
    """
    there = expected[~np.isnan(expected)]
    if share is None:
        # Weights that sum to 1 do so up to rounding.
        share = bool(((there >= -1e-9) & (there <= 1 + 1e-9)).all())
    return [
        CurvePoint(int(n), _over_prompts(column, share, confidence, unscored))
        for n, column in zip(ns, expected.T, strict=True)
    ]


def _over_prompts(values_P: Array, share: bool, confidence: float, unscored: int) -> Estimate:
    x = values_P[~np.isnan(values_P)]
    if share:
        nearest = np.round(x)
        x = np.where(np.abs(x - nearest) < 1e-9, nearest, x)
    # A gold that is .7 for every prompt may be one that can be anything; one that is always 1 is
    # taken for a share.
    alike = bool((x == x[0]).all()) and x[0] not in (0.0, 1.0) if len(x) else True
    if share and not alike:
        return proportion(x, confidence=confidence, unscored=unscored)
    return mean(x, confidence=confidence, unscored=unscored)


def pad_pools(pools: Sequence[Sequence[float]]) -> Array:
    """Pools of different sizes as one (P, N) array, the short ones padded with NaN."""
    padded = np.full((len(pools), max(map(len, pools), default=0)), np.nan)
    for row, pool in zip(padded, pools, strict=True):
        row[: len(pool)] = pool
    return padded


def _pools(proxy: ArrayLike, gold: ArrayLike) -> tuple[Array, Array]:
    x, y = np.asarray(proxy, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape:
        raise DataError(
            f"proxy {x.shape} and gold {y.shape} must both be (prompts, responses); see `pad_pools`"
        )
    return x, y


def _tie_averaged(x: Array, y: Array) -> Array:
    """Gold (P, N) in ascending order of proxy, averaged within groups of equal proxy; NaN proxies
    come last."""
    order = np.argsort(x, axis=1, kind="stable")
    x, y = np.take_along_axis(x, order, axis=1), np.take_along_axis(y, order, axis=1)
    starts = np.ones(x.shape, dtype=bool)
    starts[:, 1:] = x[:, 1:] != x[:, :-1]
    group: NDArray[np.intp] = np.cumsum(starts.ravel()) - 1
    means = np.bincount(group, weights=y.ravel()) / np.bincount(group) if group.size else y.ravel()
    return np.asarray(means[group].reshape(x.shape) if group.size else y)


def _rank_weights(m: int, ns: NDArray[np.int64]) -> Array:
    """Weights (m, len(ns)) of ascending ranks, C(i-1, n-1)/C(m, n); NaN columns where n > m."""
    i = np.arange(1, m + 1)[:, None]
    possible = np.broadcast_to(i >= ns, (m, len(ns)))
    # Clipped so that the log-gamma of an impossible cell is finite; those cells are replaced below.
    log_weight = _log_choose(np.maximum(i - 1, ns - 1), ns - 1) - _log_choose(np.maximum(m, ns), ns)
    return np.where(ns > m, np.nan, np.where(possible, np.exp(log_weight), 0.0))


def _log_choose(n: NDArray[np.int64], k: NDArray[np.int64]) -> Array:
    return np.asarray(
        scipy.special.gammaln(n + 1)
        - scipy.special.gammaln(k + 1)
        - scipy.special.gammaln(n - k + 1),
        dtype=np.float64,
    )
