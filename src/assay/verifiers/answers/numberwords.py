"""Numbers in English words, exactly: "one hundred twenty-five", "negative five", "one and a half",
"two thirds".

A closed grammar: what holds any other word is no number.
"""

import re
from fractions import Fraction
from typing import Final

__all__ = ["MULTIPLES", "fraction_word", "ordinal", "spoken"]

_TEENS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
).split()
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SMALL: Final = {word: n for n, word in enumerate(_TEENS)} | {
    word: 10 * n for n, word in enumerate(_TENS, 2)
}
_SCALES: Final = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
MULTIPLES: Final = {"dozen": 12, "hundred": 100, "lakh": 10**5, "crore": 10**7, **_SCALES}
"""Words that multiply the number before them."""

_FIRST: Final = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
    " thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
).split()
_ORDINALS: Final = {word: n for n, word in enumerate(_FIRST)} | {
    f"{word[:-1]}ieth": 10 * n for n, word in enumerate(_TENS, 2)
}
_PARTS: Final = {"half": 2, "halve": 2, "quarter": 4} | {
    word: n for word, n in (*_ORDINALS.items(), ("hundredth", 100), ("thousandth", 1000)) if n >= 3
}
_WORD: Final = re.compile(r"[a-z]+")
_TEXT: Final = re.compile(r"[A-Za-z][A-Za-z ,-]{1,120}")
_DIGITS: Final = frozenset(_TEENS[:10])


def spoken(text: str) -> Fraction | None:
    """The number that a text of words says; None when it is not one number and nothing else."""
    if not _TEXT.fullmatch(text):
        return None
    words = _WORD.findall(text.lower())
    sign = 1
    if words[0] in ("minus", "negative"):
        sign, words = -1, words[1:]
    value = _mixed(words)
    return None if value is None else sign * value


def fraction_word(word: str) -> int | None:
    """2 for "half" and "halves", 3 for "third" and "thirds", 100 for "hundredths"."""
    word = word.lower()
    return _PARTS.get(word) or (_PARTS.get(word[:-1]) if word.endswith("s") else None)


def ordinal(text: str) -> int | None:
    """5 for "fifth", 21 for "twenty-first"."""
    ten, _, one = text.lower().replace(" ", "-").rpartition("-")
    if not ten:
        return _ORDINALS.get(one)
    unit = _ORDINALS.get(one, 0)
    return _SMALL[ten] + unit if ten in _TENS and 1 <= unit <= 9 else None


def _mixed(words: list[str]) -> Fraction | None:
    """A whole number, a fraction, a decimal "three point one", or "one and a half"."""
    if "point" in words:
        place = words.index("point")
        whole, digits = _whole(words[:place]), words[place + 1 :]
        if whole is None or not digits or not _DIGITS.issuperset(digits):
            return None
        return whole + Fraction(
            int("".join(str(_SMALL[digit]) for digit in digits)), 10 ** len(digits)
        )
    if (value := _whole(words)) is not None:
        return Fraction(value)
    if (part := _part(words)) is not None:
        return part
    for place in (at for at, word in enumerate(words) if word == "and"):
        whole, part = _whole(words[:place]), _part(words[place + 1 :])
        if whole is not None and part is not None and part < 1:
            return whole + part
    return None


def _part(words: list[str]) -> Fraction | None:
    """Two thirds, a half, one quarter, half."""
    if not words or (below := fraction_word(words[-1])) is None:
        return None
    above = words[:-1]
    if above in ([], ["a"], ["an"]):
        # "third" alone is a place in a row, not a part.
        alone = words[-1] in ("half", "quarter")
        return Fraction(1, below) if above or alone else None
    count = _whole(above)
    return None if count is None else Fraction(count, below)


def _whole(words: list[str]) -> int | None:
    """One hundred and twenty-five thousand; "a dozen". Each part must be smaller than the one
    before it."""
    if words[:1] in (["a"], ["an"]) and len(words) > 1 and words[1] in MULTIPLES:
        words = ["one", *words[1:]]
    if not words or words[0] == "and" or words[-1] == "and":
        return None
    total, current, seen, last = 0, 0, False, 0
    scale = max(MULTIPLES.values()) * 10
    for place, word in enumerate(words):
        if word == "and":
            if words[place - 1] not in MULTIPLES:
                return None
        elif word in _SMALL:
            value = _SMALL[word]
            behind_ten = last >= 20 and last % 10 == 0 and 0 < value < 10
            if seen and not behind_ten and words[place - 1] not in ("and", *MULTIPLES):
                return None
            current, seen, last = current + value, True, value
        elif word == "hundred":
            if not 0 < current < 100:
                return None
            current, last = current * 100, 0
        elif word in MULTIPLES:
            if not seen or not current or MULTIPLES[word] >= scale:
                return None
            scale = MULTIPLES[word]
            total, current, last = total + current * scale, 0, 0
        else:
            return None
    return total + current
