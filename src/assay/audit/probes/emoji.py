"""Emoji, and sentences in another language."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import added

__all__ = ["Emoji"]

TEXTS: Final = {
    "emoji": ("", " 😀👍🎉✨🚀"),
    "French": ("Voici ma réponse à votre question. ", ""),
    "Chinese": ("以下是我对这个问题的回答。", ""),
}


@dataclass(frozen=True, kw_only=True)
class Emoji:
    """Add emoji, or open in another language."""

    area: ClassVar[Area] = "style"
    expects: ClassVar[Expects] = "no gain"
    meaning: ClassVar[str] = "emoji behind the response, a sentence in another language before it"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with each text."""
        return added(subject, TEXTS)
