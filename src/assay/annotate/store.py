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
from typing import Any, Self, cast

import sqlalchemy as sa

from assay.annotate import assigning, backups, projection
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
from assay.annotate.schema import engine_of, guarded, lay_out, project_of, shown, upgrade
from assay.annotate.tables import ANNOTATORS, ASSIGNMENTS, EVENTS, ITEMS, LABELS, META, TASKS
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

    @classmethod
    def create(cls, where: str | Path, project: Project, tasks: Iterable[Task]) -> Self:
        """Make a store at a path (SQLite) or a URL. Raises `DataError` where one is there."""
        engine = engine_of(where, new=True)
        with guarded(engine), _begun(engine) as connection:
            lay_out(connection, shown(where), {"project": project.model_dump_json()})
            _append(connection, project, time.time(), "created", settings=project.model_dump())
            _add(connection, project, time.time(), tasks)
        return cls(engine, shown(where))

    @classmethod
    def open(cls, where: str | Path) -> Self:
        """Open a store, bringing an older one's tables to today's. Raises `DataError` where there
        is none, or one of a later version."""
        engine = engine_of(where, new=False)
        with guarded(engine), _begun(engine) as connection:
            upgrade(connection, shown(where))
        return cls(engine, shown(where))

    @property
    def project(self) -> Project:
        """Settings of the project."""
        return self._project

    def add(self, tasks: Iterable[Task]) -> int:
        """Add tasks whose ids are new; return how many were."""
        with self._writing() as connection:
            return _add(connection, self._project, self._now(), tasks)

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
        with self._writing() as connection:
            self._active(connection, annotator)
            mine = (
                sa.select(ASSIGNMENTS)
                .where(ASSIGNMENTS.c.annotator == annotator.id, ASSIGNMENTS.c.state == "open")
                .order_by(ASSIGNMENTS.c.opened.desc())
                .limit(1)
            )
            if row := connection.execute(mine).mappings().first():
                own = ASSIGNMENTS.c.id == row["id"]
                lease = self._now() + self._project.lease
                connection.execute(ASSIGNMENTS.update().where(own).values(lease=lease))
                return self._assignment(connection, row)
            self._expire(connection, ASSIGNMENTS.c.lease < self._now())
            picked = self._pick(connection, annotator, weights)
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
            if _replayed(connection, "saved", key, annotator, assignment, {"label": said}):
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
        with self._writing() as connection:
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
            if _replayed(connection, "skipped", key, annotator, assignment, said):
                return False
            self._still_open(connection, row)
            self._append(connection, "skipped", **_names(row), key=key, **said)
        return True

    def undo(self, annotator: Annotator, *, key: str) -> Assignment | None:
        """Take the annotator's last label or skip back; return its task, opened again with that
        label as its draft; None where there is nothing to take back."""
        with self._writing() as connection:
            self._active(connection, annotator)
            if (before := _replayed(connection, "undone", key, annotator, None, {})) is not None:
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
            self._append(connection, "undone", **_names(row), key=key, undone=row["closed"])
            return self._assignment(connection, self._own(connection, row["id"], annotator))

    def bring(self, annotator: Annotator, labels: Iterable[Given]) -> int:
        """Keep labels that were given elsewhere, all or none; return how many are new.

        labels: with the ids of tasks that are there; another label by the annotator of a task that
        they had before is left out. Raises `DataError` for an unknown task, or a label that does
        not fit its task.
        """
        count = 0
        with self._writing() as connection:
            self._active(connection, annotator)
            for one in labels:
                mine = sa.select(ASSIGNMENTS.c.id).where(
                    ASSIGNMENTS.c.task == one.task,
                    ASSIGNMENTS.c.annotator == annotator.id,
                    ASSIGNMENTS.c.purpose == one.purpose,
                )
                if connection.scalar(mine):
                    continue
                known = sa.select(TASKS.c.id).where(TASKS.c.id == one.task)
                if connection.scalar(known) is None:
                    raise DataError(f"no task here is called {one.task[:50]!r}; add it first")
                task = self._task(connection, one.task)
                label, n = one.label, len(task.responses)
                if wrong := fits(label, task.kind, n, task.steps, task.questions):
                    raise DataError(f"the label of task {task.id} does not fit it: {wrong}")
                row = {"annotator": annotator.id, "task": task.id, "id": secrets.token_urlsafe(16)}
                how: dict[str, Any] = {"purpose": one.purpose} | _names(cast(sa.RowMapping, row))
                self._append(
                    connection,
                    "assigned",
                    **how,
                    order=one.order or tuple(range(n)),
                    probability=min(1.0, one.probability / task.probability),
                    suggested=one.suggested,
                )
                said = label.model_dump(mode="json")
                self._append(connection, "saved", **how, label=said, seconds=one.seconds)
                count += 1
        return count

    # What others read.

    def progress(self, annotator: Annotator | None = None) -> Progress:
        """How far an annotator, or the whole project, has come.

        An annotator's own counts hold gold items like all others; `left` is then None, as its
        steps would tell which they are. The project's counts are of labels, without gold items.
        """
        with self._reading() as connection:
            count = sa.select(sa.func.count())
            states, labels = count.select_from(ASSIGNMENTS), sa.select(LABELS.c.seconds)
            if annotator:
                states = states.where(ASSIGNMENTS.c.annotator == annotator.id)
                labels = labels.where(LABELS.c.annotator == annotator.id)
            else:
                states = states.where(ASSIGNMENTS.c.purpose == "label")
                labels = labels.where(LABELS.c.purpose == "label")
            done, skipped, now = (
                connection.scalar(states.where(ASSIGNMENTS.c.state == state)) or 0
                for state in ("saved", "skipped", "open")
            )
            times = connection.scalar(count.select_from(labels.subquery())) or 0
            middle = labels.order_by(LABELS.c.seconds).offset(times // 2).limit(1)
            if annotator is None:
                n, wanted = self._project.labels_per_item, ITEMS.c.labels
                lacking = sa.case((ITEMS.c.adjudicated, 0), (wanted < n, n - wanted), else_=0)
                rest = sa.select(sa.func.sum(lacking)).where(sa.not_(ITEMS.c.gold))
                left = connection.scalar(rest) or 0
            else:
                can = assigning.open_to(annotator.id).order_by(None).subquery()
                left = now + (connection.scalar(count.select_from(can)) or 0)
            return Progress(
                done=done,
                left=None if annotator and self._project.gold_share else left,
                skipped=skipped,
                seconds_per_label=connection.scalar(middle),
            )

    def tasks(self) -> list[Task]:
        """All tasks, in the order added."""
        with self._reading() as connection:
            bodies = connection.scalars(sa.select(TASKS.c.body).order_by(TASKS.c.seq))
            return [Task.model_validate_json(body) for body in bodies]

    def given(self) -> list[Given]:
        """All labels that stand, in the order saved."""
        query = (
            sa.select(
                LABELS,
                ANNOTATORS.c.pseudonym,
                ASSIGNMENTS.c.shown,
                ASSIGNMENTS.c.suggested,
                (ASSIGNMENTS.c.probability * ITEMS.c.probability).label("probability"),
            )
            .join(ASSIGNMENTS, ASSIGNMENTS.c.id == LABELS.c.assignment)
            .join(ANNOTATORS, ANNOTATORS.c.id == LABELS.c.annotator)
            .join(ITEMS, ITEMS.c.task == LABELS.c.task)
            .order_by(LABELS.c.seq)
        )
        with self._reading() as connection:
            return [
                Given(
                    task=row.task,
                    annotator=row.annotator,
                    pseudonym=row.pseudonym,
                    label=projection.LABEL.validate_json(row.body),
                    order=tuple(json.loads(row.shown)),
                    seconds=row.seconds,
                    time=row.time,
                    purpose=row.purpose,
                    probability=row.probability,
                    suggested=row.suggested,
                )
                for row in connection.execute(query)
            ]

    def skips(self) -> list[dict[str, Any]]:
        """All skips that stand: task, pseudonym, reason, comment, time."""
        query = (
            sa.select(EVENTS, ANNOTATORS.c.pseudonym)
            .join(ASSIGNMENTS, ASSIGNMENTS.c.closed == EVENTS.c.seq)
            .join(ANNOTATORS, ANNOTATORS.c.id == EVENTS.c.annotator)
            .where(ASSIGNMENTS.c.state == "skipped")
            .order_by(EVENTS.c.seq)
        )
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        kept = ("task", "pseudonym", "time")
        return [json.loads(row["payload"]) | {name: row[name] for name in kept} for row in rows]

    def disputed(self) -> Sequence[str]:
        """Ids of tasks whose labels differ and that nobody adjudicated."""
        query = sa.select(ITEMS.c.task).where(ITEMS.c.disputed).order_by(ITEMS.c.seq)
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
        with guarded(engine), _begun(engine) as connection:
            lay_out(connection, shown(where), {})
            backups.read(Path(backup), connection)
            projection.rebuild(connection, project_of(connection))
        return cls(engine, shown(where))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    # Inside.

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._turn, guarded(self._engine), _begun(self._engine) as connection:
            yield connection

    @contextmanager
    def _reading(self, *, isolated: bool = False) -> Iterator[sa.Connection]:
        """One transaction that writes nothing. isolated: all of it sees one moment."""
        with guarded(self._engine), self._engine.connect() as connection:
            if isolated and self._engine.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    def _append(self, connection: sa.Connection, kind: str, **rest: Any) -> None:
        _append(connection, self._project, self._now(), kind, **rest)

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
            raise NotYours("the annotator was revoked, or is of another store")

    def _own(self, connection: sa.Connection, id: str, annotator: Annotator) -> sa.RowMapping:
        self._active(connection, annotator)
        own = (ASSIGNMENTS.c.id == id, ASSIGNMENTS.c.annotator == annotator.id)
        row = connection.execute(sa.select(ASSIGNMENTS).where(*own)).mappings().first()
        if row is None:
            raise NotYours("this task was not given to you")
        return row

    def _still_open(self, connection: sa.Connection, row: sa.RowMapping) -> None:
        """Raise `Late` for an assignment that is closed; take one back whose lease has passed
        where nobody else has the item."""
        if row["state"] == "expired":
            query = sa.select(ITEMS.c.open).where(ITEMS.c.task == row["task"])
            if row["purpose"] == "gold" or connection.scalar(query):
                self._append(connection, "assigned", **_names(row))
                return
            raise Late("the task was left for too long and somebody else has it now")
        if row["state"] != "open":
            raise Late(f"the task was {row['state']} before")

    def _expire(self, connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
        query = sa.select(ASSIGNMENTS).where(ASSIGNMENTS.c.state == "open", which)
        for row in connection.execute(query.order_by(ASSIGNMENTS.c.opened)).mappings().all():
            self._append(connection, "expired", **_names(row))

    def _pick(
        self, connection: sa.Connection, annotator: Annotator, weights: Mapping[str, float] | None
    ) -> tuple[str, str, float] | None:
        """Choose a task: its id, its purpose, and the probability of the draw."""
        if annotator.role != "annotator":
            dispute = assigning.to_adjudicate(annotator.id, self._project.labels_per_item)
            if task := connection.scalar(dispute.limit(1)):
                return task, "adjudicate", 1.0
        items = assigning.open_to(annotator.id)
        if self._project.choose in ("order", "random"):
            task, probability = connection.scalar(items.limit(1)), 1.0
            if task and self._project.choose == "random":
                count = sa.select(sa.func.count()).select_from(items.order_by(None).subquery())
                probability = 1 / (connection.scalar(count) or 1)
        else:
            among = connection.scalars(items).all()
            task, probability = (
                assigning.draw(among, weights or {}, self._rng) if among else (None, 1.0)
            )
        if task is None:
            return None
        share = self._project.gold_share
        if share and self._rng.random() < share:
            gold = connection.scalars(assigning.gold_for(annotator.id)).all()
            if gold:
                return self._rng.choice(gold), "gold", share / len(gold)
        return task, "label", probability

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
        order = assigning.order_of(self._project.seed, task, annotator.id, len(whole.responses))
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
        seen, at, took = self._weighed
        started = time.monotonic()
        if last == seen or started < at + 20 * took:
            return self._weights
        with self._reading() as connection:
            query = sa.select(TASKS.c.body).join(ITEMS, ITEMS.c.seq == TASKS.c.seq)
            bodies = connection.scalars(query.where(ITEMS.c.open).order_by(TASKS.c.seq)).all()
        tasks = [Task.model_validate_json(body) for body in bodies]
        weights = _probabilities(self._project, tasks, self.given())
        self._weights = {task.id: p for task, p in zip(tasks, weights, strict=True)}
        self._weighed = (last, time.monotonic(), time.monotonic() - started)
        return self._weights


def _probabilities(
    project: Project, tasks: Sequence[Task], given: Sequence[Given]
) -> Sequence[float]:
    try:
        from assay.annotate import choosing
    except ImportError:
        return [1 / max(len(tasks), 1)] * len(tasks)
    weights: Sequence[float] = choosing.probabilities(project, tasks, given)
    return weights


@contextmanager
def _begun(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes, after those of others."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.name == "postgresql" and sa.inspect(connection).has_table("meta"):
            turn = sa.select(META.c.value).where(META.c.name == "version").with_for_update()
            connection.execute(turn)
        yield connection


def _append(
    connection: sa.Connection,
    project: Project,
    now: float,
    kind: str,
    *,
    annotator: int | None = None,
    task: str | None = None,
    assignment: str | None = None,
    key: str | None = None,
    **payload: Any,
) -> None:
    """Write an event and what follows from it."""
    last = connection.scalar(sa.select(sa.func.max(EVENTS.c.seq))) or 0
    event = {
        "seq": last + 1,
        "time": now,
        "kind": kind,
        "annotator": annotator,
        "task": task,
        "assignment": assignment,
        "key": key,
    }
    connection.execute(EVENTS.insert(), event | {"payload": json.dumps(payload)})
    projection.apply(connection, project, event | {"payload": payload})


def _add(connection: sa.Connection, project: Project, now: float, tasks: Iterable[Task]) -> int:
    known = set(connection.scalars(sa.select(TASKS.c.id)))
    last = added = connection.scalar(sa.select(sa.func.max(TASKS.c.seq))) or 0
    for task in tasks:
        if task.id in known:
            continue
        known.add(task.id)
        added += 1
        row = {"seq": added, "id": task.id, "body": task.model_dump_json()}
        connection.execute(TASKS.insert(), row)
        projection.add_items(connection, project, [(added, task)])
    if added > last:
        _append(connection, project, now, "added", first=last + 1, last=added)
    return added - last


def _replayed(
    connection: sa.Connection,
    kind: str,
    key: str,
    annotator: Annotator,
    assignment: str | None,
    said: Mapping[str, Any],
) -> sa.RowMapping | None:
    """Find the event that a key was used for. Raises `DataError` where it was for another one."""
    if not 0 < len(key) <= 200 or not key.isprintable():
        raise DataError("a key is 1 to 200 printable characters, drawn for one post")
    row = connection.execute(sa.select(EVENTS).where(EVENTS.c.key == key)).mappings().first()
    if row is None:
        return None
    payload = json.loads(row["payload"])
    same = (
        row["kind"] == kind
        and row["annotator"] == annotator.id
        and (assignment is None or row["assignment"] == assignment)
        and all(payload[name] == value for name, value in said.items())
    )
    if not same:
        raise DataError("the key was used for another post; draw a new one")
    return row


def _names(row: sa.RowMapping) -> dict[str, Any]:
    return {"annotator": row["annotator"], "task": row["task"], "assignment": row["id"]}


def _annotator(row: sa.RowMapping) -> Annotator:
    return Annotator.model_validate({name: row[name] for name in Annotator.model_fields})


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
