"""Simulated annotators, whose errors, habits and pace are known: for tests and experiments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from assay.annotate.labels import Choice, Pair, Steps
from assay.annotate.records import Given
from assay.annotate.tasks import Task

__all__ = ["Simulated", "codes_of", "mark", "prefer"]

CHOICES = get_args(Choice)


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """One who labels."""

    name: str
    right: float = 0.9
    """Chance to say what is true."""
    later: float | None = None
    """The same from the middle of the work on; None = as before."""
    first: float = 0.0
    """Chance to choose what is shown first, whatever it is."""
    seconds: float = 20.0
    """Median time per label."""


def codes_of(
    truth_I: NDArray[np.intp], confusion_A_C_C: NDArray[np.float64], per_item: int, seed: int
) -> NDArray[np.intp]:
    """Labels (I, A) of annotators with these confusion matrices, each item seen by so many of them
    who are drawn evenly; -1 = not seen."""
    rng = np.random.default_rng(seed)
    items, annotators = len(truth_I), len(confusion_A_C_C)
    chances_I_A_C = confusion_A_C_C[:, truth_I].transpose(1, 0, 2)
    drawn_I_A = rng.random((items, annotators, 1)) > chances_I_A_C.cumsum(axis=-1)[..., :-1]
    codes = drawn_I_A.sum(axis=-1)
    order = rng.random((items, annotators)).argsort(axis=1).argsort(axis=1)
    return np.where(order < per_item, codes, -1)


def prefer(
    tasks: Sequence[Task], truth: Mapping[str, str], annotators: Sequence[Simulated], *,
    per_item: int, seed: int = 0,
) -> list[Given]:  # fmt: skip
    """Labels of pairs: truth is the right choice by task. Who is not right says any other thing."""
    rng = np.random.default_rng(seed)
    found = []
    for i, task in enumerate(tasks):
        for place in sorted(rng.choice(len(annotators), per_item, replace=False).tolist()):
            who = annotators[place]
            order = (0, 1) if rng.random() < 0.5 else (1, 0)
            right = who.right if who.later is None or 2 * i < len(tasks) else who.later
            choice = truth[task.id]
            if rng.random() >= right:
                choice = str(rng.choice([c for c in CHOICES[:3] if c != choice]))
            if rng.random() < who.first:
                choice = CHOICES[order[0]]
            label = Pair.model_validate({"choice": choice})
            found.append(_given(task, place, who, label, order, i, rng))
    return found


def mark(
    task: Task, first_wrong: int, who: Simulated, rng: np.random.Generator, *,
    probability: float = 1.0, at: int = 0,
) -> Given:  # fmt: skip
    """Mark a solution up to its first wrong step (the number of steps where there is none), or up
    to any other place where the annotator errs."""
    places = [place for place in range(task.steps + 1) if place != first_wrong]
    at_step = first_wrong if rng.random() < who.right else int(rng.choice(places))
    marks = tuple(None if t > at_step else -1 if t == at_step else 1 for t in range(task.steps))
    label = Steps.model_validate({"marks": marks, "complete": at_step == task.steps})
    return _given(task, 0, who, label, (0,), at, rng, probability)


def _given(
    task: Task, place: int, who: Simulated, label: Pair | Steps, order: tuple[int, ...], at: int,
    rng: np.random.Generator, probability: float = 1.0,
) -> Given:  # fmt: skip
    return Given(
        task=task.id,
        annotator=place,
        pseudonym=who.name,
        label=label,
        order=order,
        seconds=float(who.seconds * np.exp(0.5 * rng.standard_normal())),
        time=float(at),
        purpose="gold" if task.gold is not None else "label",
        probability=probability,
    )
