"""Roman numerals, read only where a setting asks for them: XIV may be letters."""

import re
from typing import Final

__all__ = ["roman"]

_NUMERAL: Final = re.compile(
    r"(?=[MDCLXVI])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
)
_VALUES: Final = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def roman(text: str) -> str | None:
    """The digits of a numeral in capitals, written as the rule is; None for any other text."""
    if not _NUMERAL.fullmatch(text):
        return None
    values = [_VALUES[letter] for letter in text]
    signed = [
        -one if one < after else one for one, after in zip(values, [*values[1:], 0], strict=True)
    ]
    return str(sum(signed))
