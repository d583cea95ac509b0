"""Rules: what a program can say of a text by itself: its form, length, language, a pattern, a JSON
schema.

A rule is a frozen dataclass with one method, `check(text) -> Verdict`: right, wrong with the place,
or undecided where it cannot be told. The text is data: nothing in it is run, and every rule reads
it in one pass or under a limit of time.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from assay.errors import ConfigError, MissingExtra
from assay.types import Verdict
from assay.verifiers.rules.texts.json import Value, fenced, read_json
from assay.verifiers.rules.texts.judged import judged, plural, shown
from assay.verifiers.rules.texts.language import MIN_CONFIDENCE, MIN_LETTERS, check_language, known
from assay.verifiers.rules.texts.schema import Schema
from assay.verifiers.rules.texts.units import Unit, spans

__all__ = ["Format", "JsonSchema", "Language", "Length", "Pattern"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """Sections in tags, each once, in order, none empty, nothing outside them: DeepSeek-R1's format
    (arXiv:2501.12948).

    `<think>...</think> <answer>...</answer>`. Whatever looks like one of the tags counts as one: `<
    Think >` inside a section is refused, so that a reader that takes the first and one that takes
    the last tag read the same answer.
    """

    tags: tuple[str, ...] = ("think", "answer")
    """Names of the sections, in order."""
    opened: bool = False
    """The prompt already wrote the first opening tag, as some chat templates do."""

    def __post_init__(self) -> None:
        if (
            not self.tags
            or len({tag.lower() for tag in self.tags}) < len(self.tags)
            or not all(re.fullmatch(r"[\w-]+", tag) for tag in self.tags)
        ):
            raise ConfigError(
                f"tags are {self.tags}; give at least one, each once, of letters, digits, _ and -"
            )

    def check(self, text: str) -> Verdict:
        """Wrong at the first tag or text that is out of place."""
        pairs = ((f"<{name}>", f"</{name}>") for name in self.tags)
        expected = [*chain.from_iterable(pairs)][self.opened :]
        found = [(match.group(), match.span()) for match in self._tag.finditer(text)]
        for tag, (got, place) in zip(expected, found, strict=False):
            if got != tag:
                return judged("format", False, f"{shown(got)} where {tag} was to come", place)
        if len(found) < len(expected):
            return judged("format", False, f"{expected[len(found)]} is missing")
        if len(found) > len(expected):
            got, place = found[len(expected)]
            return judged("format", False, f"{shown(got)} after the last section", place)
        edges = (
            [0] * (1 + 2 * self.opened)
            + [edge for _, place in found for edge in place]
            + [len(text)]
        )
        for i, (start, end) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
            inside = text[start:end].strip()
            if i % 2 and not inside:
                return judged("format", False, f"<{self.tags[i // 2]}> is empty", (start, end))
            if not i % 2 and inside:
                return judged(
                    "format", False, f"{shown(inside)} stands outside the sections", (start, end)
                )
        return judged(
            "format", True, f"{plural(len(self.tags), 'section')}, each once and in order"
        )

    def example(self) -> str:
        """A text in the format."""
        return "\n".join(f"<{name}>\nx\n</{name}>" for name in self.tags)[
            len(self.tags[0]) + 2 if self.opened else 0 :
        ]

    def counterexample(self) -> str:
        """The last section twice."""
        return f"{self.example()}\n<{self.tags[-1]}>y</{self.tags[-1]}>"

    @functools.cached_property
    def _tag(self) -> re.Pattern[str]:
        # Possessive: the white space and the rest of a tag are read once, and no tag reaches past
        # the next "<".
        return re.compile(
            rf"<\s*+/?\s*+(?:{'|'.join(map(re.escape, self.tags))})(?![\w-])[^<>]*+>", re.IGNORECASE
        )


@dataclass(frozen=True, kw_only=True)
class Length:
    """A number of words, characters, lines that are not blank, or sentences, within bounds, which
    are allowed."""

    unit: Unit = "words"
    """What is counted; see `texts.units` for what each of them is."""
    min: int | None = None
    """Fewest; None = any."""
    max: int | None = None
    """Most; None = any."""

    def __post_init__(self) -> None:
        low, high = self.min or 0, self.max
        if low < 0 or (low == 0 if high is None else high < low):
            raise ConfigError(
                f"min is {self.min} and max {self.max}; give a min above 0, a max from min on, or"
                " both"
            )

    def check(self, text: str) -> Verdict:
        """Wrong, above the most, from the first that is too many."""
        found = spans(text, self.unit)
        reason = plural(len(found), self.unit[:-1])
        if self.min is not None and len(found) < self.min:
            return judged("length", False, f"{reason}, fewer than {self.min:,}")
        if self.max is not None and len(found) > self.max:
            return judged(
                "length",
                False,
                f"{reason}, more than {self.max:,}",
                (found[self.max][0], len(text)),
            )
        return judged("length", True, reason)

    def example(self) -> str:
        """The shortest text that is allowed, or the longest where only that is said."""
        return self._of(self.max or 0 if self.min is None else self.min)

    def counterexample(self) -> str:
        """One too many, or too few."""
        return self._of((self.max if self.max is not None else (self.min or 0) - 2) + 1)

    def _of(self, count: int) -> str:
        return {"words": "x ", "characters": "x", "lines": "x\n", "sentences": "Yes. "}[
            self.unit
        ] * count


@dataclass(frozen=True, kw_only=True)
class Language:
    """The language of a text, by `langdetect`; undecided where the text is short or the detector
    wavers.

    A known limit: a text in two languages is often given to one of them with certainty.
    """

    language: str
    """ISO 639-1 code, such as en; zh is both zh-cn and zh-tw."""
    min_letters: int = MIN_LETTERS
    """Texts with fewer letters are undecided."""
    min_confidence: float = MIN_CONFIDENCE
    """Right from this probability on, wrong from 1 minus it down, undecided between."""

    def __post_init__(self) -> None:
        known(self.language)
        if self.min_letters < 1 or not 0.5 < self.min_confidence < 1:
            raise ConfigError(
                f"min_letters is {self.min_letters} and min_confidence {self.min_confidence}; "
                "give at least 1, and a probability above 0.5 and below 1"
            )

    def check(self, text: str) -> Verdict:
        """Check the first 10,000 characters."""
        return check_language(
            "language",
            text,
            self.language,
            min_letters=self.min_letters,
            min_confidence=self.min_confidence,
        )


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A regular expression that the text must have, or must not.

    Matched by the `regex` library under a limit of time: on a text that makes the pattern run for
    ever it is undecided.
    """

    pattern: str
    """The expression; flags are written into it, as in (?im)^answer."""
    wanted: bool = True
    """False: the text must not have it."""
    whole: bool = False
    """The whole text has to match, not a part of it."""
    seconds: float = 1.0
    """Limit of one match."""

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= 60:
            raise ConfigError(f"seconds is {self.seconds}; give a limit above 0, at most 60")
        _ = self._compiled

    def check(self, text: str) -> Verdict:
        """Wrong with the place where the text has what it must not have."""
        match = self._compiled.fullmatch if self.whole else self._compiled.search
        try:
            found = match(text, timeout=self.seconds)
        except TimeoutError:
            reason = f"{shown(self.pattern)} was not matched within {self.seconds:g} s"
            return Verdict(outcome="undecided", reason=reason, stage="pattern")
        reason = (
            f"{shown(self.pattern)} matches {shown(found[0])}"
            if found
            else f"{shown(self.pattern)} has no match"
        )
        return judged(
            "pattern", (found is not None) == self.wanted, reason, found.span() if found else None
        )

    @functools.cached_property
    def _compiled(self) -> Any:
        try:
            import regex  # type: ignore[import-untyped]
        except ImportError as error:
            raise MissingExtra("matching a pattern under a limit of time", "rules") from error
        try:
            return regex.compile(self.pattern)
        except regex.error as error:
            raise ConfigError(
                f"pattern {shown(self.pattern)} is no regular expression: {error}"
            ) from error


@dataclass(frozen=True, kw_only=True)
class JsonSchema:
    """JSON as a schema says: the last fenced block of it, or else the whole text."""

    schema: Mapping[str, Any] = field(hash=False)
    """JSON Schema, draft 4 to 2020-12. A `$ref` has to lead into the schema itself: nothing is
    fetched."""
    max_characters: int = 200_000
    """Longer JSON is undecided."""
    max_depth: int = 64
    """JSON nested deeper is undecided."""

    def __post_init__(self) -> None:
        if self.max_characters < 1 or not 0 < self.max_depth <= 64:
            raise ConfigError(
                f"max_characters is {self.max_characters} and max_depth {self.max_depth}; give at"
                " least 1, and 1 to 64"
            )
        _ = self._schema

    def check(self, text: str) -> Verdict:
        """Wrong at the place where it is not JSON, or else for the whole of it."""
        start, end = fenced(text) or (0, len(text))
        limits = {"max_characters": self.max_characters, "max_depth": self.max_depth}
        found = read_json("json_schema", text[start:end], start, **limits)
        return (
            self._schema.check("json_schema", found.value, (start, end))
            if isinstance(found, Value)
            else found
        )

    @functools.cached_property
    def _schema(self) -> Schema:
        return Schema.of(self.schema)
