"""What a store reads, made from its events: the state of items, assignments and labels.

A write appends an event and applies it, so that applying all of them again gives the same tables.
Only drafts and leases are kept in the tables alone.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from pydantic import TypeAdapter

from assay.annotate.assigning import differ
from assay.annotate.labels import Label
from assay.annotate.records import Project
from assay.annotate.tables import ASSIGNMENTS, EVENTS, ITEMS, LABELS, TASKS
from assay.annotate.tasks import Task

__all__ = ["LABEL", "add", "append", "pages", "rebuild"]

LABEL: Final[TypeAdapter[Label]] = TypeAdapter(Label)
AT_ONCE: Final = 500
"""Tasks added by one statement."""

# Statements of every write, built once.
NUMBER: Final = sa.select(sa.func.coalesce(sa.func.max(EVENTS.c.seq), 0) + 1).scalar_subquery()
APPEND: Final = (
    EVENTS.insert()
    .values({column: sa.bindparam(column.name) for column in EVENTS.c} | {EVENTS.c.seq: NUMBER})
    .returning(EVENTS.c.seq)
)
UNDER_WAY: Final = (
    sa.select(ASSIGNMENTS.c.purpose, ASSIGNMENTS.c.state, LABELS.c.body)
    .join(LABELS, LABELS.c.assignment == ASSIGNMENTS.c.id, isouter=True)
    .where(ASSIGNMENTS.c.task == sa.bindparam("of"), ASSIGNMENTS.c.state.in_(["open", "saved"]))
)
COUNTED: Final = (
    ITEMS.update()
    .where(ITEMS.c.task == sa.bindparam("of"))
    .values(open=sa.and_(sa.not_(ITEMS.c.gold), sa.bindparam("room", type_=sa.Boolean)))
)

Event = Mapping[str, Any]


def pages(
    connection: sa.Connection, table: sa.Table, after: int = 0, size: int = 1000
) -> Iterator[list[dict[str, Any]]]:
    """Read a numbered table a thousand rows at a time, without keeping it in memory."""
    number = next(iter(table.primary_key.columns))
    while True:
        query = sa.select(table).where(number > after).order_by(number).limit(size)
        if not (rows := [dict(row) for row in connection.execute(query).mappings()]):
            return
        yield rows
        after = rows[-1][number.name]


def add(connection: sa.Connection, project: Project, now: float, tasks: Iterable[Task]) -> int:
    """Add tasks whose ids are new; return how many were."""
    known = set(connection.scalars(sa.select(TASKS.c.id)))
    last = connection.scalar(sa.select(sa.func.max(TASKS.c.seq))) or 0
    numbered, added = enumerate(_new(tasks, known), last + 1), last
    while some := list(itertools.islice(numbered, AT_ONCE)):
        rows = [{"seq": n, "id": task.id, "body": task.model_dump_json()} for n, task in some]
        connection.execute(TASKS.insert(), rows)
        _add_items(connection, project, some)
        added = some[-1][0]
    if added > last:
        append(connection, project, now, "added", first=last + 1, last=added)
    return added - last


def _new(tasks: Iterable[Task], known: set[str]) -> Iterator[Task]:
    for task in tasks:
        if task.id not in known:
            known.add(task.id)
            yield task


def _add_items(
    connection: sa.Connection, project: Project, tasks: Iterable[tuple[int, Task]]
) -> None:
    """Make the rows of tasks that nobody was given yet, by their numbers."""
    rows = [
        {
            "seq": seq,
            "task": task.id,
            "place": _shuffled(project.seed, task.id) if project.choose == "random" else seq,
            "gold": task.gold is not None,
            "probability": task.probability,
            "labels": 0,
            "taken": 0,
            "open": task.gold is None,
            "disputed": False,
            "adjudicated": False,
        }
        for seq, task in tasks
    ]
    if rows:
        connection.execute(ITEMS.insert(), rows)


def _shuffled(seed: int, task: str) -> int:
    digest = hashlib.sha256(f"{seed}\n{task}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def rebuild(connection: sa.Connection, project: Project) -> None:
    """Make all that is made from events again."""
    for table in (LABELS, ASSIGNMENTS, ITEMS):
        connection.execute(table.delete())
    for rows in pages(connection, TASKS):
        bodies = ((row["seq"], Task.model_validate_json(row["body"])) for row in rows)
        _add_items(connection, project, bodies)
    for rows in pages(connection, EVENTS):
        for row in rows:
            apply(connection, project, row | {"payload": json.loads(row["payload"])})


def append(
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
    event = {
        "time": now,
        "kind": kind,
        "annotator": annotator,
        "task": task,
        "assignment": assignment,
        "key": key,
    }
    seq = connection.scalar(APPEND, event | {"payload": json.dumps(payload)})
    apply(connection, project, event | {"seq": seq, "payload": payload})


def apply(connection: sa.Connection, project: Project, event: Event) -> None:
    """Bring the tables from before an event to after it."""
    kind, own = event["kind"], ASSIGNMENTS.c.id == event["assignment"]
    open_now = {
        "state": "open",
        "lease": event["time"] + project.lease,
        "opened": event["seq"],
        "closed": None,
    }
    after: dict[str, Any]
    if kind == "assigned":
        if not connection.execute(ASSIGNMENTS.update().where(own).values(open_now)).rowcount:
            connection.execute(ASSIGNMENTS.insert(), _assignment(event) | open_now)
        after = {}
    elif kind == "saved":
        connection.execute(LABELS.insert(), _label(event))
        after = {"state": "saved", "closed": event["seq"], "draft": None}
    elif kind == "skipped":
        after = {"state": "skipped", "closed": event["seq"]}
    elif kind == "expired":
        after = {"state": "expired", "closed": event["seq"]}
    elif kind == "undone":
        of_it = LABELS.c.assignment == event["assignment"]
        body = connection.scalar(sa.select(LABELS.c.body).where(of_it))
        connection.execute(LABELS.delete().where(of_it))
        # What a skip had for a draft stays.
        after = open_now | ({"draft": body} if body else {})
    else:
        return
    if after:
        connection.execute(ASSIGNMENTS.update().where(own).values(after))
    _recount(connection, project, event["task"])


def _assignment(event: Event) -> dict[str, Any]:
    payload = event["payload"]
    return {
        "id": event["assignment"],
        "task": event["task"],
        "annotator": event["annotator"],
        "purpose": payload["purpose"],
        "shown": json.dumps(payload["order"]),
        "probability": payload["probability"],
        "suggested": payload["suggested"],
        "draft": None,
    }


def _label(event: Event) -> dict[str, Any]:
    payload = event["payload"]
    return {
        "seq": event["seq"],
        "assignment": event["assignment"],
        "task": event["task"],
        "annotator": event["annotator"],
        "purpose": payload["purpose"],
        "body": json.dumps(payload["label"]),
        "seconds": payload["seconds"],
        "time": event["time"],
    }


def _recount(connection: sa.Connection, project: Project, task: str) -> None:
    """Say of a task how many labels stand, how many are under way, and whether they differ."""
    rows = connection.execute(UNDER_WAY, {"of": task}).all()
    taken = [row for row in rows if row.purpose == "label"]
    bodies = [row.body for row in taken if row.body is not None]
    adjudicated = any(row.purpose == "adjudicate" and row.body is not None for row in rows)
    differs = len(bodies) > 1 and differ([LABEL.validate_json(body) for body in bodies])
    room = not adjudicated and len(taken) < project.labels_per_item
    counts = {
        "labels": len(bodies),
        "taken": len(taken),
        "disputed": differs and not adjudicated,
        "adjudicated": adjudicated,
    }
    connection.execute(COUNTED, counts | {"of": task, "room": room})
