"""What is not even tried, because it could not be checked in bounded time: it would only run into the deadline.

These save time; the deadline and the limit on memory are the guard.
"""

import re
from typing import Final

from assay.verifiers.quantities import MAX_DIGITS

__all__ = ["refusal", "too_long"]

MAX_BYTES: Final = 4096
MAX_NESTING: Final = 40
MAX_EXPONENT: Final = 10_000
MAX_FACTORIAL: Final = 5_000

_LONG_NUMBER: Final = re.compile(rf"\d{{{MAX_DIGITS + 1},}}")
_FACTORIAL: Final = re.compile(r"(\d+)[)}\]\s]*!")
_NESTED_FACTORIAL: Final = re.compile(r"![)}\]\s]*+(?:!|\^|\*\*)|(?:\^|\*\*)[{(\s]*+\d++[)}\s]*+!")
_EXPONENT: Final = re.compile(r"(?:\^|\*\*)[{(\[\s]*+[-+]?(\d++)")
_TOWER: Final = re.compile(r"\d\s*(?:\^|\*\*)[\s{(+-]*\d+[\s})]*(?:\^|\*\*)[\s{(+-]*\d")
_SERIES: Final = re.compile(r"\\(?:sum|prod)(?![A-Za-z])[^^]*+\^[\s{(]*\d++\s*+(?:\^|\*\*)")
_BINOMIAL: Final = re.compile(r"\\[dt]?binom|\\choose|(?<![A-Za-z])C\s*[({]|_\s*\{?\d+\}?\s*[CP]")
_LARGE: Final = re.compile(r"\d{6,}|\^|\*\*")


def too_long(text: str) -> str | None:
    """Whether it is too long to be read at all, as the end of a sentence; None when it is not."""
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        return f"is longer than {MAX_BYTES} bytes"
    return None


def refusal(text: str) -> str | None:
    """Why an answer is not tried, as the end of a sentence; None when it may be."""
    if _LONG_NUMBER.search(text):
        return f"holds a number of more than {MAX_DIGITS} digits"
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        return f"is nested more than {MAX_NESTING} deep"
    if any(int(n) > MAX_FACTORIAL for n in _FACTORIAL.findall(text)) or _NESTED_FACTORIAL.search(text):
        return f"holds a factorial above {MAX_FACTORIAL}!, or a factorial of one"
    if any(int(n) > MAX_EXPONENT for n in _EXPONENT.findall(text)):
        return f"holds an exponent or a bound above {MAX_EXPONENT}"
    if _TOWER.search(text):
        return "holds a tower of exponents"
    if _SERIES.search(text):
        return "holds a sum or a product up to a power"
    if _BINOMIAL.search(text) and _LARGE.search(text):
        return "holds a binomial coefficient of large numbers"
    return None
