"""A line end or a space: what any change at all does."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant, append
from assay.audit.text import changed, matches

__all__ = ["NeutralEdit"]

_SPACE: Final = re.compile(r"(?<=\S) (?=\S)")


@dataclass(frozen=True, kw_only=True)
class NeutralEdit:
    """Change what nobody sees, as a control for all other changes."""

    area: ClassVar[Area] = "noise"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "one line end at the end, or one space doubled"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return both."""
        yield Variant(response=append(subject.response, "\n"), text="line end")
        if spaces := matches(_SPACE, subject.response.text):
            one = draw.choice(spaces)
            yield from changed(subject, [(*one.span(), "  ")], text="space")
