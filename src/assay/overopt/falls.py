"""Tests of whether a curve falls, with luck in choosing which two of its points are compared paid
for.

The highest of many noisy points is high partly by luck, so a test of "the highest against the last"
alone finds falls in curves that only rise. Here all pairs are tested at once (a max-t test): with
m_k the mean at point k, the statistic of a pair j < k is t = (m_j - m_k) / s_jk, s_jk the standard
error of that difference, and a fall is sure where t exceeds what the largest t of all pairs would
be if there were no fall, in all but a share of the draws.

The draws are Student's: errors of the means with the points' own covariances over units (prompts,
or runs), divided by the root of a chi-squared variable over its degrees of freedom, units less one.
For two points this is Student's paired test exactly, so a handful of units is not taken for many.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from assay.errors import DataError
from assay.overopt._resample import Array
from assay.stats import Estimate

__all__ = ["Errors", "Fall", "errors_of_estimates", "errors_of_units", "falls", "largest_fall"]

FEW: Final = 9
"""Degrees of freedom below which Bonferroni's critical value is taken where it is larger."""
ROUNDING: Final = (1e-13, 1e-9)
"""Shares of the values' size, and of the curve's range, below which a difference or a spread is
rounding."""


@dataclass(frozen=True, kw_only=True)
class Fall:
    """Gold at one point less gold at a later one."""

    start: int
    """Index of the earlier point."""
    end: int
    """Index of the later point."""
    loss: Estimate
    """Gold lost from the one to the other. Its interval holds for all pairs of points at once, so
    it may be read of a pair that was picked for its size; NaN ends where too few units allow none.
    """

    @property
    def sure(self) -> bool:
        """True where the interval lies above 0."""
        return self.loss.low > 0


@dataclass(frozen=True)
class Errors:
    """Joint errors of the means of K points."""

    factor_M_K: Array
    """Rows whose products sum to the covariances of the means."""
    units: int
    """Prompts or runs behind each mean."""
    freedom: float
    """Degrees of freedom of the spread; infinite where it is taken as known."""

    def draws(self, resamples: int, seed: int) -> Array:
        """Errors of the means, (R, K)."""
        rng = np.random.default_rng(seed)
        drawn: Array = np.asarray(
            rng.standard_normal((resamples, len(self.factor_M_K))) @ self.factor_M_K
        )
        if math.isinf(self.freedom):
            return drawn
        spread = np.sqrt(rng.chisquare(self.freedom, resamples) / self.freedom)
        return np.asarray(drawn / spread[:, None], dtype=np.float64)

    def of_differences(self) -> Array:
        """Standard errors of the differences between points, (K, K)."""
        f = self.factor_M_K
        variances = (f**2).sum(axis=0)
        squares = variances[:, None] + variances[None, :] - 2 * f.T @ f
        errors: Array = np.sqrt(np.maximum(squares, 0.0))
        return errors


def errors_of_units(values_P_K: Array) -> Errors:
    """Errors of the means over P prompts or runs that have a value at each of K points; `DataError`
    for less than 2."""
    count = len(values_P_K)
    if count < 2:
        raise DataError(
            f"{count} prompts or runs have gold at every point that counts; two are needed for an"
            " interval"
        )
    centred = values_P_K - values_P_K.mean(axis=0)
    size = float(np.abs(values_P_K).max(initial=0.0))
    centred = np.where(np.abs(centred) > ROUNDING[0] * size, centred, 0.0)
    return Errors(centred / math.sqrt(count * (count - 1)), count, count - 1)


def errors_of_estimates(errors_K: Array, units: int) -> Errors:
    """Errors of means of which only their own standard errors are known, taken as independent."""
    return Errors(np.diag(errors_K), units, math.inf)


def falls(
    mean_K: Array, errors: Errors, *, resamples: int = 2000, seed: int = 0, confidence: float = 0.95
) -> tuple[Array, Array]:
    """Value (K, K) of every fall [j, k] = m_j - m_k, j before k, and half the width of its
    interval.

    The widths are critical value * s_jk, simultaneous over all pairs; NaN where differences do not
    vary over the units, which may be one unit many times over, and on and below the diagonal.
    """
    value = mean_K[:, None] - mean_K[None, :]
    spread = errors.of_differences()
    least = ROUNDING[0] * float(np.abs(mean_K).max()) + ROUNDING[1] * float(np.ptp(mean_K))
    value = np.where(np.abs(value) > least, value, 0.0)
    noisy = spread > least
    draws = errors.draws(resamples, seed)
    largest = np.full(resamples, -np.inf)
    for k in range(1, len(mean_K)):
        before = np.flatnonzero(noisy[:k, k])
        if len(before):
            t = (draws[:, before] - draws[:, [k]]) / spread[before, k]
            largest = np.maximum(largest, np.abs(t).max(axis=1))
    critical = float(np.quantile(largest, confidence)) if np.isfinite(largest).all() else 0.0
    if errors.freedom < FEW and len(mean_K) > 1:
        # The draws share one spread over all pairs; of a handful of units each pair's own varies
        # more than that.
        critical = max(
            critical, float(stdtrit(errors.freedom, 1 - (1 - confidence) / 2 / (len(mean_K) - 1)))
        )
    half = np.where(noisy, critical * spread, 0.0 if math.isinf(errors.freedom) else np.nan)
    half[np.tril_indices(len(mean_K))] = np.nan
    return value, half


def largest_fall(
    mean_K: Array,
    errors: Errors,
    *,
    first_K: NDArray[np.bool_] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Fall | None:
    """The fall to tell of: the latest and then largest one that is sure, else from the highest
    point to the last.

    first_K: points between which a sure fall is told before one to any other point. None where the
    last point is the highest.
    """
    value, half = falls(mean_K, errors, resamples=resamples, seed=seed, confidence=confidence)
    with np.errstate(invalid="ignore"):
        sure = value - half > 0
    if first_K is not None and sure[np.ix_(first_K, first_K)].any():
        sure &= first_K[:, None] & first_K
    if sure.any():
        end = int(np.flatnonzero(sure.any(axis=0))[-1])
        start = int(np.argmax(np.where(sure[:, end], value[:, end], -np.inf)))
    else:
        end = len(mean_K) - 1
        start = int(np.argmax(mean_K))
        if not value[start, end] > 0:
            return None
    v, h = float(value[start, end]), float(half[start, end])
    return Fall(start=start, end=end, loss=Estimate(value=v, low=v - h, high=v + h, n=errors.units))
