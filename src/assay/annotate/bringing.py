"""Labels that were given elsewhere, as the events that they would have been here."""

import secrets
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from assay.annotate.labels import fits
from assay.annotate.records import Given
from assay.annotate.tables import ASSIGNMENTS, TASKS
from assay.annotate.tasks import Task
from assay.errors import DataError

__all__ = ["events", "fresh"]


def fresh(connection: sa.Connection, annotator: int, labels: Iterable[Given]) -> list[Given]:
    """Return the first label of each task that an annotator was not given before.

    Raises `DataError` for a task that is not there.
    """
    known = set(connection.scalars(sa.select(TASKS.c.id)))
    mine = sa.select(ASSIGNMENTS.c.task, ASSIGNMENTS.c.purpose)
    rows = connection.execute(mine.where(ASSIGNMENTS.c.annotator == annotator))
    seen, found = {(row.task, row.purpose) for row in rows}, []
    for one in labels:
        if one.task not in known:
            raise DataError(f"no task here is called {one.task[:50]!r}; add it first")
        if (one.task, one.purpose) not in seen:
            seen.add((one.task, one.purpose))
            found.append(one)
    return found


def events(given: Given, task: Task) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of a label, each with what it says: the task given, the label saved.

    Raises `DataError` for a label that does not fit its task.
    """
    label, n = given.label, len(task.responses)
    wrong = fits(label, task.kind, n, task.steps, task.questions)
    order = given.order or tuple(range(n))
    if not wrong and sorted(order) != [*range(n)]:
        wrong = f"an order of {order} for {n} responses"
    if wrong:
        raise DataError(f"the label of task {task.id} does not fit it: {wrong}")
    both = {"assignment": secrets.token_urlsafe(16), "purpose": given.purpose}
    assigned = {
        "order": order,
        # With the task's own it is the label's again.
        "probability": min(1.0, given.probability / task.probability),
        "suggested": given.suggested,
    }
    saved = {"label": label.model_dump(mode="json"), "seconds": given.seconds}
    return [("assigned", both | assigned), ("saved", both | saved)]
