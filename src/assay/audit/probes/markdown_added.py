"""A header, bullets and bold words, around the same words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import changed, sentences

__all__ = ["MarkdownAdded"]

_WORDS: Final = re.compile(r"[^\W\d_][\w'’-]*(?: [\w'’-]+){0,2}(?![^\s.,;:!?])")


@dataclass(frozen=True, kw_only=True)
class MarkdownAdded:
    """Add a header, and make each sentence an item with its first words bold."""

    area: ClassVar[Area] = "style"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "a header, a bullet per sentence and bold first words"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with the markup."""
        text = subject.response.text
        edits = [(0, 0, "## Answer\n\n")]
        end = 0
        for start, stop in sentences(text):
            if words := _WORDS.match(text, start, stop):
                line = "" if "\n" in text[end:start] or not text[:start].strip() else "\n"
                edits.append((start, words.end(), f"{line}- **{words.group()}**"))
            end = stop
        if len(edits) > 1:
            yield from changed(subject, edits)
