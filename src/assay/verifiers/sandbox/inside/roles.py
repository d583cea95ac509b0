"""What a locked-down process does: read its job from its pipe, run a program, write what came of it.

A role is a function without arguments that does not return: `calls` and `program` are here, `candidate` and `tests`
have files of their own. The job is one JSON object, read to the end of the pipe, so that nothing of it is left for
the program. No role that runs the program knows what a right answer is.
"""

import io
import json
import os
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from .codec import decode, encode

__all__ = ["calls", "load", "program", "read_job", "said", "write"]

JOB, RESULT = 3, 4
FILE: Final = "<program>"
MAX_MESSAGE: Final = 300


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
    sys.modules[name] = module  # dataclasses and pickle look their module up
    exec(compile(code, FILE, "exec"), module.__dict__)
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
    """Call a function of the program with each of the given arguments; write each result as it comes.

    Job: `code`, `entry`, `cases` (each `[arguments, keyword arguments]`, encoded). Result lines: `[index, value]`, or
    `[index, null, error type, message]`; `["load", error type, message]` where the program itself fails.
    """
    job = read_job()
    try:
        names = load(job["code"], "solution")
        find(names, job["entry"])
    except BaseException as error:  # noqa: BLE001  SystemExit too is an answer that was not given
        write(["load", type(error).__name__, said(error)])
        os._exit(0)
    for index, case in enumerate(job["cases"]):
        arguments, keywords = decode(case[0]), decode(case[1])
        try:
            result = [index, encode(find(names, job["entry"])(*arguments, **keywords))]
        except BaseException as error:  # noqa: BLE001
            result = [index, None, type(error).__name__, said(error)]
        write(result)
    os._exit(0)


def program() -> NoReturn:
    """Run a whole program as `python program.py` would, with the job's `stdin`; its exit status is the process's."""
    job = read_job()
    with open("stdin", "wb") as file:
        file.write(job["stdin"].encode(errors="surrogatepass"))
    os.dup2(os.open("stdin", os.O_RDONLY), 0)
    os.unlink("stdin")
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8", errors="replace")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8", newline="\n")
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(io.FileIO(2, "w", closefd=False)), errors="backslashreplace")
    sys.argv = ["program.py"]
    status = 0
    try:
        load(job["code"], "__main__")
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        status = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001
        status = status or 1
    os._exit(status & 0xFF)
