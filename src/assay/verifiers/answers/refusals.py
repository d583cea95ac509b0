"""What is not even tried, because it could not be checked in bounded time: it would only run into
the deadline.

These save time; the deadline and the limit on memory are the guard. Each is asked of one text
alone, so that the caller knows whose fault it is: a reference that is refused decides nothing, an
answer that is refused is none.
"""

import re
from collections.abc import Sequence
from typing import Final

from assay.verifiers.answers.quantities import MAX_DIGITS

__all__ = ["refusal", "too_long"]

MAX_BYTES: Final = 4096
MAX_SIGNS: Final = 300
"""Letters, numbers, commands and other signs."""
MAX_NESTING: Final = 12
MAX_LEVELS: Final = 3
"""Of powers in exponents."""
MAX_EXPONENT: Final = 10_000
MAX_FACTORIAL: Final = 5_000
MAX_OPERATORS: Final = 4
"""Sums, products, integrals, limits, binomial coefficients, logarithms to a base: each multiplies
the work."""
MAX_CHOICES: Final = 40
"""Bars, which open or close, and letters before a bracket, which are functions or factors."""

_SIGN: Final = re.compile(r"\\[A-Za-z]+|\d+|\*\*|\S")
_FACTORIAL: Final = re.compile(r"(?<!\d)(\d++)[)}\]\s]*+!")
_NESTED_FACTORIAL: Final = re.compile(r"![)}\]\s]*+(?:!|\^|\*\*)|(?:\^|\*\*)[{(\s]*+\d++[)}\s]*+!")
_EXPONENT: Final = re.compile(r"(?:\^|\*\*)[{(\[\s]*+[-+]?(\d++)")
_TOWER: Final = re.compile(r"\d\s*(?:\^|\*\*)[\s{(+-]*+\d++[\s})]*+(?:\^|\*\*)[\s{(+-]*+\d")
_SERIES: Final = re.compile(r"\\(?:sum|prod)(?![A-Za-z])[^^]*+\^[\s{(]*\d++\s*+(?:\^|\*\*)")
_BINOMIAL: Final = re.compile(r"\\[dt]?binom|\\choose|(?<![A-Za-z])C\s*[({]|_\s*\{?\d+\}?\s*[CP]")
_LARGE: Final = re.compile(r"\d{6,}|\^|\*\*")
_OPERATOR: Final = re.compile(r"\\(?:sum|prod|i*int|lim|[dt]?binom|choose|log\s*_)(?![A-Za-z])")
_CHOICE: Final = re.compile(r"\||[A-Za-z]\s*[(\[]")


def too_long(text: str) -> str | None:
    """Return whether it is too long to be read at all, as the end of a sentence; None when it is
    not."""
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        return f"is longer than {MAX_BYTES} bytes"
    return None


def refusal(text: str) -> str | None:
    """Why an answer is not tried, as the end of a sentence; None when it may be."""
    if why := too_long(text):
        return why
    signs = _SIGN.findall(text)
    if len(signs) > MAX_SIGNS:
        return f"holds more than {MAX_SIGNS} signs"
    if any(len(sign) > MAX_DIGITS and sign[0] != "\\" for sign in signs):
        return f"holds a number of more than {MAX_DIGITS} digits"
    nesting, levels = _depths(signs)
    if nesting > MAX_NESTING:
        return f"is nested more than {MAX_NESTING} deep"
    if levels > MAX_LEVELS or _TOWER.search(text):
        return "holds a tower of exponents"
    if any(int(n) > MAX_FACTORIAL for n in _FACTORIAL.findall(text)) or _NESTED_FACTORIAL.search(
        text
    ):
        return f"holds a factorial above {MAX_FACTORIAL}!, or a factorial of one"
    if any(int(n) > MAX_EXPONENT for n in _EXPONENT.findall(text)):
        return f"holds an exponent or a bound above {MAX_EXPONENT}"
    if _SERIES.search(text):
        return "holds a sum or a product up to a power"
    if _BINOMIAL.search(text) and _LARGE.search(text):
        return "holds a binomial coefficient of large numbers"
    if len(_OPERATOR.findall(text)) > MAX_OPERATORS:
        return f"holds more than {MAX_OPERATORS} sums, integrals or other operators"
    if len(_CHOICE.findall(text)) > MAX_CHOICES:
        return f"holds more than {MAX_CHOICES} bars, or letters before brackets"
    return None


def _depths(signs: Sequence[str]) -> tuple[int, int]:
    """Return how deep brackets are nested, and powers in exponents: three in x^{y^{z^2}} and in
    x^y^z^2."""
    nesting = levels = 0
    scopes: list[tuple[int, int]] = []
    outer = chain = 0  # powers around this place, and in the chain of which it is a part
    in_exponent = False
    for sign in signs:
        if sign in ("^", "**", r"\exp"):
            chain, in_exponent = chain + 1, True
        elif sign in "([{":
            chain = chain if in_exponent else 0
            scopes.append((outer, chain))
            outer, chain, in_exponent = outer + chain, 0, False
        elif sign in ")]}" and scopes:
            outer, chain = scopes.pop()
            in_exponent = False
        else:
            chain, in_exponent = (chain if in_exponent else 0), False
        nesting, levels = max(nesting, len(scopes)), max(levels, outer + chain)
    return nesting, levels
