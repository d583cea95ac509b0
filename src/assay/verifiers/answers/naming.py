r"""Names before an answer: "AB = 5", "f(x) = x^2", "(p,q) = (3,2)", "\angle A = 60^\circ", the
point "A(1,2)".

An answer with a name stands for its value beside an answer without one. A sum, a product or a size
of letters, "m + n = 12" or "|z| = 5", may name what was asked for, or be an equation: only the
exercise tells.
"""

import re
from dataclasses import dataclass
from typing import Final

from assay.verifiers.answers.units import changes_value

__all__ = ["Named", "family", "has_relation", "named", "same_family", "without_condition"]

_GREEK: Final = (
    r"\\(?:alpha|beta|gamma|delta|epsilon|zeta|eta|theta|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|varphi|chi|psi|omega"
    r"|Gamma|Delta|Theta|Lambda|Sigma|Phi|Psi|Omega|ell)"
)
_LETTER: Final = rf"(?:{_GREEK}|[A-Za-z])(?:_(?:\{{[^{{}}]{{1,12}}\}}|\w))?'*"
_LENGTH: Final = (
    r"(?:\|\s*[A-Z]{2}\s*\||[A-Z]{2,4}'*|\\(?:overline|overrightarrow|vec|bar)\s*\{[A-Za-z]{1,3}\})"
)
_ANGLE: Final = r"(?:m\s*)?\\(?:angle|measuredangle|triangle)\s*(?:\{?[A-Z]{1,3}'*\}?|\d)"
_AREA: Final = r"\[[A-Z]{3,6}\]"
_CALL: Final = r"[A-Za-z](?:\^\{-1\})?'*\(\s*[A-Za-z0-9]+(?:\s*,\s*[A-Za-z0-9]+)*\s*\)"
_WORDS: Final = r"\\text\s*\{[^{}]*\}(?:\s*_\{?\w+\}?)?|[A-Za-z]{3,}(?:\s[A-Za-z]+){0,4}"
_TUPLE: Final = r"\(\s*[A-Za-z](?:_\{?\w\}?)?(?:\s*,\s*[A-Za-z](?:_\{?\w\}?)?)+\s*\)"
_PROPORTION: Final = r"[A-Za-z]{1,2}(?:\s*:\s*[A-Za-z]{1,2})+"
_NAME: Final = re.compile(
    "|".join((_LETTER, _LENGTH, _ANGLE, _AREA, _CALL, _WORDS, _TUPLE, _PROPORTION))
)
_SUM: Final = re.compile(
    r"[A-Za-z](?:\s*[+-]?\s*[A-Za-z])+|\|\|?\s*(?:[A-Za-z]|\\vec\s*\{\w\})\s*\|\|?"
)
_POINT: Final = re.compile(r"([A-Z](?:_\{?\w\}?)?'*)\s*(\(.+,.+\))")
_CONDITION: Final = re.compile(
    r",?\s*(?:\\text\s*\{[\s,]*)?\bfor (?:all|every|any|each)(?:"
    r" (?:real|values?|of|integers?|numbers?))*\s*\}?"
    r"\s*(?:[a-z](?:\s*\\in\s*\\mathbb\{[A-Z]\})?)?\s*\}?$"
)
_WHOLE: Final = re.compile(
    r"[,;]?\s*\(?\s*(?:\\text\s*\{[\s,]*)?(?:\b(?:where|for|with)\b)?\s*(?:any|all|every|some)?\s*"
    r"(?:(?:integers?\s*\}?\s*(?P<integer>[klmn]))|\}?\s*(?P<letter>[klmn])\s*(?:\\in\s*\\mathbb\s*\{Z\}"
    r"|(?:\\text\s*\{)?\s*(?:is )?an integer\s*\}?))\s*\)?"
)
_BEFORE_WHOLE: Final = re.compile(r"[,;(]|\\text| ")
MAX_CONDITION: Final = 80
"""Characters at the end in which a condition stands."""
_PARAMETER: Final = re.compile(r"(?<![A-Za-z\\])[klmn](?![A-Za-z])")
_RELATION: Final = re.compile(r"[=<>]|\\(?:le|ge|ne|in|approx|equiv|lt|gt)(?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class Named:
    """What an answer calls its value, and the value."""

    name: str
    value: str
    sure: bool = True
    """Whether the name can be nothing else; not of m + n = 12."""
    point: bool = False
    """Whether it is that of a point, A(1, 2), without a sign of equality."""


def named(text: str) -> Named | None:
    """A normalised text as a name and a value; None where it is no such thing."""
    if point := _POINT.fullmatch(text):
        return Named(point[1], point[2], point=True)
    left, sign, right = text.partition("=")
    if not sign or _RELATION.search(right) or left.endswith("\\"):
        return None
    left, right = left.strip(), right.strip()
    if not right or right in ("?", ""):
        return None
    if left[:3].isalpha() and changes_value(left):  # not x = 5
        return None
    if _NAME.fullmatch(left):
        return Named("".join(left.split()), right)
    return Named("".join(left.split()), right, sure=False) if _SUM.fullmatch(left) else None


def family(text: str) -> str | None:
    r"""Return what holds for every integer, of k\pi, k \in \mathbb{Z}; None where the text says of
    no letter of it that it is one."""
    if r"\in" not in text and "integer" not in text:
        return None
    for sign in _BEFORE_WHOLE.finditer(text, max(1, len(text) - MAX_CONDITION)):
        condition = _WHOLE.fullmatch(text, sign.start())
        body = text[: sign.start()].strip()
        letter = (condition["letter"] or condition["integer"]) if condition else None
        if letter and {*_PARAMETER.findall(body)} == {letter}:
            return body
    return None


def same_family(one: str, other: str) -> bool:
    r"""Return whether two texts are spelled alike but for the name of an integer: k\pi, n\pi."""
    if not (_PARAMETER.search(one) and _PARAMETER.search(other)):
        return False
    first, second = ({*_PARAMETER.findall(side)} for side in (one, other))
    alike = ["".join(_PARAMETER.sub("k", side).split()) for side in (one, other)]
    return len(first) == len(second) == 1 and alike[0] == alike[1]


def has_relation(text: str) -> bool:
    """Return whether it holds a sign of equality or of order."""
    return _RELATION.search(text) is not None


def without_condition(text: str) -> str:
    """The text without a closing "for all x"."""
    match = _CONDITION.search(text) if " for " in text or "{for " in text else None
    return text[: match.start()].strip() if match and match.start() else text
