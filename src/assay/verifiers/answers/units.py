r"""What stands behind a number: a unit, a counted thing, or words that are neither.

Units form a closed table: lengths, masses, times, volumes, angles, speeds, money and a few more,
with powers, products and quotients ("cm^2", "square meters", "miles per hour"). Each is a product
of dimensions and an exact factor, so that two units are equal, convertible, different or not to be
told. Counted things are a closed list too (`nouns`). What is in neither is no unit: "5 halves" and
"5 is wrong" are not 5.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Final, Literal

from assay.verifiers.answers.nouns import is_thing, singular
from assay.verifiers.answers.numberwords import MULTIPLES, fraction_word, ordinal, spoken

__all__ = ["Behind", "behind", "changes_value", "convert", "is_unit", "plain"]

Behind = Literal["unit", "thing", "unknown", "words"]
"""unknown: it may be a counted thing, "5 gizmos". words: something else is said of the number."""


@dataclass(frozen=True)
class _Unit:
    """A product of powers of dimensions, and its size."""

    dimensions: frozenset[tuple[str, int]]
    factor: Fraction

    def __mul__(self, other: "_Unit") -> "_Unit":
        powers = dict(self.dimensions)
        for name, power in other.dimensions:
            powers[name] = powers.get(name, 0) + power
        kept = frozenset((name, power) for name, power in powers.items() if power)
        return _Unit(kept, self.factor * other.factor)

    def __pow__(self, power: int) -> "_Unit":
        return _Unit(
            frozenset((name, power * times) for name, times in self.dimensions), self.factor**power
        )


_SPELLED: Final = {
    "length": (
        "mm millimeter=1/1000 cm centimeter=1/100 dm decimeter=1/10 m meter=1 km kilometer=1000 nm"
        " nanometer=1/1000000000 in inch=254/10000 ft foot=3048/10000 yd yard=9144/10000 mi"
        " mile=1609344/1000"
    ),
    "mass": (
        "mg milligram=1/1000000 g gm gram=1/1000 kg kilogram=1 t ton tonne=1000 oz"
        " ounce=28349523125/1000000000000 lb lbs pound=45359237/100000000"
    ),
    "time": (
        "ms millisecond=1/1000 s sec second=1 min minute=60 h hr hour=3600 day=86400 week=604800"
    ),
    "calendar": "month=1 yr year=12 decade=120 century=1200",
    "length 3": (
        "ml milliliter cc=1/1000000 cl centiliter=1/100000 l liter=1/1000 gallon"
        " gal=3785411784/1000000000000 quart qt=946352946/1000000000000 pint"
        " pt=473176473/1000000000000 cup=2365882365/10000000000000 tablespoon"
        " tbsp=147867647825/10000000000000000 teaspoon tsp=492892159375/100000000000000000"
    ),
    "length 2": "acre=40468564224/10000000 hectare ha=10000",
    "angle": "degree deg circ=1",
    "radian": "radian rad=1",
    "celsius": "celsius centigrade=1",
    "fahrenheit": "fahrenheit=1",
    "kelvin": "kelvin=1",
    "usd": "cent ¢=1/100 dollar usd $=1 dime=1/10 nickel=1/20 penny=1/100",
    "eur": "euro eur €=1",
    "gbp": "pound gbp quid £=1 pence=1/100",
    "inr": "rupee inr rs ₹=1 paise=1/100",
    "jpy": "yen jpy ¥=1",
    "cny": "yuan cny rmb=1",
    "peso": "peso=1",
    "data": (
        "bit=1 byte=8 kb kilobyte=8000 mb megabyte=8000000 gb gigabyte=8000000000 tb"
        " terabyte=8000000000000"
    ),
    "temperature": "K=1",
    "unit": "unit=1",
    "current": "amp ampere=1",
    "energy": "joule J=1 kj kilojoule=1000 calorie cal=4184/1000 kcal=4184",
    "power": "watt W=1 kw kilowatt=1000",
    "force": "newton N=1",
    "frequency": "hz hertz=1 khz=1000 mhz=1000000",
    "voltage": "volt V=1",
    "resistance": "ohm=1",
    "chemistry": "mol=1",
    "knot": "knot=1",
}
_INCOMPARABLE: Final = (
    {"angle", "radian"},
    {"time", "calendar"},
    {"celsius", "angle"},
    {"fahrenheit", "angle"},
    {"temperature", "kelvin"},
)
"""Dimensions that say the same in different ways, or where it cannot be told what is meant."""


def _table() -> dict[str, tuple[_Unit, ...]]:
    found: dict[str, tuple[_Unit, ...]] = {}
    for kind, spelled in _SPELLED.items():
        name, _, power = kind.partition(" ")
        for group in re.findall(r"[^=\d]+=[\d/]+", spelled):
            names, factor = group.rsplit("=", 1)
            unit = _Unit(frozenset({(name, int(power or 1))}), Fraction(factor))
            for word in names.split():
                found[word] = (*found.get(word, ()), unit)
    hour, mile, kilometer = (found[word][0] for word in ("hour", "mile", "km"))
    found["mph"] = (mile * hour**-1,)
    found["kph"] = found["kmph"] = found["kmh"] = (kilometer * hour**-1,)
    return found


_KNOWN: Final = _table()
_POWERS: Final = {"sq": 2, "square": 2, "squared": 2, "cubic": 3, "cubed": 3, "cu": 3}
_ADJECTIVES: Final = frozenset(
    """
    different distinct possible total whole other new old full empty red blue green yellow white
    black orange purple pink brown gray grey small large big tall short long extra additional
    remaining left altogether together positive negative real complex even odd prime valid unique
    separate equal identical adult male female chocolate in all each every per a an the of for
    """.split()
)
"""Words that may stand beside a unit or a thing and say nothing of how many."""
_OPERATIONS: Final = frozenset(
    """
    and or nor to not no non is isn are aren was were be if but than then less more fewer plus minus
    times over by mod modulo factorial choose squared cubed square cube root roots base remainder
    past before after until from inverse reciprocal double doubled triple tripled halved raised
    power powers divided multiplied percent permille mille wrong incorrect false right correct true
    pi short above below under approximately about almost nearly roughly least most between through
    minus negative positive log sin cos tan exponent score scores gross pair pairs couple couples
    cent bps basis something maybe perhaps it its that this which answer
    """.split()
) - frozenset({"cent", "positive", "negative"})
_OF: Final = re.compile(r" of (?:the )?[a-z]{3,}(?: [a-z]{3,})?$")
"""What the things are of: cups of flour."""
_WORD: Final = re.compile(r"[a-z]+")
_TOKEN: Final = re.compile(r"[A-Za-z$€£¥₹¢]+|\^?\s*-?\d+|/|\S")
_EXPONENT: Final = re.compile(r"\^\s*-?[1-9]|-?[1-4]|squared|cubed")
_TEMPERATURE: Final = re.compile(
    r"(?:\^\s*\{?\s*\\circ\s*\}?|\b[Dd]eg(?:rees?)?)\s*(?:\\text\s*\{)?\s*(C|F|[Cc]elsius|[Ff]ahrenheit)\b\s*\}?"
)


def plain(unit: str) -> str:
    r"""A unit without its LaTeX: `\text{ cm}^{2}` as "cm^2"."""
    unit = _TEMPERATURE.sub(
        lambda match: " celsius " if match[1][0] in "Cc" else " fahrenheit ", unit
    )
    unit = re.sub(r"\\cdot(?![A-Za-z])|\\text\s*(?=\{)", " ", unit).replace(r"^{\circ}", " circ ")
    unit = re.sub(r"\^\s*\\circ", " circ ", unit)
    return " ".join(re.sub(r"[{}\\~]|\.(?!\d)", " ", unit).split())


def behind(unit: str) -> Behind:
    """Return what the text behind a number is; "unit" for none."""
    return _behind(plain(unit))


@functools.lru_cache(maxsize=4096)
def _behind(text: str) -> Behind:
    if not text or is_unit(text):
        return "unit"
    words = _WORD.findall(text.lower())
    if not words or not re.fullmatch(r"[A-Za-z' -]+", text) or _changing(words):
        return "words"
    nouns = [word for word in _OF.sub("", " ".join(words)).split() if word not in _ADJECTIVES]
    if nouns and all(
        is_thing(word) or word in _KNOWN or singular(word) in _KNOWN for word in nouns
    ):
        return "thing"
    return "unknown" if len(words) <= 3 and text.endswith("s") and len(words[-1]) > 3 else "words"


def changes_value(unit: str) -> bool:
    """Return whether words behind a number say another number: "5 halves", "5 base six", "5 is
    wrong", "5 vs 6"."""
    text = plain(unit)
    return not is_unit(text) and (
        _changing(_WORD.findall(text.lower())) or re.search(r"\d", text) is not None
    )


def _changing(words: Iterable[str]) -> bool:
    return any(word in _OPERATIONS or _numeral(word) for word in words)


def _numeral(word: str) -> bool:
    one = word.removesuffix("s")
    if word in _KNOWN or one in _KNOWN:  # a second is a time first
        return False
    return bool(
        one in MULTIPLES
        or spoken(one) is not None
        or fraction_word(word)
        or ordinal(one) is not None
    )


def is_unit(text: str) -> bool:
    """Return whether the table has it, as a word, a power, a product or a quotient."""
    return bool(text) and bool(_look_up(plain(text)))


def convert(one: str, other: str) -> Fraction | bool | None:
    """The factor from one unit to the other; False where they measure different things, None where
    it cannot be told.

    A side without a unit takes the other's: the question may have named it.
    """
    first, second = plain(one), plain(other)
    if first.lower() == second.lower() or not (first and second):
        return Fraction(1)
    known, wanted = _look_up(first), _look_up(second)
    if not known or not wanted:
        return None
    for mine in known:
        for theirs in wanted:
            if mine.dimensions == theirs.dimensions:
                return mine.factor / theirs.factor
    kinds = [{name for unit in side for name, _ in unit.dimensions} for side in (known, wanted)]
    if any(pair & kinds[0] and pair & kinds[1] for pair in _INCOMPARABLE):
        return None
    if any(kind == {"unit"} for kind in kinds):  # "square units" beside "cm^2"
        powers = [sum(power for _, power in side[0].dimensions) for side in (known, wanted)]
        return Fraction(1) if powers[0] == powers[1] else False
    return False


@functools.lru_cache(maxsize=4096)
def _look_up(text: str) -> tuple[_Unit, ...]:
    """Return what a unit such as "square meters", "cm^2", "miles per hour" or "km/h" may be;
    nothing if it is none."""
    found: tuple[_Unit, ...] = (_Unit(frozenset(), Fraction(1)),)
    sign, following, seen, last = 1, 1, False, False
    tokens = _TOKEN.findall(text)
    for place, token in enumerate(tokens):
        word = token.lower()
        after = tokens[place + 1 : place + 2]
        if seen and word in ("/", "per", "a", "an"):
            sign, last = -1, False
        elif word in _POWERS and word not in ("squared", "cubed"):
            following = _POWERS[word]
        elif _EXPONENT.fullmatch(word):
            if not last:  # "km/h per 2"
                return ()
            last = False  # read with the unit before it
        elif units := _named(token):
            power = following * _power(after)
            found = tuple(one * unit ** (sign * power) for one, unit in product(found, units))
            following, seen, last = 1, True, True
        else:
            return ()
    return found if seen else ()


def _power(after: list[str]) -> int:
    """The power that a unit is raised to by what follows it: 2 for "^2", "2" and "squared"."""
    if not after:
        return 1
    if after[0] in ("squared", "cubed"):
        return _POWERS[after[0]]
    digits = after[0].lstrip("^ ")
    return int(digits) if re.fullmatch(r"-?[1-9]", digits) else 1


def _named(token: str) -> tuple[_Unit, ...]:
    if len(token) == 1:  # N is a newton, n a letter
        return _KNOWN.get(token) or (_KNOWN.get(token.lower(), ()) if token in "LT" else ())
    word = token.lower().replace("metre", "meter").replace("litre", "liter")
    return (
        _KNOWN.get(word) or _KNOWN.get(singular(word)) or _KNOWN.get(word.removesuffix("s")) or ()
    )
