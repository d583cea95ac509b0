"""One temperature for probabilities: softmax(z / T), fitted by likelihood and tried on other
prompts (Guo et al., arXiv:1706.04599).

No T > 0 changes which option is the likeliest.
"""

from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np
import scipy
from numpy.typing import NDArray

from assay.stats.estimate import Estimate
from assay.stats.intervals import Array, cluster_ids, student_quantile

__all__ = ["FOLDS", "cross_fitted", "temperature"]

FOLDS: Final = 5
RANGE: Final = 1e6
"""How far from the logits' own size an inverse temperature may lie, as a factor either way."""
NOTHING: Final = 1e-9

Clusters = Sequence[Hashable] | NDArray[Any] | None


def temperature(
    logits: Array,
    gold: Array,
    *,
    clusters: Clusters = None,
    confidence: float = 0.95,
    unscored: int = 0,
) -> Estimate:
    """Return the T that maximises Σ gold · log softmax(logits / T), both (n, options).

    An option that a row lacks has the logit -inf and gold 0. The interval is that of log T with the
    cluster-robust (sandwich) variance and Student's t. NaN where there is none: fewer than two
    clusters, logits that are no better than none, or that are right of every row.
    """
    ids, k = cluster_ids(clusters, len(logits))
    b = _inverse(logits, gold) if k > 1 else float("nan")
    if np.isnan(b):
        return Estimate(value=b, low=b, high=b, n=k, unscored=unscored)
    z, p = _centred(logits), np.exp(scipy.special.log_softmax(b * logits, axis=1))
    expected = (p * z).sum(axis=1)
    information = float((p * (z - expected[:, None]) ** 2).sum())
    scores = np.bincount(ids, weights=((gold - p) * z).sum(axis=1), minlength=k)
    error = float(np.sqrt((scores @ scores) * k / (k - 1))) / information / b
    half = student_quantile(k - 1, confidence) * error
    low, high = (float(np.exp(end) / b) for end in (-half, half))
    return Estimate(value=1 / b, low=low, high=high, n=k, unscored=unscored)


def cross_fitted(
    logits: Array, gold: Array, *, clusters: Clusters = None, folds: int = FOLDS
) -> Array:
    """Return 1/T for every row (n,), fitted on the rows of other folds; a cluster is in one fold.

    Folds are alike: clusters are dealt out in the order of their logits, and of their gold where
    those are equal, whatever the order of the rows. NaN where the others have no fit.
    """
    ids, k = cluster_ids(clusters, len(logits))
    keys = [
        np.round(np.bincount(ids, weights=column, minlength=k), 9)
        for column in (gold[:, 0], _centred(logits)[:, 0])
    ]
    rank = np.empty(k, dtype=np.intp)
    rank[np.lexsort(keys)] = np.arange(k)
    fold = (rank % max(2, min(folds, k)))[ids]
    found = np.full(len(logits), np.nan)
    for one in np.unique(fold):
        found[fold == one] = _inverse(logits[fold != one], gold[fold != one])
    return found


def _inverse(logits: Array, gold: Array) -> float:
    """1/T at the root of the likelihood's slope, which falls in it; NaN where there is none."""
    z = _centred(logits)
    size = float(np.abs(z).max(initial=0.0))
    if not size > 0:
        return float("nan")
    shifted = np.where(np.isneginf(logits), -np.inf, z / size)

    def slope(log_b: float) -> float:
        p = np.exp(scipy.special.log_softmax(np.exp(log_b) * shifted, axis=1))
        return float(((gold - p) * z).sum()) / size

    ends = -np.log(RANGE), np.log(RANGE)
    if slope(ends[0]) <= NOTHING or slope(ends[1]) >= -NOTHING:
        return float("nan")
    return float(np.exp(scipy.optimize.brentq(slope, *ends, xtol=1e-12))) / size


def _centred(logits: Array) -> Array:
    """Logits less their row's mean, 0 where a row lacks an option: what probabilities are of."""
    there = ~np.isneginf(logits)
    mean = np.where(there, logits, 0.0).sum(axis=1, keepdims=True)
    mean = mean / np.maximum(1, there.sum(axis=1, keepdims=True))
    return np.where(there, np.where(there, logits, 0.0) - mean, 0.0)
