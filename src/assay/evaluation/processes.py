"""Step labels: is each step judged rightly, and is the first wrong step found?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from assay import stats
from assay.data.records import cluster_key
from assay.errors import DataError
from assay.evaluation.calibration import calibrate
from assay.evaluation.report import Options, Report, histograms
from assay.stats import Estimate
from assay.stats.intervals import Array, cluster_ids
from assay.types import Score, StepLabels, Unscored

__all__ = ["evaluate"]

NEVER = -1
"""Index of the first wrong step where there is none."""


def evaluate(
    records: Sequence[StepLabels], scores: Sequence[Score | Unscored], options: Options
) -> Report:
    """Step accuracy, AUROC and calibration over labelled steps, and first-error accuracy over
    responses.

    A step is judged right at a score of 0.5 or more (0 or more where scores are logits) and is
    right at a label above
    0.5; labels of exactly 0.5 and None are not judged. The first error is as in ProcessBench
    (arXiv:2412.06559): a response counts where the first step judged wrong is the first wrong one,
    or neither exists.
    """
    kept = [i for i, score in enumerate(scores) if isinstance(score, Score)]
    threshold = 0.5 if options.probabilities else 0.0
    labels = [
        np.array([np.nan if y is None else y for y in records[i].labels], dtype=np.float64)
        for i in kept
    ]
    values = [_steps(records[i], scores[i], i) for i in kept]
    x, y = _joined(values), _joined(labels)
    prompts, _ = cluster_ids([cluster_key(records[i]) for i in kept], len(kept))
    judged = ~np.isnan(y) & (y != 0.5)
    where = np.repeat(prompts, [len(v) for v in values])[judged]
    x, y = x[judged], y[judged]
    sampling: dict[str, Any] = {
        "unscored": len(records) - len(kept),
        "resamples": options.resamples,
        "seed": options.seed,
    }
    right = (y > 0.5).astype(np.float64)
    agrees = ((x >= threshold) == (y > 0.5)).astype(np.float64)
    usual = right if right.sum() * 2 >= len(right) else 1 - right
    first_metrics, first_baselines, undecided = _first_errors(
        labels, values, threshold, prompts, sampling
    )
    found = calibrate(
        x, y, None, clusters=where, unscored=sampling["unscored"], options=options, prefix="step_"
    )
    return Report(
        kind="process",
        metrics={
            "step_accuracy": stats.proportion(agrees, clusters=where, **sampling),
            "step_accuracy_over_base_rate": stats.paired_difference(
                agrees, usual, clusters=where, within=(-1.0, 1.0), **sampling
            ),
            **first_metrics,
            **found.metrics,
        },
        baselines={
            "step_accuracy/base_rate": stats.proportion(usual, clusters=where, **sampling),
            **first_baselines,
            **found.baselines,
        },
        reliability=found.reliability,
        selective=found.selective,
        histograms=histograms({"right": x[right == 1], "wrong": x[right == 0]}),
        notes=[
            (
                f"{len(judged) - int(judged.sum())} of {len(judged)} steps have no label, or one of"
                " exactly 0.5, and were left out"
            ),
            (
                f"{undecided} of {len(kept)} responses have an unlabelled step before any wrong"
                " one, so that their first error is not known; they were left out of first-error"
                " accuracy"
            ),
            "unscored counts responses, not steps",
            *found.notes,
        ],
    )


def _first_errors(
    labels: Sequence[Array],
    values: Sequence[Array],
    threshold: float,
    prompts: Any,
    sampling: dict[str, Any],
) -> tuple[dict[str, Estimate], dict[str, Estimate], int]:
    gold = [_first(label, label < 0.5) for label in labels]
    known = [i for i, first in enumerate(gold) if first is not None]
    truth = np.array([gold[i] for i in known], dtype=np.intp)
    guess = np.array([_first(values[i], values[i] < threshold) for i in known], dtype=np.intp)
    hit, clean, where = (guess == truth).astype(np.float64), truth == NEVER, prompts[known]

    def over(mask: Any, credit: Array) -> Estimate:
        return stats.proportion(credit[mask], clusters=where[mask], **sampling)

    everything = np.ones(len(known), dtype=bool)
    metrics = {
        "first_error_accuracy": over(everything, hit),
        "first_error_accuracy_wrong": over(~clean, hit),
        "first_error_accuracy_right": over(clean, hit),
    }
    return (
        metrics,
        {"first_error_accuracy/never": over(everything, clean.astype(np.float64))},
        len(gold) - len(known),
    )


def _first(x: Array, wrong: Any) -> int | None:
    """Index of the first wrong step, `NEVER` where there is none; None where an unlabelled step
    leaves it open."""
    errors, unknown = np.flatnonzero(wrong), np.flatnonzero(np.isnan(x))
    if len(unknown) and (not len(errors) or unknown[0] < errors[0]):
        return None
    return int(errors[0]) if len(errors) else NEVER


def _steps(record: StepLabels, score: Score | Unscored, i: int) -> Array:
    if not isinstance(score, Score) or len(score.steps) != len(record.labels):
        have = len(score.steps) if isinstance(score, Score) else 0
        raise DataError(
            f"record {i}: {have} step scores for {len(record.labels)} steps; use a scorer that"
            " scores every step"
        )
    return np.array(score.steps, dtype=np.float64)


def _joined(arrays: Sequence[Array]) -> Array:
    return np.concatenate([np.empty(0), *arrays])
