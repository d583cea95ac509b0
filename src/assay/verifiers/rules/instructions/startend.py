"""How the text begins and ends."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from assay.types import Verdict
from assay.verifiers.rules.texts.judged import judged, shown

__all__ = ["EndChecker", "Quotation"]


@dataclass(frozen=True, kw_only=True)
class EndChecker:
    """The text ends with a phrase; upper and lower case count as the same, double quotes around the
    text as nothing."""

    id: ClassVar[str] = "startend:end_checker"

    end_phrase: Annotated[str, Field(pattern=r"\S")]
    """How it ends."""

    def check(self, text: str) -> Verdict:
        """Says how it ends."""
        phrase = self.end_phrase.strip()
        ends = text.strip().strip('"')
        reason = f"it ends with {shown(ends[-max(len(phrase), 1) :])}; {shown(phrase)} asked for"
        return judged(self.id, ends.lower().endswith(phrase.lower()), reason)

    def example(self) -> str:
        """With it."""
        return f"Text. {self.end_phrase}"

    def counterexample(self) -> str:
        """With something behind it."""
        return f"Text. {self.end_phrase} {'-' if self.end_phrase.strip()[-1] != '-' else '+'}"


@dataclass(frozen=True, kw_only=True)
class Quotation:
    """The whole text is in double quotation marks, straight ones."""

    id: ClassVar[str] = "startend:quotation"

    def check(self, text: str) -> Verdict:
        """Says how it begins and ends."""
        inside = text.strip()
        holds = len(inside) > 1 and inside[0] == inside[-1] == '"'
        return judged(
            self.id, holds, f"it begins with {inside[:1]!r} and ends with {inside[-1:]!r}"
        )

    def example(self) -> str:
        """In them."""
        return '"Text."'

    def counterexample(self) -> str:
        """With something behind them."""
        return '"Text." More.'
