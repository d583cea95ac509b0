"""Least squares by cluster: coefficients with jackknife errors that hold for few clusters and for
rare features."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.discovery import detectable
from assay.stats.estimate import Estimate
from assay.stats.intervals import cluster_ids, student_quantile

__all__ = ["Coefficient", "least_squares", "one_sample"]

SAME: Final = 1e-9
"""Share of a column's size below which the others explain it."""


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """One coefficient and its test against 0."""

    estimate: Estimate
    """Its n is the clusters that it rests on: where its column, less what the others explain, is
    not 0."""
    p_value: float
    """Two-sided, by Student's t; NaN where there is no error to divide by."""
    detectable: float
    """Smallest effect found 80 % of the time at the interval's level; infinite where nothing can
    be."""


def least_squares(
    y: ArrayLike,
    columns: ArrayLike,
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    step: float = 0.0,
    noise: ArrayLike | None = None,
    confidence: float = 0.95,
    unscored: int = 0,
) -> list[Coefficient]:
    """Coefficients of y (n,) on columns (n, p), with no intercept but a column of ones.

    Errors come from leaving out one of the s clusters that a coefficient rests on at a time,
    √((s - 1)/s Σ (b₋g - b)²), degrees of freedom from how evenly they weigh, (Σ m)²/Σ m² - 1 with m
    a cluster's squared weights. A coefficient that the columns leave undetermined is NaN.
    step: how far one row can move; no error is less than that of one more row so far off, for
    rows that all agree do not make a coefficient certain.
    noise: (n, p) variance of the error with which each number of the columns is known. It leaves
    the moments, so that what a noisy column fails to explain does not go to those that go with it
    (errors in variables; Fuller 1987, Measurement Error Models, section 2.2).
    """
    target, x = np.asarray(y, dtype=np.float64), np.asarray(columns, dtype=np.float64)
    if x.ndim != 2 or x.shape[0] != len(target) or np.isnan(x).any() or np.isnan(target).any():
        raise DataError(f"y {target.shape} and columns {x.shape} must agree and have no NaN")
    ids, k = cluster_ids(clusters, len(target))
    size = np.sqrt((x * x).sum(axis=0))
    x = x / np.where(size > 0, size, 1.0)
    grams = np.zeros((k, x.shape[1], x.shape[1]))
    moments = np.zeros((k, x.shape[1]))
    np.add.at(grams, ids, x[:, :, None] * x[:, None, :])
    if noise is not None:
        error_of = np.zeros_like(moments)
        np.add.at(error_of, ids, np.asarray(noise) / np.where(size > 0, size, 1.0) ** 2)
        each = np.arange(x.shape[1])
        grams[:, each, each] -= error_of
    np.add.at(moments, ids, x * target[:, None])
    gram, moment = grams.sum(axis=0), moments.sum(axis=0)
    inverse = np.linalg.pinv(gram, rcond=SAME, hermitian=True)
    known = np.diag(inverse @ gram) > 1 - 1e-6
    fit = inverse @ moment
    without = np.linalg.pinv(gram - grams, rcond=SAME, hermitian=True)
    moved = (without @ (moment - moments)[:, :, None])[:, :, 0] - fit
    weights = x @ inverse
    found = []
    for j in range(x.shape[1]):
        per_cluster = np.bincount(ids, weights=weights[:, j] ** 2, minlength=k)
        total = float(per_cluster.sum())
        rests = per_cluster > SAME * total
        s = int(rests.sum())
        if not known[j] or s < 2:
            found.append(_nothing(s if known[j] else 0, unscored))
            continue
        error = math.sqrt((s - 1) / s * float((moved[rests, j] ** 2).sum()))
        error = max(error, step * math.sqrt(total / s)) / float(size[j])
        df = total**2 / float((per_cluster**2).sum()) - 1
        found.append(_tested(float(fit[j] / size[j]), error, df, s, confidence, unscored))
    return found


def one_sample(
    y: ArrayLike,
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    step: float = 1.0,
    confidence: float = 0.95,
    unscored: int = 0,
) -> Coefficient:
    """Return the mean of y (n,) and its test against 0: `least_squares` on a column of ones."""
    ones = np.ones((np.size(y), 1))
    (found,) = least_squares(
        y, ones, clusters=clusters, step=step, confidence=confidence, unscored=unscored
    )
    return found


def _tested(
    value: float, error: float, df: float, n: int, confidence: float, unscored: int
) -> Coefficient:
    if not error > 1e-12 * max(1.0, abs(value)):
        nothing = Estimate(value=value, low=math.nan, high=math.nan, n=n, unscored=unscored)
        return Coefficient(estimate=nothing, p_value=math.nan, detectable=math.inf)
    half = student_quantile(df, confidence) * error
    return Coefficient(
        estimate=Estimate(value=value, low=value - half, high=value + half, n=n, unscored=unscored),
        p_value=2 * float(scipy.special.stdtr(df, -abs(value) / error)),
        detectable=detectable(error, df, confidence=confidence),
    )


def _nothing(n: int, unscored: int) -> Coefficient:
    nan = math.nan
    absent = Estimate(value=nan, low=nan, high=nan, n=n, unscored=unscored)
    return Coefficient(estimate=absent, p_value=nan, detectable=math.inf)
