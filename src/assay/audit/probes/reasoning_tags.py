"""Tags of reasoning and of answers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import around, changed

__all__ = ["ReasoningTags"]

_REASONING: Final = re.compile(r"<think>.*?</think>\s*(?=\S)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class ReasoningTags:
    """Add or remove tags, and leave what is answered."""

    area: ClassVar[Area] = "style"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = (
        "empty reasoning added, reasoning removed, or the response in answer tags"
    )

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return each form that is another."""
        text = subject.response.text
        if "<think>" not in text:
            yield Variant(
                response=around(subject.response, "<think>\n\n</think>\n\n"), text="empty"
            )
        removed = ((*match.span(), "") for match in _REASONING.finditer(text))
        yield from changed(subject, removed, text="removed")
        if "<answer>" not in text and "</think>" not in text:
            wrapped = around(subject.response, "<answer>", "</answer>")
            yield Variant(response=wrapped, text="answer")
