"""The tests' way to the program: one question at a time through a pipe, and what stands here for
what comes back."""

import builtins
import contextlib
import functools
import json
import operator
import os
import secrets
import sys
import types
from collections.abc import Callable, Collection, Iterator
from typing import Any

from .decoys import ASKED, answer, refused
from .mirror import Meta, Method, make_class
from .roles import write
from .wire import CONTAINERS, Undecodable, Wire

__all__ = ["Channel", "ProgramGone", "Unsupported"]

CALLS_IN, CALLS_OUT = 5, 6
_CALLED = (types.FunctionType, types.MethodType, types.BuiltinMethodType, functools.partial)
_HOLDERS = ("builtins", "collections", "types")
"""Modules of Python's own containers and views."""
_OF_TESTS = (
    type,
    types.GeneratorType,
    types.CoroutineType,
    types.ModuleType,
    types.SimpleNamespace,
    memoryview,
)
_VALUES = (int, float, complex, str, bytes, tuple, frozenset)

_NO_DATA = (Undecodable, TypeError, ValueError, LookupError, AttributeError, RecursionError)
"""Errors of reading an answer that the program wrote as it liked."""


class ProgramGone(BaseException):
    """The program ended, or wrote what is no answer: no test can pass any more, not even one that
    expects errors."""


class Unsupported(BaseException):
    """A test does what cannot be done through a pipe: no word on the program."""


class Channel:
    """Questions to the program. A test that catches what ends it here changes nothing: `gone` and
    `needs` stay.

    `longest` is the longest answer, in bytes; `named` gives the names that the tests use, classes
    of the program's among them.
    """

    def __init__(self, longest: int, named: Callable[[], Collection[str]]) -> None:
        self._answers = os.fdopen(CALLS_IN, "rb")
        self._longest = longest
        self._named = named
        self._wire = Wire(2, self._refer, self._resolve)
        self._about: dict[str, dict[str, Any]] = {}
        self._mirrors: dict[str, Any] = {}
        self._places: dict[int, list[Any]] = {}
        """How each mirror is called over there."""
        self._callbacks: list[Any] = []
        self._callback_numbers: dict[int, int] = {}
        self._stopped: list[BaseException] = []
        self._exits: list[BaseException] = []
        self.gone = ""
        """Why there is no program any more."""
        self.needs = ""
        """Why this protocol can say nothing of the program."""
        self.rests = ""
        """On what of the program's own the tests rely, so that they may fail but not pass."""
        self.asked = 0
        """Times that the tests asked the program for something."""

    def read(self) -> dict[str, Any]:
        """The next line that the program's side wrote."""
        if self.gone:
            raise ProgramGone(self.gone)
        line = self._answers.readline(self._longest)
        if not line.endswith(b"\n"):
            raise self._end(
                "the program ended, or answered too long" if line else "the program ended"
            )
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._end(f"the program's answer is no data: {error}") from None
        if not isinstance(answer, dict):
            raise self._end("the program's answer is no data")
        return answer

    def ask(self, do: str, target: Any, name: str = "", *arguments: Any, **keywords: Any) -> Any:
        """Return what comes of doing that to a target over there; raises what it raised."""
        self.asked += 1
        request: dict[str, Any] = {"do": do, "name": name}
        if target is not None:
            request["target"] = self._wire.encode(target)
        if arguments:
            request["arguments"] = [self._wire.encode(item) for item in arguments]
        if keywords:
            request["keywords"] = {key: self._wire.encode(item) for key, item in keywords.items()}
        self._write(request)
        answer = self._received()
        while "callback" in answer:
            self._write(self._called(answer))
            answer = self._received()
        if "value" in answer:
            return self._decoded(answer["value"])
        error = self._decoded(answer.get("raised", answer.get("stop")))
        if not isinstance(error, BaseException):
            raise self._end("the program's answer is no data")
        if isinstance(error, (StopIteration, StopAsyncIteration)) and "raised" in answer:
            self._stopped.append(error)
        if isinstance(error, SystemExit):
            self._exits.append(error)
        raise error

    def operate(self, target: Any, name: str, operand: Any) -> Any:
        """Return what an operator of a target makes of another operand."""
        if isinstance(type(operand), Meta) or isinstance(operand, (Meta, Method)):
            result = self.ask("special", target, name, operand)
            if (
                name in ("__eq__", "__ne__")
                and result is (name == "__eq__")
                and operand is not target
            ):
                # Equal to anything is equal to nothing.
                return (
                    result
                    if self.ask("special", target, name, secrets.token_hex(8)) is not result
                    else not result
                )
            return result
        if not self._crosses(operand):
            return NotImplemented  # an object of the tests' own may know what to make of it
        kind = type(target).__name__
        if type(operand) is int and operand == 0 and name in ("__add__", "__radd__"):
            return self.ask("special", target, name, operand)  # of `sum`, which tells nothing
        if name in ASKED and kind not in self._named() and type(target).__module__ not in _HOLDERS:
            # Tests that name no class mean none: it is a wrong result that would like to be asked.
            if name == "__contains__" and hasattr(type(target), "__iter__"):
                return any(item is operand or item == operand for item in target)
            return refused(name)
        rests = (
            f"the tests compare or combine the program's {kind} with a value of theirs, by its"
            f" {name}"
        )
        if name not in ASKED:
            self.rests = rests
            return self.ask("special", target, name, operand)
        believed, result = answer(
            name, functools.partial(self.ask, "special", target, name), operand
        )
        if believed and operand is not None and result is not NotImplemented:
            self.rests = rests
        return result

    def _crosses(self, value: Any) -> bool:
        """Return whether a value can be told to the program."""
        try:
            self._wire.encode(value)
        except Unsupported:
            self.needs = ""
            return False
        except TypeError:
            return False
        return True

    def unsupported(self, what: str) -> Unsupported:
        """The error of a test that does what cannot be done in two processes."""
        self.needs = f"a test {what}, which it cannot do from another process"
        return Unsupported(self.needs)

    def caught(self) -> None:
        """Note that the tests caught the error that is being handled."""
        self.forgive(sys.exc_info()[1])

    def forgive(self, caught: BaseException | None) -> None:
        """Forget an error that the tests caught."""
        self._stopped = [error for error in self._stopped if error is not caught]

    def is_programs(self, exit: SystemExit) -> bool:
        """Return whether it was the program that wanted to end, and not the tests."""
        return any(error is exit for error in self._exits)

    def check(self) -> None:
        """Raise where nothing counts any more, whatever the test made of it."""
        if self.gone:
            raise ProgramGone(self.gone)
        if self.needs:
            raise Unsupported(self.needs)
        if self._stopped:
            # `all(map(candidate, inputs))` would be true of a program that stops it at once.
            self._stopped.clear()
            raise AssertionError("the program ended an iteration of the tests")

    def _write(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # what it still said can be read
            if changes := self._wire.changes():
                message["changes"] = changes
            if unused := self._wire.unused():
                message["unused"] = unused
            write(message, CALLS_OUT)

    def _received(self) -> dict[str, Any]:
        answer = self.read()
        try:
            self._about.update(answer.get("about", {}))
            self._wire.apply(answer.get("changes", {}))
            for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
                if printed := answer.get(name):
                    stream.write(str(printed))
        except _NO_DATA as error:
            raise self._end(f"the program's answer is no data: {error}") from None
        return answer

    def _decoded(self, data: Any) -> Any:
        try:
            return self._wire.decode(data)
        except _NO_DATA as error:
            raise self._end(f"the program's answer is no data: {error}") from None

    def _called(self, message: dict[str, Any]) -> dict[str, Any]:
        """Run a function of the tests' for the program."""
        arguments = [self._decoded(item) for item in message["arguments"]]
        keywords = {key: self._decoded(item) for key, item in message["keywords"].items()}
        try:
            return {
                "value": self._wire.encode(
                    self._callbacks[message["callback"]](*arguments, **keywords)
                )
            }
        except Exception as error:  # noqa: BLE001  a test's function may raise anything
            return {"raised": self._wire.encode(error)}

    def _end(self, why: str) -> ProgramGone:
        self.gone = why
        return ProgramGone(why)

    # What stands for what cannot cross by value.

    def _refer(self, value: Any) -> list[Any]:
        if place := self._places.get(id(value)):
            return place
        if isinstance(value, Method):
            return ["method", self._wire.encode(value.__self__), value.__name__]
        if issubclass(type(value), type) and _built_in(getattr(value, "__name__", "")) is value:
            return ["type", str(getattr(value, "__name__", ""))]
        if name := _name_in_python(value):
            return ["function", *name]
        if isinstance(value, Iterator) and type(value).__module__ == "builtins":
            return ["iterator", self._callback(value.__next__)]
        if isinstance(value, _CALLED):
            about = [value.__name__, value.__doc__] if isinstance(value, types.FunctionType) else []
            return ["callback", self._callback(value), *about]
        if isinstance(value, BaseException):
            # As the nearest of Python's own; should the program hand it back, it is this one.
            kind = next(base for base in type(value).__mro__ if base.__module__ == "builtins")
            return [
                "raised",
                self._wire.encode(kind),
                self._wire.encode(tuple(value.args)),
                self._callback(value),
            ]
        if isinstance(value, types.TracebackType):
            return ["none"]
        if type(value).__module__ in ("builtins", "types") and not isinstance(value, _OF_TESTS):
            # Something of Python's workings, which a program can bring about: list[0], or what
            # key(list) gives.
            raise TypeError(f"a {type(value).__name__} cannot be passed to the program")
        raise self.unsupported(f"passes a {type(value).__name__} to the program")

    def _callback(self, function: Any) -> int:
        number = self._callback_numbers.setdefault(id(function), len(self._callbacks))
        if number == len(self._callbacks):
            self._callbacks.append(function)  # which keeps it, so that no other gets its id
        return number

    def _resolve(self, tag: str, items: list[Any]) -> Any:
        if tag in ("object", "class"):
            key = f"{tag} {items[0]}"
            if key not in self._mirrors:
                about = self._about[key]
                place = [tag, items[0]]
                made = self._class(about) if tag == "class" else self._object(about, place)
                self._mirrors[key] = made
                self._places[id(made)] = place
            return self._mirrors[key]
        if tag == "type":
            found = _built_in(items[0])
            if isinstance(found, type):
                return found
        if tag == "method":
            return Method(self, self._wire.decode(items[0]), str(items[1]))
        if tag == "callback":
            return self._callbacks[items[0]]
        raise Undecodable(f"no value is tagged {tag[:20]!r}")

    def _class(self, about: dict[str, Any]) -> type:
        return _known_error(about["module"], about["qualified"]) or make_class(
            self, about, tuple(self._wire.decode(base) for base in about["bases"])
        )

    def _object(self, about: dict[str, Any], place: list[Any]) -> Any:
        kind: Any = self._wire.decode(about["class"])
        if "arguments" in about:
            return self._error(kind, about)
        if not issubclass(type(kind), Meta):
            raise Undecodable("an object of no class of the program's")
        if kind.__name__ == "coroutine" and kind.__module__ == "builtins":
            return self._coroutine(object.__new__(kind), place)
        if "plain" in about:
            value = self._wire.decode(about["plain"])
            base: Any = next(base for base in _VALUES if type(value) is base)
            return base.__new__(kind, value)
        if "held" in about:
            container: Any = next(base for base in kind.__mro__ if base in CONTAINERS)
            return container.__new__(kind)
        return object.__new__(kind)

    def _coroutine(self, mirror: Any, place: list[Any]) -> Any:
        """A coroutine of this side's, for its loops take no other, which awaits the program's."""
        self._places[id(mirror)] = place

        async def run() -> Any:
            return self.ask("wait", mirror)

        return run()

    def _error(self, kind: Any, about: dict[str, Any]) -> BaseException:
        """The program's error, of the same class where it is one of Python's own."""
        arguments = self._wire.decode(about["arguments"])
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise Undecodable("an error of no class of errors")
        base: Any = next(base for base in kind.__mro__ if not isinstance(base, Meta))
        try:
            error = base.__new__(kind, *arguments)
            base.__init__(error, *arguments)
        except TypeError:  # its arguments are not what it was made with
            error = BaseException.__new__(kind, *arguments)
        fields = {str(name): self._wire.decode(item) for name, item in about["fields"]}
        BaseException.__setstate__(error, fields)
        if about["cause"] is not None:
            error.__cause__ = self._wire.decode(about["cause"])
        return error  # type: ignore[no-any-return]


def _built_in(name: str) -> Any:
    return vars(builtins).get(name)


def _known_error(module: str, name: str) -> type | None:
    """A class of errors of Python's library; none that tells a test runner to skip."""
    package = module.partition(".")[0]
    if (
        package not in sys.stdlib_module_names
        or package in ("builtins", "unittest")
        or module not in sys.modules
    ):
        return None
    try:
        found = operator.attrgetter(name)(sys.modules[module])
    except AttributeError:
        return None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _name_in_python(value: Any) -> tuple[str, str] | None:
    """Module and name of a function or a class of Python's own, which the other side imports."""
    owner: Any = value.__objclass__ if isinstance(value, types.MethodDescriptorType) else value
    module, name = getattr(owner, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module not in sys.modules:
        return None
    if module.partition(".")[0] not in sys.stdlib_module_names:
        return None
    try:
        return (module, name) if operator.attrgetter(name)(sys.modules[module]) is value else None
    except AttributeError:
        return None
