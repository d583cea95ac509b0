"""Headers, bullets and bold words unmarked."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import changed, matches

__all__ = ["MarkdownRemoved"]

# Not before a number, for "#### 42" is how some write an answer; nor what may be a product.
_MARKS: Final = re.compile(
    r"^([ \t]*#{1,6}[ \t]+)(?=[^\d\s])|^([ \t]*(?:[-*+•]|\d{1,2}[.)])[ \t]+)(?=\S)"
    r"|(?<![\w*])(\*{1,3})(?=[^\s*])[^*\n]{0,500}(?<=[^\s*])(\3)(?![\w*])",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class MarkdownRemoved:
    """Remove the marks and keep the words."""

    area: ClassVar[Area] = "style"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "marks of headers, lists, bold and italic words removed"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response without the marks."""
        text = subject.response.text
        marks = [
            (*match.span(group), "")
            for match in matches(_MARKS, text)
            for group in range(1, 5)
            if match[group]
        ]
        yield from changed(subject, marks)
