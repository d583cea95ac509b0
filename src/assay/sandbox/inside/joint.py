"""Tests and program in one process, for what cannot be done through a pipe: mocks, files, tests
that derive classes.

The price: the expected values and the verdict are within the program's reach. What is done about
it: the program comes last, when everything that judges is loaded, compiled and held, and must be
unchanged at the end (`guard`); what the tests compare is looked at (`comparing`); a program that
looks at frames or memory is ended (`watching`). The verdict carries a number that only this process
was given, and the tests that passed are counted against what the sources hold, outside.
"""

import ast
import functools
import importlib
import os
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from .borrowed import Borrowed, owner_of
from .guard import raise_guard
from .rewriting import guarded
from .roles import FILE, read_job, said
from .sources import (
    ENDS_ITSELF,
    NEVER_ASKED,
    RESERVED,
    future_first,
    imported,
    skips,
    takes_candidate,
)
from .tester import Counts, Scope, line_of, new_folder, run_pytest, shadowing, starred, unmade
from .watching import watch

__all__ = ["joint"]

RESULT = 4
Send = Callable[..., NoReturn]
"""Write the verdict (passed, total, the first failure, how many are skipped, why it is none) and
end."""


def joint() -> NoReturn:
    """Load the tests, then the program, then run them. Job and result are those of `tests`, and
    `code`."""
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
    """Run each source in the names of helpers and program; a `check(candidate)` that it defines is
    called."""
    trees = [ast.parse(source) for source in job["tests"]]
    takes = [takes_candidate(tree) for tree in trees]
    before, *sources = [
        compile(guarded(tree), "<tests>", "exec", dont_inherit=True)
        for tree in (ast.parse(job["before"]), *trees)
    ]
    asked = list[str]()

    def look_up(name: str) -> Any:
        asked.append(name)
        return program[name]

    changed = raise_guard("", job["tests"])
    program = _loaded(job, ("<tests>",), changed, len(sources), send)
    passed, failure, shadows = 0, "", ""
    for text, tree, source, calls_check in zip(job["tests"], trees, sources, takes, strict=True):
        program["__all__"] = starred(program, job["entry"], [job["before"], text])
        borrowed = Borrowed(
            lambda name: owner_of(program[name]),
            program,
            job["entry"],
            functools.partial(unmade, [text]),
        )
        if "import *" in text:
            _give(borrowed, program)
        scope = Scope(look_up, program, job["entry"], tree, borrowed)
        try:
            exec(before, scope)
            scope.pop(job["entry"], None)  # of which helpers may hold the bare beginning
            scope.take_class_names()
            exec(source, scope)
            if calls_check:
                scope["check"](scope["candidate"])
            if any(str(name).startswith(RESERVED) for name in scope):
                send(0, len(sources), "the program changes the names of the tests")
            shadows = shadows or shadowing(borrowed)
            passed += 1
        except BaseException as error:  # noqa: BLE001  a test may end in any way
            if isinstance(error, SystemExit) and not _passes(error, FILE):
                send(0, 0, "", undecided=ENDS_ITSELF)
            failure = failure or f"{type(error).__name__}{line_of(error)}: {said(error)}"
    if part := changed():
        send(0, len(sources), f"the program changes {part}")
    if passed == len(sources) and shadows:
        send(0, 0, "", undecided=shadows)
    if (
        passed == len(sources)
        and not asked
        and not any(job["module"] in text for text in job["tests"])
    ):
        send(0, 0, "", undecided=NEVER_ASKED)
    send(passed, len(sources), failure)


def _with_pytest(job: dict[str, Any], files: Sequence[str], send: Send) -> NoReturn:
    """Run the sources as files of tests under pytest."""
    pytest = importlib.import_module("pytest")
    sources = [ast.unparse(guarded(ast.parse(source))) for source in files]
    folder, counts = new_folder(), Counts(skips(files), hides=True)
    packages = os.path.dirname(os.path.dirname(str(pytest.__file__)))
    changed = raise_guard(packages, files)
    finders, hooks, path = list(sys.meta_path), list(sys.path_hooks), list(sys.path)
    program = _loaded(job, (folder, packages), changed, len(files), send)
    program["__all__"] = starred(program, job["entry"], files)
    sys.meta_path, sys.path_hooks, sys.path = finders, hooks, path
    sys.path_importer_cache.clear()
    for name in [name for name in os.environ if name.startswith("PYTEST")]:
        del os.environ[name]
    borrowed = Borrowed(
        lambda name: owner_of(program[name]), program, job["entry"], lambda: unmade(files)
    )
    _give(borrowed, program)
    found = run_pytest(sources, folder, counts)
    if part := changed():
        send(0, max(1, found["total"]), f"the program changes {part}")
    if found["passed"] == found["total"] and (shadows := shadowing(borrowed)):
        send(0, 0, "", undecided=shadows)
    send(found["passed"], found["total"], found["failure"], found["skipped"])


def _give(borrowed: Borrowed, program: dict[str, Any]) -> None:
    """Have `import *` bring what is Python's from Python."""
    for name in program["__all__"]:
        if found := borrowed.find(name, starred=True):
            program[name] = found[0]


def _loaded(
    job: dict[str, Any], judges: tuple[str, ...], changed: Callable[[], str], total: int, send: Send
) -> dict[str, Any]:
    """The program's names; it is the last to be loaded."""
    for name in [name for name in sys.modules if name.partition(".")[0] == __package__]:
        del sys.modules[name]
    module = types.ModuleType(job["module"])
    vars(importlib.import_module("logging"))["_srcfile"] = (
        None  # else it looks at its caller's frame
    )
    watch((*judges, os.path.dirname(__file__)), vars(module))
    sys.modules[job["module"]] = module
    try:
        exec(compile(job["code"], FILE, "exec", dont_inherit=True), vars(module))
    except BaseException as error:  # noqa: BLE001
        send(
            0, total, f"the program fails when it is loaded: {type(error).__name__}: {said(error)}"
        )
    if part := changed():
        send(0, total, f"the program changes {part}")
    sys.modules[job["module"]] = module
    return vars(module)


def _passes(error: BaseException, file: str) -> bool:
    """Return whether an error came through code of a file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    return trace is not None


def _sender(nonce: str) -> Send:
    write, end = os.write, os._exit

    def send(
        passed: int, total: int, failure: str, skipped: int = 0, undecided: str = ""
    ) -> NoReturn:
        # By functions of C's alone: the program may have changed those of Python's that write JSON.
        text = str.encode(
            str.__getitem__(failure, slice(400)), "ascii", "backslashreplace"
        ).translate(None, b'"\\\n')
        line = (
            b'{"nonce": "%s", "passed": %d, "total": %d, "skipped": %d, "failure": "%s",'
            b' "undecided": "%s"}\n'
            % (*(nonce.encode(), passed, total, skipped, text, undecided.encode()),)
        )
        while line:
            line = line[write(RESULT, line) :]
        end(0)

    return send
