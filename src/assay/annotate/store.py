"""Where tasks and labels are kept: append-only events in SQLite or PostgreSQL."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from assay.annotate.labels import Label
from assay.annotate.records import Annotator, Assignment, Given, Progress, Project, Role
from assay.annotate.tasks import Task

__all__ = ["Store"]


class Store:
    """A project's tasks, annotators and events. Every method is one transaction, from any thread
    and any process."""

    @classmethod
    def create(cls, where: str | Path, project: Project, tasks: Iterable[Task]) -> Self:
        """Make a store at a path (SQLite) or a URL. Raises `DataError` where one is there."""
        raise NotImplementedError

    @classmethod
    def open(cls, where: str | Path) -> Self:
        """Open a store, bringing an older one's tables to today's. Raises `DataError` where there
        is none, or one of a later version."""
        raise NotImplementedError

    @property
    def project(self) -> Project:
        """Settings of the project."""
        raise NotImplementedError

    def add(self, tasks: Iterable[Task]) -> int:
        """Add tasks whose ids are new; return how many were."""
        raise NotImplementedError

    def invite(self, name: str, role: Role = "annotator") -> tuple[Annotator, str]:
        """Make an annotator; return them and their secret token, of which only a hash is kept."""
        raise NotImplementedError

    def revoke(self, annotator: int) -> None:
        """Let a token open nothing any more; the labels stay."""
        raise NotImplementedError

    def annotator(self, token: str) -> Annotator | None:
        """Who has the token; None for an unknown or revoked one."""
        raise NotImplementedError

    def annotators(self) -> list[Annotator]:
        """Everybody who was invited."""
        raise NotImplementedError

    def next(self, annotator: Annotator) -> Assignment | None:
        """The task that this annotator has open, or else the next; None where none is left."""
        raise NotImplementedError

    def assignment(self, id: str, annotator: Annotator) -> Assignment:
        """An assignment of this annotator. Raises `NotYours` for another's or an unknown one."""
        raise NotImplementedError

    def save(
        self,
        assignment: str,
        annotator: Annotator,
        label: Label,
        *,
        key: str,
        seconds: float = 0.0,
    ) -> bool:
        """Keep a label, durably before it returns.

        key: drawn by the page for this save; the same key again changes nothing and returns False.
        Raises `NotYours`, `DataError` for a label that does not fit, and `Late` where the
        assignment is closed by another save, a skip or its lease.
        """
        raise NotImplementedError

    def draft(self, assignment: str, annotator: Annotator, label: Label) -> None:
        """Keep an unfinished label, for after a reload."""
        raise NotImplementedError

    def skip(
        self, assignment: str, annotator: Annotator, reason: str, *, key: str, comment: str = ""
    ) -> bool:
        """Give a task up; it is not offered to this annotator again."""
        raise NotImplementedError

    def undo(self, annotator: Annotator, *, key: str) -> Assignment | None:
        """Take the annotator's last label or skip back; return its task, opened again with that
        label as its draft; None where there is nothing to take back."""
        raise NotImplementedError

    def progress(self, annotator: Annotator | None = None) -> Progress:
        """How far an annotator, or the whole project, has come."""
        raise NotImplementedError

    def tasks(self) -> list[Task]:
        """All tasks, in the order added."""
        raise NotImplementedError

    def given(self) -> list[Given]:
        """All labels that stand, in the order saved."""
        raise NotImplementedError

    def skips(self) -> list[dict[str, Any]]:
        """All skips that stand: task, pseudonym, reason, comment, time."""
        raise NotImplementedError

    def disputed(self) -> Sequence[str]:
        """Ids of tasks whose labels differ and that nobody adjudicated."""
        raise NotImplementedError

    def events(self) -> Iterable[dict[str, Any]]:
        """Every event that ever was, in order."""
        raise NotImplementedError

    def backup(self, path: Path) -> None:
        """Write everything to one file, whole or not at all, while others go on labelling."""
        raise NotImplementedError

    @classmethod
    def restore(cls, backup: Path, where: str | Path) -> Self:
        """Make a store from a backup. Raises `DataError` where one is there."""
        raise NotImplementedError

    def close(self) -> None:
        """Close all connections."""
        raise NotImplementedError
