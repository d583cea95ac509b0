"""The tests' side of assertion tests: it holds the expected values, and reaches the program only through a pipe.

What the program's functions return arrives as plain data, so nothing of the program runs here: no overridden
`__eq__`, no patched `assert`, no frame to walk. An object that is not plain data is a `Remote`, which equals nothing
but itself.
"""

import ast
import builtins
import contextlib
import importlib
import json
import math
import os
import sys
import types
from typing import Any, NoReturn

from .codec import Undecodable, decode, encode
from .roles import read_job, said, write

__all__ = ["Remote", "tests"]

CALLS_IN, CALLS_OUT = 5, 6
TRUTH = "bool()"
"""Asked for as if it were an attribute: whether an object is true."""


class ProgramGone(BaseException):
    """The program ended, or wrote what is no answer: no test can pass any more, not even one that expects errors."""


class Unsupported(BaseException):
    """A test does what cannot be done through a pipe: no word on the program."""


class ProgramError(Exception):
    """The program raised an error of a type that is not Python's own."""


class Channel:
    """Calls to the program, one at a time."""

    def __init__(self, longest: int) -> None:
        self._answers = os.fdopen(CALLS_IN, "rb")
        self._longest = longest
        self.gone = ""
        """Why there is no program any more."""
        self.asked = 0
        """Times that the tests asked the program for something."""

    def read(self) -> dict[str, Any]:
        """The next line that the program's side wrote."""
        if self.gone:
            raise ProgramGone(self.gone)
        line = self._answers.readline(self._longest)
        if not line.endswith(b"\n"):
            raise self._end("the program ended, or answered too long" if line else "the program ended")
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._end(f"the program's answer is no data: {error}") from None
        if not isinstance(answer, dict):
            raise self._end("the program's answer is no data")
        return answer

    def ask(self, target: str | int, get: str | None, *call: Any) -> Any:
        """The value of an attribute, or of a call with `(arguments, keywords)`; raises what the program raised."""
        self.asked += 1
        message = {"call": target, "get": get}
        if call:
            message |= {"arguments": _encode(list(call[0])), "keywords": _encode(call[1])}
        with contextlib.suppress(BrokenPipeError):  # what it still said can be read
            write(message, CALLS_OUT)
        answer = self.read()
        if "error" in answer:
            raise _raised(str(answer["error"]), str(answer.get("said", "")))
        try:
            if call and "changed" in answer:
                _carry_over(call[0], decode(answer["changed"], self.known))
            return decode(answer["value"], self.known)
        except (Undecodable, KeyError, RecursionError) as error:
            raise self._end(f"the program's answer is no data: {error}") from None

    def known(self, number: Any, kind: str) -> "Remote":
        """What stands for an object of the program's."""
        return Remote(self, number, kind)

    def _end(self, why: str) -> ProgramGone:
        self.gone = why
        return ProgramGone(why)


class Remote:
    """A function or an object of the program's: it can be called and asked for attributes, and equals only itself."""

    def __init__(self, channel: Channel, target: str | int, kind: str, get: str | None = None) -> None:
        vars(self).update(_channel=channel, _target=target, _kind=kind, _get=get)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call it over there; arguments that the call changed in place are changed here."""
        return self._channel.ask(self._target, self._get, arguments, keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self._get is not None:
            raise AttributeError(name)
        value = self._channel.ask(self._target, name)
        return Remote(self._channel, self._target, "method", name) if isinstance(value, Remote) else value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and (self._target, self._get) == (other._target, other._get)

    def __hash__(self) -> int:
        return hash((self._target, self._get))

    def __bool__(self) -> bool:
        return self._get is not None or self._channel.ask(self._target, TRUTH) is True

    def __len__(self) -> int:
        return int(self._channel.ask(self._target, "__len__", (), {}))

    def __getitem__(self, key: Any) -> Any:
        return self._channel.ask(self._target, "__getitem__", (key,), {})

    def __instancecheck__(self, instance: Any) -> bool:
        # Of a class of the program's: only over there can it be told.
        return (
            isinstance(instance, Remote)
            and self._channel.ask(self._target, "__instancecheck__", (instance,), {}) is True
        )

    def __repr__(self) -> str:
        return f"<the program's {self._kind}>"


def tests() -> NoReturn:
    """Run tests against the program and write how many passed.

    Job: `tests` (sources, each run by itself), `before` (trusted helpers they may use), `entry` (the function under
    test, also called `candidate`), `pytest` (whether they are pytest's), `module` (the name tests import the program
    by), `nonce` and `longest`. The result is `{"nonce", "passed", "total", "failures": [message, ...]}`.
    """
    job = read_job()
    channel = Channel(job["longest"])
    run = _by_pytest if job["pytest"] else _each
    try:
        loaded = channel.read()
        if "error" in loaded:
            raise ProgramGone(f"the program fails when it is loaded: {loaded['error']}: {loaded.get('said', '')}")
        found = run(job, channel, [str(name) for name in loaded.get("names", ())])
        if found["passed"] and not channel.asked:
            raise Unsupported("the tests pass without asking the program for anything")
    except ProgramGone as error:
        found = {"passed": 0, "total": len(job["tests"]), "failures": [str(error)[:400]]}
    except Unsupported as error:
        found = {"passed": 0, "total": 0, "failures": [str(error)[:400]]}
    write({"nonce": job["nonce"], **found})
    os._exit(0)


def _each(job: dict[str, Any], channel: Channel, names: list[str]) -> dict[str, Any]:
    """Run each source in the helpers' names; a `check(candidate)` that it defines is called."""
    passed, failures = 0, []
    for source in job["tests"]:
        sys.modules[job["module"]] = _module(job, channel, names, source)
        scope: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins}
        try:
            exec(compile(job["before"], "<helpers>", "exec"), scope)
            for name in {job["entry"], "candidate", *_missing(source, scope, job["entry"])} - {""}:
                target = job["entry"] if name == "candidate" else name
                scope[name] = Remote(channel, target, "function")
            exec(compile(source, "<tests>", "exec"), scope)
            if "def check(" in source:
                scope["check"](scope["candidate"])
            if channel.gone:  # whatever the test made of it
                raise ProgramGone(channel.gone)
            passed += 1
        except ProgramGone as error:
            failures.append(str(error)[:400])
            break
        except Unsupported:
            raise
        except BaseException as error:  # noqa: BLE001  a test may end in any way
            failures.append(f"{type(error).__name__}{_line(error)}: {said(error)}")
    return {"passed": passed, "total": len(job["tests"]), "failures": failures[:5]}


def _missing(source: str, scope: dict[str, Any], entry: str) -> set[str]:
    """Names that the tests use and nobody on this side defines: they are the program's.

    Modules that tests left to the program to import are Python's all the same, and so are `isclose` and its like where
    another function is the one under test.
    """
    read, made = _names(source)
    for name in read - made - scope.keys():
        if name in sys.stdlib_module_names:
            scope[name] = importlib.import_module(name)
        elif entry and hasattr(math, name):
            scope[name] = getattr(math, name)
    return read - made - scope.keys() - vars(builtins).keys()


def _names(source: str) -> tuple[set[str], set[str]]:
    """The names that a source reads, and those that it defines or imports anywhere."""
    read, made = set[str](), set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made.add(node.name)
    return read, made


def _by_pytest(job: dict[str, Any], channel: Channel, names: list[str]) -> dict[str, Any]:
    """Run the sources as files of tests under pytest, which this process has and the program does not."""
    pytest = importlib.import_module("pytest")
    sys.modules[job["module"]] = _module(job, channel, names, "\n".join(job["tests"]))
    passed, failures = set[str](), dict[str, str]()

    unsupported: list[BaseException] = []

    class Count:
        def pytest_exception_interact(self, call: Any) -> None:
            if isinstance(call.excinfo.value, Unsupported):
                unsupported.append(call.excinfo.value)

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.failed or channel.gone:
                failures[report.nodeid] = channel.gone or str(report.longrepr)[-400:]
            elif report.when == "call" and report.passed:
                passed.add(report.nodeid)

        def pytest_collectreport(self, report: Any) -> None:
            if report.failed:
                failures[report.nodeid] = str(report.longrepr)[-400:]

    for index, source in enumerate(job["tests"]):
        with open(f"test_{index}.py", "w", encoding="utf-8") as file:
            file.write(f"{job['before']}\n{source}")
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", ".", "-c", os.devnull, "--assert=plain", "--capture=no"]
    pytest.main([*options, "."], plugins=[Count()])
    if unsupported:
        raise unsupported[0]
    right = passed - failures.keys()
    messages = [f"{name}: {message}" for name, message in failures.items()]
    return {"passed": len(right), "total": len(right | failures.keys()), "failures": messages[:5]}


def _module(job: dict[str, Any], channel: Channel, names: list[str], source: str) -> types.ModuleType:
    """A module by which tests import the program.

    `import *` takes the function under test and what the tests use and nobody else defines: a program may not replace
    their `abs` or `all`.
    """
    module = types.ModuleType(job["module"])
    module.__dict__.update({name: Remote(channel, name, "function") for name in names})
    read, made = _names(source)
    wanted = read - made - vars(builtins).keys() - set(sys.stdlib_module_names) | {job["entry"]}
    module.__dict__["__all__"] = sorted(wanted & set(names))
    return module


def _encode(value: Any) -> Any:
    """The encoding; a `Remote` goes back as the number or the name it came with."""
    return encode(value, _number)


def _number(item: Any) -> Any:
    if not isinstance(item, Remote):
        raise Unsupported(f"a test passes a {type(item).__name__} to the program; only plain data can cross")
    if item._get is not None:
        raise TypeError("a method of the program's cannot be passed to it")
    return item._target


def _carry_over(ours: tuple[Any, ...], theirs: Any) -> None:
    """Do to our arguments what the call did to its copies of them."""
    for mine, changed in zip(ours, theirs, strict=False):
        if type(mine) is list and type(changed) is list:
            mine[:] = changed
        elif type(mine) in (dict, set) and type(changed) is type(mine):
            mine.clear()
            mine.update(changed)


def _raised(kind: str, message: str) -> BaseException:
    """The program's error as ours, where it is one of Python's own.

    Not one that ends iterations: `all(map(candidate, inputs))` would be true of a program that stops it at once.
    """
    cls = getattr(builtins, kind, None)
    odd = (UnicodeError, StopIteration, StopAsyncIteration, ExceptionGroup)
    if isinstance(cls, type) and issubclass(cls, Exception) and not issubclass(cls, odd):
        return cls(message)
    return ProgramError(f"{kind}: {message}")


def _line(error: BaseException) -> str:
    frame, line = error.__traceback__, None
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == "<tests>":
            line = frame.tb_lineno
        frame = frame.tb_next
    return f" at line {line}" if line else ""
