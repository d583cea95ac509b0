"""Is what a program returned what it should have returned? Decided on plain data, outside the program's reach.

Both sides are encodings (`sandbox.inside.codec`), compared as trees: no object is built, no `__eq__` of anybody's
runs, and no set or dict of hostile keys is hashed. Strict in type and value unless told otherwise: True is not 1, 2
is not 2.0, a tuple is not a list.
"""

import json
import math
from dataclasses import dataclass
from typing import Any, Final, Literal

from assay.errors import ConfigError

__all__ = ["Comparison", "same_text"]

_ORDERED: Final = frozenset({"list", "tuple", "deque", "range"})
_UNORDERED: Final = frozenset({"set", "frozenset"})


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """When two results are the same."""

    numbers: Literal["strict", "equal"] = "strict"
    """strict: of the same type. equal: 2 is 2.0; True is still no number."""
    sequences: Literal["strict", "equal"] = "strict"
    """strict: of the same type. equal: (1, 2) is [1, 2], for expected values that come from JSON, which has no
    tuples."""
    absolute: float = 0.0
    """Floats that differ by no more are the same."""
    relative: float = 0.0
    """Floats that differ by no more than this times the expected one are the same."""

    def __post_init__(self) -> None:
        if not (0 <= self.absolute < math.inf and 0 <= self.relative < 1):
            raise ConfigError(
                f"absolute={self.absolute} and relative={self.relative} must be at least 0, relative below 1"
            )

    def same(self, expected: Any, actual: Any) -> bool:
        """Whether two encodings are of the same value. Two NaN are; what is opaque equals nothing."""
        try:
            return self._same(expected, actual)
        except RecursionError:
            return False  # only what is deeper than any encoding gets there

    def _same(self, expected: Any, actual: Any) -> bool:
        one, other = self._tag(expected), self._tag(actual)
        if "opaque" in (one, other):
            return False
        if {one, other} <= {"int", "float"}:
            return (one == other or self.numbers == "equal") and self._close(expected, actual)
        if one != other:
            return False
        if one == "plain":
            return type(expected) is type(actual) and bool(expected == actual)
        if len(expected) != len(actual):
            return False
        if one in _UNORDERED:
            return sorted(map(_key, expected[1:])) == sorted(map(_key, actual[1:]))
        if one == "dict":
            ours, theirs = sorted(expected[1:], key=_first), sorted(actual[1:], key=_first)
            return all(_first(a) == _first(b) and self._same(a[1], b[1]) for a, b in zip(ours, theirs, strict=True))
        if one in _ORDERED:
            return all(self._same(a, b) for a, b in zip(expected[1:], actual[1:], strict=True))
        return bool(expected == actual)

    def _tag(self, data: Any) -> str:
        if isinstance(data, list):
            tag = str(data[0]) if data else "opaque"
            return "list" if self.sequences == "equal" and tag == "tuple" else tag
        if isinstance(data, bool) or not isinstance(data, (int, float)):
            return "plain"
        return "int" if isinstance(data, int) else "float"

    def _close(self, expected: Any, actual: Any) -> bool:
        one, other = _number(expected), _number(actual)
        if one is None or other is None:
            return False
        if isinstance(one, int) and isinstance(other, int):
            return one == other
        if one != one or other != other:
            return one != one and other != other
        if one == other:
            return True
        if math.inf in (abs(one), abs(other)):
            return False  # a share of infinity would be tolerance enough for anything
        try:
            return abs(one - other) <= self.absolute + self.relative * abs(one)
        except OverflowError:
            return False


def same_text(expected: str, actual: str, comparison: Comparison | None = None) -> bool:
    """Whether two outputs are the same: line by line, but for white space at the ends of lines and of the text.

    With a tolerance, or with numbers that may be "equal", words that are numbers are compared as numbers.
    """
    ours = [line.rstrip() for line in expected.strip().split("\n")]
    theirs = [line.rstrip() for line in actual.strip().split("\n")]
    if ours == theirs:
        return True
    if comparison is None or len(ours) != len(theirs):
        return False
    if comparison.numbers == "strict" and not comparison.absolute and not comparison.relative:
        return False
    loose = Comparison(numbers="equal", absolute=comparison.absolute, relative=comparison.relative)
    for line, their_line in zip(ours, theirs, strict=True):
        words, their_words = line.split(), their_line.split()
        if len(words) != len(their_words):
            return False
        for word, their_word in zip(words, their_words, strict=True):
            one, other = _float(word), _float(their_word)
            if word != their_word and (one is None or other is None or not loose.same(one, other)):
                return False
    return True


def _number(data: Any) -> int | float | None:
    try:
        if isinstance(data, list):
            return int(data[1], 16) if data[0] == "int" else float(data[1])
    except (TypeError, ValueError, IndexError):
        return None
    return data if isinstance(data, (int, float)) else None


def _float(word: str) -> float | None:
    try:
        return float(word) if len(word) < 400 else None
    except ValueError:
        return None


def _key(data: Any) -> str:
    """The same for equal data, in whatever order a set or a dict inside it was walked."""
    if not isinstance(data, list) or not data or not isinstance(data[0], str):
        return json.dumps(data)
    tag, *items = data
    if tag == "dict":
        keys = sorted(f"{_first(pair)}: {_key(pair[-1])}" for pair in items if isinstance(pair, list) and pair)
    else:
        keys = [_key(item) for item in items]
    return f"{tag}({', '.join(sorted(keys) if tag in _UNORDERED else keys)})"


def _first(pair: Any) -> str:
    return _key(pair[0]) if isinstance(pair, list) and len(pair) == 2 else ""
