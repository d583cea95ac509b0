"""Verdicts already reached, in a file that a kill cannot spoil: a run that was stopped goes on where it was.

A JSONL file that is only appended to, a line a verdict. Opening it cuts off a last line that a kill left unfinished.
Undecided ones are written too, for the reader, but asked again: a sandbox or a worker may do better the next time.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from assay.errors import DataError
from assay.types import Verdict

__all__ = ["Kept", "key_of"]


def key_of(*parts: str) -> str:
    """A key for content: the same texts in the same order, and the same settings, have the same."""
    return hashlib.blake2b("\0".join(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()


class Kept:
    """The file and what it holds; without a path nothing is kept on disk. Raises `DataError` for a damaged line."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._found: dict[str, Verdict] = {}
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._read(path)
        self._file = None if path is None else path.open("ab")

    def get(self, key: str) -> Verdict | None:
        """The verdict of a key; None where there is none yet, or it was undecided."""
        return self._found.get(key)

    def add(self, rows: Iterable[tuple[str, Verdict, Mapping[str, Any]]]) -> None:
        """Keep verdicts, each with its key and with what a reader wants to know of it: on disk when this returns."""
        lines = []
        for key, verdict, about in rows:
            lines.append(json.dumps({"key": key, **about, **verdict.model_dump(exclude_defaults=True)}) + "\n")
            self._note(key, verdict)
        if self._file is not None and lines:
            self._file.write("".join(lines).encode())
            self._file.flush()
            os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        end = 0
        with path.open("r+b") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                try:
                    row = json.loads(line)
                    verdict = Verdict.model_validate({k: v for k, v in row.items() if k in Verdict.model_fields})
                    self._note(row["key"], verdict)
                except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
                    raise DataError(f"{path}, line {number} is no verdict ({error}); move the file away") from error
            file.truncate(end)

    def _note(self, key: str, verdict: Verdict) -> None:
        if verdict.outcome != "undecided":
            self._found[key] = verdict
