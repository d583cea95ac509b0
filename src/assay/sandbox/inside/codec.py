"""Values as plain data: what crosses the sandbox's wall in both directions.

A value becomes JSON in which scalars are themselves and everything else is a tagged list, so that
types survive: `(1, [2.0])` is `["tuple", 1, ["list", 2.0]]`. What is not in the table below becomes
`["opaque", type name]`, which equals nothing. No class is ever looked up by name, so decoding what
a hostile program wrote builds data and no more.
"""

import collections
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

__all__ = ["EXACT_INT", "MAX_DEPTH", "READ", "WRITTEN", "Undecodable", "decode", "encode", "opaque"]

MAX_DEPTH: Final = 64
EXACT_INT: Final = 2**53

_SEQUENCES: Final[dict[type, str]] = {
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    collections.deque: "deque",
}
_MAPPINGS: Final = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
_BUILDERS: Final[dict[str, Callable[[Any], Any]]] = {
    name: kind for kind, name in _SEQUENCES.items()
}


class Undecodable(ValueError):
    """What came is not the encoding of a value."""


def encode(value: Any, depth: int = 0) -> Any:
    """JSON data of a value."""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if -EXACT_INT < value < EXACT_INT else ["int", hex(value)]
    if kind is float:
        return value if math.isfinite(value) else ["float", repr(value)]
    if depth >= MAX_DEPTH:
        return ["opaque", "nested too deep"]
    if tag := _SEQUENCES.get(kind):
        return [tag, *(encode(item, depth + 1) for item in value)]
    if kind in _MAPPINGS:
        return ["dict", *([encode(k, depth + 1), encode(v, depth + 1)] for k, v in value.items())]
    if write := WRITTEN.get(kind):
        return [kind.__name__, *write(value)]
    if kind is bytearray:
        return ["bytearray", value.hex()]
    if isinstance(value, tuple) and hasattr(kind, "_fields"):  # a named tuple equals the plain one
        return ["tuple", *(encode(item, depth + 1) for item in tuple.__iter__(value))]
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(
        value, numpy.generic
    ):  # a number of numpy's equals Python's own
        return encode(value.item(), depth + 1)
    return ["opaque", kind.__name__[:80]]


def decode(data: Any, depth: int = 0) -> Any:
    """The value of JSON data. Raises `Undecodable` for anything that `encode` does not write, or
    calls opaque."""
    if data is None or isinstance(data, (bool, int, float, str)):
        return data
    if not isinstance(data, list) or not data or not isinstance(data[0], str) or depth > MAX_DEPTH:
        raise Undecodable(f"{type(data).__name__} is no tagged value")
    tag, *items = data
    try:
        if tag in _BUILDERS:
            return _BUILDERS[tag](decode(item, depth + 1) for item in items)
        if tag == "dict":
            return {decode(k, depth + 1): decode(v, depth + 1) for k, v in items}
        if tag == "bytearray":
            return bytearray.fromhex(*items)
        if tag in READ:
            return READ[tag](*items)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Undecodable(f"malformed {tag[:20]}: {error}") from error
    raise Undecodable(f"no value is tagged {tag[:20]!r}")


def opaque(data: Any) -> bool:
    """Return whether an encoding has a part that is not plain data."""
    if not isinstance(data, list) or not data:
        return False
    tag, *items = data
    if tag == "dict":
        items = [part for pair in items for part in pair]
    return tag == "opaque" or any(map(opaque, items))


def _hex(text: str) -> int:
    return int(text, 16)


WRITTEN: Final[dict[type, Callable[[Any], tuple[Any, ...]]]] = {
    bytes: lambda value: (value.hex(),),
    complex: lambda value: (value.real.hex(), value.imag.hex()),
    Decimal: lambda value: (str(value),),
    Fraction: lambda value: (hex(value.numerator), hex(value.denominator)),
    range: lambda value: (hex(value.start), hex(value.stop), hex(value.step)),
}
"""What follows the name of a type that never changes."""
READ: Final[dict[str, Callable[..., Any]]] = {
    "int": _hex,
    "float": float,
    "bytes": bytes.fromhex,
    "complex": lambda real, imag: complex(float.fromhex(real), float.fromhex(imag)),
    "Decimal": Decimal,
    "Fraction": lambda top, bottom: Fraction(_hex(top), _hex(bottom)),
    "range": lambda start, stop, step: range(_hex(start), _hex(stop), _hex(step)),
}
"""The value of what is so written."""
