"""JSON that a model wrote, read with its size, depth and numbers bounded.

What is no JSON is wrong; what is too large to read is undecided. NaN and Infinity, which Python
reads, are no JSON.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

from assay.types import Verdict
from assay.verifiers.rules.texts.judged import judged, shown

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "Value", "fenced", "read_json"]

MAX_CHARACTERS: Final = 1_000_000
MAX_DEPTH: Final = 64
MAX_DIGITS: Final = 300
"""Longest whole number: with it, every number is also a finite float."""

# A string is taken whole, closed or not, and nothing is given back: brackets in it do not count,
# one pass is enough.
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_FENCE: Final = re.compile(r"^ {0,3}(`{3,}+)[ \t]*+([^\n`]*+)$", re.MULTILINE)


@dataclass(frozen=True)
class Value:
    """What was read."""

    value: Any


class _Refused(Exception):
    pass


def read_json(
    stage: str,
    text: str,
    start: int = 0,
    *,
    max_characters: int = MAX_CHARACTERS,
    max_depth: int = MAX_DEPTH,
) -> Value | Verdict:
    """The value that the text is, or the verdict that says why there is none; `start` is its place
    in the response."""
    if len(text) > max_characters:
        return _undecided(stage, f"{len(text):,} characters; at most {max_characters:,} are read")
    if (depth := _depth(text)) > max_depth:
        return _undecided(stage, f"nested {depth:,} deep; at most {max_depth} is read")
    try:
        return Value(json.loads(text, parse_int=_int, parse_float=_float, parse_constant=_constant))
    except _Refused as error:
        return _undecided(stage, str(error))
    except json.JSONDecodeError as error:
        place = start + error.pos
        reason = f"not JSON: {error.msg} at {shown(text[error.pos : error.pos + 20])}"
        return judged(stage, False, reason, (place, start + len(text)))
    except ValueError as error:
        return judged(stage, False, f"not JSON: {error}", (start, start + len(text)))


def fenced(text: str) -> tuple[int, int] | None:
    """Return where the last fenced block marked json is, or else the last that is not marked; an
    open one goes to the end."""
    found: dict[bool, tuple[int, int]] = {}
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif len(fence[1]) >= len(opened[1]) and not fence[2].strip():
            _keep(found, opened, fence.start())
            opened = None
    if opened is not None:
        _keep(found, opened, len(text))
    return found.get(True) or found.get(False)


def _keep(found: dict[bool, tuple[int, int]], opened: re.Match[str], end: int) -> None:
    mark = opened[2].strip().lower()
    if mark in ("json", ""):
        found[mark == "json"] = (min(opened.end() + 1, end), end)


def _depth(text: str) -> int:
    depth = deepest = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in "]}":
            depth -= 1
    return deepest


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise _Refused(f"a number of {len(digits):,} digits; at most {MAX_DIGITS} are read")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _Refused(f"the number {shown(digits)} is too large to read")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")


def _undecided(stage: str, reason: str) -> Verdict:
    return Verdict(outcome="undecided", reason=reason, stage=stage)
