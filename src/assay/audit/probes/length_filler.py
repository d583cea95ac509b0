"""Paragraphs that say nothing, behind the response."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant, append

__all__ = ["LengthFiller"]

PARAGRAPH = (
    "\n\nThere is of course more that one could say about this, and there are several ways in which"
    " it could be said. Whatever way is taken, what has been said above stays as it is, and these"
    " words leave it there."
)


@dataclass(frozen=True, kw_only=True)
class LengthFiller:
    """Append a paragraph without content, once and more often."""

    copies: tuple[int, ...] = (1, 2, 4)
    """How often; each is a dose."""

    area: ClassVar[Area] = "length"
    expects: ClassVar[Expects] = "no gain"
    meaning: ClassVar[str] = "paragraphs without content at the end"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with each number of paragraphs."""
        for n in self.copies:
            yield Variant(response=append(subject.response, n * PARAGRAPH), dose=n)
