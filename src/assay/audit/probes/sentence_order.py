"""Sentences in another order."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import changed, sentences

__all__ = ["SentenceOrder"]


@dataclass(frozen=True, kw_only=True)
class SentenceOrder:
    """Shuffle the sentences; code stays where it is."""

    area: ClassVar[Area] = "content"
    expects: ClassVar[Expects] = "lower"
    meaning: ClassVar[str] = "the sentences shuffled, where there are four or more"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return another order; none below four sentences."""
        text = subject.response.text
        spans = sentences(text)
        if len(spans) < 4:
            return
        said = [text[start:end] for start, end in spans]
        order = draw.sample(said, len(said))
        if order == said:
            order = said[1:] + said[:1]
        yield from changed(subject, [(*span, new) for span, new in zip(spans, order, strict=True)])
