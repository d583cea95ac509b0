"""Tests and program in one process, for what cannot be done through a pipe: mocks, files, tests that derive classes.

The price: the expected values and the verdict are within the program's reach. What is done about it: the program comes
last, when everything that judges is loaded, compiled and held; what judges must be unchanged at the end; the tests'
comparisons are looked at, and a program that looks at frames or memory is ended (`guard`). The verdict carries a number
that only this process was given, and the tests that passed are counted against what the sources hold, outside.
"""

import ast
import importlib
import os
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from .guard import Guard, guarded, watch
from .roles import FILE, read_job, said
from .sources import future_first, imported, takes_candidate
from .tester import Counts, Scope, line_of, new_folder, run_pytest, starred

__all__ = ["joint"]

RESULT = 4
Send = Callable[[int, int, str], NoReturn]
"""Write the verdict (passed, total, the first failure) and end."""


def joint() -> NoReturn:
    """Load the tests, then the program, then run them. Job and result are those of `tests`, and `code`."""
    job = read_job()
    send = _sender(job.pop("nonce"))
    files = [future_first(job["before"], source) for source in job["tests"]]
    for name in sorted({name for source in files for name in imported(source)}):
        if name.partition(".")[0] in sys.stdlib_module_names:
            importlib.import_module(name)
    if job["pytest"]:
        _with_pytest(job, files, send)
    _each(job, send)


def _each(job: dict[str, Any], send: Send) -> NoReturn:
    """Run each source in the names of helpers and program; a `check(candidate)` that it defines is called."""
    before, *sources = [
        compile(guarded(ast.parse(source)), "<tests>", "exec", dont_inherit=True)
        for source in (job["before"], *job["tests"])
    ]
    takes = [takes_candidate(source) for source in job["tests"]]
    asked = list[str]()

    def look_up(name: str) -> Any:
        asked.append(name)
        return program[name]

    guard = Guard("")
    program = _loaded(job, ("<tests>",), guard, len(sources), send)
    passed, failure = 0, ""
    for text, source, calls_check in zip(job["tests"], sources, takes, strict=True):
        program["__all__"] = starred(program, job["entry"], [job["before"], text])
        scope = Scope(look_up, program, job["entry"], text)
        try:
            exec(before, scope)
            exec(source, scope)
            if calls_check:
                scope["check"](scope["candidate"])
            passed += 1
        except BaseException as error:  # noqa: BLE001  a test may end in any way
            failure = failure or f"{type(error).__name__}{line_of(error)}: {said(error)}"
    if changed := guard.changed():
        send(0, len(sources), f"the program changes {changed}")
    if passed and not asked and not any(job["module"] in text for text in job["tests"]):
        send(0, 0, "the tests pass without asking the program for anything")
    send(passed, len(sources), failure)


def _with_pytest(job: dict[str, Any], files: Sequence[str], send: Send) -> NoReturn:
    """Run the sources as files of tests under pytest."""
    pytest = importlib.import_module("pytest")
    sources = [ast.unparse(guarded(ast.parse(source))) for source in files]
    folder, counts = new_folder(), Counts()
    packages = os.path.dirname(os.path.dirname(str(pytest.__file__)))
    guard = Guard(packages)
    finders, hooks, path = list(sys.meta_path), list(sys.path_hooks), list(sys.path)
    program = _loaded(job, (folder, packages), guard, len(files), send)
    program["__all__"] = starred(program, job["entry"], files)
    sys.meta_path, sys.path_hooks, sys.path = finders, hooks, path
    sys.path_importer_cache.clear()
    for name in [name for name in os.environ if name.startswith("PYTEST")]:
        del os.environ[name]
    found = run_pytest(sources, folder, counts)
    if changed := guard.changed():
        send(0, max(1, found["total"]), f"the program changes {changed}")
    send(found["passed"], found["total"], found["failure"])


def _loaded(job: dict[str, Any], judges: tuple[str, ...], guard: Guard, total: int, send: Send) -> dict[str, Any]:
    """The program's names; it is the last to be loaded."""
    for name in [name for name in sys.modules if name.partition(".")[0] == __package__]:
        del sys.modules[name]
    watch((*judges, os.path.dirname(__file__)))
    module = types.ModuleType(job["module"])
    sys.modules[job["module"]] = module
    try:
        exec(compile(job["code"], FILE, "exec", dont_inherit=True), vars(module))
    except BaseException as error:  # noqa: BLE001
        send(0, total, f"the program fails when it is loaded: {type(error).__name__}: {said(error)}")
    if changed := guard.changed():
        send(0, total, f"the program changes {changed}")
    sys.modules[job["module"]] = module
    return vars(module)


def _sender(nonce: str) -> Send:
    write, end = os.write, os._exit

    def send(passed: int, total: int, failure: str) -> NoReturn:
        # By functions of C's alone: the program may have changed those of Python's that write JSON.
        text = str.encode(str.__getitem__(failure, slice(400)), "ascii", "backslashreplace")
        line = b'{"nonce": "%s", "passed": %d, "total": %d, "failure": "%s"}\n' % (
            nonce.encode(), passed, total, text.translate(None, b'"\\')
        )  # fmt: skip
        while line:
            line = line[write(RESULT, line) :]
        end(0)

    return send
