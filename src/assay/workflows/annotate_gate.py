"""A gate from people's labels: which items of a pool to ask about, and what the judge may do by
what they say."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from assay.annotate.gating import selected, strata_of, votes_of
from assay.annotate.store import Store
from assay.annotate.tasks import Task
from assay.audit.gate import Gate, Known, Rule
from assay.audit.human import Case, Label, cases_of
from assay.audit.verdicts import reading_of, values_of
from assay.data.records import as_group
from assay.errors import DataError
from assay.protocols import Judge, Scorer
from assay.questions import Question
from assay.specs.answerers import Asking
from assay.specs.compute import Weights
from assay.types import Group, Preference, Prompt, Response
from assay.workflows._data import Data, name_of, read
from assay.workflows.audit import open_reward
from assay.workflows.gate import gate

__all__ = ["OVERALL", "gate_from", "gate_tasks"]

OVERALL: Final = Question.predicate("Is this response good?")
"""Asked of single responses where nothing else is."""


def gate_tasks(
    data: Data,
    judge: str | Judge | Scorer,
    n: int = 50,
    *,
    questions: Sequence[Question] = (),
    threshold: float | None = None,
    format: str | None = None,
    micro_tokens: int = 8192,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    device: str = "auto",
    seed: int = 0,
) -> list[Task]:
    """Choose n items of a pool for people to label, by what a judge says of them.

    data: preferences, which are asked about as pairs, or other records, whose responses are asked
    about one by one; labels in them are not looked at. questions: predicates, each named after the
    judge's criterion that it is of, "" = the response as a whole; none = `OVERALL`. threshold:
    least score that means yes. The judge's verdicts are in `hidden` and never shown. The tasks come
    in an order that says nothing of the verdict. Raises `DataError` for fewer items than n.
    """
    opened = open_reward(
        judge, Asking(device=device, dtype=dtype, weights=weights, micro_tokens=micro_tokens)
    )
    asked = tuple(questions) or (OVERALL,)
    records = read(data, format, None)
    pairs = bool(records) and isinstance(records[0], Preference)
    if any(isinstance(record, Preference) != pairs for record in records):
        raise DataError("some records are pairs and others are not; gate each kind by itself")
    groups = [as_group(record) for record in records]
    criteria = [""] if pairs else [question.name for question in asked]
    if not pairs and any(question.kind != "predicate" for question in asked):
        raise DataError("a gate is of yes and no; ask predicates")
    items = {task.id: (i, place, task) for i, place, task in _items(groups, asked, pairs)}
    if len(items) < n:
        raise DataError(f"{name_of(data)} has {len(items)} different items, and n is {n}")
    labels = [
        [Label((), place, one) for place in range(1 if pairs else len(group.responses))
         for one in criteria]
        for group in groups
    ]  # fmt: skip
    rows = values_of(opened, groups, labels, pairs=pairs)
    cases = [Case(group, (), pairs) for group in groups]
    least = reading_of(cases, rows, threshold).least
    tasks, values = [], []
    for i, place, task in items.values():
        each = rows[i][place * len(criteria) : (place + 1) * len(criteria)]
        known = [value for value in each if value is not None]
        tasks.append(task)
        values.append(sum(known) / len(known) if known else None)
    strata = strata_of(values, least)
    chosen = selected(strata, n, seed=seed)
    found = [_chosen(tasks[i], strata[i], p, values[i]) for i, p in chosen.items()]
    # An id is a hash of what is shown: its order is as good as a random one.
    return sorted(found, key=lambda task: task.id)


def _items(
    groups: Sequence[Group], questions: tuple[Question, ...], pairs: bool
) -> Iterator[tuple[int, int, Task]]:
    for i, group in enumerate(groups):
        if pairs:
            yield i, 0, Task.pair(group.prompt, *group.responses)
            continue
        for place, response in enumerate(group.responses):
            task = Task(kind="questions", prompt=group.prompt, responses=(response,),
                        questions=questions)  # fmt: skip
            yield i, place, task


def _chosen(task: Task, stratum: str, probability: float, value: float | None) -> Task:
    hidden = {**task.hidden, "judge": value}
    change: dict[str, Any] = {"stratum": stratum, "probability": probability, "hidden": hidden}
    return task.model_copy(update=change)


def gate_from(
    store: Store,
    judge: str | Judge | Scorer,
    out: str | Path | None = None,
    *,
    partial: bool = False,
    floor: float = 0.85,
    rule: Rule = "lower",
    threshold: float | None = None,
    days: int = 90,
    anchors: int = 40,
    micro_tokens: int = 8192,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    device: str = "auto",
    seed: int = 0,
) -> Gate:
    """Hold a judge against the labels in a store, and write its gate, open or closed.

    Agreement is weighted by 1 / the probability with which each item was selected. partial: whether
    items may lack labels; those of their stratum that have one then stand for them. The rest is as
    in `workflows.gate.gate`. Raises `DataError` where items lack labels.
    """
    tasks, given = store.tasks(), store.given()
    votes = [*votes_of(tasks, given)]
    open_ = len({task.id for task in tasks if task.gold is None} - {one.task.id for one in votes})
    if not votes or (open_ and not partial):
        raise DataError(
            f"{open_} of {len(tasks)} items have no label that says anything; label them first, or"
            " with partial (--partial) let the others stand for them"
        )
    shown = any(one.suggested for one in given)
    blind: Known = "no" if shown else "yes" if store.project.blind else "unknown"

    def labels() -> Iterator[tuple[Prompt, tuple[Response, ...], Label, str]]:
        for one in votes:
            label = Label((one.said,), 0, one.criterion, "", one.probability)
            yield one.task.prompt, one.task.responses, label, one.rater

    return gate(
        cases_of(labels()),
        judge,
        out=out,
        floor=floor,
        rule=rule,
        threshold=threshold,
        blind=blind,
        days=days,
        anchors=anchors,
        micro_tokens=micro_tokens,
        dtype=dtype,
        weights=weights,
        device=device,
        seed=seed,
    )
