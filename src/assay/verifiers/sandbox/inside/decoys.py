"""Operands that a test did not mean, among which the one that it did is hidden.

A program's object that a test compares with a value of its own is asked by its own methods, and these may lie: an
`__eq__` that always says yes would be right about everything. So it is asked about other values as well, in an order
that it cannot know, and one that says yes to those, too, or whose differences do not depend on what is taken away, is
caught. What is not caught is still no proof, so a verdict that rests on it is not "right" either.
"""

import secrets
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["ASKED", "among", "lies", "refused"]

ORDER: Final = ("__lt__", "__le__", "__gt__", "__ge__")
_SPREAD: Final = ("__add__", "__radd__", "__sub__", "__rsub__")
ASKED: Final = frozenset(("__eq__", "__ne__", "__contains__", *ORDER, *_SPREAD))
"""Operators that are asked about decoys, too: of others a far operand may take for ever."""
_FAR: Final = (10**6, 10**12, 10**30)
_WORDS: Final = ("", "0", "a", "zzzz", "\U0010ffff" * 4)


def among(value: Any) -> tuple[list[Any], int]:
    """A shuffled list with the value among decoys of its kind, and where it is."""
    shuffled = _like(value)
    secrets.SystemRandom().shuffle(shuffled)
    place = secrets.randbelow(len(shuffled) + 1)
    return [*shuffled[:place], value, *shuffled[place:]], place


def lies(name: str, operands: Sequence[Any], results: Sequence[Any], place: int) -> bool:
    """Whether an operator's results for the decoys show that it does not look at its operand."""
    others = [result for index, result in enumerate(results) if index != place]
    if name == "__eq__":
        return 4 * sum(_says(result, True) for result in others) > len(others)  # a remainder equals some of them
    if name == "__ne__":
        return 4 * sum(_says(result, False) for result in others) > len(others)
    if name in (*ORDER, "__contains__"):
        return all(_says(result, True) for result in results)
    if name in _SPREAD:
        pairs = [
            (operand, result)
            for operand, result in zip(operands, results, strict=True)
            if type(operand) in (int, float) and isinstance(result, (int, float))
        ]
        if len(pairs) < len(operands):
            return len({id(result) for result in results}) == 1 and not isinstance(results[0], (int, float))
        moved = max(operand for operand, _ in pairs) - min(operand for operand, _ in pairs)
        follows = max(float(result) for _, result in pairs) - min(float(result) for _, result in pairs)
        return not follows > 1e-9 * moved
    return False


def refused(name: str) -> bool:
    """What an operator that lies is taken to have said; raises where it has no such word."""
    if name in ("__eq__", "__ne__", "__contains__", *ORDER):
        return name == "__ne__"
    raise TypeError("unsupported operand: what it gives does not depend on it")


def _says(result: Any, answer: bool) -> bool:
    """Whether a comparison's result is this answer; NotImplemented is none, and any object is a yes."""
    if result is NotImplemented:
        return False
    return (bool(result) if result is None or isinstance(result, int) else True) is answer


def _like(value: Any) -> list[Any]:
    """Values that are not this one, near it and far from it."""
    token = secrets.token_hex(4)
    kind = type(value)
    if kind is bool or value is None:
        return [other for other in (None, False, True) if other is not value] + [token, (token,)]
    if kind is int or kind is float:
        near = [secrets.randbelow(1000) + 2 for _ in range(6)]
        # Of a large float, what is near is itself.
        found = [value + step for step in (*near, *(-step for step in near), 1, -1)]
        found += [2 * value + 1, -3 * value - 1, *map(kind, _FAR), *(-kind(far) for far in _FAR)]
        return [other for other in found if other != value]
    if kind is str:
        changed = (*_WORDS, value + "x", value[1:], value[::-1], token)
        return [other for other in changed if other != value]
    if kind is list or kind is tuple:
        changed_items = [kind([*value[:i], *_like(value[i])[:2], *value[i + 1 :]]) for i in range(min(len(value), 4))]
        found = [*changed_items, kind([*value, 0]), kind(value[1:]), kind([]), kind([token]), kind([0, 1, token])]
        return [other for other in found if other != value]
    return [token, secrets.randbelow(1000), (), (token,)]
