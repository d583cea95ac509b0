"""Words of doubt before sentences."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import changed, sentences

__all__ = ["Hedging"]

DOUBTS: Final = ("I think", "It seems that", "Perhaps")
_PLAIN: Final = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, kw_only=True)
class Hedging:
    """Open the first three sentences with words of doubt."""

    area: ClassVar[Area] = "claims"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "words of doubt before each of the first three sentences"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with the words."""
        text = subject.response.text
        places = [start for start, _ in sentences(text) if _PLAIN.match(text, start)][:3]
        edits = []
        for start, doubt in zip(places, DOUBTS, strict=False):
            # "I", names of letters and acronyms stay as they are.
            first = text[start].lower() if text[start + 1 : start + 2].islower() else text[start]
            edits.append((start, start + 1, f"{doubt} {first}"))
        yield from changed(subject, edits)
