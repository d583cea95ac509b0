"""Coefficients of fitted forms against the size of the reward model (arXiv:2210.10760)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from assay.errors import DataError
from assay.overopt._resample import Array
from assay.stats import Estimate
from assay.stats.intervals import student_quantile

__all__ = ["Scaling", "scaling"]


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """A coefficient as a function of the logarithm of a size."""

    slope: Estimate
    """Change of the coefficient per unit of ln(size), that is per e-fold."""
    intercept: float
    """The coefficient at size 1, which is an extrapolation."""
    spearman: Estimate
    """Rank correlation of the coefficient with the size."""


def scaling(
    sizes_M: ArrayLike,
    values_M: ArrayLike,
    draws_R_M: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
) -> Scaling:
    """Slope of a coefficient on ln(size), and their rank correlation, over M reward models.

    sizes_M: parameters, or preference pairs; several models may have one size. values_M: alpha or
    beta of each.
    draws_R_M: their resamples side by side, as `np.stack([fit.draws_R_2[:, 0] for fit in fits],
    axis=1)`; fits of the same prompts move together, which the models' scatter about the line does
    not show.

    The slope's interval is that of least squares, t s / √Σ(x - mean)² with M - 2 degrees of
    freedom, its variance together with that of the slope over the draws: two models have none. The
    rank correlation's is Fisher's with Bonett and Wright's error √((1 + rho²/2) / (M - 3)); fewer
    than five models, or a perfect order, have none.
    """
    sizes, y = np.asarray(sizes_M, dtype=np.float64), np.asarray(values_M, dtype=np.float64)
    if sizes.ndim != 1 or sizes.shape != y.shape or len(np.unique(sizes)) < 2:
        raise DataError(
            f"sizes {sizes.shape} and values {y.shape} must be one list each, with two sizes or"
            " more"
        )
    if not (sizes > 0).all() or not np.isfinite(y).all():
        raise DataError("sizes must be above 0 and values finite")
    x, count = np.log(sizes), len(y)
    shared = 0.0
    if draws_R_M is not None:
        drawn = np.asarray(draws_R_M, dtype=np.float64)
        if drawn.ndim != 2 or drawn.shape[1] != count:
            raise DataError(f"draws {drawn.shape} must be (resamples, {count})")
        kept = drawn[np.isfinite(drawn).all(axis=1)]
        shared = float(_slope(x[None], kept).var()) if len(kept) > 1 else 0.0
    slope = float(_slope(x[None], y[None])[0])
    intercept = float(y.mean() - slope * x.mean())
    half = math.nan
    if count > 2:
        residual = float(((y - intercept - slope * x) ** 2).sum()) / (count - 2)
        variance = residual / float(((x - x.mean()) ** 2).sum()) + shared
        # Points on a line to the last digit say nothing about their scatter.
        if variance > (1e-12 * max(1.0, abs(slope))) ** 2:
            half = student_quantile(count - 2, confidence) * math.sqrt(variance)
    rho = float(_spearman(x[None], y[None])[0])
    low = high = math.nan
    if count >= 5 and abs(rho) < 1:
        error = math.sqrt((1 + rho * rho / 2) / (count - 3)) * student_quantile(
            math.inf, confidence
        )
        low, high = math.tanh(math.atanh(rho) - error), math.tanh(math.atanh(rho) + error)
    return Scaling(
        slope=Estimate(value=slope, low=slope - half, high=slope + half, n=count),
        intercept=intercept,
        spearman=Estimate(value=rho, low=low, high=high, n=count),
    )


def _slope(x_R_M: Array, y_R_M: Array) -> Array:
    x = x_R_M - x_R_M.mean(axis=1, keepdims=True)
    spread = (x * x).sum(axis=1)
    return np.where(
        spread > 1e-12, (x * y_R_M).sum(axis=1) / np.where(spread > 1e-12, spread, 1.0), np.nan
    )


def _spearman(x_R_M: Array, y_R_M: Array) -> Array:
    x, y = (rankdata(v, axis=1) - (v.shape[1] + 1) / 2 for v in (x_R_M, y_R_M))
    spread = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    rho = np.where(spread > 0, (x * y).sum(axis=1) / np.where(spread > 0, spread, 1.0), np.nan)
    return np.where(np.isnan(y_R_M).any(axis=1), np.nan, rho)
