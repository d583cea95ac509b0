r"""Lists, tuples, sets and intervals in text: their brackets, and the parts between commas that
stand in no bracket."""

from typing import Final

__all__ = ["bracketed", "items"]

_OPENERS: Final = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def items(text: str) -> list[str] | None:
    """The parts of a text between its outer commas; None where brackets do not match."""
    found, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += _OPENERS.get(character, 0)
        if depth < 0:
            return None
        if character == "," and not depth:
            found.append(text[start:place].strip())
            start = place + 1
    return None if depth else [*found, text[start:].strip()]


def bracketed(text: str) -> tuple[str, list[str]] | None:
    r"""The brackets of a list, "" for none, and its parts: ("{}", ["1", "2"]) of \{1,2\}; None for
    what is no list."""
    plain = text.replace(r"\{", "{").replace(r"\}", "}")
    if text[:1] == "(" or text[:1] == "[" or text[:2] == r"\{":
        inside = items(plain[1:-1])
        if inside is not None and plain[-1:] in (")", "]", "}"):
            return plain[0] + plain[-1], inside
    outside = items(plain)
    return ("", outside) if outside is not None and len(outside) > 1 else None
