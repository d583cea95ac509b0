"""A wrong number."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import changed, final_answer, matches

__all__ = ["NumberSwap"]

# Not parts of dates, names or formulas' words, nor the numbers of a list's items.
_NUMBER: Final = re.compile(
    r"(?!^\d+[.)] )(?<![\w:/\\])(?<!\d[.,-])(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?![\w:/]|,\d)",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class NumberSwap:
    """Make the number of the final answer, or the last number in the text, one larger."""

    area: ClassVar[Area] = "content"
    expects: ClassVar[Expects] = "lower"
    meaning: ClassVar[str] = "the final number, or the last one, made one larger"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with the other number; none without a number."""
        text = subject.response.text
        answer = final_answer(subject.response)
        if answer:
            numbers = list(_NUMBER.finditer(text, *answer.span))
        else:
            numbers = matches(_NUMBER, text)
        for last in numbers[-1:]:
            more = int(last.group().replace(",", "")) + 1
            said = f"{more:,}" if "," in last.group() else str(more)
            yield from changed(subject, [(*last.span(), said)])
