"""How the parts of the text go together."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from assay.types import Verdict
from assay.verifiers.rules.texts.judged import judged, plural

__all__ = ["RepeatPrompt", "TwoResponses"]

DIVIDER = "******"


@dataclass(frozen=True, kw_only=True)
class TwoResponses:
    """The text is two different responses with `******` between them; one may stand before and
    after them too."""

    id: ClassVar[str] = "combination:two_responses"

    def check(self, text: str) -> Verdict:
        """Says how many there are."""
        parts = [part.strip() for part in text.split(DIVIDER)]
        if not all(parts[1:-1]):
            return judged(self.id, False, "nothing stands between two dividers")
        there = [part for part in parts if part]
        if len(there) != 2:
            return judged(self.id, False, f"{plural(len(there), 'response')}; 2 asked for")
        same = there[0] == there[1]
        return judged(
            self.id, not same, "2 responses, the same twice" if same else "2 responses that differ"
        )

    def example(self) -> str:
        """Two."""
        return f"Yes.\n{DIVIDER}\nNo."

    def counterexample(self) -> str:
        """The same one twice."""
        return f"Yes.\n{DIVIDER}\nYes."


@dataclass(frozen=True, kw_only=True)
class RepeatPrompt:
    """The text begins with the request, word for word; upper and lower case count as the same."""

    id: ClassVar[str] = "combination:repeat_prompt"

    prompt_to_repeat: Annotated[str, Field(pattern=r"\S")]
    """The request."""

    def check(self, text: str) -> Verdict:
        """Wrong from the first character that differs."""
        asked, got = self.prompt_to_repeat.strip().lower(), text.strip().lower()
        if got.startswith(asked):
            return judged(self.id, True, "it begins with the request")
        alike = next(
            (i for i, (a, b) in enumerate(zip(asked, got, strict=False)) if a != b), len(got)
        )
        return judged(
            self.id, False, f"it differs from the request after {plural(alike, 'character')}"
        )

    def example(self) -> str:
        """The request, and an answer."""
        return f"{self.prompt_to_repeat}\n\nAn answer."

    def counterexample(self) -> str:
        """With something before it."""
        return (
            f"Well: {self.prompt_to_repeat}"
            if not self.prompt_to_repeat.strip().lower().startswith("w")
            else "-"
        )
