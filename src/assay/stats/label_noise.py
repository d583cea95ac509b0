"""What imperfect labels and an imperfect judge leave knowable: ceilings, corrected shares, and how
many labels it takes."""

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.estimate import Estimate
from assay.stats.intervals import cluster_ids, student_quantile
from assay.stats.means import spread_by_cluster

__all__ = [
    "items_for_kappa",
    "label_accuracy",
    "observed_agreement",
    "prediction_powered_mean",
    "rogan_gladen",
]


def label_accuracy(agreement: float) -> float:
    """Accuracy a of one human's yes-or-no labels, from how often two humans agree: (1 + √(2h - 1))
    / 2.

    h = a² + (1 - a)² where errors are independent and as frequent on both sides. A perfect judge
    agrees with one human a of the time, more than h. Raises `DataError` for h outside [1/2, 1].
    """
    if not 0.5 <= agreement <= 1:
        raise DataError(
            f"two humans agree {agreement:g} of the time; less than one half of two answers is no"
            " label noise"
        )
    return (1 + math.sqrt(2 * agreement - 1)) / 2


def observed_agreement(accuracy: float, labels: float) -> float:
    """How often a judge of this accuracy agrees with labels of that one: q a + (1 - q)(1 - a)."""
    return accuracy * labels + (1 - accuracy) * (1 - labels)


def items_for_kappa(
    kappa: float, prevalence: float, half_width: float, *, confidence: float = 0.95
) -> int:
    """Items that Cohen's kappa of two yes-or-no raters needs for an interval of this half width.

    z² V / half_width², V the large-sample variance per item of Fleiss, Cohen and Everitt (1969)
    where both raters say yes `prevalence` of the time. Items of one prompt count as fewer.
    """
    if not 0 < prevalence < 1 or not half_width > 0 or not -1 <= kappa <= 1:
        raise DataError(
            f"kappa {kappa:g}, prevalence {prevalence:g}, half width {half_width:g}: they must be"
            " in [-1, 1], between 0 and 1, and above 0"
        )
    p = np.array([prevalence, 1 - prevalence])
    chance = float((p * p).sum())
    off = (1 - kappa) * prevalence * (1 - prevalence)
    same = p - off
    if (same < 0).any():
        raise DataError(f"no two raters of prevalence {prevalence:g} have a kappa of {kappa:g}")
    on = float((same * (1 - 2 * p * (1 - kappa)) ** 2).sum())
    # Off the diagonal the marginals of both categories sum to 1.
    other = (1 - kappa) ** 2 * 2 * off
    variance = (on + other - (kappa - chance * (1 - kappa)) ** 2) / (1 - chance) ** 2
    z = float(scipy.special.ndtri((1 + confidence) / 2))
    return math.ceil(z**2 * variance / half_width**2 - 1e-9)


def rogan_gladen(
    share: Estimate, sensitivity: Estimate, specificity: Estimate, *, confidence: float = 0.95
) -> Estimate:
    """True share of what a judge says yes to, from its share of yes: (p + sp - 1) / (se + sp - 1).

    Rogan and Gladen (1978), with the variance of all three by the delta method, each taken from its
    interval at this confidence; value and ends in [0, 1]. The interval is [0, 1] where se + sp may
    be 1. Raises `DataError` where it is: such a judge says yes as often to what is not.
    """
    youden = sensitivity.value + specificity.value - 1
    if not youden > 0:
        raise DataError(
            f"sensitivity {sensitivity.value:.3g} and specificity {specificity.value:.3g} sum to 1"
            " or less: nothing can be inferred from such a judge's share"
        )
    value = (share.value + specificity.value - 1) / youden
    z = float(scipy.special.ndtri((1 + confidence) / 2))
    p, se, sp = ((e.high - e.low) / (2 * z) for e in (share, sensitivity, specificity))
    error = math.sqrt(p**2 + (value * se) ** 2 + ((1 - value) * sp) ** 2) / youden
    low, high = value - z * error, value + z * error
    if youden <= z * math.hypot(se, sp):
        low, high = 0.0, 1.0
    value, low, high = (float(np.clip(x, 0, 1)) for x in (value, low, high))
    return Estimate(value=value, low=low, high=high, n=share.n, unscored=share.unscored)


def prediction_powered_mean(
    labels: ArrayLike,
    predictions: ArrayLike,
    unlabelled: ArrayLike,
    *,
    weight: float | None = None,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Mean label of all items, from a few labels and a judge's predictions for many (PPI++,
    arXiv:2311.01453).

    mean(Y) + λ (mean of f where there is no label - mean of f where there is); labels and
    predictions (n,) are of the same items, unlabelled (N,) the predictions for others.
    λ = Cov(Y, f) / ((1 + n/N) Var f) in [0, 1] unless given: 0 is the labels' own mean, 1 is PPI,
    which is worse than that where f is poor. SE² = λ² Var(f)/N + Var(Y - λf)/n, the latter by
    cluster; n is the number of clusters of labels.
    """
    y, f, g = (np.asarray(x, dtype=np.float64) for x in (labels, predictions, unlabelled))
    if y.shape != f.shape or y.ndim != 1 or len(y) < 2 or len(g) < 2:
        raise DataError(
            f"labels {y.shape} and predictions {f.shape} must be of the same items, and 2 or more"
            f" of them and of the unlabelled ({len(g)})"
        )
    every = float(np.concatenate([f, g]).var(ddof=1))
    if weight is None:
        covariance = float(np.cov(y, f)[0, 1])
        weight = 0.0
        if every > 0:
            weight = float(np.clip(covariance / ((1 + len(y) / len(g)) * every), 0, 1))
    ids, k = cluster_ids(clusters, len(y))
    rest = spread_by_cluster(y - weight * f, ids, k)
    error = math.hypot(rest.error, weight * math.sqrt(every / len(g)))
    value = rest.value + weight * float(g.mean())
    half = student_quantile(rest.df, confidence) * error if error > 0 else math.nan
    return Estimate(value=value, low=value - half, high=value + half, n=k)
