r"""Boxes of LaTeX: `\boxed{...}`, by matching braces."""

import re
from typing import Final, NamedTuple

from assay.verifiers.answers.places import Doubt, Place, is_denied, stripped

__all__ = ["boxes", "open_boxes"]

REACH: Final = 40
"""Characters between two boxes that are looked at for what joins them."""

_BRACE: Final = re.compile(r"\\(?:boxed|fbox)\s*+\{|\\.|[{}]", re.DOTALL)
_PRINT: Final = re.compile(r"\\[()\[\],;:! ]|\\(?:q?quad|text|mathrm)|[{}$~\s]+")
_JOIN: Final = re.compile(
    r"[,;&]|,? ?(?:and/or|and|or|und|oder|et|ou|y|o)(?P<doubt> maybe| perhaps| possibly)?", re.I
)
_DOUBT: Final = re.compile(r",? ?(?:maybe|perhaps|possibly)", re.I)


class _Box(NamedTuple):
    macro: int
    start: int
    end: int
    """Span of the contents."""


def boxes(text: str) -> list[Place]:
    r"""Complete boxes, the outer of nested ones; `\{` and `\}` are characters, not brackets.

    A box that is denied ("not \boxed{5}") states nothing. Boxes joined by commas, "and" or "or" are
    one place.
    """
    found: list[Place] = []
    before: _Box | None = None
    for box in _matched(text)[0]:
        if is_denied(text, box.macro, box.end + 1):
            before = None
            continue
        place = Place(*stripped(text, box.start, box.end))
        joined = _join(text, found[-1], before, box) if before else None
        if joined:
            found[-1] = joined
        else:
            found.append(place)
        before = box
    return found


def _join(text: str, one: Place, before: _Box, box: _Box) -> Place | None:
    """The place of an answer in several boxes; None where the next box is an answer of its own."""
    if box.macro - before.end > REACH:
        return None
    between = _PRINT.sub(" ", text[before.end + 1 : box.macro]).strip()
    join = _JOIN.fullmatch(between)
    if not join and not _DOUBT.fullmatch(between):
        return None
    start, end = stripped(text, box.start, box.end)
    first, second = one.text or text[one.start : one.end], text[start:end]
    if first == second:
        return Place(start, end)
    doubt: Doubt = "several" if join is None or join["doubt"] else one.doubt
    return Place(
        one.start, end, doubt, f"{first}{' or ' if 'or' in between.lower() else ', '}{second}"
    )


def open_boxes(text: str) -> list[int]:
    """The places behind boxes that are never closed."""
    return _matched(text)[1]


def _matched(text: str) -> tuple[list[_Box], list[int]]:
    """Complete boxes, and the starts of those that are never closed."""
    starts: list[tuple[int | None, int]] = []
    found: list[_Box] = []
    if "boxed" not in text and "fbox" not in text:
        return [], []
    for token in _BRACE.finditer(text):
        match token.group():
            case "{":
                starts.append((None, token.end()))
            case "}":
                if starts:
                    macro, start = starts.pop()
                    if macro is not None:
                        while found and found[-1].start >= start:
                            found.pop()
                        found.append(_Box(macro, start, token.start()))
            case word if word.endswith("{") and len(word) > 2:
                starts.append((token.start(), token.end()))
            case _:
                continue
    return found, [start for macro, start in starts if macro is not None]
