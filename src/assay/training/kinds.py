"""Give a loss the kind of record it learns from, where the data says as much in another kind."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from assay.errors import DataError
from assay.protocols import Loss
from assay.types import Preference, Ranking, Record, StepLabels

__all__ = ["as_consumed"]

HOLDS = {
    Preference: "bradley-terry, or plackett-luce, for preferences",
    Ranking: "plackett-luce, or bradley-terry over pairs, for rankings",
    StepLabels: "step-bce for step labels, outcome for labels of the final answer",
}


def as_consumed(record: Record, loss: Loss) -> Iterator[Record]:
    """The record itself; a preference as a ranking of two; a ranking as a preference for every pair
    of unlike grade.

    Raises `DataError` for every other pair of kinds.
    """
    wanted: type[Any] = loss.consumes
    if isinstance(record, wanted):
        yield record
    elif isinstance(record, Preference) and wanted is Ranking:
        yield Ranking(
            prompt=record.prompt,
            responses=record.responses,
            grades=(record.prefer, 1 - record.prefer),
        )
    elif isinstance(record, Ranking) and wanted is Preference:
        graded = sorted(
            zip(record.grades, record.responses, strict=True), key=lambda pair: -pair[0]
        )
        for (better, first), (worse, second) in combinations(graded, 2):
            if better > worse:
                yield Preference(prompt=record.prompt, responses=(first, second), prefer=1.0)
    else:
        help_ = HOLDS.get(type(record), "a file of preferences, rankings or step labels")
        raise DataError(
            f"{type(loss).__name__} learns from {wanted.__name__} records, and the data holds "
            f"{type(record).__name__} records; use {help_}"
        )
