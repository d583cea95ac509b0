"""Units behind numbers, as far as they are known: equal, convertible by an exact factor, or not to be told.

The table holds lengths, masses, times, volumes, angles and dollars, with squares and cubes. Speeds, temperatures and
counted things ("18 apples") are not in it.
"""

import re
from fractions import Fraction
from typing import Final

from assay.verifiers.quantities import Quantity, read

__all__ = ["convert", "measured"]

_COUNTED: Final = re.compile(r"[A-Za-z]{3,}(?: [A-Za-z]+)*")
_DEGREES: Final = re.compile(r"(-?[\d.]+)\s*(?:\^\s*\{?\s*\\circ\s*\}?|°)")
_ONE_LETTER: Final = re.compile(r"(?P<number>.*\d)(?P<space>\s*)(?P<unit>[A-Za-z])")

_SPELLED: Final = {
    "length": "mm millimeter=1/1000 cm centimeter=1/100 dm decimeter=1/10 m meter=1 km kilometer=1000 "
    "in inch=254/10000 ft foot=3048/10000 yd yard=9144/10000 mi mile=1609344/1000",
    "mass": "mg milligram=1/1000000 g gram=1/1000 kg kilogram=1 t ton tonne=1000 oz ounce=28349523125/1000000000000 "
    "lb pound=45359237/100000000",
    "time": "ms millisecond=1/1000 s sec second=1 min minute=60 h hr hour=3600 day=86400 week=604800",
    "volume": "ml milliliter=1/1000 l liter=1",
    "angle": "degree circ=1",
    "money": "cent=1/100 dollar usd=1",
}
_KNOWN: Final = {
    name: (kind, Fraction(group.rsplit("=", 1)[1]))
    for kind, spelled in _SPELLED.items()
    for group in re.findall(r"[a-z ]+=[\d/]+", spelled)
    for name in group.rsplit("=", 1)[0].split()
}
_IRREGULAR: Final = {"feet": "foot", "inches": "inch"}
_POWERS: Final = {"sq": 2, "square": 2, "squared": 2, "cubic": 3, "cubed": 3, "cu": 3}


def convert(one: str, other: str) -> Fraction | bool | None:
    """The factor from one unit to the other; False where they measure different things, None where it cannot be told.

    A side without a unit takes the other's: the question may have named it.
    """
    first, second = _plain(one), _plain(other)
    if first == second or not (first and second):
        return Fraction(1)
    known, wanted = _look_up(first), _look_up(second)
    if known is None or wanted is None:
        return None
    (kind, power, factor), (other_kind, other_power, other_factor) = known, wanted
    return factor / other_factor if (kind, power) == (other_kind, other_power) else False


def _is_known(unit: str) -> bool:
    """Whether the table has it."""
    return _look_up(_plain(unit)) is not None


def _plain(unit: str) -> str:
    return re.sub(r"\\[A-Za-z]+|[{}\\^.]|\s+", " ", unit).strip().lower()


def _look_up(unit: str) -> tuple[str, int, Fraction] | None:
    """Kind, power and factor of a unit such as "square meters", "cm 2" or "km"."""
    words, power = unit.split(), 1
    if words and words[-1] in ("2", "3"):
        power = int(words.pop())
    elif more := [word for word in words if word in _POWERS]:
        power, words = _POWERS[more[0]], [word for word in words if word not in _POWERS]
    if len(words) != 1:
        return None
    name = _IRREGULAR.get(words[0], words[0]).replace("metre", "meter").replace("litre", "liter")
    found = _KNOWN.get(name) or _KNOWN.get(name.removesuffix("s"))
    return None if found is None else (found[0], power, found[1] ** power)


def measured(text: str, beside: str = "") -> Quantity | None:
    """A number with or without a unit: a marked one, a known one ("10 cm"), or a counted thing ("5 apples").

    One letter behind a number is a unit where a space parts them, or beside something that has one: 10m, beside 10cm.
    """
    if (found := read(text, "marked")) is not None or "=" in text:
        return found
    if degrees := _DEGREES.fullmatch(text):
        return read(rf"{degrees[1]}\text{{degrees}}", "marked")
    found = read(text)
    if found is not None and ((len(found.unit) > 1 and _is_known(found.unit)) or _COUNTED.fullmatch(found.unit)):
        spaced = text.rstrip().endswith(" " + found.unit)
        return found if spaced or _is_known(found.unit) else None
    if (letter := _ONE_LETTER.fullmatch(text)) and _is_known(letter["unit"]):
        other = read(beside) if beside else None
        if letter["space"] or (other is not None and len(other.unit) > 1 and _is_known(other.unit)):
            return read(rf"{letter['number']}\text{{{letter['unit']}}}", "marked")
    return None
