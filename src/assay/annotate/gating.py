"""Labels for a judge's gate: which items of a pool people are asked about, and what they say of
them.

Items are stratified by the judge's verdict and by how near it was to the other one. Where judge and
people are likelier to differ more are taken (Neyman's allocation, by a guess of how often they do),
at least two of each stratum, and each keeps the probability with which it was.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from assay.annotate.labels import Pair, Questions
from assay.annotate.records import Given
from assay.annotate.tasks import Task
from assay.errors import DataError
from assay.stats.binary import neyman_allocation

__all__ = ["DIFFER", "Vote", "selected", "strata_of", "votes_of"]

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
    """Yield what people say of a gate's tasks; an adjudicator's label in place of those it decides
    between.

    Where a stratum lacks labels, its probability is less by their share: those that are there then
    stand for all.
    """
    by_id = {task.id: task for task in tasks if task.gold is None}
    settled = {one.task for one in given if one.purpose == "adjudicate"}
    there = [
        one
        for one in given
        if one.task in by_id and one.purpose == ("adjudicate" if one.task in settled else "label")
    ]
    asked = Counter(task.stratum for task in by_id.values())
    answered = Counter(by_id[id].stratum for id in {one.task for one in there})
    for one in there:
        task = by_id[one.task]
        probability = task.probability * answered[task.stratum] / asked[task.stratum]
        for criterion, said in _said(task, one):
            yield Vote(task, said, criterion, one.pseudonym, probability)


def _said(task: Task, one: Given) -> Iterator[tuple[str, float]]:
    """Criterion and vote of a label; nothing of what it cannot tell."""
    if isinstance(one.label, Pair):
        yield "", CHOICES.get(one.label.choice, 0.5)
    elif isinstance(one.label, Questions):
        for question, answer in zip(task.questions, one.label.answers, strict=True):
            if answer is not None:
                yield question.name, question.values[answer]
