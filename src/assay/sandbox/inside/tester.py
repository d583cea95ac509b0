"""The tests' side of assertion tests: it holds the expected values, and reaches the program only
through a pipe.

Nothing of the program runs here: no overridden `__eq__`, no patched `assert`, no frame to walk. Its
functions, classes and objects are mirrored (`mirror`), and everything that they do is asked for
(`channel`).
"""

import ast
import builtins
import contextlib
import functools
import importlib
import os
import random
import secrets
import sys
import types
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NoReturn

from .borrowed import Borrowed
from .channel import Channel, ProgramGone, Unsupported
from .mirror import Instance, Meta
from .roles import FILE, read_job, said, write
from .sources import (
    CAUGHT,
    ENDS_ITSELF,
    NEVER_ASKED,
    RESERVED,
    future_first,
    names,
    skips,
    takes_candidate,
    watched,
)

__all__ = ["Counts", "Scope", "line_of", "new_folder", "run_pytest", "starred", "tests"]


def tests() -> NoReturn:
    """Run tests against the program and write how many passed.

    Job: `tests` (sources, each run by itself), `before` (trusted helpers they may use), `entry`
    (the function under test, also called `candidate`), `pytest` (whether they are pytest's),
    `module` (the name tests import the program by), `nonce` and `longest`. The result: `{"nonce",
    "passed", "total", "skipped", "failure", "rests", "undecided"}`, the first failure, on what of
    the program's own it rests that tests pass, and why nothing can be said of it.
    """
    job = read_job()
    channel = Channel(job["longest"], functools.cache(lambda: _named(job)))
    contextlib.suppress.__exit__ = _watching(contextlib.suppress.__exit__, channel)  # type: ignore[method-assign]
    builtins.__dict__[CAUGHT] = channel.caught
    random.seed = _seeded(channel)
    run = _by_pytest if job["pytest"] else _each
    try:
        loaded = channel.read()
        if "error" in loaded:
            raise ProgramGone(
                f"the program fails when it is loaded: {loaded['error']}: {loaded.get('said', '')}"
            )
        found = run(
            job,
            channel,
            {name for name in map(str, loaded.get("names", ())) if name.isidentifier()},
        )
        if found["passed"] == found["total"] > 0 and not channel.asked:
            raise Unsupported(NEVER_ASKED)
    except ProgramGone as error:
        found = {"passed": 0, "total": len(job["tests"]), "failure": str(error)[:400]}
    except Unsupported as error:
        found = {"passed": 0, "total": 0, "failure": "", "undecided": str(error)[:400]}
    write({"nonce": job["nonce"], "skipped": 0, "undecided": "", **found, "rests": channel.rests})
    os._exit(0)


def _named(job: dict[str, Any]) -> frozenset[str]:
    """The names that the tests use, but for that of the function that they test, whatever the
    program makes of it."""
    used = [names(ast.parse(source)).read for source in (job["before"], *job["tests"])]
    return frozenset[str]().union(*used) - (
        {job["entry"]} if not job["entry"][:1].isupper() else set()
    )


class Scope(dict[str, Any]):
    """The names that a test sees: its own, and behind them the program's, as if both stood in one
    file.

    A program may not replace what is Python's: `abs`, a module that the test forgot to import, or
    `isclose` and its like where another function is the one under test (`borrowed`).
    """

    def __init__(
        self,
        look_up: Callable[[str], Any],
        program: Collection[str],
        entry: str,
        tree: ast.AST,
        borrowed: Borrowed,
    ) -> None:
        super().__init__({"__name__": "tests", "__builtins__": builtins})
        self._look_up, self._program, self._entry = look_up, program, entry
        self._tree, self._borrowed = tree, borrowed

    def __missing__(self, name: str) -> Any:
        if self._entry and name in (self._entry, "candidate"):
            return self._asked(name, self._entry)
        if hasattr(builtins, name):
            raise KeyError(name)
        if name in sys.stdlib_module_names and self._is_module(name):
            self[name] = importlib.import_module(name)
            return self[name]
        if found := self._borrowed.find(name):
            self[name] = found[0]
            return found[0]
        if name in self._program and not name.startswith("__"):
            return self._asked(name, name)
        raise KeyError(name)

    def take_class_names(self) -> None:
        """Take the names that the bodies of classes use, which are not looked up as others are."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.ClassDef):
                for name in names(node).read - self.keys():
                    with contextlib.suppress(KeyError, NameError):
                        self[name] = self[name]

    def _asked(self, name: str, target: str) -> Any:
        if target not in self._program:
            raise NameError(f"name {target!r} is not defined")
        value = self._look_up(target)
        if isinstance(value, (Meta, Instance)) and callable(value):
            self[name] = value  # what is no function may be another the next time
        return value

    def _is_module(self, name: str) -> bool:
        """Return whether the test means Python's module: it uses it for what the module has, or the
        program has no other."""
        used = names(self._tree).owners.get(name)
        if used is None:
            return name not in self._program
        module = importlib.import_module(name)
        return name not in self._program or all(hasattr(module, attribute) for attribute in used)


class ProgramModule(types.ModuleType):
    """A module by which tests import the program."""

    def __init__(
        self, channel: Channel, program: set[str], name: str, starred: list[str], borrowed: Borrowed
    ) -> None:
        super().__init__(name)
        vars(self).update(_channel=channel, _names=program, __all__=starred, _borrowed=borrowed)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._names:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name in self.__all__ and (found := self._borrowed.find(name, starred=True)):
            return found[0]
        value = self._channel.ask("global", None, name)
        if isinstance(value, (Meta, Instance)):
            self._channel.asked -= 1  # an import alone tests nothing
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            self._channel.ask("bind", None, name, value)


def starred(program: Collection[str], entry: str, sources: Iterable[str]) -> list[str]:
    """Return what `import *` takes: the function under test, and what the tests use and nobody else
    defines.

    A program may not replace the tests' helpers, nor their `abs` or `all`.
    """
    wanted = unmade(sources) - vars(builtins).keys() - set(sys.stdlib_module_names) | {entry}
    return sorted(name for name in wanted & set(program) if not name.startswith("__"))


def unmade(sources: Iterable[str]) -> set[str]:
    """The names that sources use and do not define."""
    found = [names(ast.parse(source)) for source in sources]
    return set[str]().union(*(each.read for each in found)) - set[str]().union(
        *(each.made for each in found)
    )


def shadowing(borrowed: Borrowed) -> str:
    """On what the tests rely where the program stands in for Python; "" where it does not."""
    name = borrowed.shadows
    return (
        f"the tests use {name}, which they do not import and the program makes up" if name else ""
    )


def _each(job: dict[str, Any], channel: Channel, program: set[str]) -> dict[str, Any]:
    """Run each source in the helpers' names; a `check(candidate)` that it defines is called."""
    passed, failure = 0, ""
    for source in job["tests"]:
        tree = ast.parse(source)
        taken = (
            starred(program, job["entry"], [job["before"], source])
            if job["module"] in source
            else []
        )
        borrowed = Borrowed(
            functools.partial(channel.ask, "owner", None),
            program,
            job["entry"],
            functools.partial(unmade, [source]),
        )
        sys.modules[job["module"]] = ProgramModule(channel, program, job["module"], taken, borrowed)
        scope = Scope(
            functools.partial(channel.ask, "global", None), program, job["entry"], tree, borrowed
        )
        takes = takes_candidate(tree)
        try:
            exec(compile(job["before"], "<helpers>", "exec", dont_inherit=True), scope)
            scope.pop(job["entry"], None)  # of which helpers may hold the bare beginning
            scope.take_class_names()
            exec(compile(watched(tree), "<tests>", "exec", dont_inherit=True), scope)
            if takes:
                scope["check"](scope["candidate"])
            channel.check()
            channel.rests = channel.rests or shadowing(borrowed)
            passed += 1
        except ProgramGone as error:
            failure = failure or str(error)[:400]
            break
        except Unsupported:
            raise
        except SystemExit as error:
            if not channel.is_programs(error):
                raise Unsupported(ENDS_ITSELF) from None
            failure = failure or f"SystemExit{line_of(error)}: {said(error)}"
        except BaseException as error:  # noqa: BLE001  a test may end in any way
            if channel.needs:
                raise Unsupported(channel.needs) from None
            failure = failure or f"{type(error).__name__}{line_of(error)}: {said(error)}"
    return {"passed": passed, "total": len(job["tests"]), "failure": failure}


def _by_pytest(job: dict[str, Any], channel: Channel, program: set[str]) -> dict[str, Any]:
    """Run the sources as files of tests under pytest, which this process has and the program does
    not."""
    files = [future_first(job["before"], source) for source in job["tests"]]
    borrowed = Borrowed(
        functools.partial(channel.ask, "owner", None), program, job["entry"], lambda: unmade(files)
    )
    taken = starred(program, job["entry"], files)
    sys.modules[job["module"]] = ProgramModule(channel, program, job["module"], taken, borrowed)
    _watch_expectations(channel)
    found = run_pytest(
        files, new_folder(), Counts(skips(files), channel.check, lambda: channel.gone)
    )
    if channel.needs:
        raise Unsupported(channel.needs)
    channel.rests = channel.rests or shadowing(borrowed)
    return found


def new_folder() -> str:
    """Return where files of tests go: under a name that nothing can have been prepared for, no
    cached file and no module."""
    return os.path.join(os.getcwd(), secrets.token_hex(8))


def run_pytest(sources: Sequence[str], folder: str, counts: "Counts") -> dict[str, Any]:
    """Run sources as pytest's files. What was collected and not run to its end has not passed."""
    pytest = importlib.import_module("pytest")
    os.mkdir(folder)
    token = os.path.basename(folder)
    files = [os.path.join(folder, f"test_{token}_{index}.py") for index in range(len(sources))]
    for name, source in zip(files, sources, strict=True):
        with open(name, "w", encoding="utf-8") as file:
            file.write(source)
    options = (
        f"-q -p no:cacheprovider --rootdir {folder} --confcutdir {folder} --noconftest"
        " --assert=plain --capture=no"
    )
    status = int(pytest.main([*options.split(), "-c", os.devnull, *files], plugins=[counts]))
    failures = counts.failures
    for name in set(counts.collected) - counts.passed - counts.skipped - failures.keys():
        failures[name] = "it was not run to its end"
    if status not in (0, 1, 5) and not failures:
        failures["pytest"] = f"it ended with status {status}"
    right = counts.passed - failures.keys()
    first = next((f"{name}: {message}" for name, message in failures.items()), "")
    counted = {
        "passed": len(right),
        "total": len(right | failures.keys()),
        "skipped": len(counts.skipped),
    }
    return {**counted, "failure": first.replace(f"_{token}", "")}


class Counts:
    """A plugin of pytest's that counts.

    `skips` tells whether the tests skip any of themselves; else whatever is skipped is so by the
    program. `check` raises after a test that does not count, `gone` says why none does any more.
    `hides` is whether the tests are to be found neither as files nor as modules once they are
    collected.
    """

    def __init__(
        self,
        skips: bool,
        check: Callable[[], None] = lambda: None,
        gone: Callable[[], str] = lambda: "",
        hides: bool = False,
    ) -> None:
        self._skips, self._check, self._gone, self._hides = skips, check, gone, hides
        self.collected: list[str] = []
        self.passed, self.skipped = set[str](), set[str]()
        self.failures: dict[str, str] = {}
        self._skipping = set[str]()

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """Keep which tests the program had a hand in ending."""
        entries = call.excinfo.traceback if call.excinfo else ()
        if any(str(entry.path) == FILE for entry in entries) and not item.get_closest_marker(
            "xfail"
        ):
            self._skipping.add(item.nodeid)

    def pytest_collection_finish(self, session: Any) -> None:
        """Keep what is to be run."""
        self.collected.extend(item.nodeid for item in session.items)
        for item in session.items if self._hides else ():
            if sys.modules.pop(item.module.__name__, None) is not None:
                os.unlink(item.path)

    def pytest_collectreport(self, report: Any) -> None:
        """Count what could not be collected."""
        if report.failed:
            self.failures[report.nodeid] = str(report.longrepr)[-400:]

    def pytest_runtest_teardown(self, item: Any) -> None:
        """Keep whether names that judge were taken from the tests."""
        if any(name.startswith(RESERVED) for name in vars(item.module)):
            self.failures.setdefault(item.nodeid, "the program changes the names of the tests")

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count a test's end."""
        why = self._gone()
        if not why and report.when == "call" and report.passed:
            try:
                self._check()
            except AssertionError as error:
                why = str(error)
            except BaseException:  # noqa: BLE001  it is kept by the channel
                why = "it does not count"
        if report.failed or why:
            self.failures.setdefault(report.nodeid, why or str(report.longrepr)[-400:])
        elif report.skipped and (not self._skips or report.nodeid in self._skipping):
            self.failures.setdefault(report.nodeid, "the program skips it")
        elif report.skipped:
            self.skipped.add(report.nodeid)
        elif report.when == "call":
            self.passed.add(report.nodeid)


def _watch_expectations(channel: Channel) -> None:
    """Have pytest's and unittest's ways to expect an error say that it was caught."""
    expecting = [importlib.import_module("unittest.case")._AssertRaisesContext]
    pytest = importlib.import_module("pytest")
    expecting.append(type(pytest.raises(ValueError)))
    for context in expecting:
        context.__exit__ = _watching(context.__exit__, channel)


def _watching(leave: Callable[..., Any], channel: Channel) -> Callable[..., Any]:
    @functools.wraps(leave)
    def left(self: Any, kind: Any, error: Any, trace: Any) -> Any:
        result = leave(self, kind, error, trace)
        if result:
            channel.forgive(error)
        return result

    return left


def _seeded(channel: Channel) -> Callable[..., None]:
    """`random.seed` for both sides."""
    seed = random.seed

    def both(*arguments: Any, **keywords: Any) -> None:
        seed(*arguments, **keywords)
        channel.ask("seed", None, "", *arguments, **keywords)

    return both


def line_of(error: BaseException) -> str:
    """Return where in the tests an error was raised."""
    frame, line = error.__traceback__, None
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == "<tests>":
            line = frame.tb_lineno
        frame = frame.tb_next
    return f" at line {line}" if line else ""
