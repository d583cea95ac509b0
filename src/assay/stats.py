"""Numbers with their error bars."""

from dataclasses import dataclass

__all__ = ["Estimate"]


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
