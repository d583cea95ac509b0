"""Rollouts that were paid for, in a journal: one line a batch of rollouts from one prefix."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import Field

from assay.runs.journal import Journal
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
        """Return what was written after the prefix."""
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
    """The file and what it holds (see `assay.runs.journal`); without a path nothing is kept on
    disk.

    Raises `ConfigError` where another process has it open.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._found: dict[str, dict[int, Rollout]] = defaultdict(dict)
        self._journal = None if path is None else Journal(path, self._load)

    @property
    def damaged(self) -> int:
        """Lines that could not be read."""
        return self._journal.damaged if self._journal else 0

    def of(self, prefix: str) -> Mapping[int, Rollout]:
        """The rollouts of a prefix by number."""
        return self._found.get(prefix, {})

    def append(self, batch: RolloutBatch) -> None:
        """Keep a batch: on disk before anything is made of it."""
        if self._journal is not None:
            self._journal.append(batch.model_dump(exclude_defaults=True))
        self._note(batch)

    def close(self) -> None:
        """Let others open it."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _load(self, body: dict[str, Any]) -> None:
        self._note(RolloutBatch.model_validate_json(json.dumps(body)))

    def _note(self, batch: RolloutBatch) -> None:
        known = self._found[batch.prefix]
        for number, rollout in enumerate(batch.rollouts, batch.first):
            known.setdefault(number, rollout)
