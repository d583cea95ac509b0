"""What is read of a store: labels and skips that stand, how far it is, keys that were used."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from assay.annotate import assigning
from assay.annotate.projection import LABEL
from assay.annotate.records import Annotator, Given, Progress, Project
from assay.annotate.tables import ANNOTATORS, ASSIGNMENTS, EVENTS, ITEMS, LABELS
from assay.errors import DataError

__all__ = ["given", "progress", "replayed", "skips"]


def progress(connection: sa.Connection, project: Project, annotator: Annotator | None) -> Progress:
    """Count what was done and what is left, for an annotator or all (see `Store.progress`)."""
    states = sa.select(ASSIGNMENTS.c.state, sa.func.count().label("n")).group_by(
        ASSIGNMENTS.c.state
    )
    times = sa.select(LABELS.c.seconds)
    if annotator:
        states = states.where(ASSIGNMENTS.c.annotator == annotator.id)
        times = times.where(LABELS.c.annotator == annotator.id)
    else:
        states = states.where(ASSIGNMENTS.c.purpose == "label")
        times = times.where(LABELS.c.purpose == "label")
    counts = {row.state: row.n for row in connection.execute(states)}
    done = counts.get("saved", 0)
    middle = times.order_by(LABELS.c.seconds).offset(done // 2).limit(1)
    left: int | None
    if annotator is None:
        n = project.labels_per_item
        lacking = sa.case(
            (sa.or_(ITEMS.c.adjudicated, ITEMS.c.labels > n), 0), else_=n - ITEMS.c.labels
        )
        left = connection.scalar(sa.select(sa.func.sum(lacking)).where(sa.not_(ITEMS.c.gold))) or 0
    elif project.gold_share:
        left = None
    else:
        left = connection.scalar(assigning.left_for(annotator.id)) or 0
    return Progress(
        done=done,
        left=left,
        skipped=counts.get("skipped", 0),
        seconds_per_label=connection.scalar(middle),
    )


def given(connection: sa.Connection, tasks: Sequence[str] | None) -> list[Given]:
    """Read the labels that stand, of all tasks or some, in the order saved."""
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
    if tasks is not None:
        query = query.where(ASSIGNMENTS.c.task.in_(tasks))
    return [
        Given(
            task=row.task,
            annotator=row.annotator,
            pseudonym=row.pseudonym,
            label=LABEL.validate_json(row.body),
            order=tuple(json.loads(row.shown)),
            seconds=row.seconds,
            time=row.time,
            purpose=row.purpose,
            probability=row.probability,
            suggested=row.suggested,
        )
        for row in connection.execute(query)
    ]


def skips(connection: sa.Connection) -> list[dict[str, Any]]:
    """Read all skips that stand: task, pseudonym, reason, comment, time."""
    query = (
        sa.select(EVENTS, ANNOTATORS.c.pseudonym)
        .join(ASSIGNMENTS, ASSIGNMENTS.c.closed == EVENTS.c.seq)
        .join(ANNOTATORS, ANNOTATORS.c.id == EVENTS.c.annotator)
        .where(ASSIGNMENTS.c.state == "skipped")
        .order_by(EVENTS.c.seq)
    )
    kept = ("task", "pseudonym", "time")
    return [
        json.loads(row["payload"]) | {name: row[name] for name in kept}
        for row in connection.execute(query).mappings()
    ]


def replayed(
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
