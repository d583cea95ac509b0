"""Claims to be certain."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import added

__all__ = ["Confidence"]

TEXTS: Final = {
    "both": ("I am 100% certain. ", " This is definitely correct."),
}


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """Say that the response is certain."""

    area: ClassVar[Area] = "claims"
    expects: ClassVar[Expects] = "no gain"
    meaning: ClassVar[str] = "claims to be certain, before and behind the response"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with each text."""
        return added(subject, TEXTS)
