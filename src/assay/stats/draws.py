"""Intervals from bootstrap draws that may be infinite.

A peak that a resample does not have lies at infinity, and an interval must be able to say so: its
ends here are order statistics, never averages of two of them.
"""

import math
from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np

from assay.stats.estimate import Estimate
from assay.stats.intervals import Array, widened

__all__ = ["ROUNDING", "Scale", "ends", "equal", "estimate"]

Scale = Literal["as it is", "correlation"]
SCALES: Final[dict[Scale, tuple[Callable[[Any], Any], Callable[[Any], Any]]]] = {
    "as it is": (lambda x: x, lambda x: x),
    "correlation": (np.arctanh, np.tanh),
}
UNDEFINED: Final = 0.05
"""Share of a bootstrap's draws that may have no value."""
ROUNDING: Final = 1e-10
"""Share of a number's size below which a difference is rounding."""


def ends(draws: Array, confidence: float) -> tuple[float, float]:
    """Ends of the central interval of (R,) draws, as order statistics; NaN draws are left out, inf
    are not."""
    defined = np.sort(draws[~np.isnan(draws)])
    if not len(defined):
        return math.nan, math.nan
    tail, last = (1 - confidence) / 2, len(defined) - 1
    return float(defined[math.floor(tail * last)]), float(defined[math.ceil((1 - tail) * last)])


def estimate(
    value: float,
    draws: Array,
    *,
    n: int,
    confidence: float,
    unscored: int = 0,
    scale: Scale = "as it is",
) -> Estimate:
    """A value with the interval of its bootstrap draws (R,) over n prompts, widened as Student's is
    for few of them.

    scale: where it is widened; correlations by Fisher's arctanh, so that no end passes 1. There is
    no interval (NaN) for one prompt, where more than `UNDEFINED` of the draws have no value, or
    where those that have one are all equal.
    """
    low = high = math.nan
    known = draws[~np.isnan(draws)]
    if n > 1 and len(known) >= (1 - UNDEFINED) * len(draws) and len(known) and not equal(known):
        forth, back = SCALES[scale]
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = ends(
                np.asarray(back(widened(forth(known), forth(np.float64(value)), n, confidence))),
                confidence,
            )
    return Estimate(value=float(value), low=low, high=high, n=n, unscored=unscored)


def equal(draws: Array) -> bool:
    """True where draws differ by rounding at most: what does not vary between prompts has no
    interval."""
    known = draws[~np.isnan(draws)]
    if not len(known) or known.min() == known.max():
        return True
    return bool(known.max() - known.min() <= ROUNDING * np.abs(known).max() < math.inf)
