"""AUROC: how often a positive scores above a negative, ties counting one half."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.estimate import Estimate
from assay.stats.intervals import Array, cluster_ids, percentiles, resample_weights

__all__ = ["auroc"]


def auroc(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    unscored: int = 0,
) -> Estimate:
    """Area under the ROC curve with a bootstrap interval, by cluster where ids are given.

    P(s⁺ > s⁻) + P(s⁺ = s⁻)/2 over all pairs of a positive and a negative; the Mann-Whitney U divided by its maximum.
    scores, labels: (n,), labels in [0, 1], where a soft label counts as that much of a positive. NaN with one class
    only; resamples with one class only are left out. Raises `DataError` for NaN scores or labels outside [0, 1].
    """
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(f"scores {x.shape} and labels {y.shape} must be one list each, of one length")
    if np.isnan(x).any() or not ((y >= 0) & (y <= 1)).all():
        raise DataError("AUROC takes finite scores and labels in [0, 1]; leave the rest out and count it as unscored")
    ids, k = cluster_ids(clusters, len(x))
    if k == 0:
        return Estimate(value=float("nan"), low=float("nan"), high=float("nan"), n=0, unscored=unscored)
    order = np.argsort(x, kind="stable")
    x, y, ids = x[order], y[order], ids[order]
    starts = np.flatnonzero(np.concatenate(([True], x[1:] != x[:-1])))
    value = _area(np.ones((1, len(x))), y, starts)[0]
    # The weights of clusters are spread over rows, so a block holds as many cells as rows allow.
    draws = [
        _area(part[:, ids], y, starts)
        for w in resample_weights(k, resamples, seed)
        for part in np.array_split(w, -(-len(w) * len(x) // 4_000_000))
    ]
    low, high = percentiles(np.concatenate(draws), confidence)
    return Estimate(value=float(value), low=float(low), high=float(high), n=k, unscored=unscored)


def _area(weights: Array, labels: Array, starts: NDArray[np.intp]) -> Array:
    """AUROC (r,) under weights (r, n) of rows sorted by score, whose tie groups begin at `starts`."""
    positive = np.add.reduceat(weights * labels, starts, axis=1)
    negative = np.add.reduceat(weights * (1 - labels), starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + negative / 2)).sum(axis=1)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    area = np.full(len(weights), np.nan)
    np.divide(wins, pairs, out=area, where=pairs > 0)
    return area
