"""Verdicts already reached, in a file that a kill cannot spoil: a run that was stopped goes on
where it was.

A JSONL file that is only appended to, a line a verdict, as they are reached. Opening it cuts off a
last line that a kill left unfinished. Undecided ones are written too, for the reader, but asked
again: a sandbox or a worker may do better the next time.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pydantic import ValidationError

from assay.errors import DataError
from assay.runs.journal import whole_lines
from assay.runs.settings import dumps
from assay.types import Verdict

__all__ = ["InOrder", "Kept", "key_of"]

SYNC_SECONDS: Final = 1.0
MOST_HELD: Final = 64
"""Verdicts that wait for one before them; a kill loses so many."""


def key_of(*parts: str) -> str:
    """A key for content: the same texts in the same order, and the same settings, have the same."""
    return hashlib.blake2b(
        "\0".join(parts).encode(errors="surrogatepass"), digest_size=16
    ).hexdigest()


class Kept:
    """The file and what it holds; without a path nothing is kept on disk. Raises `DataError` for a
    damaged line."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._found: dict[str, Verdict] = {}
        self._added: set[str] = set()
        self._begun = "", 0
        """The last key, and where in the file its line begins."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._read(path)
        self._file = None if path is None else path.open("ab")
        self._synced = time.monotonic()

    def get(self, key: str) -> Verdict | None:
        """The verdict of a key; None where there is none yet, or it was undecided."""
        return self._found.get(key)

    def add(self, key: str, verdict: Verdict, about: Mapping[str, Any]) -> None:
        """Keep a verdict, with what a reader wants to know of it; one that was added already is not
        added again.

        A kill does not lose it, and a crash of the machine loses the last second at most.
        """
        if key in self._added:
            return
        if self._file is not None:
            row = {"key": key, **about, **verdict.model_dump(exclude_defaults=True)}
            self._append(key, f"{dumps(row)}\n".encode())
        # In this order: what an interrupt leaves half done is done again, unless it is in `_added`.
        self._note(key, verdict)
        self._added.add(key)
        if self._file is not None and time.monotonic() > self._synced + SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def _append(self, key: str, line: bytes) -> None:
        """An interrupt may end this anywhere, and what is added again then must be in the file
        once."""
        assert self._file is not None
        if self._begun[0] != key:
            self._begun = key, self._file.tell()
        if self._file.tell() == self._begun[1]:
            self._file.write(line)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        with path.open("r+b") as file:
            for number, line in whole_lines(file):
                try:
                    row = json.loads(line)
                    known = {k: v for k, v in row.items() if k in Verdict.model_fields}
                    self._note(row["key"], Verdict.model_validate(known))
                except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
                    raise DataError(
                        f"{path}, line {number} is no verdict ({error}); move the file away"
                    ) from error

    def _note(self, key: str, verdict: Verdict) -> None:
        if verdict.outcome != "undecided":
            self._found[key] = verdict


class InOrder:
    """Passes verdicts on in the order of their places, for who reads the file: as far as none has
    to wait for many.

    Used as a context, it passes the rest on when it is left, however that is.
    """

    def __init__(self, keep: Callable[[int, Verdict], None]) -> None:
        self._keep = keep
        self._next = 0
        self._held: dict[int, Verdict] = {}

    def __call__(self, place: int, verdict: Verdict) -> None:
        """A verdict was reached."""
        self._held[place] = verdict
        if place < self._next or len(self._held) >= MOST_HELD:
            self._pass_on_all()
        while self._next in self._held:
            self._pass_on(self._next)
            self._next += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._pass_on_all()

    def _pass_on_all(self) -> None:
        for place in sorted(self._held):
            self._pass_on(place)
            self._next = max(self._next, place + 1)

    def _pass_on(self, place: int) -> None:
        self._keep(place, self._held[place])
        del self._held[place]
