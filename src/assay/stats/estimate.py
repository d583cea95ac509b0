"""Numbers with their error bars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.errors import DataError

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

    def __format__(self, style: str) -> str:
        """Value and interval, such as "0.652 [0.610, 0.694]" for the style ".3f"; "absent" without
        a value."""
        if not style:
            return str(self)
        if math.isnan(self.value):
            return "absent"
        return f"{self.value:{style}} {bracket(self, style)}"

    def to_json(self) -> list[Any]:
        """[value, low, high, n, unscored], the shape of an estimate in `metrics.jsonl`."""
        return [self.value, self.low, self.high, self.n, self.unscored]

    @classmethod
    def from_json(cls, row: Sequence[Any]) -> "Estimate":
        """Read what `to_json` wrote; a number that is None is NaN.

        Raises `DataError` where the row is anything else.
        """
        try:
            value, low, high, n, unscored = row
            value, low, high = (math.nan if x is None else float(x) for x in (value, low, high))
            return cls(value=value, low=low, high=high, n=int(n or 0), unscored=int(unscored or 0))
        except (TypeError, ValueError):
            raise DataError(
                f"{str(row)[:80]!r} is no estimate; give [value, low, high, n, unscored]"
            ) from None


def bracket(estimate: Estimate, style: str = ".3f") -> str:
    """The interval for people, such as "[0.489, 0.547]", its ends in this format; "(no interval)"
    where there is none.

    One unit says why by itself: "(no interval from n = 1)".
    """
    if any(map(math.isnan, (estimate.value, estimate.low, estimate.high))):
        return "(no interval from n = 1)" if estimate.n == 1 else "(no interval)"
    return f"[{estimate.low:{style}}, {estimate.high:{style}}]"


def summarise(estimate: Estimate, digits: int = 3) -> str:
    """One line for people, such as "0.518 [0.489, 0.547], n=300, 2 unscored"."""
    value = "n/a" if math.isnan(estimate.value) else f"{estimate.value:.{digits}f}"
    left_out = f", {estimate.unscored} unscored" if estimate.unscored else ""
    return f"{value} {bracket(estimate, f'.{digits}f')}, n={estimate.n}{left_out}"
