"""Typing errors."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import changed, final_answer, matches

__all__ = ["Typos"]

KINDS: Final = ("swapped", "next key", "left out")
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEXT: Final = {a: b for row in _ROWS for a, b in zip(row, row[1:] + row[-2], strict=True)}
_WORD: Final = re.compile(r"\b[A-Za-z]{4,}\b")


@dataclass(frozen=True, kw_only=True)
class Typos:
    """Put typing errors into a share of the words; the final answer stays."""

    shares: tuple[float, ...] = (0.01, 0.02)
    """Shares of the words of four letters or more; each is a dose, one word at the least."""

    area: ClassVar[Area] = "noise"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "letters swapped, left out, or struck on the next key"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with each kind of error, at each share of the words."""
        text = subject.response.text
        answer = final_answer(subject.response)
        start, end = answer.span if answer else (0, 0)
        words = [m for m in matches(_WORD, text) if m.end() <= start or m.start() >= end]
        counts = {max(1, round(share * len(words))): share for share in self.shares}
        for kind in KINDS if words else ():
            order = draw.sample(words, len(words))
            for n, share in counts.items():
                edits = [(*one.span(), _mistyped(one.group(), kind, draw)) for one in order[:n]]
                yield from changed(subject, edits, text=kind, dose=share)


def _mistyped(word: str, kind: str, draw: Random) -> str:
    """The word with one error behind its first letter."""
    at = draw.randrange(1, len(word) - 1)
    if kind == "left out":
        return word[:at] + word[at + 1 :]
    if kind == "swapped":
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + _NEXT[word[at].lower()] + word[at + 1 :]
