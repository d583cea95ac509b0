"""Where tasks and labels are kept: append-only events in SQLite or PostgreSQL.

Writers take turns, in SQLite by its lock and in PostgreSQL by a lock on one row: a write is a few
milliseconds, people are slower, and no two writes have to be thought of together.
"""

import hashlib
import json
import random
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from assay.annotate import assigning, backups, bringing, projection, reading
from assay.annotate.labels import LONGEST, Label, fits
from assay.annotate.records import (
    SKIPS,
    Annotator,
    Assignment,
    Given,
    Progress,
    Project,
    Role,
)
from assay.annotate.schema import engine_of, guarded, lay_out, opening, project_of, shown, upgrade
from assay.annotate.tables import ANNOTATORS, ASSIGNMENTS, EVENTS, ITEMS, META, TASKS
from assay.annotate.tasks import Task
from assay.errors import DataError

__all__ = ["Late", "NotYours", "Store"]

KNOWN = 256
"""Tasks kept in memory."""


class NotYours(DataError):
    """An assignment is another annotator's, or nobody's, or the annotator was revoked."""


class Late(DataError):
    """An assignment was closed before: saved, skipped, or given to somebody else."""


class Store:
    """A project's tasks, annotators and events. Every method is one transaction, from any thread
    and any process; after a fork, open it again.

    where: its place, without a password.
    """

    def __init__(self, engine: sa.Engine, where: str) -> None:
        self.where = where
        self._engine = engine
        self._turn = threading.Lock()
        self._now = time.time
        # Where gold items come must not be foreseen: no seed.
        self._rng: random.Random = random.SystemRandom()
        self._tasks: dict[str, Task] = {}
        self._weights: dict[str, float] = {}
        self._weighed = (-1, 0.0, 0.0)
        with self._reading() as connection:
            self._project = project_of(connection)
            secret = sa.select(META.c.value).where(META.c.name == "secret")
            # Older stores have none.
            self._secret: str = connection.scalar(secret) or str(self._project.seed)

    @classmethod
    def create(cls, where: str | Path, project: Project, tasks: Iterable[Task]) -> Self:
        """Make a store at a path (SQLite) or a URL. Raises `DataError` where one is there."""
        engine = engine_of(where, new=True)
        with _first(engine) as connection:
            meta = {"project": project.model_dump_json(), "secret": secrets.token_hex(16)}
            lay_out(connection, shown(where), meta)
            now = time.time()
            projection.append(connection, project, now, "created", settings=project.model_dump())
            projection.add(connection, project, now, tasks)
        return cls(engine, shown(where))

    @classmethod
    def open(cls, where: str | Path) -> Self:
        """Open a store, bringing an older one's tables to today's. Raises `DataError` where there
        is none, or one of a later version."""
        engine = engine_of(where, new=False)
        with _first(engine) as connection:
            upgrade(connection, shown(where))
        return cls(engine, shown(where))

    @property
    def project(self) -> Project:
        """Settings of the project."""
        return self._project

    def add(self, tasks: Iterable[Task]) -> int:
        """Add tasks whose ids are new; return how many were."""
        with self._writing() as connection:
            return projection.add(connection, self._project, self._now(), tasks)

    # Annotators.

    def invite(self, name: str, role: Role = "annotator") -> tuple[Annotator, str]:
        """Make an annotator; return them and their secret token, of which only a hash is kept."""
        name = name.strip()
        if not 0 < len(name) <= 200 or not name.isprintable():
            raise DataError(f"{name[:50]!r} is no name: give up to 200 printable characters")
        token = secrets.token_urlsafe(32)
        with self._writing() as connection:
            taken = set(connection.scalars(sa.select(ANNOTATORS.c.pseudonym)))
            digits = 4
            while (pseudonym := f"a-{secrets.token_hex(4)[:digits]}") in taken:
                digits = min(digits + 1, 8)
            last = connection.scalar(sa.select(sa.func.max(ANNOTATORS.c.id)))
            annotator = Annotator(
                id=(last or 0) + 1, name=name, role=role, pseudonym=pseudonym, active=True
            )
            row = annotator.model_dump() | {"token": _hash(token)}
            connection.execute(ANNOTATORS.insert(), row)
            self._append(
                connection, "invited", annotator=annotator.id, role=role, pseudonym=pseudonym
            )
        return annotator, token

    def revoke(self, annotator: int) -> None:
        """Let a token open nothing any more; the labels stay."""
        with self._writing() as connection:
            if not connection.execute(
                ANNOTATORS.update()
                .where(ANNOTATORS.c.id == annotator, ANNOTATORS.c.active)
                .values(active=False)
            ).rowcount:
                raise DataError(f"no active annotator has the number {annotator}")
            self._append(connection, "revoked", annotator=annotator)
            self._expire(connection, ASSIGNMENTS.c.annotator == annotator)

    def annotator(self, token: str) -> Annotator | None:
        """Who has the token; None for an unknown or revoked one."""
        query = sa.select(ANNOTATORS).where(ANNOTATORS.c.token == _hash(token), ANNOTATORS.c.active)
        with self._reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _annotator(row)

    def annotators(self) -> list[Annotator]:
        """Everybody who was invited."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(ANNOTATORS).order_by(ANNOTATORS.c.id)).mappings()
            return [_annotator(row) for row in rows]

    # What an annotator does.

    def next(self, annotator: Annotator) -> Assignment | None:
        """The task that this annotator has open, or else the next; None where none is left."""
        weights = self._weigh()
        with self._writing(durable=False) as connection:
            self._active(connection, annotator)
            mine = (
                sa.select(ASSIGNMENTS)
                .where(ASSIGNMENTS.c.annotator == annotator.id, ASSIGNMENTS.c.state == "open")
                .order_by(ASSIGNMENTS.c.opened.desc())
                .limit(1)
            )
            if row := connection.execute(mine).mappings().first():
                lease = self._now() + self._project.lease
                # A reload soon after need not write.
                if row["lease"] < lease - self._project.lease / 2:
                    own = ASSIGNMENTS.c.id == row["id"]
                    connection.execute(ASSIGNMENTS.update().where(own).values(lease=lease))
                return self._assignment(connection, row)
            self._expire(connection, ASSIGNMENTS.c.lease < self._now())
            picked = assigning.pick(connection, self._project, annotator, weights, self._rng)
            return picked and self._assign(connection, annotator, *picked)

    def assignment(self, id: str, annotator: Annotator) -> Assignment:
        """An assignment of this annotator. Raises `NotYours` for another's or an unknown one."""
        with self._reading() as connection:
            return self._assignment(connection, self._own(connection, id, annotator))

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
        Raises `NotYours`, `DataError` for a label that does not fit or a key that was used for
        something else, and `Late` where the assignment is closed by another save or a skip, or by
        its lease and somebody else has the item.
        """
        said = label.model_dump(mode="json")
        with self._writing() as connection:
            row = self._own(connection, assignment, annotator)
            if reading.replayed(connection, "saved", key, annotator, assignment, {"label": said}):
                return False
            task = self._task(connection, row["task"])
            if wrong := fits(label, task.kind, len(task.responses), task.steps, task.questions):
                raise DataError(f"the label does not fit its task: {wrong}")
            if not 0 <= seconds < float("inf"):
                raise DataError(f"{seconds} is no time in seconds")
            self._still_open(connection, row)
            self._append(
                connection,
                "saved",
                **_names(row),
                key=key,
                purpose=row["purpose"],
                label=said,
                seconds=seconds,
            )
        return True

    def draft(self, assignment: str, annotator: Annotator, label: Label) -> None:
        """Keep an unfinished label, for after a reload. It need not fit its task yet."""
        with self._writing(durable=False) as connection:
            row = self._own(connection, assignment, annotator)
            if row["state"] not in ("open", "expired"):
                raise Late("the task was saved or skipped before")
            own = ASSIGNMENTS.c.id == assignment
            connection.execute(
                ASSIGNMENTS.update().where(own).values(draft=label.model_dump_json())
            )

    def skip(
        self, assignment: str, annotator: Annotator, reason: str, *, key: str, comment: str = ""
    ) -> bool:
        """Give a task up; it is not offered to this annotator again."""
        if reason not in SKIPS:
            raise DataError(f"{reason[:50]!r} is no reason to skip: {', '.join(SKIPS)}")
        if len(comment) > LONGEST:
            raise DataError(f"a comment of {len(comment)} characters; {LONGEST} are allowed")
        said = {"reason": reason, "comment": comment}
        with self._writing() as connection:
            row = self._own(connection, assignment, annotator)
            if reading.replayed(connection, "skipped", key, annotator, assignment, said):
                return False
            self._still_open(connection, row)
            self._append(connection, "skipped", **_names(row), key=key, **said)
        return True

    def undo(self, annotator: Annotator, *, key: str) -> Assignment | None:
        """Take the annotator's last label or skip back; return its task, opened again with that
        label as its draft; None where there is nothing to take back. Raises `Late` for a skip whose
        item others have taken."""
        with self._writing() as connection:
            self._active(connection, annotator)
            if (
                before := reading.replayed(connection, "undone", key, annotator, None, {})
            ) is not None:
                again = self._own(connection, before["assignment"], annotator)
                return self._assignment(connection, again) if again["state"] == "open" else None
            last = (
                sa.select(ASSIGNMENTS)
                .where(
                    ASSIGNMENTS.c.annotator == annotator.id,
                    ASSIGNMENTS.c.state.in_(["saved", "skipped"]),
                )
                .order_by(ASSIGNMENTS.c.closed.desc())
                .limit(1)
            )
            if (row := connection.execute(last).mappings().first()) is None:
                return None
            if row["state"] == "skipped":
                self._room(connection, row)
            self._append(connection, "undone", **_names(row), key=key, undone=row["closed"])
            return self._assignment(connection, self._own(connection, row["id"], annotator))

    def bring(self, annotator: Annotator, labels: Iterable[Given]) -> int:
        """Keep labels that were given elsewhere, all or none; return how many are new.

        Raises `DataError` for an unknown task, or a label that does not fit.
        """
        with self._writing() as connection:
            self._active(connection, annotator)
            rows = bringing.fresh(connection, annotator.id, labels)
            for one in rows:
                for kind, said in bringing.events(one, self._task(connection, one.task)):
                    self._append(connection, kind, annotator=annotator.id, task=one.task, **said)
        return len(rows)

    # What others read.

    def progress(self, annotator: Annotator | None = None) -> Progress:
        """How far an annotator, or the whole project, has come.

        An annotator's own counts hold gold items like all others; `left` is then None, as its
        steps would tell which they are. The project's counts are of labels, without gold items.
        """
        with self._reading() as connection:
            return reading.progress(connection, self._project, annotator)

    def tasks(self, ids: Sequence[str] | None = None) -> list[Task]:
        """All tasks, or those called so, in the order added."""
        query = sa.select(TASKS.c.body).order_by(TASKS.c.seq)
        with self._reading() as connection:
            bodies = connection.scalars(query if ids is None else query.where(TASKS.c.id.in_(ids)))
            return [Task.model_validate_json(body) for body in bodies]

    def known(self) -> set[str]:
        """Ids of all tasks."""
        with self._reading() as connection:
            return set(connection.scalars(sa.select(TASKS.c.id)))

    def given(self, tasks: Sequence[str] | None = None) -> list[Given]:
        """All labels that stand, or those of some tasks, in the order saved."""
        with self._reading() as connection:
            return reading.given(connection, tasks)

    def order(self, task: Task, annotator: Annotator) -> tuple[int, ...]:
        """The order in which an annotator is, or would be, shown a task's responses."""
        return assigning.order_of(self._secret, task.id, annotator.id, len(task.responses))

    def skips(self) -> list[dict[str, Any]]:
        """All skips that stand: task, pseudonym, reason, comment, time."""
        with self._reading() as connection:
            return reading.skips(connection)

    def disputed(self) -> Sequence[str]:
        """Ids of tasks that have all their labels, which differ, and that nobody adjudicated."""
        whole = sa.and_(ITEMS.c.disputed, ITEMS.c.labels >= self._project.labels_per_item)
        query = sa.select(ITEMS.c.task).where(whole).order_by(ITEMS.c.seq)
        with self._reading() as connection:
            return connection.scalars(query).all()

    def events(self) -> Iterable[dict[str, Any]]:
        """Every event that ever was, in order."""
        after = 0
        while True:
            with self._reading() as connection:
                rows = next(projection.pages(connection, EVENTS, after), [])
            if not rows:
                return
            for row in rows:
                yield row | {"payload": json.loads(row["payload"])}
            after = rows[-1]["seq"]

    def rebuild(self) -> None:
        """Make all that is made from events again; drafts are lost, leases begin anew."""
        with self._writing() as connection:
            projection.rebuild(connection, self._project)

    def backup(self, path: Path) -> None:
        """Write everything to one file, whole or not at all, while others go on labelling."""
        with self._reading(isolated=True) as connection:
            backups.write(connection, Path(path))

    @classmethod
    def restore(cls, backup: Path, where: str | Path) -> Self:
        """Make a store from a backup. Raises `DataError` where one is there, or the backup is not
        whole."""
        backups.check(Path(backup))
        engine = engine_of(where, new=True)
        with _first(engine) as connection:
            lay_out(connection, shown(where), {})
            backups.read(Path(backup), connection)
            projection.rebuild(connection, project_of(connection))
        return cls(engine, shown(where))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    # Inside.

    @contextmanager
    def _writing(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """A transaction that writes, after those of others. durable: whether it waits until it is
        on the disk; what a power cut may take back without it are tasks given and drafts, and
        never the labels before."""
        begun = _begun(self._engine, durable=durable)
        with self._turn, guarded(self._engine), begun as connection:
            if self._engine.name == "postgresql":
                connection.execute(sa.select(META.c.value).with_for_update())
                if not durable:
                    connection.execute(sa.text("SET LOCAL synchronous_commit TO OFF"))
            yield connection

    @contextmanager
    def _reading(self, *, isolated: bool = False) -> Iterator[sa.Connection]:
        """One transaction that writes nothing. isolated: all of it sees one moment."""
        with guarded(self._engine), self._engine.connect() as connection:
            if self._engine.name == "postgresql":
                # A reader of one moment needs a transaction; another saves two round trips.
                level = "REPEATABLE READ" if isolated else "AUTOCOMMIT"
                connection = connection.execution_options(isolation_level=level)
            with connection.begin():
                yield connection

    def _append(self, connection: sa.Connection, kind: str, **rest: Any) -> None:
        projection.append(connection, self._project, self._now(), kind, **rest)

    def _task(self, connection: sa.Connection, id: str) -> Task:
        if (task := self._tasks.get(id)) is None:
            body: str = connection.scalars(sa.select(TASKS.c.body).where(TASKS.c.id == id)).one()
            task = Task.model_validate_json(body)
            if len(self._tasks) >= KNOWN:
                self._tasks.clear()
            self._tasks[id] = task
        return task

    def _assignment(self, connection: sa.Connection, row: sa.RowMapping) -> Assignment:
        draft = row["draft"]
        return Assignment(
            id=row["id"],
            task=self._task(connection, row["task"]),
            annotator=row["annotator"],
            order=tuple(json.loads(row["shown"])),
            probability=row["probability"],
            purpose=row["purpose"],
            draft=None if draft is None else projection.LABEL.validate_json(draft),
        )

    def _active(self, connection: sa.Connection, annotator: Annotator) -> None:
        query = sa.select(ANNOTATORS.c.active).where(ANNOTATORS.c.id == annotator.id)
        if not connection.scalar(query):
            raise NotYours("you are not, or not any more, an annotator here")

    def _own(self, connection: sa.Connection, id: str, annotator: Annotator) -> sa.RowMapping:
        query = (
            sa.select(ASSIGNMENTS, ANNOTATORS.c.active)
            .join(ANNOTATORS, ANNOTATORS.c.id == ASSIGNMENTS.c.annotator)
            .where(ASSIGNMENTS.c.id == id, ASSIGNMENTS.c.annotator == annotator.id)
        )
        # PostgreSQL takes no NUL.
        row = connection.execute(query).mappings().first() if id.isprintable() else None
        if row is None:
            raise NotYours("this task was not given to you")
        if not row["active"]:
            raise NotYours("you are not an annotator here any more")
        return row

    def _still_open(self, connection: sa.Connection, row: sa.RowMapping) -> None:
        """Raise `Late` for an assignment that is closed; take one back whose lease has passed
        where nobody else has the item."""
        if row["state"] == "expired":
            self._room(connection, row)
            again = {"order": json.loads(row["shown"]), "suggested": row["suggested"]}
            again |= {"purpose": row["purpose"], "probability": row["probability"]}
            self._append(connection, "assigned", **_names(row), **again)
        elif row["state"] != "open":
            raise Late(f"the task was {row['state']} before")

    def _room(self, connection: sa.Connection, row: sa.RowMapping) -> None:
        """Raise `Late` where others have taken the item of an assignment that was given up."""
        can = assigning.room_for(row["task"], row["purpose"])
        if row["purpose"] != "gold" and connection.scalar(can) is None:
            raise Late("the task was left, and somebody else has it now")

    def _expire(self, connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
        query = sa.select(ASSIGNMENTS).where(ASSIGNMENTS.c.state == "open", which)
        for row in connection.execute(query.order_by(ASSIGNMENTS.c.opened)).mappings().all():
            self._append(connection, "expired", **_names(row))

    def _assign(
        self,
        connection: sa.Connection,
        annotator: Annotator,
        task: str,
        purpose: str,
        probability: float,
    ) -> Assignment:
        """Give a task to an annotator, or give it back to whoever had it before its lease."""
        whole = self._task(connection, task)
        mine = sa.select(ASSIGNMENTS.c.id).where(
            ASSIGNMENTS.c.task == task,
            ASSIGNMENTS.c.annotator == annotator.id,
            ASSIGNMENTS.c.purpose == purpose,
        )
        id = connection.scalar(mine) or secrets.token_urlsafe(16)
        order = self.order(whole, annotator)
        hints = whole.suggestion is not None or any(whole.evidence)
        self._append(
            connection,
            "assigned",
            annotator=annotator.id,
            task=task,
            assignment=id,
            purpose=purpose,
            order=order,
            probability=probability,
            suggested=hints and not self._project.blind,
        )
        return self._assignment(connection, self._own(connection, id, annotator))

    def _weigh(self) -> Mapping[str, float] | None:
        """Weights of open tasks under the project's strategy; None where it has none.

        They are computed again after a change, for at most a twentieth of the time.
        """
        if self._project.choose in ("order", "random"):
            return None
        with self._reading() as connection:
            last = connection.scalar(sa.select(sa.func.max(EVENTS.c.seq))) or 0
        from assay.annotate import choosing  # Needs scipy, which other strategies do without.

        seen, at, took = self._weighed
        started = time.monotonic()
        if last == seen or started < at + 20 * took:
            return self._weights
        with self._reading() as connection:
            query = sa.select(TASKS.c.body).join(ITEMS, ITEMS.c.seq == TASKS.c.seq)
            bodies = connection.scalars(query.where(ITEMS.c.open).order_by(TASKS.c.seq)).all()
        tasks = [Task.model_validate_json(body) for body in bodies]
        weights = choosing.probabilities(self._project, tasks, self.given())
        self._weights = {task.id: p for task, p in zip(tasks, weights, strict=True)}
        self._weighed = (last, time.monotonic(), time.monotonic() - started)
        return self._weights


@contextmanager
def _begun(engine: sa.Engine, *, durable: bool = True) -> Iterator[sa.Connection]:
    options = {"writes": True, "durable": durable}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def _first(engine: sa.Engine) -> Iterator[sa.Connection]:
    """The first transaction of a store; nothing stays connected where it fails."""
    try:
        with opening(engine), _begun(engine) as connection:
            yield connection
    except BaseException:
        engine.dispose()
        raise


def _names(row: sa.RowMapping) -> dict[str, Any]:
    return {"annotator": row["annotator"], "task": row["task"], "assignment": row["id"]}


def _annotator(row: sa.RowMapping) -> Annotator:
    return Annotator.model_validate({name: row[name] for name in Annotator.model_fields})


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
