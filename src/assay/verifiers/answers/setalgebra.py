r"""Sets named by capitals, A \cap (B \cup C): the same where the same elements are in them,
whatever the sets are."""

import itertools
import re
from collections.abc import Callable, Mapping
from itertools import product
from typing import Final

__all__ = ["same_sets"]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<name>[A-Z])|(?P<sign>\\(?:cup|cap|setminus|backslash|triangle)(?![A-Za-z]))|(?P<open>\(|\\overline\s*\{|\{)"
    r"|(?P<close>[)}])|(?P<not>\^\s*\{?\s*(?:c|C|\\complement)\s*\}?|'))"
)
_SIGNS: Final = (r"\cup", r"\cap", r"\setminus", r"\backslash")
MAX_SETS: Final = 8

Membership = Callable[[Mapping[str, bool]], bool]


def same_sets(one: str, other: str) -> bool | None:
    """Return whether two expressions are the same set; None where neither is one. One beside
    anything else is not the same."""
    if not any(sign in side for sign, side in product(_SIGNS, (one, other))):
        return None
    first, second = _read(one), _read(other)
    if first is None or second is None:
        return None if first is None and second is None else False
    names = sorted(first[1] | second[1])
    if len(names) > MAX_SETS:
        return None
    rows = [
        dict(zip(names, row, strict=True))
        for row in itertools.product((False, True), repeat=len(names))
    ]
    return all(first[0](row) == second[0](row) for row in rows)


def _read(text: str) -> tuple[Membership, set[str]] | None:
    """Return whether an element is in the set, by the named sets that it is in, and their names."""
    tokens, end = [], 0
    while end < len(text.rstrip()):
        match = _TOKEN.match(text, end)
        if match is None:
            return None
        tokens.append((str(match.lastgroup), match[0].strip()))
        end = match.end()
    try:
        member, rest = _operation(tokens)
    except (IndexError, ValueError, RecursionError):
        return None
    return None if rest else (member, {token for kind, token in tokens if kind == "name"})


def _operation(tokens: list[tuple[str, str]]) -> tuple[Membership, list[tuple[str, str]]]:
    """One sign alone joins what no brackets part: A \\cup B \\cap C is not read, for it is
    ambiguous."""
    member, tokens = _operand(tokens)
    signs = set()
    while tokens and tokens[0][0] == "sign":
        sign = tokens[0][1]
        signs.add(sign)
        right, tokens = _operand(tokens[1:])
        member = _joined(sign, member, right)
    if len(signs) > 1:
        raise ValueError
    return member, tokens


def _joined(sign: str, left: Membership, right: Membership) -> Membership:
    if sign == r"\cup":
        return lambda row: left(row) or right(row)
    if sign == r"\cap":
        return lambda row: left(row) and right(row)
    if sign == r"\triangle":
        return lambda row: left(row) != right(row)
    return lambda row: left(row) and not right(row)


def _operand(tokens: list[tuple[str, str]]) -> tuple[Membership, list[tuple[str, str]]]:
    (kind, token), tokens = tokens[0], tokens[1:]
    if kind == "name":
        member: Membership = lambda row: row[token]  # noqa: E731
    elif kind == "open":
        member, tokens = _operation(tokens)
        if tokens[0][0] != "close":
            raise ValueError
        tokens = tokens[1:]
        member = _complement(member) if token.startswith("\\") else member
    else:
        raise ValueError
    while tokens and tokens[0][0] == "not":
        member, tokens = _complement(member), tokens[1:]
    return member, tokens


def _complement(member: Membership) -> Membership:
    return lambda row: not member(row)
