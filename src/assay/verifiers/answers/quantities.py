r"""Numbers as people write them, read exactly as fractions.

Integers, decimals, thousands separators (1,000 and 1 000 and 16,80,000 and 1.234.567), `a/b`, mixed
numbers, `\frac{a}{b}`, scientific notation, powers of ten, repeating decimals, number words,
ordinals, currency and percent signs, and a unit behind the number. Nothing is evaluated: "3 + 4" is
not a number. Left out on purpose: decimal commas, but for 1.234,5, which can be nothing else.
"""

import functools
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal

from assay.verifiers.answers.numberwords import MULTIPLES, fraction_word, ordinal, spoken
from assay.verifiers.answers.spelling import normalise
from assay.verifiers.answers.units import changes_value

__all__ = ["MAX_DIGITS", "Percent", "Quantity", "number", "quantity", "read", "split"]

Percent = Literal["drop", "divide", "strict"]
"""drop: 50% is 50, the way GSM8K's answers are written. divide: 50% is 1/2. strict: 50% is 50%
alone."""

MAX_DIGITS: Final = 300
"""Longest number and largest power of ten that are read; beyond them a text is no number:
1e999999999 costs nothing."""

_DIGITS: Final = r"[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3}|[1-9]\d{0,2}(?:[ ]\d{3})+|\d*"
_DECIMAL: Final = re.compile(
    rf"(?P<sign>[-+]?)\s*(?P<whole>{_DIGITS})(?:\.(?P<part>\d*))?"
    r"(?:[eE](?P<exponent>[-+]?\d{1,9})|\s*(?:\\times|\\cdot|[x×*])\s*10\s*\^\s*\{?(?P<power>-?\d{1,9})\}?)?"
)
_POINTS: Final = re.compile(
    r"([-+]?[1-9]\d{0,2}(?:\.\d{3}){2,}|[-+]?[1-9]\d{0,2}(?:\.\d{3})+(?=,\d))(?:,(\d+))?"
)
_RATIO: Final = re.compile(
    r"(?P<sign>[-+]?)\s*(?:(?P<whole>\d+)\s+)?(?P<top>-?[\d.,]+)\s*/\s*(?P<bottom>-?[\d.,]+)"
)
_FRAC: Final = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<whole>\d+)?\s*\\frac\s*\{\s*(?P<top>-?[\d.,]+)\s*\}\s*\{\s*(?P<bottom>-?[\d.,]+)\s*\}"
)
_POWER: Final = re.compile(r"(?P<sign>[-+]?)\s*10\s*\^\s*(?:\{\s*(-?\d{1,4})\s*\}|(\d{1,4}))")
_REPEATING: Final = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<whole>\d*)\.(?P<part>\d*)"
    r"(?:\\(?:overline|bar)\s*\{\s*(?P<over>\d+)\s*\}|\\(?:overline|bar)\s+(?P<single>\d)"
    r"|\\dot\s*\{?\s*(?P<dotted>\d)\s*\}?|\((?P<round>\d+)\)|\s*(?P<dots>\\dots))"
)
_PLACE: Final = re.compile(
    r"(?P<number>[-+]?[\d,]+)\s*-?(?:\^\s*\{?\s*)?(?:\\text\s*\{)?\s*(?:st|nd|rd|th)\s*\}?\s*\}?",
    re.IGNORECASE,
)
_INTEGER: Final = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}")
_MARKED: Final = r"\\text\s*\{[^{}]*\}"
# Bare letters behind a number are a unit when a space parts them or there are several: "10cm" is
# 10, "2x" is algebra.
_TAIL: Final = re.compile(
    r"(?P<number>.*[\d}%])"
    rf"(?P<tail>\s*{_MARKED}.*|\s+[A-Za-z].*|[A-Za-z]{{2,}}.*|\s*(?:m|[A-Za-z]{{2,}})\^\{{?[23]\}}?)"
)
_DEGREES: Final = re.compile(r"(?P<number>[^^]*)(?P<tail>\^\{\\circ\}.*)")
_SPOKEN_TAIL: Final = re.compile(r"(?P<number>[A-Za-z -]*[A-Za-z])\s+(?P<tail>[A-Za-z]+)")
_MULTIPLE: Final = re.compile(
    rf"(?P<number>.*\d)\s*(?:\\text\s*\{{\s*)?(?P<word>{'|'.join(MULTIPLES)})(?:s\b|\b)\s*(?P<tail>.*)"
)
_KILO: Final = re.compile(r"(?P<number>[-+]?(?:\\\$|[€£])[\d,]{1,12}(?:\.\d{1,9})?)[kK]")
"""Behind a currency a k is a thousand; elsewhere it may be a name."""
_PARTS: Final = re.compile(
    r"(?P<number>[-+]?\d{1,9})(?:\s*-|\s+|(?=\\text))(?:\\text\s*\{\s*)?\s*(?P<word>[a-z]+)\s*\}?"
)
_AND_PART: Final = re.compile(
    r"(?P<whole>\d{1,9}) and (?:(?:a|an|one) )?(?P<part>[a-z]+(?:[ -][a-z]+)?)"
)
_NAMED: Final = re.compile(r"(?:[A-Za-z]\w*|\\text\s*\{[^{}]*\})\s*=\s*(?P<value>[^=]*)")
_HOUR: Final = re.compile(r"(\d{1,2}):00(?:\s*(?:\\text\s*\{)?\s*[ap]\.?m\.?\}?)?", re.IGNORECASE)
_MONEY: Final = re.compile(
    r"^([-+]?)\s*((?:US)?\s*\\\$|[€£¥₹]|Rs\b\.?)\s*(?=[-+]?\s*[\d.\\])|\s*(\\\$|[€£¥₹¢])$"
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as it is written."""

    value: Fraction
    """Without regard to a percent sign."""
    percent: bool = False
    """Whether it has one."""
    unit: str = ""
    """What stands behind it, or the currency before it; "" where nothing does."""
    step: Fraction | None = None
    """One in the last place of a decimal, 1/1000 of 0.333; None for what is no decimal."""


def read(text: str, units: Literal["any", "marked"] = "any") -> Quantity | None:
    r"""A text that is one number, perhaps with a unit: r"18 \text{ cm}", and with "any" also "18
    cm" or "x = 18".

    A unit is here whatever does not change the value; `units.behind` tells what it is.
    """
    if _INTEGER.fullmatch(text):
        return Quantity(Fraction(int(text)))
    return _read(text, units) if len(text) <= 4 * MAX_DIGITS else None


def quantity(
    text: str, percent: Percent = "drop", units: Literal["any", "marked"] = "any"
) -> Fraction | None:
    """The value alone."""
    found = read(text, units)
    return None if found is None else _scaled(found, percent)


def number(text: str, percent: Percent = "drop") -> Fraction | None:
    """The exact value of a text that is one number and nothing else; None when it is not, or is too
    large to read."""
    found = _number(normalise(text)) if len(text) <= 4 * MAX_DIGITS else None
    return None if found is None else _scaled(found, percent)


def split(text: str) -> tuple[Quantity, str] | None:
    """A normalised text as a number and all that stands behind it, whatever that is; None where no
    number begins it."""
    if len(text) > 4 * MAX_DIGITS:
        return None
    if (found := _number(text)) is not None:
        return found, found.unit
    if thousands := _KILO.fullmatch(text):
        found = _number(thousands["number"])
        return (replace(found, value=found.value * 1000, step=None), found.unit) if found else None
    if large := _MULTIPLE.fullmatch(text):
        found = _number(large["number"])
        if found is None:
            return None
        tail = large["tail"].removesuffix("}") if "{" not in large["tail"] else large["tail"]
        return replace(
            found, value=found.value * MULTIPLES[large["word"]], step=None
        ), tail.strip() or found.unit
    unit = _DEGREES.fullmatch(text) or _TAIL.fullmatch(text) or _SPOKEN_TAIL.fullmatch(text)
    found = _number(unit["number"].rstrip()) if unit else None
    if unit is None or found is None:
        return None
    tail = unit["tail"].strip()
    if re.fullmatch(r"(?:\\text\s*\{)?\s*(?:percent|per ?cent)\s*\}?", tail):
        return replace(found, percent=True), ""
    return found, f"{found.unit} {tail}" if found.unit else tail


def _scaled(found: Quantity, percent: Percent) -> Fraction:
    return found.value / 100 if found.percent and percent == "divide" else found.value


@functools.lru_cache(maxsize=1 << 16)
def _read(text: str, units: Literal["any", "marked"]) -> Quantity | None:
    plain = normalise(text)
    if units == "any":
        named = _NAMED.fullmatch(plain)
        plain = named["value"].strip() if named else plain
    parts = split(plain)
    if parts is None:
        return None
    found, tail = parts
    bare = tail and tail != found.unit and not re.match(_MARKED, tail)
    if (bare and units == "marked") or (tail and changes_value(tail)):
        return None
    return replace(found, unit=tail)


def _number(plain: str) -> Quantity | None:
    if plain[:1].isalpha() and plain[:2] not in ("Rs", "US"):
        place = ordinal(plain)
        value = Fraction(place) if place is not None else spoken(plain)
        return None if value is None else Quantity(value)
    percent, unit = plain.endswith("%"), ""
    plain = plain.removesuffix("%").rstrip()
    if money := _MONEY.search(plain):
        unit = (money[2] or money[3]).removeprefix("US").strip(" \\.")
        plain = _MONEY.sub(lambda match: match[1] or "", plain, count=1)
    found = _decimal(plain) or _composed(plain)
    if found is not None and (percent or unit):
        return replace(found, percent=percent, unit=unit)
    return found


def _composed(plain: str) -> Quantity | None:
    """Return what is no plain decimal: fractions, powers, repeating decimals, 5th, 5:00, 1.234.567,
    2 thirds."""
    if parts := _RATIO.fullmatch(plain) or _FRAC.fullmatch(plain):
        return _ratio(**parts.groupdict())
    if power := _POWER.fullmatch(plain):
        return _decimal(f"{power['sign']}1e{power[2] or power[3]}")
    if repeating := _REPEATING.fullmatch(plain):
        return _repeating(repeating)
    if hour := _HOUR.fullmatch(plain):  # 5:00 pm is 5; 5:30 is no number
        return Quantity(Fraction(int(hour[1])))
    if place := _PLACE.fullmatch(plain):
        return _decimal(place["number"])
    if points := _POINTS.fullmatch(plain):
        return _decimal(f"{points[1].replace('.', '')}.{points[2] or 0}")
    if mixed := _AND_PART.fullmatch(plain):
        part = (
            spoken(mixed["part"])
            if " " in mixed["part"] or "-" in mixed["part"]
            else spoken(f"a {mixed['part']}")
        )
        return Quantity(int(mixed["whole"]) + part) if part is not None and part < 1 else None
    if (shares := _PARTS.fullmatch(plain)) and (below := fraction_word(shares["word"])):
        return Quantity(Fraction(int(shares["number"]), below))
    return None


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


def _repeating(match: re.Match[str]) -> Quantity | None:
    r"""0.1\overline{6} and 0.1666... as 1/6; None where dots follow digits that do not repeat."""
    part = match["part"]
    block = match["over"] or match["single"] or match["dotted"] or match["round"]
    if block is None:
        # Three times the same digit, or twice the same longer block.
        repeated = re.search(r"(\d)\1\1$", part) or re.search(r"(\d{2,12}?)\1$", part)
        if repeated is None:
            return None
        block = repeated[1]
    if len(part) + len(block) > MAX_DIGITS or len(match["whole"]) > MAX_DIGITS:
        return None
    nines = (10 ** len(block) - 1) * 10 ** len(part)
    value = (
        Fraction(int(match["whole"] or 0))
        + Fraction(int(part or 0), 10 ** len(part))
        + Fraction(int(block), nines)
    )
    return Quantity(-value if match["sign"] == "-" else value)
