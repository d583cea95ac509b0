"""Ask people from a program: a question is put to a store at once, and answered when it is.

    from assay.annotate import compare
    pending = compare("Name a fruit.", ["A banana.", "A carrot."], store="labels.db")
    preference = pending.result()

`assay annotate --store labels.db` shows the page on which people answer.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from assay.annotate.exports import decided, export
from assay.annotate.imports import tasks_of
from assay.annotate.records import Project, standing
from assay.annotate.schema import NoStore
from assay.annotate.store import Store
from assay.annotate.tasks import Kind, StepMode, Task
from assay.errors import DataError
from assay.questions import Distribution, Question
from assay.types import Group, Preference, Prompt, Ranking, Response, StepLabels

__all__ = ["Pending", "ask", "compare", "mark_steps", "rank"]

T = TypeVar("T")
POLL_S: Final = 0.5
"""Seconds between two looks into the store."""
Place = str | Path | Store


@dataclass(frozen=True)
class Pending(Generic[T]):
    """What people were asked, and will have said."""

    task: Task = field(repr=False)
    store: Store = field(repr=False)

    def done(self) -> bool:
        """Whether it has all the labels that the project wants of an item, or an adjudication."""
        rows = standing(self.store.given([self.task.id]))
        settled = any(row.purpose == "adjudicate" for row in rows)
        return settled or len(rows) >= self.store.project.labels_per_item

    def result(self, timeout: float | None = None) -> T:
        """Wait for the labels and return what they say: votes as shares.

        timeout: seconds; None waits as long as it takes. Raises `TimeoutError` after it, and
        `DataError` where all could not tell, or say that both are bad.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not self.done():
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"nobody has labelled task {self.task.id} within {timeout:g} s")
            time.sleep(POLL_S if end is None else min(POLL_S, max(0.0, end - time.monotonic())))
        found: Any = _said(self.task, self.store)
        return found  # type: ignore[no-any-return]


def _said(task: Task, store: Store) -> object:
    given = store.given([task.id])
    if task.kind == "questions":
        answers = decided(task, standing(given))
        if answers[0] is None:
            raise DataError(f"of task {task.id} nobody could tell")
        return answers[0]
    found = export([task], given)
    if not found.records:
        raise DataError(f"task {task.id}: {', '.join(found.left_out)}")
    return found.records[0]


def compare(
    prompt: str | Prompt, outputs: Sequence[str | Response], *, store: Place
) -> Pending[Preference]:
    """Ask which of two outputs is better. store: path, URL or an open store; a place without one
    gets one."""
    return _asked(prompt, outputs, store, kind="pair")


def rank(
    prompt: str | Prompt, outputs: Sequence[str | Response], *, store: Place
) -> Pending[Ranking]:
    """Ask for an order of outputs."""
    return _asked(prompt, outputs, store, kind="ranking")


def mark_steps(
    prompt: str | Prompt,
    output: str | Sequence[str] | Response,
    *,
    store: Place,
    mode: StepMode = "every-step",
) -> Pending[StepLabels]:
    """Ask which steps are right. output: its steps, or a text that is cut into them
    (`imports.first_cut`)."""
    if not isinstance(output, (str, Response)):
        output = Response(steps=tuple(output))
    return _asked(prompt, [output], store, kind="steps", mode=mode)


def ask(
    question: str | Question,
    prompt: str | Prompt,
    output: str | Response | None = None,
    *,
    store: Place,
) -> Pending[Distribution]:
    """Ask a question of a prompt, or of an output to it. question: a text is answered by yes or
    no."""
    asked = Question.predicate(question) if isinstance(question, str) else question
    outputs = [] if output is None else [output]
    return _asked(prompt, outputs, store, kind="questions", questions=[asked])


def _asked(
    prompt: str | Prompt, outputs: Sequence[str | Response], store: Place, *, kind: Kind, **how: Any
) -> Pending[Any]:
    responses = [one if isinstance(one, Response) else Response.of(one) for one in outputs]
    whole = prompt if isinstance(prompt, Prompt) else Prompt.of(prompt)
    tasks = tasks_of(Group(prompt=whole, responses=tuple(responses)), kind=kind, **how)
    if len(tasks) != 1:
        raise DataError(f"{len(responses)} outputs are no {kind}; compare takes 2, rank up to 26")
    return Pending(tasks[0], _opened(store, tasks))


def _opened(store: Place, tasks: Sequence[Task]) -> Store:
    """The store, with the tasks in it; a place without a store gets one."""
    if isinstance(store, Store):
        opened = store
    else:
        try:
            opened = Store.open(store)
        except NoStore:
            return Store.create(store, Project(title="Questions"), tasks)
    opened.add(tasks)
    return opened
