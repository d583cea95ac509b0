"""What a program's object says when a test compares it, in one process: believed where it looks at
what it is asked.

As in two processes, an object of a class that the tests do not name has no say on their values, and
one that has is asked about decoys as well.
"""

import array
import collections
import datetime
import functools
import operator
import re
import secrets
import types
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

from .decoys import ASKED, answer, refused

__all__ = ["FUNCTIONS", "Known", "combined", "compared", "known", "lies_within"]

FUNCTIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    name: getattr(operator, name)
    for name in "__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __contains__ __add__ __sub__".split()
    + "__truediv__ __floordiv__ __mod__".split()
}
_REFLECTED: Final = {
    "__lt__": "__gt__",
    "__le__": "__ge__",
    "__gt__": "__lt__",
    "__ge__": "__le__",
    "__add__": "__radd__",
}
_DEEPEST: Final = 12
_HOLDING: Final[tuple[type, ...]] = (
    *(
        list,
        tuple,
        set,
        frozenset,
        dict,
        collections.deque,
        collections.OrderedDict,
        collections.defaultdict,
    ),
    *(collections.Counter, type({}.keys()), type({}.values()), type({}.items())),
)
_PLAIN: Final[tuple[type, ...]] = (
    *(
        int,
        float,
        complex,
        bool,
        str,
        bytes,
        bytearray,
        range,
        slice,
        type(None),
        type(...),
        type(NotImplemented),
    ),
    *(
        type,
        object,
        types.FunctionType,
        types.BuiltinFunctionType,
        types.MethodType,
        types.ModuleType,
    ),
    *(
        types.GeneratorType,
        types.CoroutineType,
        map,
        zip,
        filter,
        enumerate,
        reversed,
        memoryview,
        array.array,
    ),
    *(
        Decimal,
        Fraction,
        datetime.date,
        datetime.time,
        datetime.datetime,
        datetime.timedelta,
        datetime.timezone,
    ),
    *(re.Match, re.Pattern),
    *_HOLDING,
)
"""Types whose objects say nothing of their own when they are compared."""


class Known(NamedTuple):
    """What was there before the program came."""

    plain: dict[int, type]
    """Types that say nothing of their own, by id; the tests may add some."""
    old: dict[int, type]
    """All types that there were, by id."""
    named: frozenset[str]
    """The names that the tests use."""


def known(named: frozenset[str], more: tuple[type, ...]) -> Known:
    """Return what is there now. `more` are types that may say what they like."""
    old, waiting = dict[int, type](), [object]
    while waiting:
        kind = waiting.pop()
        if id(kind) not in old:
            old[id(kind)] = kind
            waiting.extend(type.__subclasses__(kind))
    # Python 3.13 has its paths in `pathlib._local`.
    homes = ("pathlib", "pathlib._local", "uuid")
    seldom = [kind for kind in old.values() if kind.__module__ in homes]
    return Known({id(kind): kind for kind in (*_PLAIN, *seldom, *more)}, old, named)


def compared(there: Known, names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    """The result of a chain of comparisons."""
    result: Any = True
    for name, one, other in zip(names, values, values[1:], strict=False):
        name, negated = name.removeprefix("not "), name.startswith("not ")
        if name == "is":
            result = one is other
        elif name == "__contains__":
            result = combined(there, name, other, one)
        else:
            result = combined(there, name, one, other)
        result = not result if negated else result
        if not result:
            return result
    return result


def combined(there: Known, name: str, one: Any, other: Any) -> Any:
    """Return what an operator says, where it looks at its operand."""
    operate = FUNCTIONS[name]
    if lies_within(there, one) or lies_within(there, other):
        return refused(name)
    speaks = _speaks(there, name, one), _speaks(there, _REFLECTED.get(name, name), other)
    if not any(speaks) or (_is_programs(there, one) and _is_programs(there, other)):
        return operate(one, other)
    if any(
        says and _is_unnamed(there, value) for says, value in zip(speaks, (one, other), strict=True)
    ):
        return refused(name)
    # Only what is asked of the program's object is hidden among decoys.
    swapped = not speaks[0]
    if name not in ASKED:
        return operate(one, other)
    ask = (
        functools.partial(_swapped, operate, other) if swapped else functools.partial(operate, one)
    )
    return answer(name, ask, one if swapped else other)[1]


def _swapped(operate: Callable[[Any, Any], Any], other: Any, one: Any) -> Any:
    return operate(one, other)


def lies_within(there: Known, value: Any, depth: int = 0) -> bool:
    """Return whether a value is, or holds, an object that equals whatever it is compared with."""
    if id(type(value)) not in there.plain:
        try:
            return bool(value == secrets.token_hex(8)) or bool(value == secrets.randbits(64))
        except Exception:  # noqa: BLE001  it has no word on what it is not made for
            return False
    kind = type(value)
    if kind not in _HOLDING or depth > _DEEPEST:
        return False
    items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return any(lies_within(there, item, depth + 1) for item in items)


def _speaks(there: Known, name: str, value: Any) -> bool:
    """Return whether the program, or a library, has a word in what an operator of a value says."""
    if id(type(value)) in there.plain:
        return False
    owner = next((kind for kind in type(value).__mro__ if name in vars(kind)), object)
    return id(owner) not in there.plain


def _is_programs(there: Known, value: Any) -> bool:
    return id(type(value)) not in there.old


def _is_unnamed(there: Known, value: Any) -> bool:
    """Return whether it is of a class that came after the tests, which they do not name, and that
    is made of none they had."""
    kind = type(value)
    made_of = [
        base for base in kind.__mro__ if id(base) in there.old and id(base) not in there.plain
    ]
    return _is_programs(there, value) and not made_of and kind.__name__ not in there.named
