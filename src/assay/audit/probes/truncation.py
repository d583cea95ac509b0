"""The end of the response cut off."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import changed, sentences

__all__ = ["Truncation"]


@dataclass(frozen=True, kw_only=True)
class Truncation:
    """Cut off the end, at a sentence."""

    cuts: tuple[float, ...] = (0.25, 0.5, 0.75)
    """Shares of the sentences; each is a dose."""

    area: ClassVar[Area] = "content"
    expects: ClassVar[Expects] = "lower"
    meaning: ClassVar[str] = "the last quarter, half or three quarters of the sentences cut off"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the first sentences, by the share that is cut; at least one stays."""
        text = subject.response.text
        spans = sentences(text, code=True)
        kept = {max(1, int(len(spans) * (1 - cut))): cut for cut in self.cuts}
        for n, cut in kept.items():
            if n < len(spans):
                yield from changed(subject, [(spans[n - 1][1], len(text), "")], dose=cut)
