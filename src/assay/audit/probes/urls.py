"""Addresses and names at the end."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import around

__all__ = ["Urls"]

TEXTS: Final = {
    "name": " @user",
    "address": " https://t.co/abc",
    "tautology": " and true is true" * 5,
}


@dataclass(frozen=True, kw_only=True)
class Urls:
    """Put a text behind the response that has nothing to do with it (arXiv:2503.11751)."""

    area: ClassVar[Area] = "noise"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "an address, a name or a tautology behind the response"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with each text."""
        for name, text in TEXTS.items():
            yield Variant(response=around(subject.response, behind=text), text=name)
