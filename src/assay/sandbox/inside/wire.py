"""Values in messages between the tests' process and the program's.

What never changes crosses by value. What changes in place (lists, dicts, sets ...) is held by both
sides under one number, and every message carries what changed since the last one: so an argument
sorted in place is sorted on the other side too, two names of one list stay two names of one list,
and a list inside an object can be appended to. Everything else is the business of a side: `refer`
and `resolve` say what stands for it.

No class is looked up by name and nothing is evaluated: reading a hostile message builds data and no
more.
"""

import array
import collections
import datetime
import importlib
import math
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from .codec import EXACT_INT, MAX_DEPTH, READ, WRITTEN, Undecodable

__all__ = ["CONTAINERS", "Undecodable", "Wire"]

CONTAINERS: Final = (list, dict, set, bytearray, collections.deque, array.array)
"""Kinds of value that can change in place, the subclasses that Python brings included."""

_REFERENCES: Final = 3
"""Of a container that nobody but the table holds: the table's, the loop's and `getrefcount`'s
own."""


class Wire:
    """One side's end: encodes and decodes, and keeps what both sides hold.

    `refer(value)` gives the encoding of what is neither plain nor a container, `resolve(tag,
    items)` what stands for such an encoding. `first` and the other side's `first` must differ:
    containers are numbered from there in twos.
    """

    def __init__(
        self,
        first: int,
        refer: Callable[[Any], list[Any]],
        resolve: Callable[[str, list[Any]], Any],
    ) -> None:
        self._refer, self._resolve = refer, resolve
        self._next = first
        self._held: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._known: dict[int, Any] = {}
        """What the other side last heard of each container."""
        self._filling = False

    def encode(self, value: Any, depth: int = 0) -> Any:
        """JSON data of a value; containers in it are held from now on, and go with the next
        `changes`."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -EXACT_INT < value < EXACT_INT else ["int", hex(value)]
        if kind is float:
            return value if math.isfinite(value) else ["float", repr(value)]
        if kind is tuple or kind is frozenset:
            if depth >= MAX_DEPTH:
                raise RecursionError("nested too deep")
            return [kind.__name__, *[self.encode(item, depth + 1) for item in value]]
        if write := _WRITTEN.get(kind):
            return [kind.__name__, *write(value)]
        if (module := _SELDOM.get(kind.__name__)) and getattr(
            sys.modules.get(module), kind.__name__, None
        ) is kind:
            return [kind.__name__, str(value)]
        if kind in _VIEWS:
            return [kind.__name__, *[self.encode(item, depth + 1) for item in value]]
        if kind is slice:
            return [
                "slice",
                *[self.encode(part, depth + 1) for part in (value.start, value.stop, value.step)],
            ]
        if kind in _CONTENTS:
            return ["at", self.hold(value)]
        return self._refer(value)

    def decode(self, data: Any, depth: int = 0) -> Any:
        """The value of JSON data. Raises `Undecodable` for anything that `encode` does not
        write."""
        if data is None or isinstance(data, (bool, int, float, str)):
            return data
        if (
            not isinstance(data, list)
            or not data
            or not isinstance(data[0], str)
            or depth > MAX_DEPTH
        ):
            raise Undecodable(f"{type(data).__name__} is no tagged value")
        tag, *items = data
        try:
            if tag == "tuple" or tag == "frozenset":
                return (tuple if tag == "tuple" else frozenset)(
                    [self.decode(item, depth + 1) for item in items]
                )
            if view := _VIEWED.get(tag):
                return view([self.decode(item, depth + 1) for item in items])
            if tag == "slice":
                return slice(*[self.decode(item, depth + 1) for item in items])
            if tag == "at":
                return self._held[items[0]]
            if read := _READ.get(tag):
                return read(*items)
            if tag in _SELDOM:
                return getattr(importlib.import_module(_SELDOM[tag]), tag)(*items)
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise Undecodable(f"malformed {tag[:20]}: {error}") from error
        return self._resolve(tag, items)

    def hold(self, container: Any) -> int:
        """The number of a container, which both sides hold from now on."""
        number = self._numbers.get(id(container))
        if number is None:
            number, self._next = self._next, self._next + 2
            self._held[number] = container
            self._numbers[id(container)] = number
        return number

    def changes(self) -> dict[str, Any]:
        """The contents of held containers that the other side has not heard of, by number."""
        if self._filling:
            return {}
        found = {}
        waiting = list(self._held)
        while waiting:
            before = self._next
            for number in waiting:
                content = self._content(self._held[number])
                if self._known.get(number) != content:
                    found[str(number)] = self._known[number] = content
            waiting = list(range(before, self._next, 2))  # what was first met inside others
        return found

    def apply(self, changes: dict[str, Any]) -> None:
        """Do to our containers what the other side did to its own."""
        read = {int(number): content for number, content in changes.items()}
        for number, content in read.items():
            if number not in self._held:
                self._held[number] = made = self._empty(content)
                self._numbers[id(made)] = number
        self._filling = True
        try:
            for number, content in read.items():
                self._fill(self._held[number], content)
                # Not what came: the same objects may be written in another way on this side.
                self._known[number] = self._content(self._held[number])
        finally:
            self._filling = False

    def unused(self) -> list[int]:
        """Let go of containers that nobody on this side holds any more; their numbers, for the
        other side."""
        gone = []
        for number in list(self._held):
            held = self._held[number]
            if sys.getrefcount(held) <= _REFERENCES:
                gone.append(number)
        self.drop(gone)
        return gone

    def drop(self, numbers: Iterable[int]) -> None:
        """Let go of containers, as the other side did."""
        for number in numbers:
            held = self._held.pop(number, None)
            self._known.pop(number, None)
            if held is not None:
                self._numbers.pop(id(held), None)

    def _content(self, container: Any) -> list[Any]:
        """A container's contents, flat: containers inside it are numbers."""
        kind = type(container)
        if kind not in _CONTENTS:  # of a class of the program's: what it holds, beside what it is
            base = next(base for base in kind.__mro__ if base in _CONTENTS)
            return ["of", self._refer(container), *self._parts(container, base)]
        return self._parts(container, kind)

    def _parts(self, container: Any, kind: Any) -> list[Any]:
        if kind is bytearray:
            return ["bytearray", bytes(container).hex()]
        if issubclass(kind, dict):
            pairs = [[self.encode(key), self.encode(value)] for key, value in kind.items(container)]
            if kind is collections.defaultdict:
                return ["defaultdict", self.encode(container.default_factory), *pairs]
            return [kind.__name__, None, *pairs]
        items = [self.encode(item) for item in kind.__iter__(container)]
        if kind is set:
            items.sort(key=repr)  # neither side's order is the other's
        about = "maxlen" if kind is collections.deque else "typecode" if kind is array.array else ""
        return [kind.__name__, getattr(container, about) if about else None, *items]

    def _empty(self, content: Any) -> Any:
        """A container of the kind that a content is of."""
        try:
            if content[0] == "of":
                return self._resolve(content[1][0], content[1][1:])
            if content[0] == "deque":
                return collections.deque(maxlen=content[1])
            if content[0] == "array":
                return array.array(content[1])
            return _EMPTY[content[0]]()
        except (TypeError, ValueError, LookupError) as error:
            raise Undecodable(f"no container: {error}") from error

    def _fill(self, held: Any, content: list[Any]) -> None:
        if content[0] == "of":
            content = content[2:]
        tag, about, *items = content
        try:
            if isinstance(held, bytearray):
                held[:] = bytes.fromhex(about)
            elif isinstance(held, dict):
                pairs = [(self.decode(key), self.decode(value)) for key, value in items]
                # A Counter's own `update` adds, and only an OrderedDict knows its order.
                base: Any = (
                    collections.OrderedDict if isinstance(held, collections.OrderedDict) else dict
                )
                base.clear(held)
                for key, value in pairs:
                    base.__setitem__(held, key, value)
                if isinstance(held, collections.defaultdict):
                    held.default_factory = self.decode(about)
            elif isinstance(held, set):
                values = [self.decode(item) for item in items]
                set.clear(held)
                set.update(held, values)
            elif isinstance(held, collections.deque):
                values = [self.decode(item) for item in items]
                held.clear()
                held.extend(values)
            elif isinstance(held, array.array):
                held[:] = array.array(about, [self.decode(item) for item in items])
            else:
                list.__setitem__(held, slice(None), [self.decode(item) for item in items])
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise Undecodable(f"malformed {str(tag)[:20]}: {error}") from error


_EMPTY: Final[dict[str, Callable[[], Any]]] = {
    kind.__name__: kind
    for kind in (
        list,
        dict,
        set,
        bytearray,
        collections.OrderedDict,
        collections.defaultdict,
        collections.Counter,
    )
}
_CONTENTS: Final = frozenset({*_EMPTY.values(), collections.deque, array.array})
"""Types of containers whose contents are known to be all there is to them."""

_VIEWED: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "dict_keys": lambda items: dict.fromkeys(items).keys(),
    "dict_values": lambda items: dict(enumerate(items)).values(),
    "dict_items": lambda items: dict(items).items(),
}
"""Views of dicts as they are at the time."""
_VIEWS: Final = frozenset(type(view([])) for view in _VIEWED.values())

_SELDOM: Final = {"PosixPath": "pathlib", "PurePosixPath": "pathlib", "UUID": "uuid"}
"""Types by their modules, which are loaded where they are needed alone; their objects are written
as text."""

_WRITTEN: Final[dict[type, Callable[[Any], tuple[Any, ...]]]] = {
    **WRITTEN,
    datetime.timedelta: lambda value: (value.days, value.seconds, value.microseconds),
    datetime.date: lambda value: (value.isoformat(),),
    datetime.time: lambda value: (value.isoformat(),),
    datetime.datetime: lambda value: (value.isoformat(),),
    datetime.timezone: lambda value: (value.utcoffset(None).total_seconds(),),
    type(...): lambda _: (),
    type(NotImplemented): lambda _: (),
}
_READ: Final[dict[str, Callable[..., Any]]] = {
    **READ,
    "timedelta": lambda days, seconds, rest: datetime.timedelta(days, seconds, rest),
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "timezone": lambda seconds: datetime.timezone(datetime.timedelta(seconds=seconds)),
    "ellipsis": lambda: ...,
    "NotImplementedType": lambda: NotImplemented,
}
