"""Numbers with their error bars."""

import math
from dataclasses import dataclass

__all__ = ["Estimate", "bracket", "summarise"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number that never travels without its uncertainty.

    Where no interval can be given (one prompt, or values that are all equal and may lie anywhere)
    its ends are NaN: a number of unknown uncertainty is not one of none.
    """

    value: float
    low: float
    """Lower end of the 95 % interval; NaN where none can be given."""
    high: float
    """Upper end of the 95 % interval; NaN where none can be given."""
    n: int
    """Independent units behind it (prompts, when clustered by prompt)."""
    unscored: int = 0
    """Items left out because they could not be scored."""


def bracket(estimate: Estimate, style: str = ".3f") -> str:
    """The interval for people, such as "[0.489, 0.547]", its ends in this format; "(no interval)"
    where there is none.

    One unit says why by itself: "(no interval from n = 1)".
    """
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return "(no interval from n = 1)" if estimate.n == 1 else "(no interval)"
    return f"[{estimate.low:{style}}, {estimate.high:{style}}]"


def summarise(estimate: Estimate, digits: int = 3) -> str:
    """One line for people, such as "0.518 [0.489, 0.547], n=300, 2 unscored"."""
    value = "n/a" if math.isnan(estimate.value) else f"{estimate.value:.{digits}f}"
    left_out = f", {estimate.unscored} unscored" if estimate.unscored else ""
    return f"{value} {bracket(estimate, f'.{digits}f')}, n={estimate.n}{left_out}"
