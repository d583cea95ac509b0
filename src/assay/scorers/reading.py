"""What a score was made of: the logits and tokens behind it, for those who ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from assay.models.readout import Readout
from assay.types import Group, Score, Unscored

__all__ = ["Reader", "Reading"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A response's score with what the model read and gave out for it."""

    score: Score | Unscored
    logits: tuple[float, ...] = ()
    """Of each step, before link and aggregation; () where it is unscored."""
    ids: tuple[int, ...] = ()
    """Tokens of prompt and response; () where they could not be laid out."""


@runtime_checkable
class Reader(Protocol):
    """A scorer that is one model, and says what it read."""

    @property
    def readout(self) -> Readout:
        """How its logits become scores."""
        ...

    def readings(self, groups: Sequence[Group]) -> list[list[Reading]]:
        """Return one reading per response, in order; its score is that of `score`."""
        ...
