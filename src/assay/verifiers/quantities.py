r"""Numbers as people write them, read exactly as fractions.

Integers, decimals, thousands separators (1,000 and 1 000 and 16,80,000), `a/b`, mixed numbers, `\frac{a}{b}`,
scientific notation, number words up to ninety-nine, currency and percent signs, and a unit behind the number. Nothing
is evaluated: "3 + 4" is not a number. Left out on purpose: decimal commas.
"""

import functools
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal

from assay.verifiers.spelling import normalise

__all__ = ["MAX_DIGITS", "Percent", "Quantity", "number", "quantity", "read"]

Percent = Literal["drop", "divide", "strict"]
"""drop: 50% is 50, the way GSM8K's answers are written. divide: 50% is 1/2. strict: 50% is 50% alone."""

MAX_DIGITS: Final = 300
"""Longest number and largest power of ten that are read; beyond them a text is no number: 1e999999999 costs nothing."""

_DIGITS: Final = r"\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d{1,3}(?:[ ]\d{3})+|\d*"
_DECIMAL: Final = re.compile(
    rf"(?P<sign>[-+]?)\s*(?P<whole>{_DIGITS})(?:\.(?P<part>\d*))?"
    r"(?:[eE](?P<exponent>[-+]?\d{1,9})|\s*(?:\\times|\\cdot|[x×*])\s*10\s*\^\s*\{?(?P<power>-?\d{1,9})\}?)?"
)
_RATIO: Final = re.compile(r"(?P<sign>[-+]?)\s*(?:(?P<whole>\d+)\s+)?(?P<top>-?[\d.,]+)\s*/\s*(?P<bottom>-?[\d.,]+)")
_FRAC: Final = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<whole>\d+)?\s*\\frac\s*\{\s*(?P<top>-?[\d.,]+)\s*\}\s*\{\s*(?P<bottom>-?[\d.,]+)\s*\}"
)
_INTEGER: Final = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}")
_MARKED: Final = r"\s*(?P<marked>\\(?:text|mathrm|mbox)\s*\{[^{}]*\}(?:\^\{?[23]\}?)?)"
# Bare letters behind a number are a unit when a space parts them or there are several: "10cm" is 10, "2x" is algebra.
_BARE: Final = r"(?P<bare>\s+[A-Za-z][A-Za-z .'/-]*|[A-Za-z]{2,}|\s*(?:m|[A-Za-z]{2,})\^\{?[23]\}?)"
_UNITS: Final = {
    "any": re.compile(rf"(?P<number>.*[\d}}%])(?:{_MARKED}|{_BARE})"),
    "marked": re.compile(rf"(?P<number>.*[\d}}%])(?:{_MARKED})"),
}
# These words change the value: "5 hundred", "2 and a half", "3 to 4".
_NO_UNIT: Final = re.compile(
    r"\b(?:hundred|thousand|million|billion|trillion|and|or|to|times|plus|minus|over|per ?cent)\b|pi\b"
)
_MAGNITUDE: Final = re.compile(
    r"(?P<number>.*\d)\s*(?:\\text\s*\{\s*)?(?P<word>thousand|million|billion|trillion)\b(?:\s*[A-Za-z]+)?\s*\}?"
)
_POWERS: Final = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_NAMED: Final = re.compile(r"(?:[A-Za-z]\w*|\\text\s*\{[^{}]*\})\s*=\s*(?P<value>[^=]*)")
_HOUR: Final = re.compile(r"(\d{1,2}):00(?:\s*[ap]\.?m\.?)?", re.IGNORECASE)
_CURRENCY: Final = re.compile(r"^([-+]?)\s*[€£¥₹]\s*|\s*[€£¥₹]$")

_TEENS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
).split()
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORDS: Final = (
    {word: value for value, word in enumerate(_TEENS)}
    | {word: 10 * value for value, word in enumerate(_TENS, 2)}
    | {f"{ten}-{one}": 10 * a + b for a, ten in enumerate(_TENS, 2) for b, one in enumerate(_TEENS[1:10], 1)}
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as it is written."""

    value: Fraction
    """Without regard to a percent sign."""
    percent: bool = False
    """Whether it has one."""
    unit: str = ""
    """What stands behind it; "" where nothing does."""
    step: Fraction | None = None
    """One in the last place of a decimal, 1/1000 of 0.333; None for what is no decimal."""


def read(text: str, units: Literal["any", "marked"] = "any") -> Quantity | None:
    r"""A text that is one number, perhaps with a unit: r"18 \text{ cm}", and with "any" also "18 cm" or "x = 18"."""
    if _INTEGER.fullmatch(text):
        return Quantity(Fraction(int(text)))
    return _read(text, units) if len(text) <= 4 * MAX_DIGITS else None


def quantity(text: str, percent: Percent = "drop", units: Literal["any", "marked"] = "any") -> Fraction | None:
    """The value alone."""
    found = read(text, units)
    return None if found is None else _scaled(found, percent)


def number(text: str, percent: Percent = "drop") -> Fraction | None:
    """The exact value of a text that is one number and nothing else; None when it is not, or is too large to read."""
    found = _number(normalise(text)) if len(text) <= 4 * MAX_DIGITS else None
    return None if found is None else _scaled(found, percent)


def _scaled(found: Quantity, percent: Percent) -> Fraction:
    return found.value / 100 if found.percent and percent == "divide" else found.value


@functools.lru_cache(maxsize=1 << 16)
def _read(text: str, units: Literal["any", "marked"]) -> Quantity | None:
    plain = normalise(text)
    if units == "any":
        plain = re.sub(r"\s*\bper ?cent$", "%", plain)
        named = _NAMED.fullmatch(plain)
        plain = named["value"].strip() if named else plain
    if (found := _number(plain)) is not None:
        return found
    if large := _MAGNITUDE.fullmatch(plain):
        found, scale = _number(large["number"]), 10 ** _POWERS[large["word"]]
        return None if found is None else replace(found, value=found.value * scale, step=None)
    unit = _UNITS[units].fullmatch(plain)
    if unit is None or _NO_UNIT.search(plain.lower(), unit.end("number")):
        return None
    found = _number(unit["number"])
    name = unit["marked"] or (unit["bare"] if units == "any" else "")
    return None if found is None else replace(found, unit=(name or "").strip())


def _number(plain: str) -> Quantity | None:
    if (word := _WORDS.get(plain.lower().replace(" ", "-"))) is not None:
        return Quantity(Fraction(word))
    if hour := _HOUR.fullmatch(plain):  # 5:00 pm is 5; 5:30 is no number
        return Quantity(Fraction(int(hour[1])))
    percent = plain.endswith("%")
    plain = _CURRENCY.sub(r"\1", plain.removesuffix("%").rstrip())
    found = _decimal(plain)
    if found is None and (parts := _RATIO.fullmatch(plain) or _FRAC.fullmatch(plain)):
        found = _ratio(**parts.groupdict())
    return replace(found, percent=True) if found is not None and percent else found


def _decimal(text: str) -> Quantity | None:
    match = _DECIMAL.fullmatch(text)
    if match is None or not (match["whole"] or match["part"]):
        return None
    whole, part = re.sub("[, ]", "", match["whole"]).lstrip("0"), match["part"] or ""
    shift = int(match["exponent"] or match["power"] or 0)
    if max(len(whole) + len(part.rstrip("0")), len(part), abs(shift)) > MAX_DIGITS:
        return None
    scale = Fraction(10) ** shift
    value = Fraction(int(whole + part or "0"), 10 ** len(part)) * scale
    step = Fraction(1, 10 ** len(part)) * scale if part else None
    return Quantity(-value if match["sign"] == "-" else value, step=step)


def _ratio(sign: str, whole: str | None, top: str, bottom: str) -> Quantity | None:
    over, under, base = _decimal(top), _decimal(bottom), _decimal(whole or "0")
    if over is None or base is None or under is None or not under.value:
        return None
    value = base.value + over.value / under.value
    return Quantity(-value if sign == "-" else value)
