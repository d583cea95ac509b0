"""Lower case."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import rewritten, sentences

__all__ = ["LetterCase"]

_WORD: Final = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, kw_only=True)
class LetterCase:
    """Write all in lower case, and all but the first letters of sentences."""

    area: ClassVar[Area] = "noise"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "all in lower case, or all but the first letters of sentences"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return both, where they change anything."""
        text = subject.response.text
        yield from rewritten(subject, _WORD, lambda word: word.group().lower(), text="lower")
        firsts = {start for start, _ in sentences(text)}
        yield from rewritten(
            subject,
            _WORD,
            lambda word: (str.capitalize if word.start() in firsts else str.lower)(word.group()),
            text="sentence",
        )
