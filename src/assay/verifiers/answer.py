r"""Where a response states its final answer: extraction policies as pure functions of the text.

Each lists the places of the text in which it sees an answer, in order; the last one counts. They run in linear time,
whatever the text, and evaluate nothing. `find` tries them in order and says which one answered, and where:

* `boxed`        complete `\boxed{...}`, by matching braces; one that is never closed does not count
* `open_box`     the rest of the line after a `\boxed{` left open: for models that forget, not for cut texts
* `hashes`       `#### x` (GSM8K, arXiv:2110.14168)
* `phrase`       "the answer is x", "Answer: x" or a line "A: x"
* `field`        the value of a key in JSON, fenced or not: `{"answer": "x"}`
* `choice`       a letter of a multiple choice: "Answer: B", "\boxed{B}", "(B)", or a last line "B." or "B) because"
* `final_line`   the last line that is not empty
* `last_number`  the last number in the text: for numeric answers alone, because in algebra it is a guess

The first policy that finds something decides. A later, weaker one is not asked because the answer "looks wrong": that
would search the text for the reference.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["MAX_ANSWER", "NUMBER", "POLICIES", "Found", "Policy", "Several", "find"]

Policy = Literal["boxed", "open_box", "hashes", "phrase", "field", "choice", "final_line", "last_number"]
Several = Literal["last", "refuse"]
"""What a text that states different answers in the same way gets: its last one is judged, or it is wrong."""

Span = tuple[int, int]
"""Start and end of a place in the text, in characters."""

MAX_ANSWER: Final = 4096
"""Characters of a phrase's or a field's answer that are read."""
MAX_PLACES: Final = 64
"""Phrases that are looked at, from the last: a text that repeats one is read in linear time."""

_BRACE: Final = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_HASHES: Final = re.compile(r"####[ \t]*([^\n]*)")
_HEADING: Final = re.compile(r"[A-Za-z]{2}|\d+[.)]\s")
_PHRASE: Final = re.compile(
    r"\banswer\b[*_]{0,2}[ \t]*(?:is|:|=)[*_]{0,2}[ \t]*:?|^[ \t]*A:", re.IGNORECASE | re.MULTILINE
)
_DRESS: Final = re.compile(r"[ \t\r\n*_`:]*")
_SENTENCE: Final = re.compile(r"(?:[^.\n]|[.](?!\s|$)|(?:(?<=Mr)|(?<=Mrs)|(?<=Ms)|(?<=Dr))[.])*")
_INLINE: Final = re.compile(r"\$([^$]+)\$(?!\d)|\\\((.*?)\\\)")
_LETTER: Final = re.compile(r"[\s$({\[*]*(?:\\(?:text|textbf|mathrm|mathbf)\s*\{)?[\s({\[]*([A-Ja-j])[\s)}\].:$*]*")
_CHOSEN: Final = re.compile(
    r"\b(?i:answer|choice|option)\b[*_]{0,2}[ \t]*(?:is|:|=)?[*_]{0,2}[ \t]*:?[*_\s]{0,9}(?:(?i:option|choice)[ \t]+)?"
    r"(?:[(\[]([A-Ja-j])[)\]]|[*_$]{0,2}([A-J])(?![\w'’(^=+-])(?![ \t]+(?!because|since|as\b|which|or\b)[a-z]))"
)
_PARENTHESES: Final = re.compile(r"(?<!\w)\(([A-Ja-j])\)(?!\w)")
_LINE_LETTER: Final = re.compile(r"[\s*]*(?:([A-J])[*\s]*|([A-J])[.):](?:[\s*].*)?)")

_UNSIGNED: Final = (
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,2}(?:,\d{2})+,\d{3}(?!\d)|\d{1,3}(?:[ ]\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
)
NUMBER: Final = re.compile(
    rf"""(?:(?<![\w)}}\]])[-−])?                    # a sign, but not the minus of "16 - 3" or "16-3"
    (?:\\?\$-?)?
    (?<!\d:)(?<!\d:\d)                              # not the minutes of 2:10
    (?:\d{1, 2}:00(?!\d)                             # a whole hour
      |\\[dt]?frac\{{-?\d+\}}\{{\d+\}}
      |\d+[ ]\d+/\d+(?![\d/])                      # 1 1/2
      |(?:{_UNSIGNED})/\d+(?![\d/])                # 3/4, but not the date 3/4/25
      |(?:{_UNSIGNED})(?:[eE][-+]?\d+(?!\w))?)
    (?!\d*:\d)                                      # nor its hour
    (?:[ ]?\\?%)?""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Found:
    """A final answer, the policy that found it, and where."""

    text: str
    policy: Policy
    span: Span
    earlier: tuple[str, ...] = ()
    """What the same policy sees in places before it: several different ones are a spray."""


def find(text: str, policies: Iterable[Policy], key: str = "answer") -> Found | None:
    """What the first policy that finds anything finds; None when the text states no answer. `key` is of `field`."""
    for policy in policies:
        if policy == "field":
            fields = _fields(text, key)
            if fields:
                (answer, span), earlier = fields[-1], tuple(value for value, _ in fields[:-1])
                return Found(answer, policy, span, earlier)
        elif places := POLICIES[policy](text):
            *before, (start, end) = places
            return Found(text[start:end], policy, (start, end), tuple(text[a:b] for a, b in before))
    return None


def _boxed(text: str) -> list[Span]:
    r"""The contents of complete boxes, the outer of nested ones; `\{` and `\}` are characters, not brackets."""
    return _boxes(text)[0]


def _boxes(text: str) -> tuple[list[Span], list[int]]:
    """Complete boxes, and the starts of those that are never closed."""
    starts: list[tuple[bool, int]] = []
    found: list[Span] = []
    if "boxed" not in text and "fbox" not in text:
        return [], []
    for token in _BRACE.finditer(text):
        match token.group():
            case "{":
                starts.append((False, token.end()))
            case "}":
                if starts:
                    is_box, start = starts.pop()
                    if is_box:
                        while found and found[-1][0] >= start:
                            found.pop()
                        found.append(_stripped(text, start, token.start()))
            case word if word.endswith("{") and len(word) > 2:
                starts.append((True, token.end()))
            case _:
                continue
    return found, [start for is_box, start in starts if is_box]


def _open_box(text: str) -> list[Span]:
    """From a box that is never closed to the end of its line."""
    found = []
    for start in _boxes(text)[1]:
        line = text[start : start + MAX_ANSWER].split("\n", 1)[0]
        found.append(_stripped(text, start, start + len(line.rstrip(" \t\r.$"))))
    return [(start, end) for start, end in found if start < end][-1:]


def _hashes(text: str) -> list[Span]:
    """What follows `####`, unless it is a heading of words such as "#### Step 2"."""
    found = [_stripped(text, *match.span(1)) for match in _HASHES.finditer(text)]
    return [(start, end) for start, end in found if start < end and not _HEADING.match(text, start, end)]


def _phrase(text: str) -> list[Span]:
    """What follows "answer is", "answer:" or a line-starting "A:", to the end of its sentence; the last 64 places."""
    found = []
    for match in list(_PHRASE.finditer(text))[-MAX_PLACES:]:
        limit = min(len(text), match.end() + MAX_ANSWER)
        dress = _DRESS.match(text, match.end(), limit)
        start = dress.end() if dress else match.end()
        if inline := _INLINE.match(text, start, text.find("\n", start, limit) if "\n" in text[start:limit] else limit):
            found.append(_stripped(text, *inline.span(1 if inline[1] is not None else 2)))
        elif sentence := _SENTENCE.match(text, start, limit):
            found.append(_stripped(text, start, sentence.end(), " \t\r*_`"))
    return [(start, end) for start, end in found if start < end]


def _fields(text: str, key: str) -> list[tuple[str, Span]]:
    """Values of a key in JSON; of the last places alone."""
    found: list[tuple[str, Span]] = []
    places = [match.end() for match in re.finditer(rf"{re.escape(json.dumps(key))}\s*:\s*", text)]
    for start in places[-MAX_PLACES:]:
        value = text[start : start + MAX_ANSWER]
        if string := re.match(r'"((?:[^"\\]|\\.)*)"', value, re.DOTALL):
            span = (start + 1, start + string.end() - 1)
            found.append((_unescaped(string), span))
            continue
        try:
            read, end = json.JSONDecoder().raw_decode(value)
        except (ValueError, RecursionError):
            continue
        if read is not None:
            found.append((value[:end], (start, start + end)))
    return [(answer.strip(), span) for answer, span in found if answer.strip()]


def _unescaped(string: re.Match[str]) -> str:
    r"""A JSON string's text. LaTeX whose backslashes were not doubled, such as "\frac12", is taken as it stands."""
    raw = string[1]
    if re.search(r"(?<!\\)\\(?:[A-Za-z]{2}|[^\"\\/bfnrtu])", raw):
        return raw
    try:
        return str(json.loads(string[0], strict=False))
    except ValueError:
        return raw


def _choice(text: str) -> list[Span]:
    """The letter, A to J, in the strongest of the places that hold one."""
    if boxes := [box for start, end in _boxed(text) if (box := _LETTER.fullmatch(text, start, end))]:
        return [box.span(1) for box in boxes]
    if chosen := list(_CHOSEN.finditer(text)):
        return [match.span(1 if match[1] else 2) for match in chosen]
    if whole := (_LETTER.fullmatch(text) if len(text) < 64 else None):
        return [whole.span(1)]
    for start, end in _final_line(text):
        if line := _LINE_LETTER.fullmatch(text, start, end):
            return [line.span(1 if line[1] else 2)]
        return [match.span(1) for match in _PARENTHESES.finditer(text)]
    return []


def _final_line(text: str) -> list[Span]:
    end = len(text.rstrip())
    start = text.rfind("\n", 0, end) + 1
    return [_stripped(text, start, end, " \t\r*_`")] if end else []


def _last_number(text: str) -> list[Span]:
    """The last number written in digits; the minus of a difference such as "16 - 3" is not a sign."""
    last = None
    for last in NUMBER.finditer(text):  # noqa: B007
        pass
    return [last.span()] if last else []


def _stripped(text: str, start: int, end: int, dress: str | None = None) -> Span:
    """The place without what surrounds its text: white space, or the characters of `dress`."""
    part = text[start:end]
    kept = part.lstrip(dress)
    start += len(part) - len(kept)
    return start, start + len(kept.rstrip(dress))


POLICIES: Final[Mapping[Policy, Callable[[str], list[Span]]]] = {
    "boxed": _boxed,
    "open_box": _open_box,
    "hashes": _hashes,
    "phrase": _phrase,
    "choice": _choice,
    "final_line": _final_line,
    "last_number": _last_number,
}
