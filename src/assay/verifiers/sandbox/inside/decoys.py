"""Operands that a test did not mean, among which the one that it did is hidden.

A program's object that a test compares with a value of its own is asked by its own methods, and these may lie: an
`__eq__` that always says yes would be right about everything. So it is asked about other values as well, in an order
that it cannot know, and one that says yes to those, too, or whose differences do not depend on what is taken away, is
caught. What is not caught is still no proof, so a verdict that rests on it is not "right" either.
"""

import secrets
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["among", "lies", "refused"]

ORDER: Final = ("__lt__", "__le__", "__gt__", "__ge__")
_SPREAD: Final = ("__add__", "__radd__", "__sub__", "__rsub__", "__truediv__", "__mod__", "__floordiv__")
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
        return any(_says(result, True) for result in others)
    if name == "__ne__":
        return any(_says(result, False) for result in others)
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
        return not follows > 1e-9 * moved and name not in ("__mod__", "__truediv__", "__floordiv__")
    return False


def refused(name: str) -> bool:
    """What an operator that lies is taken to have said; raises where it has no such word."""
    if name in ("__eq__", "__ne__", "__contains__", *ORDER):
        return name == "__ne__"
    raise TypeError("unsupported operand: what it gives does not depend on it")


def _says(result: Any, answer: bool) -> bool:
    """Whether a comparison's result is this answer; one that has none is NotImplemented."""
    return isinstance(result, int) and bool(result) is answer


def _like(value: Any) -> list[Any]:
    """Values that are not this one, near it and far from it."""
    noise = [secrets.randbelow(1000) + 2 for _ in range(6)]
    if isinstance(value, bool) or value is None:
        return [other for other in (None, False, True) if other is not value] + [secrets.token_hex(4)]
    if isinstance(value, (int, float)):
        near = [value + step for step in (*noise, *(-step for step in noise), 1, -1)]
        return [*near, *_FAR, *(-far for far in _FAR)] if isinstance(value, int) else [*near, 1e12, -1e12]
    if isinstance(value, str):
        return [
            other for other in (*_WORDS, value + "x", value[1:], value[::-1], secrets.token_hex(4)) if other != value
        ]
    if isinstance(value, (list, tuple)):
        kind = type(value)
        changed = [kind([*value[:i], *_like(value[i])[:2], *value[i + 1 :]]) for i in range(min(len(value), 4))]
        return [other for other in (*changed, kind([*value, 0]), kind(value[1:]), kind([])) if other != value]
    return [secrets.token_hex(4), *noise, (), ("x",)]
