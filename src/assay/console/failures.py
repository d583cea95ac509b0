"""What an error is to who typed the command: a line and an exit code.

Errors raised on purpose say themselves what would work. Here are those of the system, of torch and
of packages that are not installed; all others are bugs and keep their traceback.
"""

import codecs
import errno
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from assay.errors import EXTRA_OF, AssayError, MissingExtra

__all__ = ["INTERRUPTED", "explained", "plain_output"]

INTERRUPTED: Final = 130
ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
PLACE: Final = frozenset(
    getattr(errno, name)
    for name in "EACCES EEXIST EISDIR ENAMETOOLONG ENOTDIR ENOTEMPTY EPERM EROFS".split()
)
DEVICE: Final = re.compile(
    r"NVIDIA driver|CUDA error|CUDA driver|CUDA GPUs|compiled with CUDA|nvalid device|cpu, cuda"
)
"""How torch speaks of a device that is not there."""
ASCII: Final = str.maketrans(
    {
        **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
        **dict.fromkeys("│┃", "|"),
        **dict.fromkeys("─━–—−", "-"),
        **{"•": "*", "…": "...", "≤": "<=", "≥": ">=", "→": "->", "×": "x", "’": "'"},
    }
)


def explained(error: BaseException, arguments: Sequence[str]) -> tuple[int, str] | None:
    """The exit code and the line of an error; None for a bug.

    arguments: those of the command, for a file that does not exist is a bug unless it was named.
    """
    if interrupt := next((e for e in _chain(error) if isinstance(e, KeyboardInterrupt)), None):
        # torch ends a file that an interrupt cut short with an error of its own.
        kept = str(interrupt) or "run the same command again to go on where it can resume"
        return INTERRUPTED, f"interrupted; {kept}"
    if isinstance(error, (AssayError, UserWarning)):
        # A warning is raised where `python -W error` makes errors of them.
        return 2, str(error)
    line = None
    if isinstance(error, ModuleNotFoundError):
        line = _extra(error)
    elif isinstance(error, OSError):
        line = _system(error, arguments)
    elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        line = (
            "out of memory; give fewer --micro-tokens, or a smaller model: `assay plan` says what"
            " fits"
        )
    elif type(error).__name__ == "SafetensorError":
        line = f"a .safetensors file is damaged ({error}); fetch or save it again"
    elif isinstance(error, (RuntimeError, AssertionError)) and DEVICE.search(str(error)):
        first = str(error).splitlines()[0]
        line = f"{first}; give --device auto, or one that `assay doctor` lists"
    return None if line is None else (2, line)


def plain_output() -> None:
    """Let standard output and error take every character, an unknown one as its nearest."""
    codecs.register_error("assay.nearest", _nearest)
    for stream in (sys.stdout, sys.stderr):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        if hasattr(stream, "reconfigure") and codecs.lookup(encoding).name != "utf-8":
            stream.reconfigure(errors="assay.nearest")


def _nearest(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(ASCII)
    return text.encode("ascii", "replace").decode(), error.end


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those it came of."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__


def _extra(error: ModuleNotFoundError) -> str | None:
    module = (error.name or "").partition(".")[0]
    return str(MissingExtra(f"this ({module})", EXTRA_OF[module])) if module in EXTRA_OF else None


def _system(error: OSError, arguments: Sequence[str]) -> str | None:
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in ROOM:
        return f"{place}{error.strerror}; make room, or give another place to write to"
    if error.errno in PLACE:
        return f"{place}{error.strerror}; give another place"
    if error.errno == errno.ENOENT and any(str(error.filename) in word for word in arguments):
        return f"{place}{error.strerror}; check the name"
    if error.errno is None and str(error):
        # Raised with a message alone: a library's word on what it was given.
        return str(error).splitlines()[0]
    return None
