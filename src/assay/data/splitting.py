"""Cut a response into steps, by a policy that has a name.

What a step is decides what a process model learns, so nothing is guessed: each policy is a value
whose fields are its settings. A policy says where steps end; the text between two ends is a step,
whatever it holds, so that steps always join to the text exactly. White space goes with the step
before it, and what is nothing but white space is not a step of its own.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

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
    "Tokens",
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
        # Without marks before or after it ("Step 1 gives 3, so") it is a sentence.
        named = rf"{re.escape(self.word)}[ \t]+\d+"
        heading = (
            rf"^[ \t>]*(?:#+[ \t]*[*_]*{named}\b|(?:[-*][ \t]+)?[*_]*{named}(?:[*_]+|["
            r" \t]*(?:[:)–—-]|\.(?!\d)|\r?$)))"
        )
        return _cut(
            text, [m.start() for m in re.finditer(heading, text, re.MULTILINE | re.IGNORECASE)]
        )


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A step ends with its sentence or its line. Numbers such as 3.14 or "1. " and common
    abbreviations end none."""

    def __call__(self, text: str) -> tuple[str, ...]:
        """Sentences, each with the white space after it."""
        ends = [m.end() for m in re.finditer(r"\n+", text)]
        for stop in re.finditer(r"(?<![.!?])[.!?]+(?:[\"')\]$]|\\[)\]])*\s+", text):
            # What stands before it in its line, as far as an abbreviation or an initial's name may
            # reach.
            line = text[max(0, stop.start() - _REACH) : stop.start()].rpartition("\n")[2]
            if not (
                stop.group().startswith(".")
                and _ends_no_sentence(line, text[stop.end() : stop.end() + 1])
            ):
                ends.append(stop.end())
        return _cut(text, ends)


@dataclass(frozen=True, kw_only=True)
class Latex:
    r"""A step ends at a blank line, but never inside \[...\], $$...$$ or a LaTeX environment."""

    def __call__(self, text: str) -> tuple[str, ...]:
        """Paragraphs whose displays are whole; one that never closes holds nothing together."""
        held = [0] * (len(text) + 1)
        for start, end in _displays(text):
            held[start + 1] += 1
            held[end] -= 1
        open_at = [*accumulate(held)]
        return _cut(text, [end for end in _blank_lines(text) if not open_at[end]])


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A step ends after every match of a regular expression of your own, or begins at it."""

    pattern: str = r"\n\n"
    """Python's syntax; a match that is empty cuts nothing."""
    begins: bool = False
    """A match begins a step instead of ending the one before."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ConfigError(f"{self.pattern!r} is not a regular expression: {error}") from error

    def __call__(self, text: str) -> tuple[str, ...]:
        """Return what stands between matches, each match at the end of its step, or at the
        beginning of the next."""
        found = [m.span() for m in re.finditer(self.pattern, text) if m.group()]
        return _cut(text, [start if self.begins else end for start, end in found])


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


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """A step is a fixed number of a tokenizer's tokens; not under a name, for it holds a
    tokenizer."""

    starts: Callable[[str], Sequence[int]]
    """Where each token of a text begins, in characters. With a fast tokenizer of transformers:
    `lambda text: [start for start, _ in tokenizer(text, add_special_tokens=False,
    return_offsets_mapping=True)["offset_mapping"]]`."""
    count: int = 64
    """Tokens a step."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"count is {self.count}; a step needs at least 1 token")

    def __call__(self, text: str) -> tuple[str, ...]:
        """Runs of so many tokens, never inside a character; the last one may be shorter."""
        return _cut(text, self.starts(text)[self.count :: self.count])


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
    """Those of them that came out as one step: the rule found nothing to cut."""
    mean: float
    """Steps a response."""
    quantiles: tuple[int, int, int, int, int]
    """Steps a response: least, first quarter, median, third quarter, most."""
    longest: int
    """Characters of the longest step."""

    def __str__(self) -> str:
        """Put the counts into a sentence."""
        least, first, median, third, most = self.quantiles
        return (
            f"{self.responses:,} responses, {self.mean:.1f} steps each (least {least}, quartiles"
            f" {first}, {median}, {third}, most {most}); {self.one_step:,} came out as one step;"
            f" the longest step has {self.longest:,} characters"
        )


def report(responses: Iterable[Response]) -> SplitReport:
    """Steps of responses, counted."""
    counts, longest = [], 0
    for response in responses:
        if response.text:
            counts.append(len(response.steps))
            longest = max(longest, *map(len, response.steps))
    ordered = sorted(counts) or [0]
    least, first, median, third, most = (
        ordered[round(q * (len(ordered) - 1))] for q in (0, 0.25, 0.5, 0.75, 1)
    )
    return SplitReport(
        responses=len(counts),
        one_step=counts.count(1),
        mean=sum(counts) / len(counts) if counts else 0.0,
        quantiles=(least, first, median, third, most),
        longest=longest,
    )


def resplit(response: Response, split: Callable[[str], Sequence[str]]) -> Response:
    """The same text in other steps. A response without text, one that is `AlreadySplit` and a
    trajectory stay as they are."""
    if isinstance(split, AlreadySplit) or not response.text or response.turns:
        return response
    return response.model_copy(update={"steps": tuple(split(response.text))})


_ABBREVIATIONS = {
    "approx",
    "cf",
    "dr",
    "e.g",
    "i.e",
    "mr",
    "mrs",
    "ms",
    "prof",
    "resp",
    "s.t",
    "viz",
    "vs",
    "w.r.t",
}
"""Words whose point ends no sentence."""
_BEFORE_NUMBER = {
    "ch",
    "def",
    "eq",
    "eqn",
    "eqs",
    "fig",
    "figs",
    "lem",
    "no",
    "nos",
    "p",
    "pp",
    "prop",
    "sec",
    "thm",
    "vol",
}
"""The same, before a number or a bracket: "the answer is no. Then" is a sentence's end."""
_BEFORE_LOWER = {"a.m", "al", "etc", "p.m", "u.k", "u.s"}
"""The same, where the text goes on in lower case."""
_REACH = 48
"""Characters looked at before a point."""
_INITIAL = re.compile(r"(?:^|(?:^|\s)[A-Z][\w.]*\s+)[A-Z]$")
"""A capital on its own that begins the line or follows a name: "George W", but not "the line meets
C"."""

_MARK = re.compile(r"\\\\|\\\$|(\\\[)|(\\\])|(\$)|\\(begin|end)\{([^{}\n]*)\}")
"""What opens or closes mathematics. A row's break (two backslashes) or an escaped dollar is read
over."""


def _ends_no_sentence(line: str, after: str) -> bool:
    """Return whether a point after this line, and before this character, belongs to a number, an
    abbreviation or a name."""
    word = "" if line[-1:].isspace() else (line.split() or [""])[-1].lstrip("(\"'[")
    name = word.lower()
    return (
        (word.isdecimal() and line.strip() == word)
        or name in _ABBREVIATIONS
        or (name in _BEFORE_NUMBER and (after.isdecimal() or after in ("(", "[", "$", "\\")))
        or (name in _BEFORE_LOWER and after.islower())
        or _INITIAL.search(line) is not None
    )


def _blank_lines(text: str) -> list[int]:
    """Return where the white space of each blank line ends."""
    return [m.end() for m in re.finditer(r"\n[^\S\n]*\n\s*", text)]


def _displays(text: str) -> list[tuple[int, int]]:
    r"""Spans of \[...\], $$...$$ and environments that close; they may lie within each other. One
    pass."""
    spans: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    depth: Counter[str] = Counter()
    after = 0
    for mark in _MARK.finditer(text):
        if mark.start() < after:
            continue
        bracket, close, dollar, environment, name = mark.groups()
        if dollar:
            if not text.startswith("$$", mark.start()):
                after = _end_of_inline(text, mark.end())
                continue
            kind, opens, after = "$$", not depth["$$"], mark.start() + 2
        elif bracket or close:
            kind, opens = "[", bool(bracket)
        elif environment:
            kind, opens = f"{{{name}", environment == "begin"
        else:
            continue
        if opens:
            opened.append((kind, mark.start()))
            depth[kind] += 1
        elif depth[kind]:
            # What was opened within it and never closed holds nothing together.
            while True:
                top, start = opened.pop()
                depth[top] -= 1
                if top == kind:
                    break
            spans.append((start, max(mark.end(), after)))
    return spans


_INLINE = re.compile(r"(?:[^$\\\n]|\\.|\n(?![^\S\n]*\n))*\$")


def _end_of_inline(text: str, start: int) -> int:
    """Return where mathematics within a line of text, opened before `start`, ends; `start` where it
    does
    not: a price."""
    found = _INLINE.match(text, start)
    return found.end() if found else start


def _cut(text: str, ends: Iterable[int]) -> tuple[str, ...]:
    """The text cut at these places; pieces of white space alone join the step before, or the first
    one after."""
    if not text:
        return ()
    places = sorted({0, len(text), *ends})
    starts = [a for a, b in pairwise(places) if not text[a:b].isspace()]
    return tuple(text[a:b] for a, b in pairwise([0, *starts[1:], len(text)]))
