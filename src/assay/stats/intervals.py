"""What intervals are made of: clusters, resamples of them, the ends of draws, and how far few
clusters widen them.

Answers to one prompt are not independent, so what is resampled is the cluster (the prompt), never
the row. A bootstrap over k clusters is a matrix of k multinomial weights a resample; every
statistic here that is a function of weighted sums is computed for a block of resamples with one
matrix product.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError

__all__ = ["Array", "cluster_ids", "percentiles", "resample_weights", "student_quantile", "widened"]

Array = NDArray[np.float64]
BLOCK = 2_000_000
"""Most cells of a weight matrix held at once: 16 MB."""


def cluster_ids(
    clusters: Sequence[Hashable] | NDArray[Any] | None, n: int
) -> tuple[NDArray[np.intp], int]:
    """Cluster ids as integers 0..k-1 in order of appearance, and k; every value its own cluster
    where None."""
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
    """Lower and upper ends over the first axis of `draws`; draws without a value (NaN) are left
    out."""
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


def student_quantile(df: float, confidence: float) -> float:
    """The t of a two-sided interval of this confidence with `df` degrees of freedom."""
    return float(scipy.special.stdtrit(df, (1 + confidence) / 2))


def widened(draws: ArrayLike, value: ArrayLike, k: int, confidence: float) -> Array:
    """Draws (R, ...) of a bootstrap over k clusters, moved away from the value so that their
    percentiles hold for few.

    value + (t / z) √(k / (k - 1)) (draw - value): a bootstrap's spread is that of a variance
    divided by k, not k - 1, and its percentiles are the normal's where Student's with k - 1 degrees
    of freedom are due. The factor is 1.58 for five clusters, 1.10 for 20 and 1.01 for 200. One
    cluster alone says nothing of its spread: NaN.
    """
    x, centre = np.asarray(draws, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if k < 2:
        return np.full(x.shape, np.nan)
    z = float(scipy.special.ndtri((1 + confidence) / 2))
    factor = student_quantile(k - 1, confidence) / z * float(np.sqrt(k / (k - 1)))
    return np.asarray(centre + factor * (x - centre))
