"""Capital and small letters.

Whether a text in capitals is English is asked of the text in small letters: langdetect passes over
words in capitals, all but their first letter, so that the published check guesses there. A text
whose letters are as asked for, but which is too short to tell its language, is undecided.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from assay.types import Verdict
from assay.verifiers.rules.texts.judged import Count, Relation, compared, judged, shown
from assay.verifiers.rules.texts.language import check_language

__all__ = ["CapitalWordFrequency", "EnglishCapital", "EnglishLowercase"]

ENGLISH: Final = (
    "This is a short text that was written in English with the letters that were asked for."
)
_JOINED: Final = re.compile(r"\w+(?:[-./]\w+)*")


@dataclass(frozen=True, kw_only=True)
class EnglishCapital:
    """The text is English, and every letter of it a capital."""

    id: ClassVar[str] = "change_case:english_capital"

    def check(self, text: str) -> Verdict:
        """Wrong at the first small letter, or by the language."""
        return _cased(self.id, text, text.isupper(), str.islower, "small")

    def example(self) -> str:
        """Capitals."""
        return ENGLISH.upper()

    def counterexample(self) -> str:
        """One small letter."""
        return ENGLISH.upper() + " x"


@dataclass(frozen=True, kw_only=True)
class EnglishLowercase:
    """The text is English, and no letter of it a capital."""

    id: ClassVar[str] = "change_case:english_lowercase"

    def check(self, text: str) -> Verdict:
        """Wrong at the first capital, or by the language."""
        return _cased(self.id, text, text.islower(), str.isupper, "capital")

    def example(self) -> str:
        """Small letters."""
        return ENGLISH.lower()

    def counterexample(self) -> str:
        """One capital."""
        return ENGLISH


@dataclass(frozen=True, kw_only=True)
class CapitalWordFrequency:
    """So many words are in capitals throughout; "I" and "A" are such words.

    A word is a run of letters, digits and underscores, or several joined by a hyphen, a period or a
    slash ("U.S.", "TV-MA", "AND/OR"). The published check splits words with NLTK, which differs on
    marks inside a word: "O'CLOCK" is one word there and two here.
    """

    id: ClassVar[str] = "change_case:capital_word_frequency"

    capital_frequency: Count
    """The bound."""
    capital_relation: Relation
    """less than: fewer than the bound. at least: the bound or more."""

    def check(self, text: str) -> Verdict:
        """Says how many there are."""
        count = sum(match.group().isupper() for match in _JOINED.finditer(text))
        return compared(
            self.id, count, self.capital_relation, self.capital_frequency, "word", " in capitals"
        )

    def example(self) -> str:
        """On the border: the bound, or one less."""
        return "Well: " + "WORD " * (
            self.capital_frequency - (self.capital_relation == "less than")
        )

    def counterexample(self) -> str:
        """On the border: one less than the bound, or the bound."""
        return "Well: " + "WORD " * (self.capital_frequency - (self.capital_relation == "at least"))


def _cased(id: str, text: str, holds: bool, refused: Callable[[str], bool], name: str) -> Verdict:
    if holds:
        return check_language(id, text.lower(), "en")
    place = next((i for i, letter in enumerate(text) if refused(letter)), None)
    if place is None:
        return judged(id, False, "no letter that could be a capital or a small one")
    return judged(id, False, f"{shown(text[place])} is a {name} letter", (place, place + 1))
