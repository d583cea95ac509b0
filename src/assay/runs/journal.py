"""A file of work that was paid for, which a kill cannot spoil.

A JSONL file that is only ever appended to: one JSON object a line, with a hash of its own. A kill
at any byte leaves whole lines and at most one that is cut; opening the file cuts that one off. A
line that was damaged otherwise is left where it is and named in a warning: what it held is done
again.
"""

import fcntl
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from assay.errors import ConfigError
from assay.runs.settings import dumps, finite

__all__ = ["Journal", "whole_lines"]


class Journal:
    """The open file. `take` is given each line's object as the file is opened; what it refuses
    counts as damaged.

    Only one process at a time may have it open: raises `ConfigError` where another has. `take`
    refuses by raising `KeyError`, `TypeError`, `ValueError` or pydantic's `ValidationError`.
    """

    def __init__(self, path: Path, take: Callable[[dict[str, Any]], None]) -> None:
        self.damaged = 0
        """Lines that could not be read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ConfigError(
                f"{path} is open in another process; wait for it, or give another file"
            ) from None
        for number, line in whole_lines(self._file):
            try:
                take(_read(line))
            except (KeyError, TypeError, ValueError, ValidationError):
                self.damaged += 1
                warnings.warn(
                    f"{path}, line {number} is damaged; what it held will be made again",
                    stacklevel=4,
                )

    def append(self, *bodies: Mapping[str, Any]) -> None:
        """Keep objects: they are on disk when this returns. What JSON cannot hold is null."""
        for kept in map(finite, bodies):
            self._file.write(f"{dumps({**kept, 'sha256': _hash(kept)})}\n".encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let others open it."""
        self._file.close()


def whole_lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Number and yield the lines of a file; at the end cut off one that a kill left unfinished."""
    file.seek(0)
    end = 0
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            break
        end += len(line)
        yield number, line
    file.truncate(end)


def _read(line: bytes) -> dict[str, Any]:
    """The object of a line; raises `ValueError` or `KeyError` where it is not what was written."""
    body = json.loads(line)
    if not isinstance(body, dict) or body.pop("sha256") != _hash(body):
        raise ValueError("the line is not what was written")
    return body


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
