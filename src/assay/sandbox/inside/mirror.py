"""What stands on the tests' side for the program's classes and objects.

A class of the program's is a class here, of the same name and with the same bases, that has the
same special methods; so `isinstance`, `except`, operators and their reflections work as Python has
them. Its objects hold a number, and nothing of theirs is decided here: attributes, calls and
operators are asked of the program (`Asker`).

One thing is never left to the program: whether its object equals a value of the tests'. See
`decoys`.
"""

import builtins
import types
from collections.abc import Callable
from typing import Any, Final, Protocol

__all__ = ["Asker", "Instance", "Meta", "Method", "make_class"]


class Asker(Protocol):
    """The way to the program."""

    def ask(self, do: str, target: Any, name: str = "", *arguments: Any, **keywords: Any) -> Any:
        """Return what comes of doing that to a target over there; raises what it raised."""

    def operate(self, target: Any, name: str, operand: Any) -> Any:
        """Return what an operator of a target makes of another operand."""

    def unsupported(self, what: str) -> BaseException:
        """The error of a test that does what cannot be done in two processes."""


# Asked with whatever arguments there are: none of these takes a value that the test expects.
_PLAIN: Final = """
    __repr__ __str__ __format__ __bytes__ __bool__ __len__ __length_hint__ __next__ __reversed__
    __int__ __float__ __complex__ __index__ __neg__ __pos__ __abs__ __invert__ __round__ __trunc__
    __floor__ __ceil__ __enter__ __exit__ __call__ __getitem__ __setitem__ __delitem__ __missing__
    __fspath__ __iter__ __hash__ __aiter__
""".split()
_OPERATORS: Final = [
    f"__{name}__" for name in "eq ne lt le gt ge contains divmod rdivmod".split()
] + [
    f"__{kind}{name}__"
    for kind in ("", "r", "i")
    for name in "add sub mul matmul truediv floordiv mod pow lshift rshift and xor or".split()
]
_TYPES: Final = {
    kind.__name__: kind
    for kind in (
        *(
            types.FunctionType,
            types.BuiltinFunctionType,
            types.GeneratorType,
            types.ModuleType,
            types.MethodType,
        ),
        *(kind for kind in vars(builtins).values() if isinstance(kind, type)),
    )
}
"""Of objects of Python's own types."""


class Meta(type):
    """The class of the program's classes."""

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Any:
        """Refuse to make one in a test."""
        asker = next(_asker(base) for base in bases if isinstance(base, Meta))
        raise asker.unsupported(f"derives the class {name} from one of the program's")

    def __call__(cls, *arguments: Any, **keywords: Any) -> Any:
        """Make an object over there."""
        return _asker(cls).ask("call", cls, "", *arguments, **keywords)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name not in (
            "__members__",
            "__annotations__",
            "__match_args__",
            "__slots__",
        ):
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        return _asker(cls).ask("get", cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        _asker(cls).ask("set", cls, name, value)

    def __delattr__(cls, name: str) -> None:
        _asker(cls).ask("delete", cls, name)

    def __iter__(cls) -> Any:
        return _asker(cls).ask("special", cls, "__iter__")

    def __len__(cls) -> int:
        return int(_asker(cls).ask("special", cls, "__len__"))

    def __getitem__(cls, key: Any) -> Any:
        return _asker(cls).ask("special", cls, "__getitem__", key)

    def __contains__(cls, item: Any) -> bool:
        return bool(_asker(cls).operate(cls, "__contains__", item))

    def __bool__(cls) -> bool:
        return True


class Instance:
    """What every mirrored object can do, whatever its class."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name in ("__dataclass_fields__", "__reduce_ex__", "__getstate__"):
            raise _asker(type(self)).unsupported(f"looks into the program's {type(self).__name__}")
        return _asker(type(self)).ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _asker(type(self)).ask("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        _asker(type(self)).ask("delete", self, name)

    def __repr__(self) -> str:
        return str(_asker(type(self)).ask("special", self, "__repr__"))

    def __str__(self) -> str:
        return str(_asker(type(self)).ask("special", self, "__str__"))

    def __format__(self, form: str) -> str:
        return str(_asker(type(self)).ask("special", self, "__format__", form))

    def __dir__(self) -> Any:
        return _asker(type(self)).ask("special", self, "__dir__")

    def __copy__(self) -> Any:
        return _asker(type(self)).ask("copy", self)

    def __deepcopy__(self, _: Any) -> Any:
        return _asker(type(self)).ask("copy", self, "deep")


class Method:
    """A method of the program's object."""

    def __init__(self, asker: Asker, owner: Any, name: str) -> None:
        self._asker, self.__self__, self.__name__ = asker, owner, name

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call it over there."""
        return self._asker.ask("call", self.__self__, self.__name__, *arguments, **keywords)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asker.ask("get", self.__self__, self.__name__), name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Method) and (
            self.__self__ is other.__self__ and self.__name__ == other.__name__
        )

    def __hash__(self) -> int:
        return hash((id(self.__self__), self.__name__))


def make_class(asker: Asker, about: dict[str, Any], bases: tuple[type, ...]) -> type:
    """A class as the program's side describes it."""
    special = set(about["special"])
    space: dict[str, Any] = {
        "__module__": about["module"],
        "__qualname__": about["qualified"],
        "__doc__": about["doc"],
    }
    space["__asker__"] = asker
    for name in _PLAIN:
        if name in special:
            space[name] = _asked(name)
    for name in _OPERATORS:
        if name in special:
            space[name] = _operated(name)
    if "__anext__" in special:
        space["__anext__"] = _awaited
    for name in about["methods"]:
        if not name.startswith("__"):
            space[name] = _overridden(name)
    if not about["hashable"]:
        space["__hash__"] = None
    elif "__eq__" in special and "__hash__" not in special:
        space["__hash__"] = _asked("__hash__")
    if about["module"] == "builtins" and about["name"] in _TYPES:
        space["__class__"] = property(lambda _: _TYPES[about["name"]])
        space["__doc__"] = property(lambda self: asker.ask("get", self, "__doc__"))
        space["__module__"] = property(lambda self: asker.ask("get", self, "__module__"))
    if any(issubclass(base, BaseException) for base in bases):
        # An error's fields are kept here; since 3.13 BaseException has no such methods of its own.
        space["__setattr__"] = BaseException.__setattr__
        space["__delattr__"] = BaseException.__delattr__
    else:
        space["__slots__"] = ()  # `vars` of an object are the program's, too
    if not any(issubclass(base, Instance) for base in bases):
        bases = (*bases, Instance)  # last, so that a subclass of str prints as one
    # By `type.__new__`, since calling the class of classes is for the tests.
    made: type = type.__new__(Meta, about["name"], bases, space)
    return made


def _asker(kind: type) -> Asker:
    asker: Asker = type.__getattribute__(kind, "__asker__")
    return asker


def _asked(name: str) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
        return _asker(type(self)).ask("special", self, name, *arguments, **keywords)

    method.__name__ = name
    return method


def _operated(name: str) -> Callable[..., Any]:
    def method(self: Any, other: Any, *rest: Any) -> Any:
        return _asker(type(self)).operate(self, name, other)

    method.__name__ = name
    return method


async def _awaited(self: Any) -> Any:
    return _asker(type(self)).ask("wait", self, "__anext__")


def _overridden(name: str) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
        return _asker(type(self)).ask("call", self, name, *arguments, **keywords)

    method.__name__ = name
    return method
