"""Numbers as people read them in sentences and tables: few digits, no rounding noise, seldom powers
of ten."""

import math
from typing import Final

from assay.stats import Estimate, bracket

__all__ = ["ROUNDING", "beside", "cells", "fixed", "interval", "interval_of", "number"]

NOISE: Final = 1e-9
"""Size below which a number is taken for rounding and shown as 0."""
ROUNDING: Final = 1e-15
"""Size below which even a setting or a difference of scores is shown as 0."""
FEW: Final = 20
"""Units below which an interval without width says that they were too few, and is not shown."""
NOTHING: Final = 1e-6
"""Share of the other end of an interval below which an end is shown as 0."""
SMALL: Final = 1e-4
"""Size below which decimals would take more places than they tell."""
LARGE: Final = 1e9
"""Size from which on digits before the point no longer tell anything."""


def number(value: float, *, sign: bool = False) -> str:
    """A number with three significant digits, thousands set apart; 0 for rounding noise, 1.2e-5
    where it must be."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if abs(value) < NOISE:
        return "0"
    mark = "+" if sign else ""
    if abs(value) < SMALL or abs(value) >= LARGE:
        mantissa, _, exponent = f"{value:{mark}.2e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{int(exponent)}"
    if abs(value) >= 1000:
        return f"{value:{mark},.0f}"
    text = f"{value:{mark}.3g}"
    return text if "e" not in text else f"{value:{mark},.0f}"


def fixed(value: float, digits: int = 3, *, sign: bool = False, scale: float = 0.0) -> str:
    """A number with so many decimals, as a column of a table has it; `number` where they would show
    nothing or all.

    scale: size of what stands beside it, such as the other end of an interval, before which it may
    well be 0.
    """
    if not math.isfinite(value) or abs(value) < NOISE:
        return f"{0:.{digits}f}" if abs(value) < NOISE else number(value, sign=sign)
    least = 0.5 * 10**-digits
    if (abs(value) < least and scale < least) or abs(value) >= 10_000:
        return number(value, sign=sign)
    return f"{value:{'+' if sign else ''}.{digits}f}"


def beside(estimate: Estimate, digits: int = 3) -> str:
    """A value and its interval in decimals, as a column has them; in words where it has none."""
    value, *_ = cells(estimate, digits)
    return f"{value} {interval_of(estimate, digits)}"


def interval_of(estimate: Estimate, digits: int = 3) -> str:
    """The interval in decimals, "[0.489, 0.547]"; in words where it has none, and where a few equal
    values gave it no width."""
    if _unknown(estimate):
        return _why_not(estimate)
    _, low, high = cells(estimate, digits)
    return f"[{low}, {high}]"


def cells(estimate: Estimate, digits: int = 3, *, sign: bool = False) -> tuple[str, str, str]:
    """Value, lower and upper end in decimals that suit all three."""
    three = (estimate.value, estimate.low, estimate.high)
    scale = max((abs(x) for x in three if math.isfinite(x)), default=0.0)
    value, low, high = (fixed(x, digits, sign=sign, scale=scale) for x in three)
    return value, low, high


def interval(estimate: Estimate, *, sign: bool = False) -> str:
    """The interval of an estimate in brackets; in words where it has none."""
    if _unknown(estimate):
        return _why_not(estimate)
    ends = (estimate.low, estimate.high)
    least = NOTHING * max((abs(x) for x in ends if math.isfinite(x)), default=0.0)
    low, high = (number(0.0 if abs(x) < least else x, sign=sign) for x in ends)
    return f"[{low}, {high}]"


def _unknown(estimate: Estimate) -> bool:
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return True
    # A few units that agree do not make a value certain.
    return estimate.n < FEW and abs(estimate.high - estimate.low) < NOISE


def _why_not(estimate: Estimate) -> str:
    if estimate.n <= 1 or estimate.n >= FEW:
        return bracket(estimate)
    return f"(no interval from n = {estimate.n:,})"
