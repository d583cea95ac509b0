"""What a benchmark gives without a model: scores that always say the same, or nothing but chance.

They are scores like any other, and measured by the same code as a model's.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from assay.benchmarks._records import NEVER, known_error
from assay.errors import DataError
from assay.stats import Estimate
from assay.types import Score, StepLabels, Unscored

__all__ = ["Metrics", "coin", "gold", "measured", "places", "swapped", "validate"]

Metrics = Callable[
    [Sequence[StepLabels], Sequence[Sequence[Score | Unscored]]], dict[str, Estimate]
]
Scores = list[list[Score | Unscored]]


def places(records: Sequence[StepLabels], seed: int) -> dict[str, Scores]:
    """Baselines that say where the first error is: nowhere, at the first step, at the commonest
    place, anywhere.

    `random` draws from a solution's steps and "nowhere", all alike. `majority_position` is the
    commonest place of an error among the wrong solutions of these records (so it has seen the
    labels), or nowhere in a shorter solution.
    """
    errors = Counter(at for record in records if (at := known_error(record)) not in (None, NEVER))
    commonest = min(errors, key=lambda at: (-errors[at], at), default=NEVER)
    rng = np.random.default_rng(seed)
    return {
        "always_right": [_at(record, NEVER) for record in records],
        "first_step": [_at(record, 0) for record in records],
        "majority_position": [_at(record, commonest) for record in records],
        "random": [_at(record, int(rng.integers(NEVER, len(record.labels)))) for record in records],
    }


def coin(records: Sequence[StepLabels], seed: int) -> Scores:
    """Each step right or wrong by the toss of a coin."""
    rng = np.random.default_rng(seed)
    return [
        _scores(rng.integers(0, 2, size=len(record.labels)).astype(float).tolist())
        for record in records
    ]


def measured(
    metrics: Metrics, records: Sequence[StepLabels], baselines: dict[str, Scores]
) -> dict[str, Estimate]:
    """The metrics of each baseline, as "metric/baseline"."""
    found: dict[str, Estimate] = {}
    for baseline, scores in baselines.items():
        of_baseline = metrics(records, scores)
        found |= {f"{metric}/{baseline}": estimate for metric, estimate in of_baseline.items()}
    return found


def gold(records: Sequence[StepLabels]) -> Scores:
    """The labels as scores; steps without a label, which are after an error, are wrong."""
    return [_scores([label or 0.0 for label in record.labels]) for record in records]


def swapped(records: Sequence[StepLabels]) -> Scores:
    """Every label turned round."""
    return [_scores([1.0 - (label or 0.0) for label in record.labels]) for record in records]


def validate(metrics: Metrics, records: Sequence[StepLabels], headline: str) -> None:
    """Raises `DataError` unless the gold labels give 1 and the swapped ones less."""
    best, worst = (
        metrics(records, scores)[headline].value for scores in (gold(records), swapped(records))
    )
    if not (abs(best - 1) < 1e-9 and worst < 1):
        raise DataError(
            f"{headline} is {best:g} for the gold labels and {worst:g} for wrong ones, where 1 and"
            " less are due; give records with both right and wrong solutions in every subset"
        )


def _at(record: StepLabels, at: int) -> list[Score | Unscored]:
    return _scores([0.0 if i == at else 1.0 for i in range(len(record.labels))])


def _scores(steps: list[float]) -> list[Score | Unscored]:
    return [Score(value=min(steps), steps=tuple(steps))]
