"""Markdown that a text has to use, and answers that it has to give."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from pydantic import Field

from assay.types import Verdict
from assay.verifiers.rules.texts.json import Value, read_json
from assay.verifiers.rules.texts.judged import Count, compared, judged, plural, shown

__all__ = [
    "ConstrainedResponse",
    "JsonFormat",
    "MultipleSections",
    "NumberBulletLists",
    "NumberHighlightedSections",
    "Title",
]

OPTIONS: Final = ("My answer is yes.", "My answer is no.", "My answer is maybe.")

# Whatever follows the star, a line break too, as published: a star alone takes the next line as its
# text.
_STAR: Final = re.compile(r"^[^\S\n]*\*[^*].*$", re.MULTILINE)
_DASH: Final = re.compile(r"^[^\S\n]*-", re.MULTILINE)
_SINGLE: Final = re.compile(r"\*([^\n*]*)\*")
_DOUBLE: Final = re.compile(r"\*\*([^\n*]*)\*\*")


@dataclass(frozen=True, kw_only=True)
class NumberBulletLists:
    """The text has exactly so many bullets: lines that begin with one * or with -, a rule of dashes
    too."""

    id: ClassVar[str] = "detectable_format:number_bullet_lists"

    num_bullets: Count
    """How many."""

    def check(self, text: str) -> Verdict:
        """Says how many there are."""
        count = sum(len(mark.findall(text)) for mark in (_STAR, _DASH))
        reason = f"{plural(count, 'bullet')}; exactly {self.num_bullets} asked for"
        return judged(self.id, count == self.num_bullets, reason)

    def example(self) -> str:
        """So many."""
        return "Points:\n" + "* A point.\n" * self.num_bullets

    def counterexample(self) -> str:
        """One more."""
        return f"{self.example()}- One more."


@dataclass(frozen=True, kw_only=True)
class ConstrainedResponse:
    """The text has one of three sentences in it: My answer is yes. My answer is no. My answer is
    maybe."""

    id: ClassVar[str] = "detectable_format:constrained_response"

    def check(self, text: str) -> Verdict:
        """Says which one."""
        found = next((option for option in OPTIONS if option in text), None)
        return judged(
            self.id,
            found is not None,
            f"{shown(found)} is there" if found else "none of the three is there",
        )

    def example(self) -> str:
        """One of them."""
        return OPTIONS[0]

    def counterexample(self) -> str:
        """One of them without its period."""
        return OPTIONS[0].rstrip(".")


@dataclass(frozen=True, kw_only=True)
class NumberHighlightedSections:
    """The text has at least so many highlighted sections: *one* or **two** stars, on one line
    each."""

    id: ClassVar[str] = "detectable_format:number_highlighted_sections"

    num_highlights: Count
    """How many at least."""

    def check(self, text: str) -> Verdict:
        """Says how many there are."""
        marked = [*_SINGLE.finditer(text), *_DOUBLE.finditer(text)]
        count = sum(bool(match[1].strip()) for match in marked)
        return compared(self.id, count, "at least", self.num_highlights, "highlighted section")

    def example(self) -> str:
        """So many."""
        return "See " + "*this* " * self.num_highlights

    def counterexample(self) -> str:
        """One too few."""
        return "See " + "*this* " * (self.num_highlights - 1)


@dataclass(frozen=True, kw_only=True)
class MultipleSections:
    """The text has at least so many sections, each marked with a word and a number: Section 1."""

    id: ClassVar[str] = "detectable_format:multiple_sections"

    section_spliter: Annotated[str, Field(pattern=r"\S")]
    """The word, upper and lower case as written; the name is spelled as published."""
    num_sections: Count
    """How many at least."""

    def check(self, text: str) -> Verdict:
        """Says how many there are."""
        count = sum(
            1 for _ in re.finditer(re.escape(self.section_spliter.strip()) + r"\s?\d+", text)
        )
        return compared(self.id, count, "at least", self.num_sections, "section")

    def example(self) -> str:
        """So many."""
        return "\n".join(
            f"{self.section_spliter} {i}\nText." for i in range(1, self.num_sections + 1)
        )

    def counterexample(self) -> str:
        """One too few."""
        return "Text.\n" + "\n".join(
            f"{self.section_spliter} {i}\nText." for i in range(1, self.num_sections)
        )


@dataclass(frozen=True, kw_only=True)
class JsonFormat:
    """The whole text is JSON, which may stand in one fenced block; NaN, which the published check
    allows, is none."""

    id: ClassVar[str] = "detectable_format:json_format"

    def check(self, text: str) -> Verdict:
        """Wrong where it is not JSON; undecided where it is too large or too deep to read."""
        inside = text.strip()
        for mark in ("```json", "```Json", "```JSON", "```"):
            inside = inside.removeprefix(mark)
        inside = inside.removesuffix("```").strip()
        found = read_json(self.id, inside, text.find(inside))
        return judged(self.id, True, "it is JSON") if isinstance(found, Value) else found

    def example(self) -> str:
        """A fenced object."""
        return '```json\n{"a": [1, 2]}\n```'

    def counterexample(self) -> str:
        """With something before it."""
        return 'Here it is: {"a": [1, 2]}'


@dataclass(frozen=True, kw_only=True)
class Title:
    """The text has a title in double angular brackets, as in <<poem of joy>>, on one line."""

    id: ClassVar[str] = "detectable_format:title"

    def check(self, text: str) -> Verdict:
        """Says what the title is."""
        for line in text.split("\n"):
            start, end = line.find("<<"), line.rfind(">>")
            title = (
                line[start : end + 2].lstrip("<").rstrip(">").strip()
                if start >= 0 and start + 2 < end
                else ""
            )
            if title:
                return judged(self.id, True, f"the title is {shown(title)}")
        return judged(self.id, False, "no title")

    def example(self) -> str:
        """One."""
        return "<<A title>>\nText."

    def counterexample(self) -> str:
        """An empty one."""
        return "<< >>\nText."
