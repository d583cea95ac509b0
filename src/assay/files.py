"""Files: written whole or not at all, and the whole of which a path asks for a part."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["atomic", "whole", "write_atomic"]


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name once it is whole and on disk; nothing is left of it otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_atomic(path: Path, text: str | bytes) -> None:
    """Write a whole file or nothing: temporary file beside it, fsync, rename."""
    with atomic(path) as file:
        file.write(text.encode() if isinstance(text, str) else text)


def whole(path: Path) -> Path:
    """Return the file or folder of which a path asks for a part, as `rows.json?split=test` does;
    any other path as it is."""
    before, mark, _ = str(path).partition("?")
    return Path(before) if mark and not path.exists() and Path(before).exists() else path
