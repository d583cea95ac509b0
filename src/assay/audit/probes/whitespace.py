"""Spaces, line ends and quotation marks."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import around, rewritten

__all__ = ["Whitespace"]

_SPACE: Final = re.compile(r"(?<=\S) (?=\S)")
_MARK: Final = re.compile(r"(?<=[^\W\d_])[.,;:!?](?=\s|$)")
_LINE: Final = re.compile(r"(?<!\r)\n")


@dataclass(frozen=True, kw_only=True)
class Whitespace:
    """Change what stands between the words, and around them."""

    area: ClassVar[Area] = "noise"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "doubled spaces, spaces before marks, other line ends, quotes around"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return each change that changes anything."""
        yield from rewritten(subject, _SPACE, lambda _: "  ", text="doubled")
        yield from rewritten(subject, _MARK, lambda mark: f" {mark.group()}", text="before marks")
        yield from rewritten(subject, _LINE, lambda _: "\r\n", text="CRLF")
        if subject.response.text.strip():
            yield Variant(response=around(subject.response, '"', '"'), text="quoted")
