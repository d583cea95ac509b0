"""What a locked-down process does: read its job from its pipe, run a program, write what came of
it.

A role is a function without arguments that does not return: `calls` and `program` are here,
`candidate` and `tests` have files of their own. The job is one JSON object, read to the end of the
pipe, so that nothing of it is left for the program. No role that runs the program knows what a
right answer is.
"""

import builtins
import contextlib
import json
import os
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from . import BEGUN, endings, surroundings
from .codec import decode, encode

__all__ = ["calls", "load", "program", "read_job", "said", "write"]

JOB, RESULT = 3, 4
FILE: Final = "<program>"
MAX_MESSAGE: Final = 300
BUILT_IN: Final = tuple(
    kind
    for kind in vars(builtins).values()
    if isinstance(kind, type) and issubclass(kind, BaseException)
)


def read_job() -> dict[str, Any]:
    """The job, whose pipe is closed then."""
    with os.fdopen(JOB, "rb") as pipe:
        job: dict[str, Any] = json.loads(pipe.read())
    return job


def write(message: Any, descriptor: int = RESULT) -> None:
    """One line of JSON, whole."""
    line = json.dumps(message).encode() + b"\n"
    while line:
        line = line[os.write(descriptor, line) :]


def load(code: str, name: str) -> dict[str, Any]:
    """Run a program as a module of that name; its globals."""
    module = types.ModuleType(name)
    module.__file__ = os.path.abspath(f"{name}.py")
    sys.modules[name] = module  # dataclasses and pickle look their module up
    exec(_compiled(code, FILE), module.__dict__)
    return module.__dict__


def said(error: BaseException) -> str:
    """An error's message, cut short; its own `__str__` may fail."""
    try:
        return str(error)[:MAX_MESSAGE]
    except BaseException:  # noqa: BLE001
        return ""


def find(names: Mapping[str, Any], entry: str) -> Callable[..., Any]:
    """The function called `f`, or the method of a new object called `Class.f`."""
    owner, _, method = entry.rpartition(".")
    if not owner:
        return names[entry]  # type: ignore[no-any-return]
    return getattr(names[owner](), method)  # type: ignore[no-any-return]


def calls() -> NoReturn:
    """Call a function of the program with each of the given arguments; write each result as it
    comes.

    Job: `code`, `entry`, `cases` (each `[arguments, keyword arguments]`, encoded). Result lines:
    `[index, value]`, or `[index, null, error type, message]`, with the types that it is made from
    behind, up to one of Python's own; `["load", error type, message]` where the program itself
    fails.
    """
    job = read_job()
    try:
        names = load(job["code"], "solution")
        find(names, job["entry"])
    except BaseException as error:  # noqa: BLE001  SystemExit too is an answer that was not given
        write(["load", type(error).__name__, said(error)])
        os._exit(0)
    for index, case in enumerate(job["cases"]):
        try:
            arguments, keywords = decode(case[0]), decode(case[1])
            result = [index, encode(find(names, job["entry"])(*arguments, **keywords))]
        except BaseException as error:  # noqa: BLE001
            result = [index, None, type(error).__name__, said(error), *_made_from(error)]
        write(result)
    os._exit(0)


def program() -> NoReturn:
    """Run a whole program as `python program.py` would, with the job's `stdin`; its exit status is
    the process's.

    The one result line says that its input is there and that it begins: without it the program was
    never run.
    """
    job = read_job()
    code, path = job["code"], surroundings.as_a_program(job["code"], job["stdin"])
    del job
    os.write(RESULT, BEGUN)
    endings.end(_run(code, path))


def _run(code: str, path: str) -> int:
    """The exit status of a program, of which nothing is kept here."""
    main = surroundings.main_module(path)
    surroundings.room_for_recursion()
    try:
        try:
            exec(_compiled(code, path), main.__dict__)
        finally:
            endings.flush()  # before anything of the end
    except SystemExit as error:
        return endings.status_of(error)
    except BaseException:  # noqa: BLE001
        with contextlib.suppress(BaseException):  # the program may have set a hook of its own
            sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _compiled(code: str, file: str) -> types.CodeType:
    return compile(code.removeprefix("\ufeff"), file, "exec", dont_inherit=True)


def _made_from(error: BaseException) -> list[str]:
    """The names of the classes that an error's class is made from, up to the first of Python's own;
    none for those."""
    kind: Any = type(error)
    found = list[str]()
    while not any(kind is own for own in BUILT_IN):
        kind = kind.__base__
        found.append(kind.__name__)
    return found
