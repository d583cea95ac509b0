"""Is the first error found? What ProcessBench, MR-Ben and BIG-Bench Mistake count, subset by
subset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assay.benchmarks._pooled import Statistic, estimates, harmonic, over
from assay.benchmarks._records import NEVER, error_place, place, step_values
from assay.data.records import cluster_key
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Score, StepLabels, Unscored

__all__ = [
    "ACCURACY",
    "F1",
    "LOCATED",
    "MCC",
    "WRONG",
    "Counts",
    "OnUnscored",
    "by_subset",
    "count",
    "hits",
]

OnUnscored = Literal["leave_out", "wrong"]

WRONG, LOCATED, NOTICED, RIGHT, CLEARED, ALL = range(6)
"""Columns: wrong solutions, those whose first error is found, those where any is; right ones, those
called so; all."""

F1 = Statistic(
    formula=lambda c: harmonic(
        over(c[..., LOCATED], c[..., WRONG]), over(c[..., CLEARED], c[..., RIGHT])
    ),
    base=ALL,
    parts=(WRONG, RIGHT),
)
"""Harmonic mean of the accuracies on wrong and on right solutions (ProcessBench)."""


def _mcc(c: Array) -> Array:
    tp, tn = c[..., CLEARED], c[..., NOTICED]
    fp, fn = c[..., WRONG] - tn, c[..., RIGHT] - tp
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    # One prediction for everything correlates with nothing; one gold label has no correlation.
    undefined = (c[..., WRONG] == 0) | (c[..., RIGHT] == 0)
    return np.where(undefined, np.nan, np.where(below == 0, 0.0, over(tp * tn - fp * fn, below)))


MCC = Statistic(formula=_mcc, base=ALL, low=-1.0, parts=(WRONG, RIGHT))
"""Matthews correlation of "has an error" as predicted and as labelled."""

ACCURACY = {
    "accuracy_wrong": Statistic(formula=lambda c: over(c[..., LOCATED], c[..., WRONG]), base=WRONG),
    "accuracy_right": Statistic(formula=lambda c: over(c[..., CLEARED], c[..., RIGHT]), base=RIGHT),
    "accuracy": Statistic(
        formula=lambda c: over(c[..., LOCATED] + c[..., CLEARED], c[..., ALL]), base=ALL
    ),
}
"""Share of solutions whose first error, or lack of one, is found: of the wrong ones, the right
ones, all."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What `count` counts, one row a record."""

    columns: Array
    """(records, 6), see `WRONG` and the others."""
    counted: NDArray[np.bool_]
    """(records,) Whether the row enters the metrics."""
    unscored: NDArray[np.bool_]
    """(records,)"""
    prompts: Sequence[str]
    subsets: Sequence[str]


def count(
    records: Sequence[StepLabels],
    scores: Sequence[Sequence[Score | Unscored]],
    threshold: float,
    on_unscored: OnUnscored = "leave_out",
) -> Counts:
    """Compare the first step that scores below the threshold with the first wrong one.

    An unscored response is left out and counted, or a miss (`on_unscored="wrong"`), and never "no
    error".
    """
    values = step_values(records, scores)
    columns = np.zeros((len(records), 6))
    for i, (record, steps) in enumerate(zip(records, values, strict=True)):
        truth = error_place(record)
        predicted = None if steps is None else place(steps, threshold)
        wrong = truth != NEVER
        columns[i, WRONG], columns[i, RIGHT], columns[i, ALL] = wrong, not wrong, 1
        columns[i, LOCATED] = wrong and predicted == truth
        columns[i, NOTICED] = wrong and predicted not in (None, NEVER)
        columns[i, CLEARED] = not wrong and predicted == NEVER
    unscored = np.array([steps is None for steps in values])
    return Counts(
        columns=columns,
        counted=~unscored if on_unscored == "leave_out" else np.ones_like(unscored),
        unscored=unscored,
        prompts=[cluster_key(record) for record in records],
        subsets=[str(record.prompt.meta.get("subset", "all")) for record in records],
    )


def by_subset(
    counts: Counts, statistics: Mapping[str, Statistic], *, resamples: int, seed: int
) -> dict[str, Estimate]:
    """Each statistic as its unweighted mean over the subsets, and as "subset_statistic"."""
    names = list(dict.fromkeys(counts.subsets))
    which = np.array([names.index(subset) for subset in counts.subsets])
    width = counts.columns.shape[1]
    # Each subset in columns of its own, and at the end what all of them count.
    spread = np.zeros((len(which), (len(names) + 1) * width))
    for column in range(width):
        spread[np.arange(len(which)), which * width + column] = counts.columns[:, column]
    spread[:, len(names) * width :] = counts.columns

    def of(statistic: Statistic, subset: int) -> Statistic:
        start = subset * width
        return Statistic(
            formula=lambda c: statistic.formula(c[..., start : start + width]),
            base=start + statistic.base,
            low=statistic.low,
            parts=tuple(start + part for part in statistic.parts),
        )

    def mean(statistic: Statistic) -> Statistic:
        parts = [of(statistic, i) for i in range(len(names))]
        return Statistic(
            formula=lambda c: np.mean([part.formula(c) for part in parts], axis=0),
            base=len(names) * width + statistic.base,
            low=statistic.low,
            parts=tuple(len(names) * width + part for part in statistic.parts),
        )

    asked = {name: mean(statistic) for name, statistic in statistics.items()}
    for i, subset in enumerate(names):
        for name, statistic in statistics.items():
            asked[f"{subset}_{name}"] = of(statistic, i)
    return estimates(
        spread,
        asked,
        clusters=counts.prompts,
        counted=counts.counted,
        unscored=counts.unscored,
        resamples=resamples,
        seed=seed,
    )


def hits(
    records: Sequence[StepLabels], values: Sequence[Array], thresholds: Array
) -> NDArray[np.bool_]:
    """(records, thresholds): whether the first score below each threshold is at the first error, or
    is nowhere."""
    found = np.zeros((len(records), len(thresholds)), dtype=bool)
    for i, (record, steps) in enumerate(zip(records, values, strict=True)):
        # The first step below t comes after all whose running minimum is at least t.
        at = (np.minimum.accumulate(steps)[:, None] >= thresholds).sum(axis=0)
        found[i] = np.where(at == len(steps), NEVER, at) == error_place(record)
    return found
