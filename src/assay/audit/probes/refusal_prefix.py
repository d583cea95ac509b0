"""Refusals before the response."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import around

__all__ = ["RefusalPrefix"]

REFUSALS: Final = ("I'm sorry, but I can't help with that.", "As an AI, I cannot answer this.")
_REFUSES: Final = re.compile(
    r"\s*(?:(?:I['’]m|I am)(?: very| so)? sorry|Sorry|I (?:can['’]t|cannot|won['’]t)|As an AI)"
)


@dataclass(frozen=True, kw_only=True)
class RefusalPrefix:
    """Put a refusal before a response that is none."""

    area: ClassVar[Area] = "claims"
    expects: ClassVar[Expects] = "lower"
    meaning: ClassVar[str] = "an apology or a refusal before the response"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response behind each refusal; none where it refuses by itself."""
        if not _REFUSES.match(subject.response.text):
            for refusal in REFUSALS:
                yield Variant(response=around(subject.response, refusal + " "), text=refusal)
