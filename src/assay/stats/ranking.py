"""AUROC: how often a positive scores above a negative, ties counting one half."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.estimate import Estimate
from assay.stats.intervals import Array, cluster_ids
from assay.stats.shares import score_ends, trials_worth

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
    """Area under the ROC curve with a score interval, by cluster where ids are given.

    P(s⁺ > s⁻) + P(s⁺ = s⁻)/2 over all pairs of a positive and a negative; the Mann-Whitney U
    divided by its maximum. scores, labels: (n,), labels in [0, 1], where a soft label counts as
    that much of a positive. NaN with one class only. The interval is Wilson's on as many trials as
    DeLong's variance by cluster leaves (Obuchowski 1997), or fewer by Hanley and McNeil's, with
    Student's quantile: rows that separate perfectly leave room below 1. None from one cluster.
    `resamples` and `seed` are taken so that one set of options serves every estimator; nothing is
    resampled. Raises `DataError` for NaN scores or labels outside [0, 1].
    """
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(
            f"scores {x.shape} and labels {y.shape} must be one list each, of one length"
        )
    if np.isnan(x).any() or not ((y >= 0) & (y <= 1)).all():
        raise DataError(
            "AUROC takes finite scores and labels in [0, 1]; leave the rest out and count it as"
            " unscored"
        )
    ids, k = cluster_ids(clusters, len(x))
    value, credit = _placements(x, y)
    if np.isnan(value) or k == 1:
        return Estimate(value=value, low=float("nan"), high=float("nan"), n=k, unscored=unscored)
    positives, negatives = float(y.sum()), float((1 - y).sum())
    # Clusters that hold some of each class: what the small-sample correction counts.
    m, n = (len(np.unique(ids[part > 0])) for part in (y, 1 - y))
    up = np.bincount(ids, weights=y * (credit[0] - value), minlength=k) / positives
    down = np.bincount(ids, weights=(1 - y) * (credit[1] - value), minlength=k) / negatives
    error = 0.0
    if m > 1 and n > 1:
        error = float(
            np.sqrt(((up * np.sqrt(m / (m - 1)) + down * np.sqrt(n / (n - 1))) ** 2).sum())
        )
    # Without a spread, or with a class that one cluster holds, each cluster counts as one row.
    if error > 1e-12:
        trials = min(trials_worth(value, error), _trials_of(value, positives, negatives))
    else:
        trials = _trials_of(value, m, n)
    low, high = score_ends(value, trials, confidence, max(1, k - 2))
    return Estimate(value=value, low=low, high=high, n=k, unscored=unscored)


def _placements(x: Array, y: Array) -> tuple[float, tuple[Array, Array]]:
    """The area, and for every row how much of the negatives it is above and how much of the
    positives below, (n,)."""
    levels, group = np.unique(x, return_inverse=True)
    positive, negative = (
        np.bincount(group, weights=part, minlength=len(levels)) for part in (y, 1 - y)
    )
    positives, negatives = float(positive.sum()), float(negative.sum())
    if not (positives > 0 and negatives > 0):
        return float("nan"), (x, x)
    above = (np.cumsum(negative) - negative / 2)[group] / negatives
    below = (positives - np.cumsum(positive) + positive / 2)[group] / positives
    return float((y * above).sum() / positives), (above, below)


def _trials_of(area: float, positives: float, negatives: float) -> float:
    """Trials that the area of independent rows is worth, A (1 - A) over its variance by Hanley and
    McNeil (1982).

    The variance is Newcombe's version (2006), with N = (m + n) / 2 - 1 for both classes: A (1 - A)
    / (m n) times 1 + N (1 - A) / (2 - A) + N A / (1 + A), which is exact for exponential scores and
    finite at A = 1.
    """
    n = (positives + negatives) / 2 - 1
    return positives * negatives / (1 + n * (1 - area) / (2 - area) + n * area / (1 + area))
