"""Answers in plain words: whether two of them say the same."""

import re
from typing import Final, Literal

__all__ = ["is_letters", "is_prose", "is_words", "nothing", "same_letters", "same_words"]

_WORDS: Final = re.compile(r"(?=.*[A-Za-z]{3})[A-Za-z][A-Za-z ,.'-]{2,500}")
_PROSE: Final = re.compile(r"(?=.*[A-Za-z]{3})(?=.* )(?=.*\d)[A-Za-z][A-Za-z0-9 ,.'-]{2,500}")
_BEFORE: Final = re.compile(
    r"^(?:(?:it|that|this|he|she)(?: is|'s) |(?:on|at|in|by) )?(?:(?:a|an|the) )?"
)
_JOINED: Final = re.compile(r",? and |,? & |,? or |, ?")

_NOTHING: Final = {
    "no solution": re.compile(
        r"none|(?:there (?:is|are|exists?) |(?:it )?has )?no(?: such)?(?: real| integer| valid|"
        r" possible)*"
        r" (?:solutions?|numbers?|values?|roots?|integers?|answers?)(?: exists?)?"
        r"|(?:the )?(?:empty|null) set|\\emptyset"
    ),
    "does not exist": re.compile(
        r"dne|(?:(?:it|(?:the )?limit) )?(?:does not|doesn't|do not|don't) exist"
        r"|(?:it is )?undefined|not defined|no limit"
    ),
}

_LETTERS: Final = re.compile(r"[A-Za-z]{2,12}")
_FAMILIES: Final = ("abcd", "xyz", "uvw", "pqrst", "mnk", "ijk", "klmn", "lwh", "rst", "fgh")
"""Letters that go together as variables."""
_VOWELS: Final = frozenset("eiou")
_SHORT: Final = frozenset(
    """
    cat act rat tar art tap pat apt bat tab dab bad cab lab ram mar arm rap par war raw saw was may
    yam day pay ray way say any nay all sad map nap pan tan ant fan fat aft gap gas sag had has hat
    man mat pad sat van wax tax lay law dry shy sky try why spy fly cry my by gym
    """.split()
)
"""Short words without e, i, o or u, which would be the sign that letters are a word."""


def is_words(text: str) -> bool:
    """Plain words, such as "Monday" or "no solution"; not "abc", which may be a product."""
    if not _WORDS.fullmatch(text):
        return False
    return len(text) > 3 or text.lower() in _SHORT or not _VOWELS.isdisjoint(text.lower())


def is_prose(text: str) -> bool:
    """Words with numbers among them, such as "June 5": no mathematics."""
    return _PROSE.fullmatch(text) is not None


def nothing(text: str) -> str:
    """In which way a text says that there is no answer: "no solution", "does not exist", or "" when
    it does not."""
    plain = text.lower().strip()
    return next((name for name, pattern in _NOTHING.items() if pattern.fullmatch(plain)), "")


def same_words(one: str, other: str) -> Literal["same", "other order", "different"]:
    """Return whether two texts say the same, but for articles, "on Monday" for "Monday", and the
    order of a list."""
    first, second = _bare(one), _bare(other)
    if first == second:
        return "same"
    lists = [_JOINED.split(side) for side in (first, second)]
    connected = [(" and " in side or " & " in side, " or " in side) for side in (first, second)]
    if len(lists[0]) > 1 and sorted(map(_bare, lists[0])) == sorted(map(_bare, lists[1])):
        ways = [way for way in connected if any(way)]
        if len(ways) == 2 and ways[0] == ways[1]:
            return "same"
        return "other order" if len(set(ways)) < 2 else "different"
    return "different"


def _bare(text: str) -> str:
    plain = " ".join(text.lower().replace(".", " ").split()).strip(" ,")
    return _BEFORE.sub("", plain, count=1)


def is_letters(text: str) -> bool:
    """Return whether it is letters alone, at least two, without a space."""
    return _LETTERS.fullmatch(text) is not None


def same_letters(one: str, other: str) -> Literal["product", "different", "unknown"]:
    """Return what two different rows of the same letters are: xyz and zyx one product; CAT and ACT,
    yes and sey are not.

    Letters are a product where they go together as variables. They are a row or a word where they
    are capitals, more than two of them, or hold a letter that is hardly ever a factor (e, i, o, u),
    or are a known word.
    """
    if one.isupper() and other.isupper():
        return "different" if len(one) > 2 else "unknown"
    words = {one.lower(), other.lower()}
    if words & _SHORT:
        return "different"
    if all(map(_is_product, words)):
        return "product"
    return "unknown" if all(_VOWELS.isdisjoint(word) for word in words) else "different"


def _is_product(word: str) -> bool:
    letters = set(word)
    return word.islower() and any(letters <= set(family) for family in _FAMILIES)
