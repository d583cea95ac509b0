"""A response to another prompt."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant

__all__ = ["Mismatch"]


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """Replace the response by the right one to another prompt."""

    area: ClassVar[Area] = "content"
    expects: ClassVar[Expects] = "last"
    meaning: ClassVar[str] = "a response to another prompt, of much the same length"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the stranger of the most similar length; none where there is one prompt."""
        own = {subject.response.text, *(one.response.text for one in subject.others)}
        for stranger in subject.strangers:
            if stranger.text not in own:
                yield Variant(response=stranger)
                return
