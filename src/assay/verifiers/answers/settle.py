r"""What needs no algebra: two answers that are choices, times, numbers, words, named values or
lists of numbers.

`settle` says right, wrong or undecided with the stage that decided, or leaves a pair of texts to be
compared as mathematics. It takes names ("AB = 5" beside "5"), choices ("(C) 12" beside "12") and
units off before.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal

from assay.verifiers.answers.clock import read_clock
from assay.verifiers.answers.lists import bracketed
from assay.verifiers.answers.measures import Measure, measured
from assay.verifiers.answers.naming import (
    Named,
    family,
    has_relation,
    named,
    same_family,
    without_condition,
)
from assay.verifiers.answers.numeric import Tolerance, Units, decide
from assay.verifiers.answers.options import choice, letter
from assay.verifiers.answers.phrases import (
    is_letters,
    is_prose,
    is_words,
    nothing,
    same_letters,
    same_words,
)
from assay.verifiers.answers.quantities import MAX_DIGITS, Percent, Quantity, number
from assay.verifiers.answers.roman import roman
from assay.verifiers.answers.spelling import is_blank, tight
from assay.verifiers.answers.units import behind, convert, is_unit, plain

__all__ = ["Left", "Ruling", "Rules", "settle"]

Ruling = tuple[Literal["right", "wrong", "undecided"], str, str]
"""Outcome, stage, and reason where it is not right."""

_DECIMAL: Final = re.compile(r"-?\d+(?:\.\d+)?(?:\\?%)?")
_INTEGER: Final = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}")
_THOUSANDS: Final = re.compile(r"\d{1,3}(?:,\d{3})+")
_DATE: Final = re.compile(r"(?:1\d|20)\d\d-[01]\d-[0-3]\d")
_ANGLE: Final = re.compile(r"\\(?:measured)?angle\s*\{?\s*([A-Z]{3})\s*\}?")
_VECTOR: Final = re.compile(r"\\(?:overrightarrow|vec)\s*\{\s*([A-Z]{2})\s*\}")
_GROUPS: Final = re.compile(r"\d{1,3}(?:,\d{3})*,00\d(?:,\d{3})*")
_DEGREES: Final = re.compile(
    r"(-?\d{1,9}(?:\.\d{1,9})?)\s*(?:\^\{\\circ\}|(?:\\text\s*\{)?\s*degrees?\s*\}?)"
)
_PI: Final = re.compile(r"\\pi(?![A-Za-z])|\\frac(?![A-Za-z])")
_MACRO: Final = re.compile(r"\\[A-Za-z]+")
_BASE: Final = re.compile(
    r"([0-9A-Za-z]+)_(?:\{(?:\\text\s*\{)?\s*(\w+)\s*\}?\}|(\d+)|\\text\s*\{\s*(\w+)\s*\})"
)
_BASE_WORDS: Final = re.compile(
    r"([0-9A-Za-z]+)\s*(?:\\text\s*\{)?\s*\(?\s*base[ -](\w+)\s*\)?\s*\}?"
)
_NUMBERED: Final = dict(
    zip("two three four five six seven eight nine ten".split(), range(2, 11), strict=True)
)
_APPROXIMATE: Final = re.compile(
    r"^(?:.*\S)?\s*\\(?:approx|simeq|sim|doteq)(?![A-Za-z])\s*|^(?:about|approximately|roughly) "
)
_TRUNCATED: Final = re.compile(r"(-?\d*\.\d+)\s*\\dots\s*")
_UNIT: Final = re.compile(r"(?P<body>.*\S)\s*(?P<unit>\\text\s*\{[^{}]*\}(?:\^\{?[23]\}?)?)")
_BARE_UNIT: Final = re.compile(
    r"(?P<body>.*[\w)}])\s(?P<unit>[A-Za-z]{2,}(?: ?[/^] ?\{?\w+\}?)*|m\^\{?[23]\}?)"
)
_ALL: Final = re.compile(r"^(?:all |the |set of )*real(?:s| numbers?)$", re.IGNORECASE)
_JOINED: Final = re.compile(r"-?[\d.]+(?:,? ?(?:and|or) -?[\d.]+|, ?-?[\d.]+)+")
_AND: Final = re.compile(r",? ?(?:and|or) ")
_RATIO: Final = re.compile(r"[^:]+(?:(?::| to )[^:]+)+")


@dataclass(frozen=True, slots=True)
class Rules:
    """What of `Math`'s settings tells whether two answers are the same."""

    percent: Percent = "drop"
    units: Units = "strict"
    tolerance: Tolerance = None
    roman: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """Two texts that only algebra can compare; `unsure` is a reason why their equality alone would
    not do."""

    gold: str
    answer: str
    unsure: str = ""


def settle(gold: str, answer: str, rules: Rules, depth: int = 0) -> Ruling | Left:
    """The ruling on two normalised answers, or what is left to compare."""
    if tight(gold) == tight(answer):
        return "right", "spelling", ""
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer):
        return decide(
            Quantity(Fraction(int(gold))), Quantity(Fraction(int(answer))), "drop", "strip", None
        )
    if is_blank(answer):
        return "wrong", "words", "the answer is no mathematics"
    gold, answer = (_ALL.sub(r"\\mathbb{R}", without_condition(side)) for side in (gold, answer))
    if ruling := _choices(gold, answer, rules, depth) or _times(gold, answer):
        return ruling
    gold, answer = (
        _AND.sub(", ", side) if _JOINED.fullmatch(side) else side for side in (gold, answer)
    )
    if rules.roman:
        gold, answer = roman(gold) or gold, roman(answer) or answer
    if ruling := _dates(gold, answer) or _figures(gold, answer) or _bases(gold, answer):
        return ruling
    if ruling := _families(gold, answer):
        return ruling
    if radians := _radians(gold, answer):
        return Left(*radians)
    measures = measured(gold, answer), measured(answer, gold)
    if measures[0] is not None and measures[1] is not None:
        return _numbers(measures[0], measures[1], rules)
    gold, answer = (_written_out(side) if side[:1].isalpha() else side for side in (gold, answer))
    ruling = (
        _ratios(gold, answer)
        or _thousands(gold, answer)
        or _words(gold, answer)
        or _rows(gold, answer)
    )
    if ruling or (ruling := _listed(gold, answer)):
        return ruling
    if depth < 3 and (
        ruling := _approximate(gold, answer, rules, depth) or _names(gold, answer, rules, depth)
    ):
        return ruling
    return _expressions(gold, answer, rules)


def _choices(gold: str, answer: str, rules: Rules, depth: int) -> Ruling | Left | None:
    """Letters of a multiple choice, and what stands behind them."""
    letters = letter(gold), letter(answer)
    if letters[0] and letters[1]:
        same = letters[0].lower() == letters[1].lower()
        return ("right", "spelling", "") if same else ("wrong", "choice", "another letter")
    first, second = choice(gold), choice(answer)
    if (first is None and second is None) or depth > 2:
        return None
    chosen = [
        both[0] if both else alone for both, alone in zip((first, second), letters, strict=True)
    ]
    if chosen[0] and chosen[1]:
        if chosen[0].lower() != chosen[1].lower():
            return "wrong", "choice", "another letter"
        if first is None or second is None:
            return "right", "choice", ""
    return settle(first[1] if first else gold, second[1] if second else answer, rules, depth + 1)


def _times(gold: str, answer: str) -> Ruling | None:
    first, second = read_clock(gold), read_clock(answer)
    if first is None or second is None:
        clock, rest = (first, answer) if first else (second, gold)
        hour = number(rest) if clock and clock.half and first != second else None
        if clock is None or hour is None:
            return None
        same = clock.seconds == hour % 12 * 3600 and 1 <= hour <= 12
        return ("right", "time", "") if same else ("wrong", "time", "a time beside another number")
    if first.is_same(second):
        return "right", "time", ""
    if not (first.half or second.half) and _proportional(gold.split(":"), answer.split(":")):
        return "undecided", "time", "the same as ratios, but not as times"
    return "wrong", "time", "the times differ"


def _numbers(gold: Measure, answer: Measure, rules: Rules) -> Ruling:
    """Two numbers, and that is final."""
    one, other = gold.quantity, answer.quantity
    factor: Fraction | bool | None = Fraction(1)
    if rules.units == "strict":
        factor = convert(other.unit, one.unit)
    if factor is False:
        return "wrong", "units", f"{other.unit!r} does not measure what {one.unit!r} does"
    compared = replace(other, value=other.value * (factor or 1))
    outcome, stage, reason = decide(one, compared, rules.percent, "strip", rules.tolerance)
    kinds = {gold.behind, answer.behind}
    if outcome != "right" and not (factor is None and kinds == {"unit"}):
        return outcome, stage, reason
    if "words" in kinds:
        if answer.behind == "words":
            return "wrong", "units", f"more is said of the number: {other.unit[:60]!r}"
        return "undecided", "reference", f"the reference says more of the number: {one.unit[:60]!r}"
    if factor is None:
        return "undecided", "units", f"whether {other.unit!r} is {one.unit!r} is not known"
    if "unknown" in kinds and rules.units == "strict" and not (one.unit and other.unit):
        return (
            "undecided",
            "units",
            f"{(one.unit or other.unit)[:60]!r} is no unit and no thing that is known",
        )
    return outcome, stage, reason


def _ratios(gold: str, answer: str) -> Ruling | None:
    """1:2:3 is 2:4:6, and 2:3 is "2 to 3"; 0 to 1 may be an interval."""
    if (
        not any(_RATIO.fullmatch(side) for side in (gold, answer))
        or has_relation(gold)
        or has_relation(answer)
    ):
        return None
    sides = [_parts(gold), _parts(answer)]
    if sides[0] and sides[1]:
        same = _proportional(sides[0], sides[1])
        return ("right", "ratio", "") if same else ("wrong", "ratio", "the ratios differ")
    for parts, ends in ((sides[0], answer), (sides[1], gold)):
        if parts and (found := bracketed(ends)) and found[0] not in ("", "{}"):
            same = [number(part) for part in parts] == [number(end) for end in found[1]]
            return ("undecided", "ratio", "a range beside an interval") if same else None
    return None


def _parts(text: str) -> list[str] | None:
    parts = re.split(r":| to ", text)
    return (
        parts
        if len(parts) > 1 and all(number(part.strip()) is not None for part in parts)
        else None
    )


def _proportional(one: Sequence[str], other: Sequence[str]) -> bool:
    first, second = (
        [number(part.strip()) or Fraction(0) for part in side] for side in (one, other)
    )
    pairs = list(zip(first, second, strict=False))
    crossed = all(a * pairs[0][1] == b * pairs[0][0] for a, b in pairs)
    return (
        len(first) == len(second)
        and crossed
        and any(first) == any(second)
        and bool(pairs[0][0] or pairs[0][1])
    )


def _thousands(gold: str, answer: str) -> Ruling | None:
    for one, rest in ((gold, answer), (answer, gold)):
        # No number of a list is written 000.
        if _GROUPS.fullmatch(one) and re.fullmatch(r"\d+(?:,\d+)+", rest):
            return "wrong", "list", "the groups of digits differ"
        if _THOUSANDS.fullmatch(one) and sorted(re.findall(r"\d+", rest)) == sorted(one.split(",")):
            return "undecided", "list", f"{one} may be one number or a list"
    return None


def _words(gold: str, answer: str) -> Ruling | None:
    """Plain words, and the ways to say that there is nothing."""
    absent = nothing(gold), nothing(answer)
    if absent[0] and absent[1]:
        if absent[0] == absent[1]:
            return "right", "words", ""
        return "undecided", "words", f"{absent[0]!r} beside {absent[1]!r}"
    if any(absent):
        rest = answer if absent[0] else gold
        exists = rest == r"\infty" or absent[0] == "no solution" or absent[1] == "no solution"
        return (
            ("wrong", "words", "one says that there is nothing")
            if is_words(rest) or not exists
            else None
        )
    first, second = is_words(gold), is_words(answer)
    if first and second:
        same = same_words(gold, answer)
        if same == "other order":
            return "undecided", "words", "the same words in another order"
        return ("right", "words", "") if same == "same" else ("wrong", "words", "the words differ")
    if is_prose(gold) or is_prose(answer):
        return _prose(gold, answer)
    return (
        ("wrong", "words", "one is plain words and the other is not") if first or second else None
    )


def _prose(gold: str, answer: str) -> Ruling:
    """June 5 beside June 6, 5 June, or 5."""
    one, other = (re.findall(r"[a-z]+|[\d.]+", side.lower()) for side in (gold, answer))
    if one == other:
        return "right", "words", ""
    if sorted(one) == sorted(other):
        return "undecided", "words", "the same words in another order"
    if set(other) < set(one):
        return "undecided", "reference", f"the reference says more: {gold[:60]!r}"
    return "wrong", "words", "the words differ"


def _rows(gold: str, answer: str) -> Ruling | None:
    """Letters in another order: a product, or another word."""
    if not (is_letters(gold) and is_letters(answer)):
        return None
    if gold.lower() == answer.lower():
        return "right", "spelling", ""
    if sorted(gold.lower()) != sorted(answer.lower()):
        return None
    same = same_letters(gold, answer)
    if same == "product":
        return "right", "letters", ""
    if same == "unknown":
        return (
            "undecided",
            "letters",
            "the same letters in another order may be a product or something else",
        )
    return "wrong", "letters", "the same letters in another order"


def _listed(gold: str, answer: str) -> Ruling | None:
    """Two lists of numbers: in order for tuples and intervals, else as sets. A list may be meant as
    a tuple."""
    first, second = bracketed(gold), bracketed(answer)
    if not first or not second:
        return None
    one, other = ([number(item) for item in side[1]] for side in (first, second))
    if len(one) == len(other) == 1 or None in one or None in other:
        return None
    brackets = first[0], second[0]
    if brackets[0] == brackets[1]:
        same = set(one) == set(other) if brackets[0] in ("", "{}") else one == other
        return ("right", "list", "") if same else ("wrong", "list", "the numbers differ")
    if set(brackets) == {"", "()"}:
        return (
            ("undecided", "list", "a list beside a tuple")
            if one == other
            else ("wrong", "list", "the numbers differ")
        )
    return ("wrong", "list", "a set beside a tuple") if set(brackets) == {"()", "{}"} else None


def _dates(gold: str, answer: str) -> Ruling | None:
    """2020-01-02 is a date, and neither 2020-02-01 nor 2017."""
    if _DATE.fullmatch(answer):
        if is_prose(gold) and answer[:4] in gold:
            return "undecided", "words", "a date in digits beside one in words"
        return "wrong", "words", "the dates differ" if _DATE.fullmatch(gold) else "it is a date"
    if _DATE.fullmatch(gold) and number(answer) is not None:
        return "wrong", "words", "a number beside a date"
    return None


def _figures(gold: str, answer: str) -> Ruling | None:
    r"""Angles and vectors by the names of their points: \angle ABC is \angle CBA, not \angle ACB;
    \overrightarrow{AB} is not \overrightarrow{BA}."""
    first, second = _ANGLE.fullmatch(gold), _ANGLE.fullmatch(answer)
    if first and second:
        same = second[1] in (first[1], first[1][::-1])
        return ("right", "names", "") if same else ("wrong", "names", "the angles differ")
    first, second = _VECTOR.fullmatch(gold), _VECTOR.fullmatch(answer)
    if first and second and first[1] != second[1]:
        return "wrong", "names", "the vectors differ"
    return None


def _families(gold: str, answer: str) -> Ruling | None:
    r"""k\pi, k \in \mathbb{Z} and n\pi, n \in \mathbb{Z} are the same; what is spelled otherwise
    may be."""
    bodies = family(gold), family(answer)
    if not any(bodies):
        if r"\pi" in gold and tight(gold) != tight(answer) and same_family(gold, answer):
            return "undecided", "names", "another letter, which may be any integer"
        return None
    one, other = bodies[0] or gold, bodies[1] or answer
    if same_family(one, other):
        return "right", "spelling", ""
    single = gold if bodies[0] is None else answer if bodies[1] is None else None
    if single is not None and not re.search("[A-Za-z]", _MACRO.sub("", single)):
        return "wrong", "structure", "values for all integers beside one"
    return "undecided", "structure", "whether values for all integers are the same is not known"


def _radians(gold: str, answer: str) -> tuple[str, str] | None:
    r"""90^\circ beside \frac{\pi}{2}, which is what it is in radians."""
    for place, (one, other) in enumerate(((gold, answer), (answer, gold))):
        degrees = [_DEGREES.fullmatch(part.strip()) for part in one.split(",")]
        others = _PI.sub("", other)
        if not all(degrees) or others == other or re.search(r"\\circ|=|[A-Za-z]{2}", others):
            continue
        turned = ", ".join(rf"\frac{{\pi}}{{180}}\cdot {angle[1]}" for angle in degrees if angle)
        return (turned, other) if place == 0 else (other, turned)
    return None


def _bases(gold: str, answer: str) -> Ruling | None:
    """1011_2 is neither 1011_3 nor 11; the reference's base may be left out, for the question named
    it."""
    first, second = _based(gold), _based(answer)
    if first is None and second is None:
        return None
    digits = [based[0] if based else text for based, text in ((first, gold), (second, answer))]
    if not all(re.fullmatch(r"[0-9A-Za-z]+", part) for part in digits):
        if first is None and number(gold) is not None:
            return "wrong", "base", "a number in another base"
        return "undecided", "base", "a number in another base beside an expression"
    if first and second and first[1] != second[1]:
        return "wrong", "base", "the bases differ"
    if digits[0].lstrip("0").lower() != digits[1].lstrip("0").lower():
        return "wrong", "base", "the digits differ"
    if first is None:
        return "undecided", "base", "the answer names a base and the reference does not"
    return "right", "base", ""


def _based(text: str) -> tuple[str, str] | None:
    match = _BASE.fullmatch(text.replace(" ", "")) or _BASE_WORDS.fullmatch(text)
    if match is None or not match[1][0].isdigit():
        return None
    base = next(group for group in match.groups()[1:] if group)
    return match[1], str(_NUMBERED.get(base.lower(), base))


def _approximate(gold: str, answer: str, rules: Rules, depth: int) -> Ruling | Left | None:
    r"""A value that is said to be approximate, `\approx 3.14` or 3.14..., is not an exact one, nor
    surely another."""
    marks = [_APPROXIMATE.match(side) or _TRUNCATED.fullmatch(side) for side in (gold, answer)]
    if not any(marks):
        return None
    bare = [_TRUNCATED.sub(r"\1", _APPROXIMATE.sub("", side)) for side in (gold, answer)]
    ruling = settle(bare[0], bare[1], rules, depth + 1)
    if isinstance(ruling, Left):
        return replace(ruling, unsure="an approximate value beside an exact one")
    if ruling[0] == "right" and not all(marks):
        return "undecided", "approximate", "an approximate value beside an exact one"
    return ruling


def _names(gold: str, answer: str, rules: Rules, depth: int) -> Ruling | Left | None:
    """A named value beside a value, or beside one of the same name."""
    first, second = named(gold), named(answer)
    if first and second:
        if first.name != second.name:
            return _function(first, second, rules, depth)
        ruling = settle(first.value, second.value, rules, depth + 1)
        return (
            ruling
            if not isinstance(ruling, Left) and first.sure and number(first.value) is not None
            else None
        )
    name, rest = (first, answer) if first else (second, gold)
    if name is None or has_relation(rest) or (name.point and not rest.startswith("(")):
        return None
    ruling = settle(
        first.value if first else gold, second.value if second else answer, rules, depth + 1
    )
    if name.sure:
        return ruling
    why = f"whether {name.name} names the value or is part of an equation is not known"
    if isinstance(ruling, Left):
        return replace(ruling, unsure=why)
    return ("undecided", "names", why) if ruling[0] == "right" else ruling


def _function(first: Named, second: Named, rules: Rules, depth: int) -> Ruling | Left | None:
    """y = 2x + 1 beside f(x) = 2x + 1: the same where y is f(x)."""
    if not any(
        side.name == "y" and "(" in other.name for side, other in ((first, second), (second, first))
    ):
        return None
    ruling = settle(first.value, second.value, rules, depth + 1)
    why = "whether y is the function is not known"
    if isinstance(ruling, Left):
        return replace(ruling, unsure=why)
    return ("undecided", "names", why) if ruling[0] == "right" else ruling


def _expressions(gold: str, answer: str, rules: Rules) -> Ruling | Left:
    """Percent signs and units behind what is no plain number."""
    gold, answer = _written_out(gold), _written_out(answer)
    if rules.percent != "divide" and (gold.endswith("%") or answer.endswith("%")):
        if rules.percent == "strict" and gold.endswith("%") != answer.endswith("%"):
            return "wrong", "percent", "one is a percentage and the other is not"
        gold, answer = gold.removesuffix("%"), answer.removesuffix("%")
    gold, answer = (
        r"\emptyset" if nothing(side) else side.replace(r"\$", "") for side in (gold, answer)
    )
    (gold, gold_unit), (answer, unit) = _unit(gold), _unit(answer)
    if rules.units == "strict":
        factor = convert(unit, gold_unit)
        if factor is None:
            return "undecided", "units", f"whether {unit!r} is {gold_unit!r} is not known"
        if factor is False:
            return "wrong", "units", f"{unit!r} does not measure what {gold_unit!r} does"
        if factor != 1:
            scale = Fraction(factor)
            answer = rf"\frac{{{scale.numerator}}}{{{scale.denominator}}}\cdot({answer})"
    return Left(gold, answer)


def _written_out(text: str) -> str:
    """A number in words or with parts, such as 20 1/5, as the grammar reads it."""
    found = measured(text)
    if found is None or found.behind not in ("unit", "thing") or _DECIMAL.fullmatch(text):
        return text
    value, unit = found.quantity.value, found.quantity.unit
    exact = (
        str(value)
        if value.denominator == 1
        else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    )
    return (
        exact
        + ("%" if found.quantity.percent else "")
        + (rf"\text{{{plain(unit)}}}" if unit else "")
    )


def _unit(text: str) -> tuple[str, str]:
    """A text without the unit or the thing behind it, and that."""
    match = _UNIT.fullmatch(text)
    if match and behind(match["unit"]) in ("unit", "thing"):
        return match["body"], match["unit"]
    bare = _BARE_UNIT.fullmatch(text)
    if (
        bare
        and is_unit(bare["unit"])
        and not re.search(r"[A-Za-z]{3}\s*$", re.sub(r"\\[A-Za-z]+", "", bare["body"]))
    ):
        return bare["body"], bare["unit"]
    return text, ""
