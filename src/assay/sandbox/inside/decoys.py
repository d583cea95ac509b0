"""Operands that a test did not mean, among which the one that it did is hidden.

A program's object that a test compares with a value of its own is asked by its own methods, and
these may lie: an `__eq__` that always says yes would be right about everything. So it is asked
about other values as well, in an order that it cannot know, and one that says yes to those, too, or
whose differences do not depend on what is taken away, is caught. What is not caught is still no
proof, so a verdict that rests on it is not "right" either.
"""

import math
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

__all__ = ["ASKED", "among", "answer", "lies", "refused"]

ORDER: Final = ("__lt__", "__le__", "__gt__", "__ge__")
_SPREAD: Final = ("__add__", "__radd__", "__sub__", "__rsub__")
ASKED: Final = frozenset(("__eq__", "__ne__", "__contains__", *ORDER, *_SPREAD))
"""Operators that are asked about decoys, too: of others a far operand may take for ever."""
_FAR: Final = (10**30, -(10**30))
_DECOYS: Final = 16


def among(value: Any) -> tuple[list[Any], int]:
    """A shuffled list with the value among decoys of its kind, and where it is."""
    shuffled = _like(value)
    secrets.SystemRandom().shuffle(shuffled)
    place = secrets.randbelow(len(shuffled) + 1)
    return [*shuffled[:place], value, *shuffled[place:]], place


def lies(name: str, operands: Sequence[Any], results: Sequence[Any], place: int) -> bool:
    """Return whether an operator's results for the decoys show that it does not look at its
    operand."""
    others = [result for index, result in enumerate(results) if index != place]
    if name == "__eq__":
        return 4 * sum(_says(result, True) for result in others) > len(
            others
        )  # a remainder equals some of them
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
            return len({id(result) for result in results}) == 1 and not isinstance(
                results[0], (int, float)
            )
        moved = max(operand for operand, _ in pairs) - min(operand for operand, _ in pairs)
        follows = max(float(result) for _, result in pairs) - min(
            float(result) for _, result in pairs
        )
        return not follows > 1e-9 * moved
    return False


def answer(name: str, ask: Callable[[Any], Any], value: Any) -> tuple[bool, Any]:
    """Return whether an operator is to be believed, and what it makes of a value hidden among
    decoys; raises what it raised.

    Asked are all of them one by one, so that nobody sees the next before answering.
    """
    operands, place = among(value)
    results, errors = list[Any](), dict[int, Exception]()
    for index, operand in enumerate(operands):
        try:
            results.append(ask(operand))
        except Exception as error:  # noqa: BLE001  of a decoy it means nothing
            results.append(NotImplemented)
            errors[index] = error
    if lies(name, operands, results, place):
        return False, refused(name)
    if place in errors:
        raise errors[place]
    return True, results[place]


def refused(name: str) -> bool:
    """Return what an operator that lies is taken to have said; raises where it has no such word."""
    if name in ("__eq__", "__ne__", "__contains__", *ORDER):
        return name == "__ne__"
    raise TypeError("unsupported operand: what it gives does not depend on it")


def _says(result: Any, answer: bool) -> bool:
    """Return whether a comparison's result is this answer; NotImplemented is none, and any object
    is a yes."""
    if result is NotImplemented:
        return False
    return (bool(result) if result is None or isinstance(result, int) else True) is answer


def _like(value: Any) -> list[Any]:
    """Values of the kind of this one, among which it does not stand out, and some that are far from
    it."""
    kind = type(value)
    token = secrets.token_hex(4)
    if kind is bool or value is None:
        found: list[Any] = [None, False, True, token, (token,)]
    elif kind is int or kind is float:
        found = [*_around(value), *map(kind, _FAR)]
    elif kind is str:
        letters = sorted({*value, "a", "0"})
        lengths = [max(0, len(value) + secrets.randbelow(5) - 2) for _ in range(_DECOYS)]
        found = ["".join(secrets.choice(letters) for _ in range(length)) for length in lengths] + [
            "",
            "\U0010ffff" * 4,
        ]
    elif kind is list or kind is tuple:
        columns = [_like(item) for item in value[:_DECOYS]]
        rows = [[secrets.choice(column) for column in columns] for _ in range(_DECOYS)]
        found = [kind([*row, *value[_DECOYS:]]) for row in rows] + [
            kind([]),
            kind([token]),
            kind([0]),
            kind([0, 1, token]),
        ]
    else:
        found = [token, secrets.randbelow(1000), (), (token,)]
    return [other for other in found if type(other) is not kind or other != value]


def _around(value: Any) -> list[Any]:
    """Numbers from a window in which this one may stand anywhere, with as many decimals."""
    if type(value) is float and not math.isfinite(value):
        return [secrets.randbelow(1000) + 0.5 for _ in range(_DECOYS)]
    width = secrets.choice((16, 200, 5000)) * max(1, abs(int(value)) >> 5)
    low = int(value) - secrets.randbelow(width + 1)
    whole = [low + secrets.randbelow(width + 1) for _ in range(_DECOYS)]
    if type(value) is int:
        return whole
    _, _, decimals = repr(value).partition(".")
    places = len(decimals) if decimals.isdigit() else 1
    return [
        round(float(number) + secrets.randbelow(10**places) / 10**places, places)
        for number in whole
    ]
