"""Answers that were paid for, on disk before they are used, under what was asked and its repeat.

One SQLite file: it opens at once however many answers it holds, a kill leaves it whole, and several
processes may write into it. What it keeps is what the server gave, not what was made of it: another
way of reading costs no request.
"""

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field

from assay.errors import BackendError
from assay.types import Record

__all__ = ["Entry", "Ledger", "Usage", "asked_anew"]

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT NOT NULL, repeat INTEGER NOT NULL, answer TEXT NOT NULL,
    requests INTEGER NOT NULL, tokens_in INTEGER, tokens_out INTEGER, tokens_cached INTEGER,
    seconds REAL NOT NULL, money REAL,
    PRIMARY KEY (key, repeat)
)
"""
WAIT_S: Final = 60.0
"""Seconds to wait for another process that writes."""

_ANEW: ContextVar[bool] = ContextVar("anew", default=False)


@contextmanager
def asked_anew() -> Iterator[None]:
    """Let no ledger answer within, nor keep what is answered: a judge is asked again what it was
    asked before, to see whether it still says the same."""
    before = _ANEW.set(True)
    try:
        yield
    finally:
        _ANEW.reset(before)


class Usage(Record):
    """What answers cost."""

    requests: int = 0
    tokens_in: int | None = None
    """Tokens read, as the server counts them; None where it does not say."""
    tokens_out: int | None = None
    tokens_cached: int | None = None
    """Of those read, what the server had computed before."""
    seconds: float = 0.0
    """Wall-clock time of the requests, beside others."""
    money: float | None = None
    """In the currency of the prices given; None without prices."""

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum; what one of them does not know counts as nothing."""

        def plus(a: float | None, b: float | None) -> float | None:
            return None if a is None and b is None else (a or 0) + (b or 0)

        sums = {name: plus(value, getattr(other, name)) for name, value in self}
        return Usage.model_validate(sums)


class Entry(Record):
    """One answer."""

    key: str
    """Fingerprint of all that was asked."""
    repeat: int = Field(ge=0)
    answer: Any
    """JSON: what the server gave."""
    usage: Usage = Usage()


class Ledger:
    """The file; without a path answers are kept in memory. Threads may share it.

    paid and saved: what the answers cost that were put since it was opened, and what those cost in
    their time that were found. retried: texts without a verdict that were asked for again, in all
    readings since. Raises `BackendError` where the file is no ledger, or cannot be read
    or written.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self.paid = self.saved = Usage()
        self.retried = 0
        self._lock = threading.Lock()
        try:
            self._file = sqlite3.connect(
                self.path or ":memory:", timeout=WAIT_S, check_same_thread=False
            )
            # Whoever is given one by a word does not close it, of which Python 3.13 warns.
            weakref.finalize(self, self._file.close).atexit = False
            with self._file:
                self._file.execute("PRAGMA journal_mode=WAL")
                # On disk when a commit returns.
                self._file.execute("PRAGMA synchronous=FULL")
                self._file.execute(SCHEMA)
        except sqlite3.Error as error:
            raise BackendError(
                f"{path} is no ledger, or a broken one ({error}); give another file"
            ) from error

    def get(self, key: str, repeat: int = 0) -> Entry | None:
        """Return an answer; None where it was not paid for yet."""
        entry = None if _ANEW.get() else self._entry(key, repeat)
        if entry is not None:
            with self._lock:
                self.saved += entry.usage
        return entry

    def _entry(self, key: str, repeat: int) -> Entry | None:
        row = self._row(
            f"SELECT answer, {', '.join(Usage.model_fields)} FROM answers"
            " WHERE key = ? AND repeat = ?",
            (key, repeat),
        )
        if row is None:
            return None
        answer, *numbers = row
        usage = Usage(**dict(zip(Usage.model_fields, numbers, strict=True)))
        return Entry(key=key, repeat=repeat, answer=json.loads(answer), usage=usage)

    def put(self, entries: Iterable[Entry]) -> list[Entry]:
        """Keep answers, on disk when this returns, and return what is kept under their names: one
        that another process had put there first stays, and is the answer of both.

        Each call waits for the disk once: several at once are cheaper than one by one.
        """
        entries = list(entries)
        if _ANEW.get():
            with self._lock:
                self.paid = sum((entry.usage for entry in entries), self.paid)
            return entries
        rows = [
            (
                entry.key,
                entry.repeat,
                json.dumps(entry.answer),
                *(getattr(entry.usage, name) for name in Usage.model_fields),
            )
            for entry in entries
        ]
        try:
            with self._lock, self._file:
                new = self._file.executemany(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
                ).rowcount
        except sqlite3.Error as error:
            raise BackendError(f"{self.path} cannot be written: {error}") from error
        with self._lock:
            self.paid = sum((entry.usage for entry in entries), self.paid)
        if new == len(entries):
            return entries
        return [self._entry(entry.key, entry.repeat) or entry for entry in entries]

    def total(self) -> Usage:
        """Return what all its answers cost; no money where some were paid without prices."""
        sums = ", ".join(f"SUM({name})" for name in Usage.model_fields)
        row = self._row(f"SELECT {sums} FROM answers")
        found: Mapping[str, Any] = dict(zip(Usage.model_fields, row, strict=True))
        known = {name: value for name, value in found.items() if value is not None}
        without = "SELECT 1 FROM answers WHERE money IS NULL AND tokens_out IS NOT NULL"
        return Usage(**known | ({"money": None} if self._row(without) else {}))

    def __len__(self) -> int:
        return int(self._row("SELECT COUNT(*) FROM answers")[0])

    def _row(self, query: str, values: tuple[Any, ...] = ()) -> Any:
        try:
            with self._lock:
                return self._file.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise BackendError(f"{self.path} cannot be read: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
