"""Keep what two labellers agree on: rollouts judge a step by where it leads, a judge by what it
says.

Two labellings of one solution agree where they put the first wrong step in the same place, or both
find none. In arXiv:2501.07301 about 40 % of solutions survived that, and trained better models than
all of them. A label counts as wrong below one half, as right above it; one that is None or exactly
one half before any wrong step leaves the place open, and agrees with nothing.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from assay.errors import DataError
from assay.types import Score, StepLabels, Unscored

__all__ = ["Agreement", "consensus", "first_wrong", "labelled", "truncate"]

L = TypeVar("L", bound=StepLabels)


@dataclass(frozen=True)
class Agreement:
    """How many solutions two labellers saw alike."""

    agree: int
    disagree: int
    open: int
    """One of them leaves the first wrong step open."""
    alone: int
    """The second labeller has no such solution."""


def first_wrong(labels: Sequence[float | None]) -> int | Literal["open"] | None:
    """Index of the first wrong step; None where every step is right; "open" where that cannot be
    told."""
    for i, label in enumerate(labels):
        if label is None or label == 0.5:
            return "open"
        if label < 0.5:
            return i
    return None


def consensus(first: Iterable[L], second: Iterable[StepLabels]) -> tuple[list[L], Agreement]:
    """The first labeller's records that the second agrees with, in their order, and how many did
    not.

    Solutions are matched by prompt and steps. Raises `DataError` where the second has a solution
    twice, labelled differently.
    """
    others: dict[Hashable, tuple[float | None, ...]] = {}
    for record in second:
        if others.setdefault(_key(record), record.labels) != record.labels:
            raise DataError(
                f"a solution of {record.prompt.text[:60]!r} is there twice, with other labels; give"
                " each solution once"
            )
    kept: list[L] = []
    disagree = open_ = alone = 0
    for mine in first:
        if (theirs := others.get(_key(mine))) is None:
            alone += 1
            continue
        places = first_wrong(mine.labels), first_wrong(theirs)
        if "open" in places:
            open_ += 1
        elif places[0] == places[1]:
            kept.append(mine)
        else:
            disagree += 1
    return kept, Agreement(len(kept), disagree, open_, alone)


def labelled(
    records: Sequence[L], scores: Sequence[Sequence[Score | Unscored]]
) -> list[StepLabels]:
    """The records with a scorer's step scores for labels, which are probabilities; scores: one
    response a record. What could not be scored has no labels, and agrees with nothing.

    Raises `DataError` for scores that are no probabilities of the steps.
    """
    found = []
    for record, (score,) in zip(records, scores, strict=True):
        steps: tuple[float | None, ...] = (None,) * len(record.response.steps)
        if isinstance(score, Score):
            steps = score.steps
            if len(steps) != len(record.response.steps) or not all(
                0 <= p <= 1 for p in score.steps
            ):
                raise DataError(
                    f"a solution of {len(record.response.steps)} steps is scored"
                    f" {list(score.steps[:8])}; labels need a probability for each step"
                )
        found.append(StepLabels(prompt=record.prompt, response=record.response, labels=steps))
    return found


def truncate(record: L) -> L:
    """The record without labels after the first wrong step: what follows an error is neither right
    nor wrong."""
    end = next(
        (i for i, y in enumerate(record.labels, 1) if y is not None and y < 0.5), len(record.labels)
    )
    return record.model_copy(
        update={"labels": (*record.labels[:end], *(None,) * (len(record.labels) - end))}
    )


def _key(record: StepLabels) -> Hashable:
    return record.prompt.shown, record.response.steps, record.response.turns
