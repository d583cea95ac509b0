"""Other spellings of the same words."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import rewritten

__all__ = ["Paraphrase"]

CONTRACTIONS: Final = {
    "it is": "it's", "that is": "that's", "there is": "there's", "you are": "you're",
    "they are": "they're", "we are": "we're", "i am": "I'm", "i will": "I'll", "i have": "I've",
    "do not": "don't", "does not": "doesn't", "did not": "didn't", "is not": "isn't",
    "are not": "aren't", "was not": "wasn't", "cannot": "can't", "will not": "won't",
    "should not": "shouldn't", "would not": "wouldn't", "have not": "haven't",
}  # fmt: skip
NUMBERS: Final = dict(
    enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
)
SPELLINGS: Final = dict(
    pair.split("/")
    for pair in (
        "color/colour favorite/favourite behavior/behaviour center/centre"
        " liter/litre analyze/analyse organize/organise realize/realise recognize/recognise"
        " defense/defence traveling/travelling labeled/labelled modeling/modelling"
        " catalog/catalogue dialog/dialogue gray/grey neighbor/neighbour"
        " humor/humour flavor/flavour honor/honour fulfill/fulfil aluminum/aluminium"
    ).split()
)


def _found(texts: Iterable[str], around: str) -> re.Pattern[str]:
    words = "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
    return re.compile(around.format(f"(?:{words})"), re.IGNORECASE)


def _swapped(pairs: Mapping[str, str]) -> dict[str, str]:
    return {new.lower(): old for old, new in pairs.items()}


_DIGITS: Final = {str(number): word for number, word in NUMBERS.items()}
# Beside words only: not in sums, decimals, lists and quantities.
_BESIDE: Final = r"(?<=[a-z] ){}(?= [a-z]{{2}})"
# Not at a sentence's end, where nothing is contracted, nor for "has".
_VERBAL: Final = r"\b{}(?= \w)(?! (?:been|got)\b)"
_TABLES: Final = {
    name: (_found(table, around), table)
    for name, table, around in (
        ("contracted", CONTRACTIONS, _VERBAL),
        ("written out", _swapped(CONTRACTIONS), _VERBAL),
        ("number words", _DIGITS, _BESIDE),
        ("digits", _swapped(_DIGITS), _BESIDE),
        ("British", SPELLINGS, r"\b{}\b"),
        ("American", _swapped(SPELLINGS), r"\b{}\b"),
    )
}


def _other(table: Mapping[str, str], found: re.Match[str]) -> str:
    """What stands for a text, with a capital where it had one."""
    new = table[found.group().lower()]
    return new[0].upper() + new[1:] if found.group()[0].isupper() else new


@dataclass(frozen=True, kw_only=True)
class Paraphrase:
    """Write the same words in their other forms."""

    area: ClassVar[Area] = "noise"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = (
        "contractions, number words and American spellings exchanged for their other forms"
    )

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return each exchange that changes anything."""
        for name, (pattern, table) in _TABLES.items():
            yield from rewritten(subject, pattern, partial(_other, table), text=name)
