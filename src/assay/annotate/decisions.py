"""Labels as categories: what a label decides, one unit after the other, for agreement and models of
annotators.

A pair decides one thing, a solution one per step and one more, where it first goes wrong, a ranking
one per two responses, and questions one each. Units that are decided among the same categories make
up one `Decision`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from assay.annotate.labels import (
    Choice,
    Label,
    Pair,
    Questions,
    Ranks,
    Steps,
    decides,
    first_error,
)
from assay.annotate.records import Given, standing
from assay.annotate.tasks import Task
from assay.data.records import cluster_key
from assay.stats.agreement import Metric

__all__ = [
    "FIRST_ERROR", "MARKS", "PREFERENCE", "Decision", "decisions", "known", "said", "same",
    "word_of",
]  # fmt: skip

PREFERENCE: Final = "preference"
MARKS: Final = "step marks"
FIRST_ERROR: Final = "first error"
ORDER: Final = "order of two responses"
LEVELS: Final[Mapping[str, tuple[tuple[Any, ...], Metric]]] = {
    PREFERENCE: (get_args(Choice), "nominal"),
    MARKS: ((-1, 0, 1), "ordinal"),
    ORDER: ((-1, 0, 1), "ordinal"),
}
WORDS: Final[Mapping[str, Mapping[int, str]]] = {
    MARKS: {1: "right", 0: "neutral", -1: "wrong"},
    ORDER: {1: "the first is better", 0: "a tie", -1: "the second is better"},
}
Said = tuple[str, str, Any]
"""Decision, unit within the task, and category."""


@dataclass(frozen=True)
class Decision:
    """What was decided among the same categories, by whom."""

    name: str
    levels: tuple[Any, ...]
    metric: Metric
    """How far apart categories are."""
    units: tuple[tuple[str, str], ...]
    """Task and unit within it."""
    clusters: tuple[str, ...]
    """Prompt of each unit."""
    raters: tuple[str, ...]
    """Pseudonyms."""
    rows_n_3: NDArray[np.intp]
    """Unit, rater and category of each label, as places in the above."""

    @property
    def codes_I_A(self) -> NDArray[np.intp]:
        """Place of the category that each annotator gave each unit; -1 = none."""
        codes = np.full((len(self.units), len(self.raters)), -1, dtype=np.intp)
        codes[self.rows_n_3[:, 0], self.rows_n_3[:, 1]] = self.rows_n_3[:, 2]
        return codes

    @property
    def counts_I_C(self) -> NDArray[np.float64]:
        """How many annotators gave each unit each category."""
        counts = np.zeros((len(self.units), len(self.levels)))
        np.add.at(counts, (self.rows_n_3[:, 0], self.rows_n_3[:, 2]), 1.0)
        return counts

    @property
    def ratings(self) -> list[list[Any]]:
        """Categories by unit, whoever gave them; None fills short rows up."""
        rows: list[list[Any]] = [[] for _ in self.units]
        for unit, _, level in self.rows_n_3.tolist():
            rows[unit].append(self.levels[level])
        width = max([2, *map(len, rows)])
        return [[*row, *[None] * (width - len(row))] for row in rows]


def word_of(decision: str, level: Any) -> str:
    """What a category of a decision is called on a page."""
    if decision == FIRST_ERROR:
        return "none" if level == -1 else f"step {level + 1}"
    if decision in WORDS:
        return WORDS[decision][level]
    return str(level).replace("_", " ")


def decisions(tasks: Sequence[Task], given: Iterable[Given]) -> dict[str, Decision]:
    """Collect what labels decide, by decision. Of two labels of one annotator the later stands."""
    by_id = {task.id: task for task in tasks}
    found: dict[str, dict[tuple[str, str, str], Any]] = {}
    for one in given:
        if task := by_id.get(one.task):
            for name, unit, level in said(task, one.label):
                found.setdefault(name, {})[one.task, unit, one.pseudonym] = level
    return {name: _decision(name, rows, by_id) for name, rows in found.items()}


def _decision(
    name: str, rows: Mapping[tuple[str, str, str], Any], by_id: Mapping[str, Task]
) -> Decision:
    levels, metric = LEVELS.get(name, (tuple(sorted(set(rows.values()))), "nominal"))
    if name.startswith("answers: "):
        levels = tuple(name.removeprefix("answers: ").split(" | "))
    units = {(task, unit): None for task, unit, _ in rows}
    raters = sorted({rater for *_, rater in rows})
    at_unit, at_rater, at_level = (
        {one: i for i, one in enumerate(some)} for some in (units, raters, levels)
    )
    table = [
        (at_unit[task, unit], at_rater[rater], at_level[level])
        for (task, unit, rater), level in rows.items()
    ]
    return Decision(
        name,
        levels,
        metric,
        tuple(units),
        tuple(cluster_key(by_id[task]) for task, _ in units),
        tuple(raters),
        np.array(table, dtype=np.intp).reshape(-1, 3),
    )


def said(task: Task, label: Label) -> Iterator[Said]:
    """Yield what a label decides; nothing of what it leaves open."""
    if isinstance(label, Pair):
        yield PREFERENCE, "", label.choice
    elif isinstance(label, Steps):
        first = first_error(label)
        # That no step is wrong says it of those that bear no mark as well.
        silent = 1 if label.complete and first == len(label.marks) else None
        for t, mark in enumerate(label.marks):
            if (one := silent if mark is None else mark) is not None:
                yield MARKS, f"step {t + 1}", one
        if first is not None:
            yield FIRST_ERROR, "", first if first < len(label.marks) else -1
    elif isinstance(label, Ranks):
        for (i, a), (j, b) in combinations(enumerate(label.ranks), 2):
            yield ORDER, f"{i + 1} and {j + 1}", (a < b) - (a > b)
    elif isinstance(label, Questions):
        for k, (question, answer) in enumerate(zip(task.questions, label.answers, strict=True)):
            if answer is not None:
                names = [option.text.replace(" | ", " / ") for option in question.options]
                yield (
                    f"answers: {' | '.join(names)}",
                    question.name or f"question {k + 1}",
                    names[answer],
                )


def same(label: Label, gold: Label) -> bool:
    """Return whether a label says what the gold one does: the choice, the first wrong step, the
    order, or every answer that the gold one has."""
    both = zip(decides(label), decides(gold), strict=True)
    return all(one == right for one, right in both if right is not None)


def known(tasks: Sequence[Task], given: Iterable[Given], decision: Decision) -> NDArray[np.intp]:
    """Place of each unit's known category, of a gold label or of an adjudicator's; -1 = unknown."""
    by_id = {task.id: task for task in tasks}
    truth: dict[tuple[str, str], Any] = {}
    settled = [(one.task, one.label) for one in standing(given) if one.purpose == "adjudicate"]
    for id, label in [*settled, *((t.id, t.gold) for t in tasks if t.gold is not None)]:
        if id in by_id:
            for name, unit, level in said(by_id[id], label):
                if name == decision.name:
                    truth[id, unit] = level
    at = {level: i for i, level in enumerate(decision.levels)}
    places = [at.get(truth[unit], -1) if unit in truth else -1 for unit in decision.units]
    return np.array(places, dtype=np.intp)
