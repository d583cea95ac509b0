r"""Numeric final answers, compared exactly as fractions.

Reads integers, decimals, thousands separators, `a/b`, mixed numbers, `\frac{a}{b}`, scientific notation, currency and
percent signs, and a unit behind the number. It never evaluates: "3 + 4" is not a number. Left out on purpose:
tolerances (0.33 is not 1/3), decimal commas, number words, units' conversion.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from assay.types import Score, Unscored
from assay.verifiers import answer as answers

__all__ = ["MAX_DIGITS", "Numeric", "Percent", "number", "quantity"]

Percent = Literal["drop", "divide"]

MAX_DIGITS: Final = 300
"""Longest number and largest power of ten that are read; beyond them a text is no number: 1e999999999 costs nothing."""

_DIGITS: Final = r"\d{1,3}(?:,\d{3})+|\d*"
_DECIMAL: Final = re.compile(
    rf"(?P<sign>[-+]?)\s*(?P<whole>{_DIGITS})(?:\.(?P<part>\d*))?"
    r"(?:[eE](?P<exponent>[-+]?\d{1,9})|\s*(?:\\times|\\cdot|[x×*])\s*10\s*\^\s*\{?(?P<power>-?\d{1,9})\}?)?"
)
_RATIO: Final = re.compile(r"(?P<sign>[-+]?)\s*(?:(?P<whole>\d+)\s+)?(?P<top>-?[\d.,]+)\s*/\s*(?P<bottom>-?[\d.,]+)")
_FRAC: Final = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<whole>\d+)?\s*\\frac\s*\{\s*(?P<top>-?[\d.,]+)\s*\}\s*\{\s*(?P<bottom>-?[\d.,]+)\s*\}"
)
_MARKED: Final = r"\s*\\(?:text|mathrm|mbox)\s*\{[^{}]*\}(?:\^\{?[23]\}?)?"
# Bare letters behind a number are a unit when a space parts them or there are several: "10cm" is 10, "2x" is algebra.
_BARE: Final = r"\s+[A-Za-z][A-Za-z .'/-]*|[A-Za-z]{2,}"
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


def number(text: str, percent: Percent = "drop") -> Fraction | None:
    """The exact value of a text that is one number and nothing else; None when it is not, or is too large to read."""
    plain = answers.normalise(text) if len(text) <= 4 * MAX_DIGITS else ""
    scale = Fraction(1)
    if plain.endswith("%"):
        plain = plain[:-1].rstrip()
        scale = Fraction(1, 100) if percent == "divide" else scale
    value = _decimal(plain)
    if value is None and (parts := _RATIO.fullmatch(plain) or _FRAC.fullmatch(plain)):
        value = _ratio(**parts.groupdict())
    return None if value is None else value * scale


def quantity(text: str, percent: Percent = "drop", units: Literal["any", "marked"] = "any") -> Fraction | None:
    r"""The value of a number that may carry a unit, as in r"18 \text{ cm}", and with "any" also "18 cm" or "x = 18"."""
    plain = answers.normalise(text) if len(text) <= 4 * MAX_DIGITS else ""
    if units == "any":
        plain = re.sub(r"\s*\bper ?cent$", "%", plain)
        named = _NAMED.fullmatch(plain)
        plain = named["value"].strip() if named else plain
    if (value := number(plain, percent)) is not None:
        return value
    if large := _MAGNITUDE.fullmatch(plain):
        value = number(large["number"], percent)
        return None if value is None else value * 10 ** _POWERS[large["word"]]
    unit = _UNITS[units].fullmatch(plain)
    if unit is None or _NO_UNIT.search(plain.lower(), unit.end("number")):
        return None
    return number(unit["number"], percent)


def _decimal(text: str) -> Fraction | None:
    match = _DECIMAL.fullmatch(text)
    if match is None or not (match["whole"] or match["part"]):
        return None
    whole, part = match["whole"].replace(",", "").lstrip("0"), (match["part"] or "").rstrip("0")
    shift = int(match["exponent"] or match["power"] or 0)
    if max(len(whole) + len(part), abs(shift)) > MAX_DIGITS:
        return None
    value = Fraction(int(whole + part or "0"), 10 ** len(part)) * Fraction(10) ** shift
    return -value if match["sign"] == "-" else value


def _ratio(sign: str, whole: str | None, top: str, bottom: str) -> Fraction | None:
    over, under, base = _decimal(top), _decimal(bottom), _decimal(whole or "0")
    if over is None or base is None or not under:
        return None
    value = base + over / under
    return -value if sign == "-" else value


@dataclass(frozen=True, kw_only=True)
class Numeric:
    r"""Checks a final answer that is a number, exactly.

    The answer is taken from the last complete `\boxed{}`, else the last "#### x", else the last "the answer is x", else
    the last number in the text.
    """

    percent: Percent = "drop"
    """drop: 50% is 50, the way GSM8K's answers are written. divide: 50% is 1/2."""

    def extract(self, text: str) -> str | None:
        """The final answer, as written; None when the text has none, and then it has no vote."""
        found = answers.find(text, ("boxed", "hashes", "phrase", "last_number"))
        if found is None:
            return None
        if found.policy == "boxed" or quantity(found.text, self.percent) is not None:
            return found.text
        # "the answer is 540 / 3 = 180 dollars a day": a sentence, so the number is looked for inside it.
        return _inside(found.text) or answers.last_number(text)

    def canonical(self, answer: str) -> str:
        """The exact fraction, "1/2" for "0.50"; what is no number is its own normalised text."""
        value = quantity(answer, self.percent)
        return answers.normalise(answer) if value is None else str(value)

    def verify(self, text: str, reference: str) -> Score | Unscored:
        """1 = the numbers are equal, 0 = they are not, or the text gives no number.

        A text without an answer is wrong, not unscored: it was asked for one. `Unscored` is for a reference that is
        not a number itself; a whole solution that ends in "#### 18" or a box serves as one.
        """
        gold = quantity(reference, self.percent)
        if gold is None and (stated := answers.find(reference, ("boxed", "hashes"))):
            gold = quantity(stated.text, self.percent)
        if gold is None:
            return Unscored(reason=f"the reference {reference[:60]!r} is not a number")
        answer = self.extract(text)
        return Score(value=float(answer is not None and quantity(answer, self.percent) == gold))


def _inside(sentence: str) -> str | None:
    """The first number after the last equals sign."""
    found = answers.NUMBER.search(sentence.rsplit("=", 1)[-1])
    return found.group() if found else None
