r"""Numbers in running text: where they stand, and which one a sentence states.

Every pattern reads a run of digits once: digits are possessive, and none is tried from the middle
of a run.
"""

import itertools
import re
from dataclasses import replace
from fractions import Fraction
from typing import Final

from assay.verifiers.answers.places import Place, is_denied
from assay.verifiers.answers.quantities import Quantity, read
from assay.verifiers.answers.units import convert

__all__ = ["NUMBER", "is_expression", "last_number", "stated_number"]

Span = tuple[int, int]
"""Start and end of a place in the text, in characters."""

REACH: Final = 60
"""Characters beside a number that are looked at for words such as "or" and "not"."""
MAX_NUMBERS: Final = 64
"""Numbers of a sentence that are looked at."""

# Groups of digits are tried at the start of a list of digits alone: in 12,34,34,34 none starts at a
# later comma.
_UNSIGNED: Final = (
    r"(?:(?<!\d,)(?:\d{1,3}(?:,\d{3}(?!\d))++|\d{1,2}(?:,\d{2}(?!\d))++,\d{3}(?!\d))"
    r"|\d{1,3}(?:[ ]\d{3}(?!\d))++|\d++)(?:\.\d++)?|(?<![\w.])\.\d++"
)
_TIMES_TEN: Final = r"(?:[ ]?(?:\\times|\\cdot|[x×*·])[ ]?10)?"
NUMBER: Final = re.compile(
    rf"""(?=[-−$\\.\d])
    (?:(?<![\w)}}\]])[-−])?                         # a sign, but not the minus of "16 - 3" or "16-3"
    (?:\\?\$-?)?
    (?<!\d)(?<!\d\.)(?<!\d:)(?<!\d:\d)              # not from within a number, nor the minutes of 2:10
    (?<![\^_])(?<![\^_][{{−-])(?<![\^_]\{{[−-])     # nor an exponent or an index
    (?:\\[dt]?frac\{{-?\d++\}}\{{\d++\}}
      |\d++[ ]\d++/\d++(?![\d/])                    # 1 1/2
      |(?:{_UNSIGNED})/\d++(?![\d/])                # 3/4, but not the date 3/4/25
      |(?:{_UNSIGNED})
       (?:[eE][-+]?\d++(?!\w)
         |{_TIMES_TEN}[ ]?\^[ ]?(?:\{{[^{{}}\n]{{0,20}}\}}|[-−]?\w{{1,20}})    # a power of whatever
         |{_TIMES_TEN}[⁰¹²³⁴-⁹⁻]++
         |_\{{?\w{{1,4}}\}}?)?)                     # a base
    (?!\d*+:\d)                                     # not the hour of 2:10
    (?:[ ]?\\?%)?""",  # noqa: E501
    re.VERBOSE,
)
_EQUALS: Final = re.compile(r"=|\bequals\b", re.IGNORECASE)
# An aside in parentheses, which may give a reason or another unit, but not one that is a factor.
_ASIDE: Final = re.compile(
    r"(?<=[\w%.,*$])\s\((?!(?i:or|and|maybe|perhaps|possibly)\b)[^()\n]*+\)(?!\s?[-−+*×/÷^=])"
)
# "After 2 years, she has $600": the number is in the main clause.
_CLAUSE: Final = re.compile(
    r"(?:after|as|assuming|at|because|before|by|during|for|given|if|in|on|once|since|when|while|with)\b"
    r"[^,.\n]*+(?:,(?=\d)[^,.\n]*+)*+,\s",
    re.IGNORECASE,
)
# Between two numbers of which one is meant: "2 or 3", "2 apples or maybe 3", "2, perhaps 3".
_ALTERNATIVE: Final = re.compile(
    r"[^.;\n=]*?(?:[\s,(*$]|\\text\s?\{)+"
    r"(?:or|and/or|maybe|perhaps|possibly|alternatively|otherwise|versus|vs\.?|oder|ou)\b"
    r"(?:[\s,]+(?:maybe|perhaps|possibly|probably|even|about|around|approximately|rather|it|is|it's|just|else)\b)*+"
    r"[\s,(*\\$}]*",
    re.IGNORECASE,
)
_OR: Final = re.compile(r"\w[ ,]{1,2}or[ ][*$]{0,3}\Z")
_OR_WORD: Final = re.compile(r"[^.;\n]*?\b(?:or|versus|vs\.?)[ ]([a-z-]{1,20})\b")
_JOINED: Final = re.compile(
    r"[\s*$\\)]*(?:,|;|&|/|\||\.{2,3}|…|->|→|\band\b|,\s*and\b|\bund\b|\bet\b|\by\b|\bto\b"
    r"|\bthrough\b|\?|(?<=\d)[ \t]+)[\s*$\\(]*",
    re.IGNORECASE,
)
_COMPOUND: Final = re.compile(r"(\d{1,9} [A-Za-z]{1,20})(?:,| and|, and)? (\d{1,9} [A-Za-z]{1,20})")
_KILO: Final = re.compile(r"[kKM](?!\w)")
_WORD: Final = re.compile(r"[ ]?[A-Za-z]{1,20}\b")
_BEHIND: Final = re.compile(r"(?:\s?(?!(?:or|and|maybe|perhaps|possibly)\b)[A-Za-z]{1,20}){1,3}")
# What makes a number a part of an expression: "16 - 3", "2x", "2 pi". One letter behind it may be a
# unit: 5m, 3 h.
_OPERAND: Final = r"\s*[$(]*(?:\d|[√π]|\\(?:frac|sqrt|pi)\b)"
_GOES_ON: Final = re.compile(
    rf"\*\*(?=\d)|(?:\*\*|[$|])*(?:[abefijnoqru-zB](?![A-Za-z])"
    rf"|[A-Za-z]?\s*(?:[-−–+×·÷/^±~<>≤≥≠]|\*(?!\*)|x(?=\s*\d)){_OPERAND}"
    r"|\s*(?:\\(?:sqrt|pi|times|cdot|pm|mp)\b|[√π]|pi\b)"
    r"|\s?(?:\\right)?\)\s?(?:\^|[²³])|\s?‰)"
)
_CAME_FROM: Final = re.compile(
    r"(?:[\w)}\]|]\s*[-−+*×·÷/^]|√|\\sqrt\{?)\s*[$(]*\Z|[-−]\s?(?:\\left\s?)?\(\s?\Z"
)
# Words that make another number of the one beside them. Bounds are none: "at least 18" says 18.
_WORD_BEFORE: Final = re.compile(
    r"(?:\b(?:negative|minus|plus|half|half[ ]of|twice|thrice|double|triple|(?<![ ]of[ ])times"
    r"|(?:third|quarter|fourth|fifth|sixth|eighth|tenth)s?[ ]of"
    r"|(?:root|square|cube|factorial|reciprocal|inverse)[ ]of|log|ln|sin|cos|tan"
    r"|(?:one|two|three|four|five|six|seven|eight|nine|ten)[ ](?:less|more|fewer|greater)[ ]than"
    r")[ ]"
    r"|(?:^|[\s$(])[<>≤≥][ ]?)[*$(]{0,3}\Z",
    re.IGNORECASE,
)
_WORD_AFTER: Final = re.compile(
    r"(?<=%)[ ]of[ ][*$(]{0,3}\d++"
    r"|[*$)]{0,3}[ ](?:squared|cubed|factorial|doubled|tripled|halved"
    r"|per[ ]?cent[ ]of[ ][*$(]{0,3}\d++|(?:plus|minus|times|choose|mod(?:ulo)?)["
    r" ][*$(]{0,3}\d++|over[ ][*$(]{0,3}\d++(?![ ](?:minute|hour|day|week|month|year)s?\b)"
    r"|(?:less|more|fewer|greater)[ ]than[ ][*$(]{0,3}\d++"
    r"|(?:divided|multiplied)[ ]by|per[ ]?mille?|to[ ]the[ ]power|raised[ ]to)\b",
    re.IGNORECASE,
)


# "18 if x > 0 and 20 otherwise", "18 when it is even and 20 when it is odd"
_CASE: Final = re.compile(
    r"[^.\n]{0,40}?[ ](?:(?:if|when|unless)[ ]|for[ ][$]?[a-z](?=[ ]?[<>=≤≥\\]))", re.IGNORECASE
)
_OTHER_CASE: Final = re.compile(
    r"\b(?:otherwise|else)\b[\s,]{0,2}(?:it[ ]is[ ])?[*$(]{0,3}-?\Z", re.IGNORECASE
)
_AND: Final = re.compile(
    r"(?:[,;]|\b(?:and|but|or))[ ](?:it[ ]is[ ])?[*$(]{0,3}-?\Z", re.IGNORECASE
)
_IN_OTHER_CASE: Final = re.compile(
    r"[*$)%]{0,4}(?:[ ,]{1,2}(?:\w{1,12}[ ]){0,2}(?:otherwise|else|if|when)\b)", re.IGNORECASE
)
# Not the minus of "20 apples minus 18".
_SIGN_WORD: Final = re.compile(
    r"(?:\A|[\n.,:;=#(]\s{0,2}"
    r"|\b(?:is|was|be|are|get|gets|gives|give|equals|equal|to|have|yields)[ ])"
    r"(?P<sign>(?:negative|minus)[ ])\Z",
    re.IGNORECASE,
)
# Two whole numbers that are said to be equal.
_WORKING: Final = re.compile(
    r"\s*+([-−]?\$?\d[\d,]*(?:\.\d++)?)\s*+=(?=[^=]*\d\s*[-+*/×·÷]\s*\d)[\d\s.,()$+*/×·÷-]++"
)
"""A number and the working behind it: 18 = 9 * 2."""
_EQUATION: Final = re.compile(r"\s*[*$(]*([-−]?\d++)\s*+=\s*+([-−]?\d++)[\s*$).]*+")


def last_number(text: str) -> list[Place]:
    """The last number written in digits that is not denied ("not 18"), with those of which it is
    one: "2 or 3".

    The minus of a difference such as "16 - 3" is not a sign.
    """
    numbers = [match.span() for match in NUMBER.finditer(text)]
    while numbers and is_denied(text, *numbers[-1]):
        numbers.pop()
    if not numbers:
        return []
    start, end = numbers[-1]
    before_it = max(0, start - REACH)
    if sign := _SIGN_WORD.search(text[before_it:start]):
        return [Place(before_it + sign.start("sign"), end)]
    for before in reversed(numbers[-MAX_NUMBERS:-1]):
        if start - before[1] > REACH or not _ALTERNATIVE.fullmatch(text, before[1], start):
            break
        start = before[0]
    return [Place(start, end)]


def stated_number(sentence: str) -> Span:
    """The place of the number that a sentence states: the first after its last equals sign that is
    not denied.

    The whole where it states none, or several values ("2 or 3"), or an expression ("2x").
    """
    whole = (0, len(sentence))
    plain = _ASIDE.sub(lambda aside: " " * len(aside[0]), sentence)
    numbers = _numbers(plain, _start(plain)) or _numbers(plain, 0) or _numbers(sentence, 0)
    if working := _WORKING.fullmatch(plain):
        return working.span(1)
    if not numbers or _is_part(plain, numbers[0]) or _in_cases(plain, numbers):
        return whole
    equation = _EQUATION.fullmatch(plain)
    if equation and int(equation[1].replace("−", "-")) != int(equation[2].replace("−", "-")):
        return whole  # "20 = 18"
    if _OR.search(plain, max(0, numbers[0][0] - REACH), numbers[0][0]):  # "ten or 18"
        return whole
    word = _OR_WORD.match(plain, numbers[0][1], min(len(plain), numbers[0][1] + REACH))
    if word and read(word[1]) is not None:  # "18 or twenty"
        return whole
    group = _joined(plain, numbers)
    if len(group) == 1:
        return _with_multiple(plain, group[0])
    first, *others = _quantities(plain, group)
    return group[0] if all(_same(first, other) for other in others) else whole


def _numbers(sentence: str, start: int) -> list[Span]:
    places = (
        match.span() for match in itertools.islice(NUMBER.finditer(sentence, start), MAX_NUMBERS)
    )
    return [place for place in places if not is_denied(sentence, *place)]


def _start(sentence: str) -> int:
    """The end of the last equals sign, or of a clause that leads to the main one."""
    *_, last = (0, *(match.end() for match in _EQUALS.finditer(sentence)))
    clause = _CLAUSE.match(sentence) if not last else None
    return clause.end() if clause else last


def is_expression(sentence: str) -> bool:
    """Return whether the first number of a sentence is a part of an expression: 3t + 5."""
    numbers = _numbers(sentence, 0)
    return bool(numbers) and _is_part(sentence, numbers[0])


def _is_part(sentence: str, number: Span) -> bool:
    """Return whether a number is a part of an expression."""
    start, end = number
    behind = _GOES_ON.match(sentence, end) or _WORD_AFTER.match(sentence, end)
    before = max(0, start - 20)
    return bool(
        behind
        or _CAME_FROM.search(sentence, before, start)
        or _WORD_BEFORE.search(sentence, before, start)
    )


def _in_cases(sentence: str, numbers: list[Span]) -> bool:
    """Return whether the first number is said for one case, and another one for the other."""
    case = _CASE.match(sentence, numbers[0][1])
    if case is None:
        return False
    first = sentence[slice(*numbers[0])]
    for start, end in numbers[1:]:
        if start < case.end() or sentence[start:end] == first:
            continue
        before = max(0, start - REACH)
        if (
            _OTHER_CASE.search(sentence, before, start)
            or (
                (joined := _AND.search(sentence, before, start))
                and (
                    _IN_OTHER_CASE.match(sentence, end, min(len(sentence), end + REACH))
                    # Its condition may be cut off; but not in "when we add 9 and 9".
                    or not (
                        sentence[end:].strip(" *$.)")
                        or sentence[: joined.start()].rstrip()[-1:].isdigit()
                    )
                )
            )
        ):
            return True
    return False


def _joined(sentence: str, numbers: list[Span]) -> list[Span]:
    """The first number and those that are joined to it: "2 or 3", "2, 3 and 4"."""
    group, certain = [numbers[0]], False
    for place in numbers[1:]:
        end, start = group[-1][1], place[0]
        if start - end > REACH:
            break
        if _ALTERNATIVE.fullmatch(sentence, end, start):
            certain = True
        elif _JOINED.fullmatch(sentence, end, start):
            certain = certain or sentence[end:start].strip(" *$\\)(\n\t") not in (",", "")
        else:
            break
        group.append(place)
    rest = sentence[group[-1][1] :].strip(" .*_$)]}\\")
    if (
        len(group) == 2
        and (rest or "&" in sentence[group[0][1] : group[1][0]])
        and _is_mixed(sentence, *group)
    ):
        return group[:1]
    # Commas alone make a list only where nothing else is said: not in "18, 9 for each".
    return group if certain or not rest else group[:1]


def _is_mixed(sentence: str, whole: Span, part: Span) -> bool:
    """Return whether two numbers are a mixed one, of which the whole part counts: "3 and 2/3
    hours"."""
    return "/" in sentence[slice(*part)] and sentence[whole[1] : part[0]].strip() in ("and", "&")


def _with_multiple(sentence: str, place: Span) -> Span:
    """A number with the word behind it where that makes another of it: 18 thousand."""
    start, end = place
    if _KILO.match(sentence, end):  # 18k is not 18; a bare letter may be a name, and is not read
        return start, end + 1
    word = _WORD.match(sentence, end)
    alone, counted = read(sentence[start:end]), read(sentence[start : word.end()]) if word else None
    changed = alone is not None and counted is not None and alone.value != counted.value
    return (start, word.end()) if word and changed else place


def _quantities(sentence: str, group: list[Span]) -> list[Quantity | None]:
    """Return what the numbers of a group say; of "82 or 1 hour and 22 minutes" the second says 82
    minutes."""
    return [_compound(sentence, place) or _quantity(sentence, place) for place in group]


def _compound(sentence: str, place: Span) -> Quantity | None:
    parts = _COMPOUND.match(sentence, place[0])
    first, second = (read(parts[1]), read(parts[2])) if parts else (None, None)
    if first is None or second is None:
        return None
    factor = convert(first.unit, second.unit)
    return (
        Quantity(first.value * factor + second.value, unit=second.unit)
        if isinstance(factor, Fraction)
        else None
    )


def _quantity(sentence: str, place: Span) -> Quantity | None:
    """A number of a sentence with the words behind it where they are a unit."""
    start, end = place
    if sentence[end : end + 2].rstrip(" .,)").lower() == "k" and (
        thousands := read(sentence[start:end])
    ):
        return replace(thousands, value=thousands.value * 1000)
    behind = _BEHIND.match(sentence, end)
    return (read(sentence[start : behind.end()]) if behind else None) or read(sentence[start:end])


def _same(one: Quantity | None, other: Quantity | None) -> bool:
    """Return whether two name one value: 0.5 and 50%, 90 minutes and 1.5 hours; or the second is
    the first in another unit."""
    if one is None or other is None:
        return False
    values = {one.value, one.value / 100 if one.percent else one.value}
    if values & {other.value, other.value / 100 if other.percent else other.value}:
        return True
    if not (one.unit and other.unit) or one.unit == other.unit:
        return False
    if isinstance(factor := convert(one.unit, other.unit), Fraction):
        return one.value * factor == other.value
    return any(convert(number.unit, "meters") is not None for number in (one, other))
