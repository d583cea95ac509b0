"""Is what a program returned what it should have returned? Decided on plain data, outside the
program's reach.

Both sides are encodings (`sandbox.inside.codec`), compared as trees: no object is built, no
`__eq__` of anybody's runs, and no set or dict of hostile keys is hashed. Strict in type and value
unless told otherwise: True is not 1, 2 is not 2.0, a tuple is not a list.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final, Literal

from assay.errors import ConfigError
from assay.verifiers.answers.closeness import Number, close

__all__ = ["Comparison", "same_text"]

_ORDERED: Final = frozenset({"list", "tuple", "deque", "range"})
_UNORDERED: Final = frozenset({"set", "frozenset"})
_NUMBERS: Final = frozenset({"int", "float", "complex", "Decimal", "Fraction"})
MAX_MATCHED: Final = 100
"""Most items without an order that are tried against each other, where sorting does not bring them
together."""
MAX_NUMBER: Final = 400
"""Longest word that is read as a number."""
_NUMERAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_NOT_FINITE: Final = re.compile(r"[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """When two results are the same."""

    numbers: Literal["strict", "equal"] = "strict"
    """strict: of the same type. equal: 2 is 2.0; True is still no number."""
    sequences: Literal["strict", "equal"] = "strict"
    """strict: of the same type. equal: (1, 2) is [1, 2], for expected values that come from JSON,
    which has no tuples."""
    absolute: float = 0.0
    """Floats, complex numbers and decimals that differ by no more are the same, in sets and dicts
    too."""
    relative: float = 0.0
    """Relative tolerance: numbers that differ by no more than this times the expected one are the
    same."""

    def __post_init__(self) -> None:
        if not (0 <= self.absolute < math.inf and 0 <= self.relative < 1):
            raise ConfigError(
                f"absolute={self.absolute} and relative={self.relative} must be at least 0,"
                " relative below 1"
            )

    def same(self, expected: Any, actual: Any) -> bool:
        """Return whether two encodings are of the same value. Two NaN are; what is opaque equals
        nothing."""
        try:
            return self._same(expected, actual)
        except RecursionError:
            return False  # only what is deeper than any encoding gets there

    @property
    def _loose(self) -> bool:
        return self.numbers == "equal" or self.absolute > 0 or self.relative > 0

    def _same(self, expected: Any, actual: Any) -> bool:
        if type(expected) is type(actual) is not list and expected == actual:
            return True  # most of what is compared: a scalar as it was
        one, other = self._tag(expected), self._tag(actual)
        if "opaque" in (one, other):
            return False
        if one in _NUMBERS and other in _NUMBERS:
            return (one == other or self.numbers == "equal") and self._close(expected, actual)
        if one != other:
            return False
        if one == "plain":
            return type(expected) is type(actual) and bool(expected == actual)
        if len(expected) != len(actual):
            return False
        if one in _UNORDERED:
            return self._pair_off(expected[1:], actual[1:])
        if one == "dict":
            return self._same_dicts(expected[1:], actual[1:])
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
        return close(one, other, self.absolute, self.relative)

    def _same_dicts(self, expected: Sequence[Any], actual: Sequence[Any]) -> bool:
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in (*expected, *actual)):
            return False
        ours, theirs = sorted(expected, key=_first), sorted(actual, key=_first)
        pairs = list(zip(ours, theirs, strict=True))
        if all(_first(a) == _first(b) for a, b in pairs):
            return all(self._same(a[1], b[1]) for a, b in pairs)
        return self._loose and _matched(ours, theirs, self._same_pairs)

    def _same_pairs(self, expected: Any, actual: Any) -> bool:
        return all(self._same(a, b) for a, b in zip(expected, actual, strict=True))

    def _pair_off(self, expected: Sequence[Any], actual: Sequence[Any]) -> bool:
        """Return whether each item of a set is the same as one of the other's. What is there
        exactly pairs with itself."""
        ours, theirs = list(map(_key, expected)), list(map(_key, actual))
        if sorted(ours) == sorted(theirs):
            return True
        if not self._loose:
            return False
        over, lacking = Counter(theirs), Counter(ours)
        over, lacking = over - lacking, lacking - over
        extra = [item for item, key in zip(actual, theirs, strict=True) if _take(over, key)]
        absent = [item for item, key in zip(expected, ours, strict=True) if _take(lacking, key)]
        return _matched(absent, extra, self._same)


def same_text(expected: str, actual: str, comparison: Comparison | None = None) -> bool:
    """Return whether two outputs are the same, line by line, but for white space at the ends of
    lines and blank lines at both ends of the text.

    With a tolerance, or with numbers that may be "equal", words that are numbers are compared as
    numbers; beside one that is written otherwise, the space may be another too.
    """
    ours, theirs = _lines(expected), _lines(actual)
    if ours == theirs:
        return True
    if comparison is None or len(ours) != len(theirs):
        return False
    if comparison.numbers == "strict" and not comparison.absolute and not comparison.relative:
        return False
    return all(_same_line(a, b, comparison) for a, b in zip(ours, theirs, strict=True))


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.removeprefix("\ufeff").split("\n")]
    filled = [index for index, line in enumerate(lines) if line]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def _same_line(expected: str, actual: str, comparison: Comparison) -> bool:
    if expected == actual:
        return True
    # words at even places, what is between them at odd ones; before the first word of an indented
    # line is an empty one
    ours, theirs = re.split(r"(\s+)", expected), re.split(r"(\s+)", actual)
    if bool(ours[0]) != bool(theirs[0]):
        ours, theirs = [["", "", *line] if line[0] else line for line in (ours, theirs)]
    if len(ours) != len(theirs):
        return False
    rewritten = [one != other for one, other in zip(ours, theirs, strict=True)]
    for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one == other:
            continue
        if place % 2:
            if not (rewritten[place - 1] or rewritten[place + 1]):
                return False
            continue
        wanted, given = _numeral(one), _numeral(other)
        if (
            wanted is None
            or given is None
            or not close(wanted, given, comparison.absolute, comparison.relative)
        ):
            return False
    return True


def _numeral(word: str) -> Number | None:
    """The number that a word writes: digits as an integer, else a decimal, exactly."""
    if len(word) > MAX_NUMBER:
        return None
    if _NUMERAL.fullmatch(word):
        return Decimal(word) if re.search("[.eE]", word) else int(word)
    return float(word) if _NOT_FINITE.fullmatch(word) else None


def _number(data: Any) -> Number | None:
    if not isinstance(data, list):
        return data if isinstance(data, (int, float)) else None
    try:
        match data:
            case ["int", str(digits), *_]:
                return int(digits, 16)
            case ["float", str(digits), *_]:
                return float(digits)
            case ["complex", str(real), str(imaginary)]:
                return complex(float.fromhex(real), float.fromhex(imaginary))
            case ["Decimal", str(digits)]:
                return Decimal(digits)
            case ["Fraction", str(top), str(bottom)] if len(top) + len(bottom) < 10_000:
                return Fraction(int(top, 16), int(bottom, 16))
    except (ValueError, OverflowError, ZeroDivisionError, InvalidOperation):
        return None
    return None


def _matched(ours: Sequence[Any], theirs: Sequence[Any], same: Callable[[Any, Any], bool]) -> bool:
    """Return whether the items can be paired so that all pairs are the same."""
    ours, theirs = sorted(ours, key=_rank), sorted(theirs, key=_rank)
    if all(map(same, ours, theirs)):
        return True
    if len(ours) > MAX_MATCHED:
        return False
    fitting = [[place for place, other in enumerate(theirs) if same(one, other)] for one in ours]
    owner: dict[int, int] = {}
    return all(_placed(index, fitting, owner, set()) for index in range(len(ours)))


def _placed(
    index: int, fitting: Sequence[Sequence[int]], owner: dict[int, int], seen: set[int]
) -> bool:
    """Give an item a place that fits it, others moving on where they can (an augmenting path)."""
    for place in fitting[index]:
        if place in seen:
            continue
        seen.add(place)
        if place not in owner or _placed(owner[place], fitting, owner, seen):
            owner[place] = index
            return True
    return False


def _take(counts: Counter[str], key: str) -> bool:
    """Return whether there is still one of them, which is then counted off."""
    counts[key] -= 1
    return counts[key] >= 0


def _rank(data: Any) -> list[tuple[int, float, str]]:
    """Return what sorts data so that numbers near each other come together."""
    number = _number(data)
    if number is not None and not isinstance(data, bool):
        parts = (number.real, number.imag) if isinstance(number, complex) else (number,)
        return [(0, _as_float(part), "") for part in parts]
    if isinstance(data, list):
        return [(2, float(len(data)), ""), *(each for item in data for each in _rank(item))]
    return [(1, 0.0, json.dumps(data))]


def _as_float(number: Any) -> float:
    try:
        found = float(number)
    except (OverflowError, ValueError):
        return math.inf
    return math.inf if math.isnan(found) else found


def _key(data: Any) -> str:
    """The same for equal data, in whatever order a set or a dict inside it was walked."""
    if isinstance(data, float) and data == 0.0:
        return "0.0"  # -0.0 too
    if not isinstance(data, list) or not data or not isinstance(data[0], str):
        return json.dumps(data)
    tag, *items = data
    if tag == "dict":
        keys = sorted(
            f"{_first(pair)}: {_key(pair[-1])}" for pair in items if isinstance(pair, list) and pair
        )
    elif tag == "complex":
        keys = [_key("0x0.0p+0" if part == "-0x0.0p+0" else part) for part in items]
    elif tag == "Decimal":
        keys = [_normal(part) for part in items]
    else:
        keys = [_key(item) for item in items]
    return f"{tag}({', '.join(sorted(keys) if tag in _UNORDERED else keys)})"


def _normal(digits: Any) -> str:
    """A decimal without the zeros at its end, which are no part of its value."""
    number = _number(["Decimal", digits])
    if not isinstance(number, Decimal) or not number.is_finite():
        return json.dumps(digits)
    sign, figures, exponent = number.as_tuple()
    text = "".join(map(str, figures)).lstrip("0")
    kept = text.rstrip("0")
    return f"{sign * bool(kept)} {kept} {int(exponent) + len(text) - len(kept) if kept else 0}"


def _first(pair: Any) -> str:
    return _key(pair[0]) if isinstance(pair, list) and len(pair) == 2 else ""
