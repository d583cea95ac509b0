"""The end of a program, as the interpreter does it: threads are waited for, and what was kept for
the end is written.

Not left to the interpreter itself, which would also take apart the hundreds of modules of the
process that this one was forked from: ten milliseconds, where a whole program takes five.
"""

import atexit
import contextlib
import ctypes
import gc
import io
import os
import sys
import threading
import traceback
import types
import weakref
from collections.abc import Callable
from typing import Any, Final, NoReturn

__all__ = ["end", "flush", "status_of"]

FLUSH_FAILED: Final = 120
"""The interpreter's status where a standard stream could not be written out."""


def status_of(error: SystemExit) -> int:
    """The exit status that a program asks for; what is no number is said on stderr, and is 1."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(1 << 63) <= code < 1 << 63 else 0xFF
    with contextlib.suppress(BaseException):
        print(code, file=sys.stderr)
    return 1


def end(status: int) -> NoReturn:
    """End the process as the interpreter would, but for its own modules."""
    _whatever_happens(
        lambda: vars(threading)["_shutdown"]()
    )  # waits for the threads that are no daemons
    _whatever_happens(atexit._run_exitfuncs)
    flushed = flush()
    for name in ("stdin", "stdout", "stderr"):
        vars(sys)[name] = vars(sys).get(f"__{name}__")
    for step in (
        _write_out,
        _take_apart,
        _write_out,
    ):  # files in a cycle may be closed before their text is written
        _whatever_happens(step)
    flushed = flush() and flushed
    _whatever_happens(
        lambda: ctypes.CDLL(None).fflush(None)
    )  # of C's own streams, which `os._exit` leaves
    os._exit(status if flushed else FLUSH_FAILED)


def flush() -> bool:
    """Write out the standard streams; whether that went well, as it does for one that is closed or
    gone."""
    well = True
    for stream in map(vars(sys).get, ("stderr", "stdout")):
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except BaseException:  # noqa: BLE001
            well = False
    return well


def _whatever_happens(do: Callable[[], Any]) -> None:
    try:
        do()
    except BaseException as error:  # noqa: BLE001  as in the interpreter, it is told and changes nothing
        with contextlib.suppress(BaseException):
            traceback.print_exception(error)


def _take_apart() -> None:
    """Let go of the program's module, and of what it alone keeps alive: its files are closed, its
    objects' `__del__` runs. The names of a module that something else keeps are set to None,
    private ones first."""
    main = sys.modules.pop("__main__", None)
    kept = weakref.ref(main) if isinstance(main, types.ModuleType) else lambda: None
    del main
    gc.collect()
    if (left := kept()) is None:
        return
    names = vars(left)
    for private in (True, False):
        for name in [name for name in names if isinstance(name, str) and name != "__builtins__"]:
            if (name[:1] == "_" and name[1:2] != "_") is private:
                names[name] = None
    gc.collect()


def _write_out() -> None:
    """Write out the files that are open: the text of each first, then its bytes."""
    files = [
        each for each in gc.get_objects() if isinstance(each, (io.TextIOWrapper, io.BufferedWriter))
    ]
    for file in sorted(files, key=lambda each: isinstance(each, io.BufferedWriter)):
        with contextlib.suppress(BaseException):
            if not file.closed:
                file.flush()
