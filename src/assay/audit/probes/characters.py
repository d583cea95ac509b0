"""The same text in other characters."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final
from unicodedata import normalize

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import changed, matches, rewritten

__all__ = ["Characters"]

LOOKALIKES: Final = dict(zip("aceopxyACEHKMOPTX", "асеорхуАСЕНКМОРТХ", strict=True))
"""Latin letter -> Cyrillic letter; one in a hundred is changed."""
APOSTROPHES: Final = {"'": "’", "’": "'"}
_LINE: Final = re.compile(r"[^\n]+")
_APOSTROPHE: Final = re.compile(r"(?<=\w)['’](?=\w)")
_LETTER: Final = re.compile(f"[{''.join(LOOKALIKES)}]")


@dataclass(frozen=True, kw_only=True)
class Characters:
    """Write the same text in other characters."""

    area: ClassVar[Area] = "noise"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = (
        "accents as characters of their own, look-alike letters, other apostrophes"
    )

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return each change that changes anything."""
        yield from rewritten(subject, _LINE, lambda x: normalize("NFD", x.group()), text="NFD")
        yield from rewritten(
            subject, _APOSTROPHE, lambda x: APOSTROPHES[x.group()], text="apostrophes"
        )
        letters = matches(_LETTER, subject.response.text)
        few = draw.sample(letters, -(-len(letters) // 100))
        alike = [(*x.span(), LOOKALIKES[x.group()]) for x in few]
        yield from changed(subject, alike, text="look-alikes")
