"""The program's side of assertion tests: its functions and objects, for the tests in another
process to use.

Objects of the program's stay here and go out as numbers, each with a word on its class: name,
bases, and which of Python's special methods it has. What the tests do to the number over there is
done to the object here.
"""

import builtins
import copy
import functools
import importlib
import io
import json
import operator
import os
import random
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

from .borrowed import owner_of
from .roles import load, read_job, said, write
from .wire import CONTAINERS, Undecodable, Wire

__all__ = ["candidate"]

CALLS_IN, CALLS_OUT = 5, 6
LONGEST: Final = 1 << 20
"""Characters that are printed between two answers and told, times four."""
BASES: Final = (int, float, str, bytes, complex, tuple, frozenset, BaseException, *CONTAINERS)
"""Types of Python's whose subclasses cross with their value."""


def candidate() -> NoReturn:
    """Load the program, then do what the tests ask until they end.

    Job: `code`. First line out: `{"names": [...]}` or `{"error": type, "said": message}`. A request
    names what to `do` with which `target`; the answer has a `value`, the error that was `raised`,
    or `stop` at an iterator's end.
    """
    job = read_job()
    printed = {"out": io.StringIO(), "err": io.StringIO()}
    sys.stdout, sys.stderr = printed.values()
    try:
        names = load(job["code"], "solution")
    except BaseException as error:  # noqa: BLE001
        write({"error": type(error).__name__, "said": said(error)}, CALLS_OUT)
        os._exit(0)
    write({"names": [str(name) for name in names]}, CALLS_OUT)
    Program(names, printed, job.get("longest", LONGEST)).serve()
    os._exit(0)


class Program:
    """What the tests can reach."""

    def __init__(
        self, names: dict[str, Any], printed: dict[str, io.StringIO], longest: int
    ) -> None:
        self._names, self._printed, self._longest = names, printed, longest
        self._requests = os.fdopen(CALLS_IN, "rb")
        self._wire = Wire(1, self._refer, self._resolve)
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._callbacks: dict[int, Any] = {}
        self._callback_numbers: dict[int, int] = {}
        self._unused: list[int] = []
        self._about: dict[str, dict[str, Any]] = {}
        """Descriptions of what goes out for the first time in the next message."""

    def serve(self) -> None:
        """Answer requests until there are no more."""
        while line := self._requests.readline():
            self._send(self._answer(self._received(line)))

    def _received(self, line: bytes) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(line)
        self._wire.apply(message.get("changes", {}))
        self._unused = message.get("unused", [])
        return message

    def _drop_unused(self) -> None:
        """Let go of what the other side let go of, once its message is read: it may still have
        spoken of it."""
        self._wire.drop(self._unused)
        self._unused = []

    def _send(self, answer: dict[str, Any]) -> None:
        changes = self._wire.changes()  # may meet objects for the first time
        for name, stream in self._printed.items():
            if text := stream.getvalue():
                stream.seek(0)
                stream.truncate()
                answer[name] = text[: self._longest // 4]
        if changes:
            answer["changes"] = changes
        if self._about:
            answer["about"], self._about = self._about, {}
        write(answer, CALLS_OUT)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            arguments = [self._wire.decode(item) for item in request.get("arguments", ())]
            keywords = {
                name: self._wire.decode(item) for name, item in request.get("keywords", {}).items()
            }
            target = self._wire.decode(request["target"]) if "target" in request else None
            self._drop_unused()
            done = getattr(self, "_do_" + request["do"])(
                target, request.get("name", ""), arguments, keywords
            )
            return {"value": self._method(done) or self._wire.encode(done)}
        except StopIteration as error:
            return {"stop" if request["name"] == "__next__" else "raised": self._raised(error)}
        except StopAsyncIteration as error:
            return {"stop" if request["name"] == "__anext__" else "raised": self._raised(error)}
        except BaseException as error:  # noqa: BLE001
            return {"raised": self._raised(error)}

    def _do_global(self, _: Any, name: str, *__: Any) -> Any:
        return self._names[name]

    def _do_owner(self, _: Any, name: str, *__: Any) -> str:
        return owner_of(self._names[name])

    def _do_bind(self, _: Any, name: str, arguments: list[Any], __: Any) -> None:
        self._names[name] = arguments[0]

    def _do_get(self, target: Any, name: str, *_: Any) -> Any:
        return getattr(target, name)

    def _do_set(self, target: Any, name: str, arguments: list[Any], _: Any) -> None:
        setattr(target, name, arguments[0])

    def _do_delete(self, target: Any, name: str, *_: Any) -> None:
        delattr(target, name)

    def _do_call(
        self, target: Any, name: str, arguments: list[Any], keywords: dict[str, Any]
    ) -> Any:
        return (getattr(target, name) if name else target)(*arguments, **keywords)

    def _do_special(
        self, target: Any, name: str, arguments: list[Any], keywords: dict[str, Any]
    ) -> Any:
        return _special(target, name)(*arguments, **keywords)

    def _do_copy(self, target: Any, name: str, *_: Any) -> Any:
        return copy.deepcopy(target) if name == "deep" else copy.copy(target)

    def _do_wait(self, target: Any, name: str, *_: Any) -> Any:
        """Run a coroutine, or the step of an asynchronous iterator, to its end."""

        async def wait() -> Any:
            return await (anext(target) if name else target)

        return self._loop.run_until_complete(wait())

    @functools.cached_property
    def _loop(self) -> Any:
        return importlib.import_module("asyncio").new_event_loop()

    def _do_seed(self, _: Any, __: str, arguments: list[Any], keywords: dict[str, Any]) -> None:
        random.seed(*arguments, **keywords)

    def _method(self, value: Any) -> list[Any] | None:
        """A bound method by its object and name, which the tests' side calls without keeping it."""
        if type(value) not in (types.MethodType, types.BuiltinMethodType):
            return None
        owner, name = value.__self__, value.__name__
        if (
            owner is None
            or isinstance(owner, types.ModuleType)
            or getattr(owner, name, None) != value
        ):
            return None
        return ["method", self._wire.encode(owner), name]

    def _raised(self, error: BaseException) -> Any:
        try:
            return self._wire.encode(error)
        except RecursionError:
            return self._wire.encode(RuntimeError(said(error)))

    # What stands for what cannot cross by value.

    def _refer(self, value: Any) -> list[Any]:
        # By its type, for an object may say of itself that it is something else.
        if issubclass(type(value), type):
            return self._class(value)
        if type(value) is types.MethodType and (method := self._method(value)):
            return method
        if (number := self._callback_numbers.get(id(value))) is not None:
            return ["callback", number]
        number, new = self._number(value)
        if new:
            kind = type(value)
            named = issubclass(
                kind, BaseException
            )  # of others, what Python's own can do is to be told, too
            self._about[f"object {number}"] = {
                "class": self._class(kind, named),
                **self._value(value),
            }
        return ["object", number]

    def _number(self, value: Any) -> tuple[int, bool]:
        number = self._numbers.get(id(value))
        if number is not None:
            return number, False
        self._numbers[id(value)] = number = len(self._objects)
        self._objects.append(value)
        return number, True

    def _value(self, value: Any) -> dict[str, Any]:
        """Return what an object holds that is plain: an error's arguments, the number that a
        subclass of int is."""
        kind = type(value)
        if issubclass(kind, BaseException):
            cause = value.__cause__
            _, arguments, *fields = value.__reduce__()  # an OSError has more than its arguments
            return {
                "arguments": self._wire.encode(tuple(arguments)),
                "fields": [
                    [name, self._wire.encode(item)]
                    for name, item in (fields[0] if fields else {}).items()
                ],
                "cause": None if cause is None else self._wire.encode(cause),
            }
        for base in BASES:
            if issubclass(kind, base):
                # Containers are filled like any other, by `changes`.
                return (
                    {"held": self._wire.hold(value)}
                    if base in CONTAINERS
                    else {"plain": self._plain(value, base)}
                )
        return {}

    def _plain(self, value: Any, base: Any) -> Any:
        if issubclass(base, (tuple, frozenset)):
            return self._wire.encode(base(base.__iter__(value)))
        if issubclass(base, complex):
            return self._wire.encode(
                complex(complex.real.__get__(value), complex.imag.__get__(value))
            )
        # Not by the program's own methods, which may say anything.
        if issubclass(base, str):
            return self._wire.encode(str.__str__(value)[:])
        if issubclass(base, bytes):
            return self._wire.encode(bytes.__getitem__(value, slice(None)))
        return self._wire.encode(base.__add__(value, base()))

    def _class(self, kind: type, named: bool = True) -> list[Any]:
        """A class by its name, where both sides have it, else by a number and a description."""
        if (
            named
            and kind.__module__ == "builtins"
            and getattr(builtins, kind.__name__, None) is kind
        ):
            return ["type", kind.__name__]
        number, new = self._number(kind)
        if new:
            mro = [base for base in kind.__mro__ if base not in BASES and base is not object]
            natural = [base for base in kind.__mro__ if base in BASES and base is not object]
            own = {name for base in mro for name in vars(base)}
            inherited = {name for base in natural for name in dir(base)}
            self._about[f"class {number}"] = {
                "name": kind.__name__,
                "qualified": kind.__qualname__,
                "module": str(kind.__module__),
                "doc": kind.__doc__ if isinstance(kind.__doc__, str) else None,
                "bases": [self._class(base) for base in kind.__bases__ if base is not object],
                "special": sorted(
                    name for name in own if name.startswith("__") and name.endswith("__")
                ),
                "methods": sorted(name for name in own & inherited if not name.startswith("__")),
                "hashable": kind.__hash__ is not None,
            }
        return ["class", number]

    def _resolve(self, tag: str, items: list[Any]) -> Any:
        if tag in ("object", "class"):
            return self._objects[items[0]]
        if tag == "type":
            return getattr(builtins, items[0])
        if tag == "function":
            return operator.attrgetter(items[1])(importlib.import_module(items[0]))
        if tag == "method":
            return getattr(self._wire.decode(items[0]), items[1])
        if tag == "callback":
            number, *about = items
            called = self._callback(number)
            for name, value in zip(("__name__", "__doc__"), about, strict=False):
                if type(called) is types.FunctionType:
                    setattr(called, name, value)
            return called
        if tag == "iterator":
            return _iterated(self._callback(items[0]))
        if tag == "none":
            return None
        if tag == "raised":
            return self._error_of_tests(*items)
        raise Undecodable(f"no value is tagged {tag[:20]!r}")

    def _error_of_tests(self, kind: Any, arguments: Any, number: int) -> BaseException:
        error: BaseException = BaseException.__new__(
            self._wire.decode(kind), *self._wire.decode(arguments)
        )
        self._callbacks[number] = error
        self._callback_numbers[id(error)] = number
        return error

    def _callback(self, number: int) -> Any:
        """A function of the tests', which they run when it is called here."""
        if number not in self._callbacks:

            def called(*arguments: Any, **keywords: Any) -> Any:
                written = {name: self._wire.encode(item) for name, item in keywords.items()}
                self._send(
                    {
                        "callback": number,
                        "arguments": [self._wire.encode(item) for item in arguments],
                        "keywords": written,
                    }
                )
                # Until this call has ended the tests may ask for other things.
                while line := self._requests.readline():
                    message = self._received(line)
                    if "do" in message:
                        self._send(self._answer(message))
                        continue
                    value = self._wire.decode(message.get("raised", message.get("value")))
                    self._drop_unused()
                    if "raised" in message:
                        raise value
                    return value
                os._exit(0)

            self._callbacks[number] = called
            self._callback_numbers[id(called)] = number
        return self._callbacks[number]


def _iterated(step: Callable[[], Any]) -> Iterator[Any]:
    """An iterator of the tests', a step at a time."""
    while True:
        try:
            value = step()
        except StopIteration:
            return
        yield value


def _special(target: Any, name: str) -> Any:
    """A special method, found as Python does: on the class."""
    if function := _FUNCTIONS.get(name):
        return functools.partial(function, target)
    method = getattr(type(target), name)
    return (
        method.__get__(target) if hasattr(method, "__get__") else functools.partial(method, target)
    )


def _call(target: Any, *arguments: Any, **keywords: Any) -> Any:
    return target(*arguments, **keywords)


_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "__iter__": iter,
    "__len__": len,
    "__getitem__": operator.getitem,
    "__call__": _call,
}
"""What Python finds without a special method, too."""
