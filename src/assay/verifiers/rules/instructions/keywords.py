"""Words and letters that a text has to have, or must not. Upper and lower case count as the same.

A keyword is its characters: the published checks read it as a regular expression, which differs
where one holds a dot, a bracket or the like, as in "C++".
"""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from assay.types import Verdict
from assay.verifiers.rules.texts.judged import Count, Relation, compared, judged, shown

__all__ = ["Existence", "ForbiddenWords", "Frequency", "LetterFrequency"]

Keyword = Annotated[str, Field(pattern=r"\S")]
Keywords = Annotated[tuple[Keyword, ...], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Existence:
    """Every keyword is somewhere in the text, within a longer word too."""

    id: ClassVar[str] = "keywords:existence"

    keywords: Keywords
    """What has to be there."""

    def check(self, text: str) -> Verdict:
        """Names those that are not there."""
        missing = [word for word in self.keywords if not _literal(word).search(text)]
        found = f"without {', '.join(map(shown, missing))}" if missing else "all keywords are there"
        return judged(self.id, not missing, found)

    def example(self) -> str:
        """All of them."""
        return " ".join(self.keywords)

    def counterexample(self) -> str:
        """None of them."""
        return _without(*self.keywords)


@dataclass(frozen=True, kw_only=True)
class Frequency:
    """A keyword is in the text so many times, within longer words too; occurrences do not
    overlap."""

    id: ClassVar[str] = "keywords:frequency"

    keyword: Keyword
    """What is counted."""
    frequency: Count
    """The bound."""
    relation: Relation
    """less than: fewer than the bound. at least: the bound or more."""

    def check(self, text: str) -> Verdict:
        """Says how often it is there."""
        count = sum(1 for _ in _literal(self.keyword.strip()).finditer(text))
        return compared(
            self.id,
            count,
            self.relation,
            self.frequency,
            "occurrence",
            f" of {shown(self.keyword)}",
        )

    def example(self) -> str:
        """The bound, or none."""
        return self._of(self.frequency if self.relation == "at least" else 0)

    def counterexample(self) -> str:
        """None, or the bound."""
        return self._of(0 if self.relation == "at least" else self.frequency)

    def _of(self, count: int) -> str:
        return "\n".join([self.keyword] * count) or _without(self.keyword)


@dataclass(frozen=True, kw_only=True)
class ForbiddenWords:
    """None of the words is in the text as a word of its own; within a longer word it may be."""

    id: ClassVar[str] = "keywords:forbidden_words"

    forbidden_words: Keywords
    """What must not be there."""

    def check(self, text: str) -> Verdict:
        """Wrong at the first one that is there."""
        for word in self.forbidden_words:
            if found := re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE):
                return judged(self.id, False, f"{shown(found[0])} is there", found.span())
        return judged(self.id, True, "no forbidden word is there")

    def example(self) -> str:
        """None of them."""
        return _without(*self.forbidden_words)

    def counterexample(self) -> str:
        """The last one, among others."""
        return f"{self.example()} {self.forbidden_words[-1]}."


@dataclass(frozen=True, kw_only=True)
class LetterFrequency:
    """A letter, or another character, is in the text so many times."""

    id: ClassVar[str] = "keywords:letter_frequency"

    letter: Annotated[str, Field(pattern=r"^\S$")]
    """What is counted; "!" and "#" are used as well."""
    let_frequency: Count
    """The bound."""
    let_relation: Relation
    """less than: fewer than the bound. at least: the bound or more."""

    def check(self, text: str) -> Verdict:
        """Says how often it is there."""
        count = text.lower().count(self.letter.lower())
        return compared(
            self.id,
            count,
            self.let_relation,
            self.let_frequency,
            "occurrence",
            f" of {self.letter!r}",
        )

    def example(self) -> str:
        """On the border: the bound, or one less."""
        return self._of(self.let_frequency - (self.let_relation == "less than"))

    def counterexample(self) -> str:
        """On the border: one less than the bound, or the bound."""
        return self._of(self.let_frequency - (self.let_relation == "at least"))

    def _of(self, count: int) -> str:
        return _without(self.letter) + self.letter * count


def _literal(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text), re.IGNORECASE)


def _without(*words: str) -> str:
    """A character that holds none of the words."""
    taken = {word.strip().lower() for word in words}
    return next(
        letter
        for letter in map(chr, range(ord("a"), ord("z") + len(taken) + 1))
        if letter not in taken
    )
