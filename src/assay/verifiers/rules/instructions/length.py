"""Numbers of words, sentences and paragraphs."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from assay.errors import ConfigError
from assay.types import Verdict
from assay.verifiers.rules.texts.judged import Count, Relation, compared, judged, plural, shown
from assay.verifiers.rules.texts.units import spans

__all__ = ["NthParagraphFirstWord", "NumberParagraphs", "NumberSentences", "NumberWords"]


@dataclass(frozen=True, kw_only=True)
class NumberWords:
    """The text has so many words; see `texts.units` for what a word is."""

    id: ClassVar[str] = "length_constraints:number_words"

    num_words: Count
    """The bound."""
    relation: Relation
    """less than: fewer than the bound. at least: the bound or more."""

    def check(self, text: str) -> Verdict:
        """Says how many there are."""
        return compared(self.id, len(spans(text, "words")), self.relation, self.num_words, "word")

    def example(self) -> str:
        """On the border: the bound, or one less."""
        return "word " * (self.num_words - (self.relation == "less than")) + "!"

    def counterexample(self) -> str:
        """On the border: one less than the bound, or the bound."""
        return "word " * (self.num_words - (self.relation == "at least")) + "!"


@dataclass(frozen=True, kw_only=True)
class NumberSentences:
    """The text has so many sentences; see `texts.units` for what a sentence is, and for how the
    published check differs."""

    id: ClassVar[str] = "length_constraints:number_sentences"

    num_sentences: Count
    """The bound."""
    relation: Relation
    """less than: fewer than the bound. at least: the bound or more."""

    def check(self, text: str) -> Verdict:
        """Says how many there are."""
        return compared(
            self.id, len(spans(text, "sentences")), self.relation, self.num_sentences, "sentence"
        )

    def example(self) -> str:
        """On the border: the bound, or one less."""
        return "It is so. " * (self.num_sentences - (self.relation == "less than")) + "--"

    def counterexample(self) -> str:
        """On the border: one less than the bound, or the bound."""
        return "It is so. " * (self.num_sentences - (self.relation == "at least")) + "--"


@dataclass(frozen=True, kw_only=True)
class NumberParagraphs:
    """The text has exactly so many paragraphs with `***` between them, and perhaps before the first
    and after the last.

    Two dividers with nothing between them are wrong, and so is `******`.
    """

    id: ClassVar[str] = "length_constraints:number_paragraphs"

    num_paragraphs: Count
    """How many."""

    def check(self, text: str) -> Verdict:
        """Wrong at an empty paragraph inside, or by the number."""
        parts, place, count = text.split("***"), 0, 0
        for i, part in enumerate(parts):
            if not part.strip() and 0 < i < len(parts) - 1:
                return judged(
                    self.id, False, "a paragraph is empty", (place - 3, place + len(part) + 3)
                )
            count += bool(part.strip())
            place += len(part) + 3
        reason = f"{plural(count, 'paragraph')}; exactly {self.num_paragraphs} asked for"
        return judged(self.id, count == self.num_paragraphs, reason)

    def example(self) -> str:
        """So many."""
        return "\n***\n".join(["Text."] * self.num_paragraphs)

    def counterexample(self) -> str:
        """One more."""
        return f"{self.example()}\n***\nText."


@dataclass(frozen=True, kw_only=True)
class NthParagraphFirstWord:
    """The text has exactly so many paragraphs with a blank line between them, and one of them
    begins with a word.

    As published: upper and lower case count as the same, quotes before the word are dropped, the
    word ends at the first of . , ? ! ' and ", and paragraphs without text are left out of the
    number but not of the numbering.
    """

    id: ClassVar[str] = "length_constraints:nth_paragraph_first_word"

    num_paragraphs: Count
    """How many."""
    nth_paragraph: Count
    """Which of them, from 1."""
    first_word: Annotated[str, Field(pattern=r"^\S+$")]
    """How it begins."""

    def __post_init__(self) -> None:
        if self.nth_paragraph > self.num_paragraphs:
            raise ConfigError(
                f"nth_paragraph is {self.nth_paragraph}, but num_paragraphs {self.num_paragraphs}"
            )

    def check(self, text: str) -> Verdict:
        """Says how many there are and how that one begins."""
        parts = text.split("\n\n")
        count = sum(bool(part.strip()) for part in parts)
        reason = f"{plural(count, 'paragraph')}; exactly {self.num_paragraphs} asked for"
        if count != self.num_paragraphs:
            return judged(self.id, False, reason)
        nth = self.nth_paragraph - 1
        words = parts[nth].split(maxsplit=1)
        begins = (
            re.split(r"[.,?!'\"]", words[0].lstrip("'").lstrip('"'), maxsplit=1)[0].lower()
            if words
            else ""
        )
        start = sum(len(part) + 2 for part in parts[:nth])
        reason = (
            f"paragraph {nth + 1} begins with {shown(begins)}; {shown(self.first_word)} asked for"
        )
        return judged(
            self.id, begins == self.first_word.lower(), reason, (start, start + len(parts[nth]))
        )

    def example(self) -> str:
        """So many, and that one begins so."""
        return "\n\n".join(
            f"{self.first_word} it is." if i == self.nth_paragraph else "-"
            for i in range(1, self.num_paragraphs + 1)
        )

    def counterexample(self) -> str:
        """So many, and that one begins otherwise."""
        return self.example().replace(self.first_word, f"Un{self.first_word}")
