"""What a program finds around it when it is run as `python program.py`, made anew in a process that
was forked.

Its own file, the three streams as the interpreter opens them, `__main__`, and room for a deep
recursion. What is different from a plain interpreter is there because the process is shut in: a
stack is address space, of which there is a limit, so that one much larger than it can be is made
smaller; and the main thread's cannot grow.
"""

import builtins
import importlib.machinery
import io
import os
import resource
import site
import sys
import threading
import types
from typing import Any, Final

__all__ = ["as_a_program", "main_module", "room_for_recursion"]

FILE: Final = "program.py"
STREAMS: Final = ("stdin", "stdout", "stderr")
_BY_NAME: Final = {
    f"{folder}{name}": number
    for number, word in enumerate(STREAMS)
    for folder, name in (("/dev/", word), ("/dev/fd/", number), ("/proc/self/fd/", number))
}
STACK_SHARE: Final = 4
"""A thread's stack takes no more than this part of the address space."""


def as_a_program(code: str, stdin: str) -> str:
    """Lay out the file, the input and the streams of a program; the path of its file."""
    path = os.path.abspath(FILE)
    with open(path, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        file.write(code)
    with open("stdin", "wb") as file:
        file.write(stdin.encode(errors="surrogatepass"))
    os.dup2(os.open("stdin", os.O_RDONLY), 0)
    os.unlink("stdin")
    for number, name in enumerate(STREAMS):
        stream = _stream(number, name)
        vars(sys).update({name: stream, f"__{name}__": stream})
    sys.argv = [FILE]
    sys.path.insert(0, os.path.dirname(path))
    site.sethelper()
    site.setcopyright()
    _open_streams_by_name()
    _limit_stacks()
    return path


def main_module(path: str) -> types.ModuleType:
    """The module that a program is run in, as the interpreter makes it, in its place."""
    main = types.ModuleType("__main__")
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    main.__dict__.update(__builtins__=builtins, __cached__=None, __file__=path, __loader__=loader)
    if sys.version_info < (3, 14):  # later ones make annotations when they are asked for
        main.__annotations__ = {}
    sys.modules["__main__"] = main
    return main


def room_for_recursion() -> None:
    """Let a program go as deep as it could if nothing of ours were below it."""
    frame, depth = sys._getframe().f_back, 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    sys.setrecursionlimit(sys.getrecursionlimit() + depth)


def _stream(number: int, name: str) -> io.TextIOWrapper:
    """A standard stream on a pipe or a file, with the attributes that programs look at."""
    mode = "w" if number else "r"
    raw = io.FileIO(number, mode, closefd=False)
    raw.name = f"<{name}>"
    binary = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
    errors = "backslashreplace" if name == "stderr" else "surrogateescape"
    text = io.TextIOWrapper(binary, "utf-8", errors, newline="\n", line_buffering=name == "stderr")
    vars(text)["mode"] = mode
    return text


def _open_streams_by_name() -> None:
    """Let `open("/dev/stdin")` give the stream, whose name is not to be had in here."""
    plain = io.open

    def opened(file: Any, *arguments: Any, **keywords: Any) -> Any:
        name = os.fspath(file) if isinstance(file, os.PathLike) else file
        if isinstance(name, str) and name in _BY_NAME:
            file = os.dup(_BY_NAME[name])
        return plain(file, *arguments, **keywords)

    opened.__name__ = opened.__qualname__ = "open"
    # As what it stands for, it is no method of the class that it is an attribute of.
    builtins.open = io.open = staticmethod(opened)


def _limit_stacks() -> None:
    """Give threads no larger stack than there is room for, and let the main thread ask for one."""
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    set_size, set_limit = threading.stack_size, resource.setrlimit
    asked = 0

    def stack_size(*size: int) -> int:
        nonlocal asked
        before = asked
        if size and isinstance(size[0], int) and 0 < space // STACK_SHARE < size[0]:
            set_size(space // STACK_SHARE)
            asked = size[0]
        else:
            set_size(*size)
            asked = size[0] if size else asked
        return before

    def setrlimit(limited: int, limits: Any) -> None:
        if limited != resource.RLIMIT_STACK:
            set_limit(limited, limits)

    threading.stack_size, resource.setrlimit = stack_size, setrlimit
