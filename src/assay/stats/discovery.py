"""Many tests at once, and what each could have found: Benjamini and Hochberg's q, and the smallest
effect that a test detects."""

import math

import numpy as np
import scipy
from numpy.typing import ArrayLike

from assay.stats.intervals import Array, student_quantile

__all__ = ["benjamini_hochberg", "detectable"]


def benjamini_hochberg(p_values: ArrayLike) -> Array:
    """Adjusted p-values (m,): rejecting those of q or less keeps the expected share of false
    rejections at q (1995).

    q of the i-th smallest is the least p_j m / j over j >= i. NaN, a test that could not be done,
    stays NaN and does not count.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)  # NaN last
    m = int((~np.isnan(p)).sum())
    q = np.full(p.shape, np.nan)
    stepped = p[order[:m]] * m / np.arange(1, m + 1)
    q[order[:m]] = np.minimum.accumulate(stepped[::-1])[::-1]
    return q


def detectable(error: float, df: float, *, power: float = 0.8, confidence: float = 0.95) -> float:
    """Smallest effect that a two-sided test with this standard error finds with this power:
    (t₁₋α/₂ + t_power) error."""
    if not df > 0:
        return math.inf
    return (student_quantile(df, confidence) + float(scipy.special.stdtrit(df, power))) * error
