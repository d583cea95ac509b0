"""Labels for a judge's gate: which items of a pool people are asked about, and what they say of
them.

Items are stratified by the judge's verdict and by how near it was to the other one. Where judge and
people are likelier to differ more are taken (Neyman's allocation, by a guess of how often they do),
at least two of each stratum, and each keeps the probability with which it was.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np

from assay.annotate.imports import shown_again
from assay.annotate.labels import Label, Pair, Questions, Steps, first_error
from assay.annotate.records import Given, standing
from assay.annotate.tasks import Task
from assay.chat import openai
from assay.errors import DataError
from assay.stats.binary import neyman_allocation

__all__ = ["DIFFER", "Vote", "gate_rows", "selected", "strata_of", "votes_of"]

DIFFER: Final[Mapping[str, float]] = {
    "yes, sure": 0.1,
    "no, sure": 0.1,
    "yes, unsure": 0.3,
    "no, unsure": 0.3,
    "none": 0.1,
}
"""How often people are guessed to say otherwise: a wrong guess costs precision, no more.
What has no verdict counts as not agreed, whatever people say."""
LEAST: Final = 2
"""Items of each stratum, for its spread to be known."""
CHOICES: Final = {"first": 1.0, "second": 0.0}


@dataclass(frozen=True)
class Vote:
    """What one annotator says of one item, as a gate counts it."""

    task: Task
    said: float
    """1 for yes, or the first of two; 0 for no, or the second; 0.5 for a tie."""
    criterion: str
    rater: str
    probability: float
    """With which the item was selected and labelled."""


def strata_of(values: Sequence[float | None], least: float) -> list[str]:
    """Name each item's stratum: yes or no, surer than the middle of those or not, and none where
    the judge has no verdict.

    least: least value that means yes.
    """
    margins = [abs(value - least) for value in values if value is not None]
    middle = float(np.median(margins)) if margins else 0.0
    return [
        "none"
        if value is None
        else f"{'yes' if value >= least else 'no'},"
        f" {'sure' if abs(value - least) > middle else 'unsure'}"
        for value in values
    ]


def selected(strata: Sequence[str], n: int, *, seed: int = 0) -> dict[int, float]:
    """Draw n items, without replacement within each stratum; return each one's probability.

    Raises `DataError` for an n of fewer than two per stratum.
    """
    names = sorted(set(strata))
    sizes = [strata.count(name) for name in names]
    least = [min(LEAST, size) for size in sizes]
    if n < sum(least):
        raise DataError(f"n is {n}, and {len(names)} strata need {sum(least)} items or more")
    deviations = [math.sqrt(p * (1 - p)) for p in (DIFFER.get(name, 0.2) for name in names)]
    takes = least
    while sum(takes) < min(n, len(strata)):
        # The next item goes where it is furthest below its share, as long as there are any.
        shares = [size / len(strata) for size in sizes]
        wanted = neyman_allocation(shares, deviations, n)
        lacks = [
            want - take if take < size else -math.inf
            for want, take, size in zip(wanted, takes, sizes, strict=True)
        ]
        takes[int(np.argmax(lacks))] += 1
    rng = np.random.default_rng(seed)
    found: dict[int, float] = {}
    for name, take, size in zip(names, takes, sizes, strict=True):
        places = [i for i, one in enumerate(strata) if one == name]
        found |= {int(i): take / size for i in rng.permutation(places)[:take]}
    return dict(sorted(found.items()))


def votes_of(tasks: Sequence[Task], given: Sequence[Given]) -> Iterator[Vote]:
    """Yield what people say of a gate's tasks, in the order of their labels.

    Where a stratum lacks labels, its probability is less by their share: those that are there then
    stand for all.
    """
    by_id = {task.id: task for task in tasks if task.gold is None}
    there = [one for one in standing(given) if one.task in by_id]
    asked = Counter(task.stratum for task in by_id.values())
    answered = Counter(by_id[id].stratum for id in {one.task for one in there})
    for one in there:
        task = by_id[one.task]
        probability = task.probability * answered[task.stratum] / asked[task.stratum]
        for criterion, said in _said(task, one.label):
            if said is not None:
                yield Vote(task, said, criterion, one.pseudonym, probability)


def gate_rows(tasks: Sequence[Task], given: Iterable[Given]) -> Iterator[dict[str, Any]]:
    """Yield labels as `assay audit gate` reads them, a row per rater (docs/explain/gate.md).

    Rankings, scores and choices have no verdict.
    """
    said = sorted(standing(given), key=lambda one: one.task)
    by_task = {id: [*rows] for id, rows in groupby(said, lambda one: one.task)}
    for task in tasks:
        prompt, responses = shown_again(task)
        known = {"id": prompt.id, "reference": prompt.reference, "subset": task.stratum}
        base: dict[str, Any] = {key: value for key, value in known.items() if value}
        if rubric := prompt.meta.get("rubric"):
            base["rubric"] = rubric
        base["prompt"] = [openai(message) for message in prompt.messages]
        texts = [[openai(turn) for turn in one.turns] or one.text for one in responses]
        pair = task.kind == "pair"
        words = {1.0: "first", 0.0: "second", 0.5: "tie"} if pair else {1.0: "yes", 0.0: "no"}
        for one in by_task.get(task.id, ()):
            signed = {"rater": one.pseudonym, "probability": one.probability}
            for criterion, vote in _said(task, one.label):
                what = {"responses": texts} if pair else {"response": texts[0]}
                about = {"criterion": criterion} if criterion else {}
                verdict = None if vote is None else words[vote]
                yield {**base, **what, "verdict": verdict, **about, **signed}


def _said(task: Task, label: Label) -> Iterator[tuple[str, float | None]]:
    """Criterion and vote of a label; None where it cannot tell, nothing where it has no verdict.

    A pair says first, second or tie; a solution yes where no step is wrong; an answer yes or no of
    each predicate of a response, whose criterion is the question's name.
    """
    if isinstance(label, Pair):
        yield "", CHOICES.get(label.choice, 0.5)
    elif isinstance(label, Steps) and (first := first_error(label)) is not None:
        yield "", float(first == len(label.marks))
    elif isinstance(label, Questions) and len(task.responses) == 1:
        for question, answer in zip(task.questions, label.answers, strict=True):
            if question.kind == "predicate":
                yield question.name, None if answer is None else question.values[answer]
