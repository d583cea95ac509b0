"""From records and their scores to metrics with intervals, beside the baselines that need no model.

No model is run here: scores come as `Scorer.score` gives them. Every number is clustered by prompt,
counts what could not be scored, and stands beside its cheap baselines, because many a benchmark is
won by length.
"""

from collections.abc import Hashable, Sequence
from typing import TypeVar

from assay.data.records import responses_of
from assay.errors import DataError
from assay.evaluation import outcomes, pools, preferences, processes
from assay.evaluation.report import Histogram, Options, Report
from assay.types import Preference, Ranking, Record, Score, StepLabels, Unscored

__all__ = ["Histogram", "Report", "evaluate"]

R = TypeVar("R", bound=Record)


def evaluate(
    records: Sequence[Record],
    scores: Sequence[Sequence[Score | Unscored]],
    *,
    probabilities: bool = False,
    answers: Sequence[Sequence[Hashable | None]] | None = None,
    ns: Sequence[int] | None = None,
    bins: int = 10,
    resamples: int = 2000,
    seed: int = 0,
    temperature: float = 1.0,
) -> Report:
    """Measure a scorer on records of one kind.

    scores: one group a record, one score a response (a `StepLabels` record is a group of one), as
    `Scorer.score` gives them for `as_groups(records)`. probabilities: whether values are in [0, 1],
    where outcome and process models can be calibrated; otherwise they are logits or rewards.
    answers: a key of the final answer of each response, equal where the answers are and None for
    none, which adds majority votes to the curves. ns: sizes of best-of-n; powers of two up to the
    pool by default. temperature: what margins of pairs are divided by to be log-odds.

    Raises `DataError` when there is nothing to evaluate, kinds are mixed, or shapes disagree.
    """
    _check(records, scores, answers)
    options = Options(
        probabilities=probabilities,
        ns=tuple(sorted(set(ns))) if ns else None,
        bins=bins,
        resamples=resamples,
        seed=seed,
        temperature=temperature,
    )
    if preferred := _all(records, Preference):
        return preferences.evaluate(preferred, scores, options)
    if ranked := _all(records, Ranking):
        return pools.evaluate(ranked, scores, answers, options)
    labelled = _all(records, StepLabels)
    if all(label is None for record in labelled for label in record.labels[:-1]):
        return outcomes.evaluate(labelled, [group[0] for group in scores], answers, options)
    return processes.evaluate(labelled, [group[0] for group in scores], options)


def _all(records: Sequence[Record], kind: type[R]) -> list[R]:
    return [record for record in records if isinstance(record, kind)]


def _check(
    records: Sequence[Record],
    scores: Sequence[Sequence[Score | Unscored]],
    answers: Sequence[Sequence[Hashable | None]] | None,
) -> None:
    if not records:
        raise DataError("there is no record to evaluate")
    kinds = sorted({type(record).__name__ for record in records})
    if len(kinds) > 1 or kinds[0] not in ("Preference", "Ranking", "StepLabels"):
        raise DataError(
            f"records of {', '.join(kinds)}; evaluate one of Preference, Ranking or StepLabels at a"
            " time"
        )
    for name, groups in (("scores", scores), ("answers", answers)):
        if groups is None:
            continue
        if len(groups) != len(records):
            raise DataError(
                f"{len(groups)} groups of {name} for {len(records)} records; give one a record"
            )
        for i, (record, group) in enumerate(zip(records, groups, strict=True)):
            if len(group) != len(responses_of(record)):
                raise DataError(
                    f"record {i}: {len(group)} {name} for {len(responses_of(record))} responses"
                )
