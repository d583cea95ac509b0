"""Benchmarks of scorers: records whose answers are known, metrics with intervals, and the baselines
beside them.

One benchmark a module. Each takes any `Scorer`, or a file of step scores that something else wrote,
and runs no model itself. The modules that begin with an underscore are what they share.
"""

from collections.abc import Sequence
from pathlib import Path

from assay.benchmarks._files import read_scores, with_step, write_scores
from assay.evaluation import Report
from assay.protocols import Benchmark, Scorer
from assay.types import Group, Score, StepLabels, Unscored

__all__ = ["evaluate", "measure", "read_scores", "score_steps", "with_step", "write_scores"]


def evaluate(benchmark: Benchmark[StepLabels], scorer: Scorer | str | Path) -> Report:
    """Measure a live scorer, or a file of step scores, on a benchmark, with its baselines.

    Raises `DataError` where the records, the file or the scores do not fit together.
    """
    records = benchmark.records()
    scores = (
        read_scores(scorer, records)
        if isinstance(scorer, (str, Path))
        else score_steps(scorer, records)
    )
    return measure(benchmark, records, scores)


def measure(
    benchmark: Benchmark[StepLabels],
    records: Sequence[StepLabels],
    scores: Sequence[Sequence[Score | Unscored]],
) -> Report:
    """A benchmark's metrics of scores, one group a record, with its baselines and what was not
    scored."""
    lost: dict[str, int] = {}
    for (score,) in scores:
        if isinstance(score, Unscored):
            lost[score.reason] = lost.get(score.reason, 0) + 1
    return Report(
        kind="process",
        metrics=benchmark.metrics(records, scores),
        baselines=benchmark.baselines(records),
        notes=[
            f"{count} of {len(records)} responses unscored: {reason}"
            for reason, count in lost.items()
        ],
    )


def score_steps(scorer: Scorer, records: Sequence[StepLabels]) -> list[list[Score | Unscored]]:
    """A scorer's scores, one group a record, in order.

    Responses to one question are given to the scorer as one group, so that what they share is
    computed once. What else the data says of them (the kind of error, whether the answer is right)
    is kept from it.
    """
    together: dict[tuple[object, ...], list[int]] = {}
    for i, record in enumerate(records):
        together.setdefault((record.prompt.shown, record.prompt.reference), []).append(i)
    groups = [
        Group(
            prompt=records[rows[0]].prompt.model_copy(update={"id": "", "meta": {}}),
            responses=tuple(records[i].response.model_copy(update={"meta": {}}) for i in rows),
        )
        for rows in together.values()
    ]
    found: dict[int, Score | Unscored] = {}
    for rows, scores in zip(together.values(), scorer.score(groups), strict=True):
        found |= zip(rows, scores, strict=True)
    return [[found[i]] for i in range(len(records))]
