"""Numbers with what stands behind them: 5 cm, 5 apples, 3 h 30 min, and "5 is wrong", which is not
5."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from assay.verifiers.answers.quantities import Quantity, split
from assay.verifiers.answers.units import Behind, behind, convert, is_unit, plain

__all__ = ["Measure", "measured"]

MAX_LENGTH: Final = 400
"""Characters of a number with its unit that are read."""

_ONE_LETTER: Final = re.compile(r"(?P<number>.*\d)(?P<space>\s*)(?P<unit>[mglhstMGLHST])")
_WORD: Final = re.compile(r"(?<!\\)\b[A-Za-z]{3,}|\\text")
_PART: Final = re.compile(
    r"(?P<number>\d+(?:\.\d+)?(?:/\d+)?)\s*(?P<unit>[A-Za-z]+|''|'|\")\s*(?:,|and\b)?\s*"
)
_ADHERENT: Final = frozenset("mm cm dm km kg ft lb hr".split())
"""Short units that may stand at a number without a space; others, such as mg or ha, are letters
there."""
_PRIMES: Final = {"'": "ft", "''": "in", '"': "in"}


@dataclass(frozen=True, slots=True)
class Measure:
    """A number and what its unit is."""

    quantity: Quantity
    behind: Behind


def measured(text: str, beside: str = "") -> Measure | None:
    """A normalised text that begins with a number; None for what may be algebra, such as 5x.

    One letter behind a number is a unit where a space parts them, or beside something that has one:
    10m, beside 10cm.
    """
    if len(text) > MAX_LENGTH:
        return None
    if letter := _ONE_LETTER.fullmatch(text):
        return _with_letter(text, letter, beside)
    parts = split(text)
    if parts is None:
        return _compound(text)
    found, tail = replace(parts[0], unit=parts[1]), parts[1]
    if (
        tail == parts[0].unit or not text.endswith(tail) or tail.startswith("\\")
    ):  # none, a currency, or marked
        return Measure(found, behind(tail))
    kind = behind(tail)
    spaced = text[: -len(tail)].endswith(" ")
    if re.fullmatch(r"[A-Za-z](?: [A-Za-z])*", tail):  # 5 n m is algebra
        return None
    if (kind == "unit" and (spaced or len(tail) > 2 or tail in _ADHERENT)) or (
        spaced and (kind != "words" or _WORD.search(tail))
    ):
        return Measure(found, kind)
    return _compound(text)


def _with_letter(text: str, letter: re.Match[str], beside: str) -> Measure | None:
    other = split(beside) if beside else None
    named = other is not None and len(plain(other[1])) > 1 and is_unit(other[1])
    number = split(letter["number"].rstrip())
    if number is None or not (letter["space"] or named):
        return None
    return Measure(replace(number[0], unit=letter["unit"]), "unit")


def _compound(text: str) -> Measure | None:
    """3 h 30 min, 5 feet 6 inches, 5'6'': parts of one kind, each of a smaller unit, in the first
    one's unit."""
    flat = plain(text)
    parts, end = [], 0
    while end < len(flat):
        part = _PART.match(flat, end)
        if part is None:
            return None
        parts.append(part)
        end = part.end()
    if not parts:
        return None
    first = _PRIMES.get(parts[0]["unit"], parts[0]["unit"])
    total, before = Fraction(0), None
    for part in parts:
        factor = convert(_PRIMES.get(part["unit"], part["unit"]), first)
        if (
            factor is None
            or factor is False
            or not is_unit(first)
            or (before is not None and factor >= before)
        ):
            return None
        total, before = total + Fraction(part["number"]) * factor, factor
    if len(parts) == 1 and parts[0]["unit"] not in _PRIMES:
        return None
    # A prime may be a derivative's: it is taken for feet beside a length alone.
    return Measure(
        Quantity(total, unit=first), "unknown" if parts[0]["unit"] in _PRIMES else "unit"
    )
