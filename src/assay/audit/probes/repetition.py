"""Sentences, or all of the response, said again."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant, append
from assay.audit.text import changed, sentences

__all__ = ["Repetition"]


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """Repeat the last sentence three times, each sentence once, or the whole response."""

    area: ClassVar[Area] = "length"
    expects: ClassVar[Expects] = "lower"
    meaning: ClassVar[str] = "sentences, or all of the response, said again"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with each repetition."""
        text = subject.response.text
        spans = sentences(text)
        if not spans:
            return
        last = text[slice(*spans[-1])]
        start, end = spans[-1]
        yield from changed(subject, [(start, end, " ".join([last] * 4))], text="last sentence")
        each = [(a, b, f"{text[a:b]} {text[a:b]}") for a, b in spans]
        yield from changed(subject, each, text="each sentence")
        yield Variant(response=append(subject.response, f"\n\n{text}"), text="all of it")
