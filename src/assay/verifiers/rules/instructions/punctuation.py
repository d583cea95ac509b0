"""Marks that must not be used."""

from dataclasses import dataclass
from typing import ClassVar

from assay.types import Verdict
from assay.verifiers.rules.texts.judged import judged, plural

__all__ = ["NoComma"]


@dataclass(frozen=True, kw_only=True)
class NoComma:
    """The text has no comma, not in a number either."""

    id: ClassVar[str] = "punctuation:no_comma"

    def check(self, text: str) -> Verdict:
        """Wrong at the first."""
        place = text.find(",")
        return judged(self.id, place < 0, plural(text.count(","), "comma"), (place, place + 1))

    def example(self) -> str:
        """Without."""
        return "One and two."

    def counterexample(self) -> str:
        """With one."""
        return "One, and two."
