"""Things to fill in, and things added at the end."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from assay.types import Verdict
from assay.verifiers.rules.texts.judged import Count, compared, judged, shown

__all__ = ["NumberPlaceholders", "Postscript"]


@dataclass(frozen=True, kw_only=True)
class NumberPlaceholders:
    """The text has at least so many placeholders: square brackets, as in [address], on one line
    each."""

    id: ClassVar[str] = "detectable_content:number_placeholders"

    num_placeholders: Count
    """How many at least."""

    def check(self, text: str) -> Verdict:
        """Says how many there are."""
        count = sum(map(_brackets, text.split("\n")))
        return compared(self.id, count, "at least", self.num_placeholders, "placeholder")

    def example(self) -> str:
        """So many."""
        return f"To: {'[name] ' * self.num_placeholders}"

    def counterexample(self) -> str:
        """One too few."""
        return f"To: {'[name] ' * (self.num_placeholders - 1)}"


@dataclass(frozen=True, kw_only=True)
class Postscript:
    """The text has a postscript, which begins with a marker; upper and lower case count as the
    same.

    As published, the marker may be anywhere; white space is allowed behind the first periods of
    "P.S." and "P.P.S".
    """

    id: ClassVar[str] = "detectable_content:postscript"

    postscript_marker: Annotated[str, Field(pattern=r"\S")]
    """What it begins with: "P.S." or "P.P.S", or something else."""

    def check(self, text: str) -> Verdict:
        """Says whether the marker is there."""
        marker = self.postscript_marker.strip()
        spaced = {"P.S.": r"p\.\s?s\.", "P.P.S": r"p\.\s?p\.\s?s"}.get(
            marker, re.escape(marker.lower())
        )
        found = re.search(spaced, text.lower())
        return judged(
            self.id, found is not None, f"{shown(marker)} is {'there' if found else 'not there'}"
        )

    def example(self) -> str:
        """With it."""
        return f"Text.\n\n{self.postscript_marker} More text."

    def counterexample(self) -> str:
        """Without it."""
        return "#" if self.postscript_marker.strip() != "#" else "-"


def _brackets(line: str) -> int:
    """Pairs of brackets, each closed by the first "]" behind its "["."""
    count, place = 0, line.find("[")
    while place >= 0 and (end := line.find("]", place)) >= 0:
        count, place = count + 1, line.find("[", end)
    return count
