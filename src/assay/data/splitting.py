"""Cut a response into steps, by a policy that has a name.

What a step is decides what a process model learns, so nothing is guessed: each policy is a value whose fields are its
settings. A policy says where steps end; the text between two ends is a step, whatever it holds, so that steps always
join to the text exactly. White space goes with the step before it, and what is nothing but white space is not a step of
its own.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from assay.errors import ConfigError
from assay.types import Response

__all__ = [
    "SPLITTERS",
    "AlreadySplit",
    "BlankLine",
    "Latex",
    "Newline",
    "Numbered",
    "Pattern",
    "Sentence",
    "SplitReport",
    "Words",
    "report",
    "resplit",
]


@dataclass(frozen=True, kw_only=True)
class AlreadySplit:
    """Leave a text as one step: whoever wrote it has split it, or nobody should."""

    def __call__(self, text: str) -> tuple[str, ...]:
        """The text."""
        return _cut(text, [])


@dataclass(frozen=True, kw_only=True)
class BlankLine:
    """A step ends at a blank line, as in PRM800K-like and most long-reasoning data."""

    def __call__(self, text: str) -> tuple[str, ...]:
        """Paragraphs, each with the blank lines after it."""
        return _cut(text, _blank_lines(text))


@dataclass(frozen=True, kw_only=True)
class Newline:
    """A step ends with its line, as in Math-Shepherd and GSM8K."""

    def __call__(self, text: str) -> tuple[str, ...]:
        """Lines, each with what ends it."""
        return _cut(text, [m.end() for m in re.finditer(r"\n+", text)])


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """A step begins at a heading that counts: "Step 3:", "**Step 3.**", "### Step 3 - ..."."""

    word: str = "Step"
    """The word before the number."""

    def __call__(self, text: str) -> tuple[str, ...]:
        """Steps from heading to heading; what stands before the first is a step, too."""
        heading = rf"^[ \t]*[#*>\- \t]*{re.escape(self.word)}[ \t]+\d+\b"
        return _cut(text, [m.start() for m in re.finditer(heading, text, re.MULTILINE | re.IGNORECASE)])


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A step ends with its sentence or its line. Numbers such as 3.14 or "1. " and common abbreviations end none."""

    def __call__(self, text: str) -> tuple[str, ...]:
        """Sentences, each with the white space after it."""
        ends = [m.end() for m in re.finditer(r"\n+", text)]
        for stop in re.finditer(r"[.!?]+[\"')\]]*\s+", text):
            before = text[: stop.start()].rsplit(maxsplit=1)
            word = before[-1].lstrip("(\"'[") if before and not text[: stop.start()][-1:].isspace() else ""
            begins_line = text[: stop.start() - len(word)].rpartition("\n")[2].strip() == ""
            item = word.isdigit() and begins_line
            if stop.group().startswith(".") and (item or word.lower() in _ABBREVIATIONS):
                continue
            ends.append(stop.end())
        return _cut(text, ends)


@dataclass(frozen=True, kw_only=True)
class Latex:
    r"""A step ends at a blank line, but never inside \[...\], $$...$$ or a LaTeX environment."""

    def __call__(self, text: str) -> tuple[str, ...]:
        """Paragraphs whose displays are whole; one that never closes holds nothing together."""
        spans = [m.span() for m in _DISPLAY.finditer(text)]
        spans += _environments(text)
        return _cut(text, [end for end in _blank_lines(text) if not any(a < end < b for a, b in spans)])


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A step ends after every match of a regular expression of your own."""

    pattern: str = r"\n\n"
    """Python's syntax; a match that is empty ends nothing."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ConfigError(f"{self.pattern!r} is not a regular expression: {error}") from error

    def __call__(self, text: str) -> tuple[str, ...]:
        """What stands between matches, each match at the end of its step."""
        return _cut(text, [m.end() for m in re.finditer(self.pattern, text) if m.group()])


@dataclass(frozen=True, kw_only=True)
class Words:
    """A step is a fixed number of words: blind to meaning, the same for every writer."""

    count: int = 50
    """Words a step."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"count is {self.count}; a step needs at least 1 word")

    def __call__(self, text: str) -> tuple[str, ...]:
        """Runs of so many words; the last one may be shorter."""
        words = [m.end() for m in re.finditer(r"\S+\s*", text)]
        return _cut(text, words[self.count - 1 :: self.count])


SPLITTERS: Final[Mapping[str, Callable[..., Callable[[str], tuple[str, ...]]]]] = {
    "already-split": AlreadySplit,
    "blank-line": BlankLine,
    "latex": Latex,
    "newline": Newline,
    "numbered": Numbered,
    "pattern": Pattern,
    "sentence": Sentence,
    "words": Words,
}
"""Name -> policy."""


@dataclass(frozen=True, kw_only=True)
class SplitReport:
    """How responses were cut: a policy that does not fit shows here."""

    responses: int
    """Responses with any text."""
    one_step: int
    """Of these, those that came out as one step: the policy found nothing to cut."""
    mean: float
    """Steps a response."""
    quantiles: tuple[int, int, int, int, int]
    """Steps a response: least, first quarter, median, third quarter, most."""
    longest: int
    """Characters of the longest step."""


def report(responses: Iterable[Response]) -> SplitReport:
    """Steps of responses, counted."""
    counts, longest = [], 0
    for response in responses:
        if response.text:
            counts.append(len(response.steps))
            longest = max(longest, *map(len, response.steps))
    quantiles = np.quantile(counts or [0], [0, 0.25, 0.5, 0.75, 1], method="nearest").astype(int).tolist()
    return SplitReport(
        responses=len(counts),
        one_step=counts.count(1),
        mean=float(np.mean(counts)) if counts else 0.0,
        quantiles=tuple(quantiles),
        longest=longest,
    )


def resplit(response: Response, split: Callable[[str], Sequence[str]]) -> Response:
    """The same text in other steps."""
    return response.model_copy(update={"steps": tuple(split(response.text))})


_ABBREVIATIONS = {
    "al", "approx", "cf", "dr", "e.g", "eq", "eqs", "etc", "fig", "i.e", "mr", "mrs", "ms", "prof", "resp", "sec", "vs",
}  # fmt: skip

_DISPLAY = re.compile(r"\\\[.*?\\\]|\$\$.*?\$\$", re.DOTALL)


def _blank_lines(text: str) -> list[int]:
    """Where the white space of each blank line ends."""
    return [m.end() for m in re.finditer(r"\n[^\S\n]*\n\s*", text)]


def _environments(text: str) -> list[tuple[int, int]]:
    """Spans of whole outermost environments, nested ones within them."""
    spans: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    for m in re.finditer(r"\\(begin|end)\{([^}]*)\}", text):
        if m.group(1) == "begin":
            opened.append((m.group(2), m.start()))
        elif any(name == m.group(2) for name, _ in opened):
            # What was opened within it and never closed is closed with it.
            while (top := opened.pop())[0] != m.group(2):
                pass
            spans.append((top[1], m.end()))
    return spans


def _cut(text: str, ends: Iterable[int]) -> tuple[str, ...]:
    """The text cut at these places; pieces of white space alone join the step before, or the first one after."""
    places = sorted({0, len(text), *ends})
    pieces = [text[a:b] for a, b in pairwise(places)]
    steps: list[str] = []
    for piece in pieces:
        if steps and (not piece.strip() or not steps[-1].strip()):
            steps[-1] += piece
        else:
            steps.append(piece)
    return tuple(steps)
