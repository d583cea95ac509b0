"""Numbers with their error bars."""

import math
from dataclasses import dataclass

__all__ = ["Estimate", "summarise"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number that never travels without its uncertainty."""

    value: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    n: int
    """Independent units behind it (prompts, when clustered by prompt)."""
    unscored: int = 0
    """Items left out because they could not be scored."""


def summarise(estimate: Estimate, digits: int = 3) -> str:
    """One line for people, such as "0.518 [0.489, 0.547], n=300, 2 unscored"."""
    value, low, high = (_shown(x, digits) for x in (estimate.value, estimate.low, estimate.high))
    left_out = f", {estimate.unscored} unscored" if estimate.unscored else ""
    return f"{value} [{low}, {high}], n={estimate.n}{left_out}"


def _shown(x: float, digits: int) -> str:
    return "n/a" if math.isnan(x) else f"{x:.{digits}f}"
