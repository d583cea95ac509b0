r"""Where a response states its final answer: extraction policies as pure functions of the text.

Each lists the places of the text in which it sees an answer, in order; the last one counts. They
run in linear time, whatever the text, and evaluate nothing. `find` tries them in order and says
which one answered, and where:

* `boxed`        complete `\boxed{...}`, by matching braces; one that is never closed does not
                 count, nor "not \boxed{5}"; boxes that commas, "and" or "or" join are one answer of
                 several parts
* `open_box`     the rest of the line after a `\boxed{` left open: for models that forget, not for
cut texts
* `hashes`       `#### x` (GSM8K, arXiv:2110.14168)
* `phrase`       "the answer is x", "Answer: x", a line "A: x", `<answer>x</answer>`, and the same
in other languages
* `field`        the value of a key in JSON, fenced or not: `{"answer": "x"}`
* `choice`       a letter of a multiple choice: "Answer: B", "\boxed{B}", "(B)", or a last line "B."
or "B) because"
* `final_line`   the last line that is not empty
* `last_number`  the last number in the text: for numeric answers alone, because in algebra it is a
guess

What a text marks as reasoning (`<think>...</think>`) is not searched: where nothing is stated
outside of it, nothing is stated. The first policy that finds something decides. A later, weaker one
is not asked because the answer "looks wrong": that would search the text for the reference.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from assay.verifiers.answers.announcements import VALUE, corrects
from assay.verifiers.answers.boxes import boxes, open_boxes
from assay.verifiers.answers.choices import choices
from assay.verifiers.answers.numerals import last_number
from assay.verifiers.answers.places import REACH, Doubt, Place, is_taken_back, stripped
from assay.verifiers.answers.statements import MAX_ANSWER, statements
from assay.verifiers.reasoning import outside_reasoning, without_marks

__all__ = ["POLICIES", "Found", "Policy", "Several", "find"]

Policy = Literal[
    "boxed", "open_box", "hashes", "phrase", "field", "choice", "final_line", "last_number"
]
Several = Literal["last", "refuse"]
"""What a text that states different answers in the same way gets: its last one is judged, or it is
wrong."""

Span = tuple[int, int]
"""Start and end of a place in the text, in characters."""

MAX_FIELDS: Final = 64
"""Fields that are looked at, from the last: a text that repeats one is read in linear time."""

_HASHES: Final = re.compile(r"####[ \t]*+([^\n]*+)")
# Another answer in the sentence behind one: "18. Or maybe 20.", "18, but it could also be 20"
_OR_ELSE: Final = re.compile(
    r"[\s$}\])*.,;!]{1,9}(?i:(?:(?:or|but|however|although|then[ ]again|alternatively)"
    r"[ ,]{1,2}){0,2}(?:(?P<weak>maybe|perhaps|possibly|otherwise[ ,]{1,2}(?:it|the[ ]answer)[ ]is)"
    r"|(?:it|the[ ](?:\w{1,12}[ ])?answer)[ ](?:might|may|could)[ ](?:also[ ]|well[ ]){0,2}be"
    r"|(?P<plain>(?<=or)|(?<=or[ ,])))[ ,:]{0,2}(?:it[ ]is[ ]|it['’]s[ ]|even[ ])?)"
    rf"(?P<value>{VALUE})"
)
# Behind "maybe" a value and hardly more: not "maybe 20 was a trap".
_ALONE: Final = re.compile(
    r"(?!\S{0,12}[ ](?:is|was|are|were|has|had|would|will|may|might|people)\b)(?!\\emph|[\"“])"
    r"[^.\n]{0,16}(?:[.?!\n]|\Z)"
)
_BARE: Final = re.compile(r"\d{1,15}(?![\d%]|[.,/]\d)")
_LETTER: Final = re.compile(r"[*$(\[{]{0,3}[A-Z](?![A-Za-z])")
_NUMERAL: Final = r"((?:(?<![\w)}])-)?(?<![\d.,])\d+(?:[.,]\d+)*+)"
_OPENING: Final = re.compile(r"[\\$({*\s\[]{0,9}(?:boxed\{)?[$\s]{0,2}")
_PRINT: Final = " \t\n$*_.()[]"
# "~~18~~ 20" strikes 18 out.
_STRUCK: Final = re.compile(r"(?<!~)~~(?![~\s])[^~\n]{1,200}~~(?!~)")
_HEADING: Final = re.compile(r"[A-Za-z]{2}|\d+[.)]\s")


@dataclass(frozen=True)
class Found:
    """A final answer, the policy that found it, and where."""

    text: str
    policy: Policy
    span: Span
    earlier: tuple[str, ...] = ()
    """What the same policy sees in places before it: several different ones are a spray."""
    doubt: Doubt = ""
    """Why it is no answer: it is one of several, or was taken back."""


def find(text: str, policies: Iterable[Policy], key: str = "answer") -> Found | None:
    """Return what the first policy that finds anything finds; None when the text states no answer.
    `key` is of `field`."""
    text = _without_struck(without_marks(outside_reasoning(text)))
    for policy in policies:
        if policy == "field":
            fields = _fields(text, key)
            if fields:
                (answer, span), earlier = fields[-1], tuple(value for value, _ in fields[:-1])
                return Found(answer, policy, span, earlier)
        elif places := POLICIES[policy](text):
            last = places[-1]
            earlier = tuple(_said(text, place) for place in places[:-1])
            doubt = last.doubt or _doubt(text, last, policy)
            return Found(_said(text, last), policy, (last.start, last.end), earlier, doubt)
    return None


def _doubt(text: str, place: Place, policy: Policy) -> Doubt:
    """What the text says of a statement right behind it."""
    if policy in ("final_line", "last_number"):
        return ""
    end = place.end
    if policy != "choice" and is_taken_back(text, end):
        return "withdrawn"
    said = text[place.start : end]
    if (corrected := corrects(text, end)) and not _is_again(said, text, corrected):
        return "withdrawn"
    other = _OR_ELSE.match(text, end, min(len(text), end + REACH))
    if other is None or _is_again(said, text, other.start("value")):
        return ""
    if policy == "choice" and not _LETTER.match(text, other.start("value")):
        return ""
    alone = _ALONE.match(text, other.start("value")) is not None
    if other["plain"] is not None:  # "18. Or 18.0", "50 cents. Or $0.50"
        values = _BARE.search(said), _BARE.match(text, other.start("value"))
        return "several" if alone and all(values) else ""
    return "several" if alone or not other["weak"] else ""


def _is_again(said: str, text: str, start: int) -> bool:
    """Return whether what is said, or the number at its end, stands at `start` again."""
    opening = _OPENING.match(text, start)
    rest = text[opening.end() if opening else start :][: len(said) + REACH]
    plain = said.strip(_PRINT)
    if plain and rest.startswith(plain) and not re.match(r"[.,]?\w", rest[len(plain) :]):
        return True
    number = re.search(rf"{_NUMERAL}[^\w.,]{{0,4}}\Z", said[-REACH:])
    again = re.match(rf"{_NUMERAL}(?!\d)", rest)
    return bool(number and again and number[1] == again[1])


def _without_struck(text: str) -> str:
    """The text with blanks for what is struck out, so that every place in it stays what it was."""
    return _STRUCK.sub(lambda struck: " " * len(struck[0]), text) if "~~" in text else text


def _said(text: str, place: Place) -> str:
    return text[place.start : place.end] if place.text is None else place.text


def _open_box(text: str) -> list[Place]:
    """From the last box that is never closed, and holds anything, to the end of its line."""
    for start in reversed(open_boxes(text)[-MAX_FIELDS:]):
        line = text[start : start + MAX_ANSWER].split("\n", 1)[0]
        place = Place(*stripped(text, start, start + len(line.rstrip(" \t\r.$"))))
        if place.start < place.end:
            return [place]
    return []


def _hashes(text: str) -> list[Place]:
    """Return what follows `####`, unless it is a heading of words such as "#### Step 2"."""
    found = [Place(*stripped(text, *match.span(1))) for match in _HASHES.finditer(text)]
    return [
        place
        for place in found
        if place.start < place.end and not _HEADING.match(text, place.start, place.end)
    ]


def _fields(text: str, key: str) -> list[tuple[str, Span]]:
    """Values of a key in JSON; of the last places alone."""
    found: list[tuple[str, Span]] = []
    places = [match.end() for match in re.finditer(rf"{re.escape(json.dumps(key))}\s*:\s*", text)]
    for start in places[-MAX_FIELDS:]:
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
    r"""A JSON string's text. LaTeX whose backslashes were not doubled, such as "\frac12", is taken
    as it stands."""
    raw = string[1]
    if re.search(r"(?<!\\)\\(?:[A-Za-z]{2}|[^\"\\/bfnrtu])", raw):
        return raw
    try:
        return str(json.loads(string[0], strict=False))
    except ValueError:
        return raw


def _final_line(text: str) -> list[Place]:
    end = len(text.rstrip())
    start = text.rfind("\n", 0, end) + 1
    return [Place(*stripped(text, start, end, " \t\r*_`"))] if end else []


POLICIES: Final[Mapping[Policy, Callable[[str], list[Place]]]] = {
    "boxed": boxes,
    "open_box": _open_box,
    "hashes": _hashes,
    "phrase": statements,
    "choice": choices,
    "final_line": _final_line,
    "last_number": last_number,
}
