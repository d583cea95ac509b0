"""Do probabilities mean what they say? Brier score, expected calibration error, calibration slope,
reliability bins."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.estimate import Estimate
from assay.stats.intervals import (
    Array,
    cluster_ids,
    percentiles,
    resample_weights,
    student_quantile,
    widened,
)
from assay.stats.means import mean
from assay.stats.shares import wilson

__all__ = [
    "Bin",
    "Calibration",
    "brier",
    "calibration_slope",
    "debiased_squared_ece",
    "ece",
    "ece_if_calibrated",
    "reliability",
    "to_logits",
]

Clusters = Sequence[Hashable] | NDArray[Any] | None
Binning = Literal["equal-count", "equal-width"]
EDGE = 1e-6
"""Probabilities of 0 and 1 have no logit; they are moved this far inside."""


@dataclass(frozen=True, kw_only=True)
class Bin:
    """One bar of a reliability plot."""

    low: float
    """Lowest probability in the bin."""
    high: float
    """Highest probability in the bin."""
    predicted: float
    """Mean probability."""
    observed: Estimate
    """Mean label, with Wilson's interval (rows taken as independent)."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Logistic regression of the label on the logit: slope 1 and intercept 0 are perfect, slope < 1
    overconfident."""

    slope: Estimate
    intercept: Estimate


def brier(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    clusters: Clusters = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    unscored: int = 0,
) -> Estimate:
    """Mean squared error of the probability, (p - y)²: 0 is perfect, 0.25 is what a constant 0.5
    gets."""
    p, y = _checked(probabilities, labels)
    squares = (p - y) ** 2
    return mean(
        squares, clusters=clusters, confidence=confidence, unscored=unscored, within=(0.0, 1.0)
    )


def ece(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    bins: int = 10,
    binning: Binning = "equal-count",
    clusters: Clusters = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    unscored: int = 0,
) -> Estimate:
    """Expected calibration error: Σ_b (n_b/n) |mean label - mean probability| over bins b
    (arXiv:1706.04599).

    Bins hold equal counts unless told otherwise; equal probabilities always share one. They are
    fixed on all the data and kept while clusters are resampled. The absolute value makes the
    estimate too high where bins hold few rows: compare it with `ece_if_calibrated`. The interval is
    for the error without that noise: it can be lower by no more than Σ_b |noise of bin b| and
    higher by no more than the noise along the signs that the bins have, and a bootstrap by cluster
    tells how large either is. It holds 0 where calibration is perfect, and is widest downwards.
    """
    p, y = _checked(probabilities, labels)
    ids, k = cluster_ids(clusters, len(p))
    if k == 0:
        return _nothing(unscored)
    which = _bin_of(p, bins, binning)
    width = int(which.max()) + 1
    gaps = np.bincount(ids * width + which, weights=y - p, minlength=k * width).reshape(k, width)
    counts = np.bincount(ids, minlength=k).astype(np.float64)
    overall = gaps.sum(axis=0) / len(p)
    value = float(np.abs(overall).sum())
    drawn = np.concatenate(
        [(w @ gaps) / (w @ counts)[:, None] for w in resample_weights(k, resamples, seed)]
    )
    noise = widened(drawn, overall, k, confidence) - overall
    if not np.abs(noise).max() > 0:  # NaN from one cluster
        return Estimate(value=value, low=float("nan"), high=float("nan"), n=k, unscored=unscored)
    ends = (1 + confidence) / 2
    low = value - float(np.quantile(np.abs(noise).sum(axis=1), ends))
    high = value + float(np.quantile(-noise @ np.sign(overall), ends))
    return Estimate(
        value=value, low=max(0.0, low), high=min(1.0, max(high, value)), n=k, unscored=unscored
    )


def debiased_squared_ece(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    bins: int = 10,
    binning: Binning = "equal-count",
    clusters: Clusters = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    unscored: int = 0,
) -> Estimate:
    """Squared calibration error Σ_b (n_b/n) (mean label - mean probability)², debiased: 0 on
    average where calibration is perfect, and so at times below 0.

    With d = y - p, a bin's square is estimated by Σ d_i d_j over its pairs of rows of different
    clusters, divided by their number. For rows that are their own clusters this is the plug-in
    square less the variance of the bin's mean (Bröcker 2012; Kumar et al. 2019, arXiv:1909.10155),
    here that of d. Bins with rows of one cluster alone tell nothing and are left out. The
    interval is Student's with the jackknife's error by cluster, which is too wide near 0.
    `resamples` and `seed` are taken so that one set of options serves every estimator.
    """
    p, y = _checked(probabilities, labels)
    ids, k = cluster_ids(clusters, len(p))
    if k < 2:
        return _nothing(unscored, k)
    which = _bin_of(p, bins, binning)
    width = int(which.max()) + 1
    cell = ids * width + which
    gaps = np.bincount(cell, weights=y - p, minlength=k * width).reshape(k, width)
    counts = np.bincount(cell, minlength=k * width).reshape(k, width).astype(np.float64)

    def of_sums(gap: Array, count: Array, gap2: Array, count2: Array) -> Array:
        pairs = count**2 - count2
        known = pairs > 0.5
        weights = np.where(known, count, 0.0)
        squares = np.where(known, gap**2 - gap2, 0.0) / np.where(known, pairs, 1.0)
        total = weights.sum(axis=-1)
        summed = (weights * squares).sum(axis=-1)
        return np.where(total > 0, summed / np.where(total > 0, total, 1.0), np.nan)

    parts = gaps, counts, gaps**2, counts**2
    sums = [part.sum(axis=0) for part in parts]
    value = float(of_sums(*sums))
    without = of_sums(*(whole - part for whole, part in zip(sums, parts, strict=True)))
    error = float(np.sqrt((k - 1) / k * ((without - without.mean()) ** 2).sum()))
    half = student_quantile(k - 1, confidence) * error
    return Estimate(value=value, low=value - half, high=value + half, n=k, unscored=unscored)


def ece_if_calibrated(
    probabilities: ArrayLike,
    *,
    bins: int = 10,
    binning: Binning = "equal-count",
    draws: int = 200,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """The ECE that perfect probabilities would get by chance alone: labels drawn from them. The
    baseline beside `ece`.

    The interval is that of one draw, not of the mean: an ECE inside it is compatible with perfect
    calibration of independent rows.
    """
    p, _ = _checked(probabilities, np.zeros(np.shape(probabilities)))
    if not len(p):
        return _nothing(0)
    which, rng = _bin_of(p, bins, binning), np.random.default_rng(seed)
    errors = np.array(
        [
            np.abs(np.bincount(which, weights=(rng.random(len(p)) < p) - p)).sum() / len(p)
            for _ in range(draws)
        ]
    )
    low, high = percentiles(errors, confidence)
    return Estimate(value=float(errors.mean()), low=float(low), high=float(high), n=len(p))


def calibration_slope(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    intercept: bool = True,
    clusters: Clusters = None,
    confidence: float = 0.95,
    unscored: int = 0,
) -> Calibration:
    """Slope b and intercept a of P(y = 1) = σ(a + b·logit), by Newton's method; see `to_logits`.

    Intervals are Wald's with the cluster-robust (sandwich) covariance and Student's t with k - 1
    degrees of freedom, k clusters. `intercept=False` fixes a at 0, for pairs, whose order is
    arbitrary. NaN where there is no finite fit: one class, one logit, or logits that separate the
    classes. Labels in [0, 1] may be soft.
    """
    x = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(x).all():
        raise DataError(
            "calibration_slope takes finite logits; `to_logits` makes them from probabilities"
        )
    _, y = _checked(scipy.special.expit(x), labels)
    ids, k = cluster_ids(clusters, len(x))
    design = np.column_stack([x, np.ones_like(x)]) if intercept else x[:, None]
    fit = _newton(design, y) if k > 1 else None
    if fit is None:
        unknown = _nothing(unscored, k)
        return Calibration(
            slope=unknown, intercept=unknown if intercept else _fixed(0.0, k, unscored)
        )
    beta, inverse = fit
    residual = (y - scipy.special.expit(design @ beta))[:, None] * design
    by_cluster = np.stack(
        [np.bincount(ids, weights=column, minlength=k) for column in residual.T], axis=1
    )
    covariance = inverse @ (by_cluster.T @ by_cluster) @ inverse * k / (k - 1)
    half = student_quantile(k - 1, confidence) * np.sqrt(np.diag(covariance))
    found = [
        Estimate(value=float(b), low=float(b - h), high=float(b + h), n=k, unscored=unscored)
        for b, h in zip(beta, half, strict=True)
    ]
    return Calibration(
        slope=found[0], intercept=found[1] if intercept else _fixed(0.0, k, unscored)
    )


def to_logits(probabilities: ArrayLike) -> Array:
    """Log-odds of probabilities, those within 1e-6 of 0 and 1 moved inside."""
    p = np.asarray(probabilities, dtype=np.float64)
    return np.asarray(scipy.special.logit(np.clip(p, EDGE, 1 - EDGE)), dtype=np.float64)


def reliability(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 10, *, binning: Binning = "equal-count"
) -> list[Bin]:
    """Mean probability against mean label, bin by bin; empty bins are left out."""
    p, y = _checked(probabilities, labels)
    which = _bin_of(p, bins, binning)
    return [
        Bin(
            low=float(p[inside].min()),
            high=float(p[inside].max()),
            predicted=float(p[inside].mean()),
            observed=wilson(float(y[inside].sum()), int(inside.sum())),
        )
        for inside in (which == b for b in np.unique(which))
    ]


def _bin_of(p: Array, bins: int, binning: Binning) -> NDArray[np.intp]:
    """Each row's bin, (n,)."""
    if bins < 1:
        raise DataError(f"{bins} bins; give at least 1")
    if binning == "equal-width":
        return np.minimum((p * bins).astype(np.intp), bins - 1)
    # Inner edges are data points, so equal probabilities fall on the same side of each.
    ranked = np.sort(p)
    edges = ranked[[len(p) * b // bins for b in range(1, bins)]] if len(p) else ranked
    return np.searchsorted(np.unique(edges), p, side="right")


def _newton(design: Array, y: Array, steps: int = 50) -> tuple[Array, Array] | None:
    """Coefficients and inverse information of a logistic regression; None where it has no finite
    optimum."""
    beta = np.zeros(design.shape[1])
    for _ in range(steps):
        mean = scipy.special.expit(design @ beta)
        information = design.T @ (design * (mean * (1 - mean))[:, None])
        if np.linalg.cond(information) > 1e12:
            return None
        inverse = np.linalg.inv(information)
        step = inverse @ (design.T @ (y - mean))
        # A step of at most 1 in the linear predictor's scale keeps Newton's method from
        # overshooting.
        beta = beta + step * min(1.0, 10.0 / max(float(np.abs(design @ step).max()), 1e-300))
        if np.abs(step).max() < 1e-10 * (1 + np.abs(beta).max()):
            return beta, inverse
    return None


def _checked(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if p.shape != y.shape or p.ndim != 1:
        raise DataError(
            f"probabilities {p.shape} and labels {y.shape} must be one list each, of one length"
        )
    for name, values in (("probabilities", p), ("labels", y)):
        if not ((values >= 0) & (values <= 1)).all():
            raise DataError(
                f"{name} must be in [0, 1]; take the sigmoid of logits, and leave unscored rows out"
            )
    return p, y


def _nothing(unscored: int, n: int = 0) -> Estimate:
    return Estimate(value=float("nan"), low=float("nan"), high=float("nan"), n=n, unscored=unscored)


def _fixed(value: float, n: int, unscored: int) -> Estimate:
    return Estimate(value=value, low=value, high=value, n=n, unscored=unscored)
