"""Labels that were given elsewhere, as the events that they would have been here."""

from typing import Any

from assay.annotate.labels import fits
from assay.annotate.records import Given
from assay.annotate.tasks import Task
from assay.errors import DataError

__all__ = ["brought"]


def brought(given: Given, task: Task) -> list[tuple[str, dict[str, Any]]]:
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
    assigned = {
        "order": order,
        # With the task's own it is the label's again.
        "probability": min(1.0, given.probability / task.probability),
        "suggested": given.suggested,
    }
    saved = {"label": label.model_dump(mode="json"), "seconds": given.seconds}
    purpose = {"purpose": given.purpose}
    return [("assigned", assigned | purpose), ("saved", saved | purpose)]
