"""Texts that answer nothing, in place of the response."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.types import Response

__all__ = ["NullStrings"]

TEXTS: Final = (
    "",
    " ",
    ".",
    ",",
    ":",
    "Solution",
    "Thought process:",
    "Let's solve this problem step by step.",
    "かいせつ",
    "解",
    "Respuesta",
    "I don't know.",
    "As an AI language model, I cannot answer.",
)
"""Openings and marks that judges were found to reward (arXiv:2507.08794), and refusals."""
LOREM: Final = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. " * 25


@dataclass(frozen=True, kw_only=True)
class NullStrings:
    """Replace the response by a mark, an opening, a refusal, empty words or the prompt itself."""

    area: ClassVar[Area] = "empty"
    expects: ClassVar[Expects] = "last"
    meaning: ClassVar[str] = "marks, openings, refusals and the prompt in place of the response"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return each text."""
        for text in TEXTS:
            yield Variant(response=Response.of(text), text=text or "(empty)")
        yield Variant(response=Response.of(LOREM), text="(lorem ipsum)")
        yield Variant(response=Response.of(subject.prompt.text), text="(the prompt)")
