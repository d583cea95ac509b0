"""Rollouts that were paid for, in a file that a kill cannot spoil.

A JSONL file that is only ever appended to: one line a batch of rollouts from one prefix, with a hash of its own. A kill
at any byte leaves whole lines and at most one that is cut; opening the file cuts that one off. A line that was damaged
otherwise is left where it is, named in a warning, and its rollouts are made again.
"""

import fcntl
import hashlib
import json
import os
import warnings
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import Field, ValidationError

from assay.errors import ConfigError
from assay.types import Record

__all__ = ["Ledger", "Rollout", "RolloutBatch"]


class Rollout(Record):
    """One completion of a prefix, and what the verifier said of the whole."""

    steps: tuple[str, ...]
    """What was written after the prefix."""
    right: bool | None
    """None where the verifier could not decide."""
    reason: str = ""
    """Why it could not."""
    finished: bool = True
    """False when it was cut off."""
    tokens: int | None = Field(default=None, ge=0)
    """Tokens written, where the generator says so."""

    @property
    def text(self) -> str:
        """What was written after the prefix."""
        return "".join(self.steps)


class RolloutBatch(Record):
    """Rollouts of one prefix that were made together: one line of the ledger."""

    prefix: str
    """Hash of the prefix, of how it was continued, and of what checked it."""
    first: int = Field(ge=0)
    """Number of the first; the others follow."""
    rollouts: tuple[Rollout, ...]
    seconds: float = Field(ge=0)
    """Wall-clock time until they were there, beside others."""


class Ledger:
    """The file and what it holds. Only one process at a time may open it; without a path nothing is kept on disk.

    Raises `ConfigError` where another process has it open.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.damaged = 0
        """Lines that could not be read."""
        self._found: dict[str, dict[int, Rollout]] = defaultdict(dict)
        self._file = None if path is None else self._open(path)

    def of(self, prefix: str) -> Mapping[int, Rollout]:
        """The rollouts of a prefix by number."""
        return self._found.get(prefix, {})

    def append(self, batch: RolloutBatch) -> None:
        """Keep a batch: on disk before anything is made of it."""
        if self._file is not None:
            body = batch.model_dump(exclude_defaults=True)
            line = json.dumps({**body, "sha256": _hash(body)}) + "\n"
            self._file.write(line.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        self._note(batch)

    def close(self) -> None:
        """Let others open it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self, path: Path) -> Any:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise ConfigError(f"{path} is open in another process; wait for it, or give another file") from None
        file.seek(0)
        end = 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                # The batch in flight when a run was killed.
                break
            end += len(line)
            if (batch := _read(line)) is None:
                self.damaged += 1
                warnings.warn(f"{path}, line {number} is damaged; its rollouts will be made again", stacklevel=3)
            else:
                self._note(batch)
        file.truncate(end)
        return file

    def _note(self, batch: RolloutBatch) -> None:
        known = self._found[batch.prefix]
        for number, rollout in enumerate(batch.rollouts, batch.first):
            known.setdefault(number, rollout)


def _read(line: bytes) -> RolloutBatch | None:
    """The batch of a line; None where it is not what was written."""
    try:
        body = json.loads(line)
        said = body.pop("sha256")
        batch = RolloutBatch.model_validate_json(json.dumps(body))
    except (json.JSONDecodeError, UnicodeDecodeError, ValidationError, KeyError, AttributeError, TypeError):
        return None
    return batch if said == _hash(body) else None


def _hash(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
