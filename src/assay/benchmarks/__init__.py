"""Benchmarks of scorers: records whose answers are known, metrics with intervals, and the baselines
beside them.

One benchmark a module. Each takes any `Scorer`, or a file of scores that something else wrote, and
runs no model itself. The modules that begin with an underscore are what they share.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.benchmarks._files import read_scores, with_step, write_scores
from assay.data.records import prompt_of, responses_of
from assay.data.rubrics.layouts import KEY as RUBRIC
from assay.evaluation import Report
from assay.protocols import Benchmark, Scorer
from assay.types import Group, Prompt, Record, Score, StepLabels, Unscored

__all__ = ["evaluate", "measure", "read_scores", "score_steps", "with_step", "write_scores"]


def evaluate(benchmark: Benchmark[Any], scorer: Scorer | str | Path) -> Report:
    """Measure a live scorer, or a file of scores, on a benchmark, with its baselines.

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
    benchmark: Benchmark[Any], records: Sequence[Any], scores: Sequence[Sequence[Score | Unscored]]
) -> Report:
    """A benchmark's metrics of scores, one group a record, with its baselines and what was not
    scored."""
    every = [score for row in scores for score in row]
    lost = Counter(score.reason for score in every if isinstance(score, Unscored))
    return Report(
        kind="process" if isinstance(records[0], StepLabels) else "ranking",
        metrics=benchmark.metrics(records, scores),
        baselines=benchmark.baselines(records),
        notes=[
            f"{count} of {len(every)} responses unscored: {reason}"
            for reason, count in lost.items()
        ],
    )


def score_steps(scorer: Scorer, records: Sequence[Record]) -> list[list[Score | Unscored]]:
    """A scorer's scores, one group a record, in order.

    Responses to one question are given to the scorer as one group, so that what they share is
    computed once. What else the data says of them (the kind of error, whether the answer is right)
    is kept from it, but for a question's rubric.
    """
    together: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for i, record in enumerate(records):
        prompt = prompt_of(record)
        places = [(i, j) for j in range(len(responses_of(record)))]
        key = prompt.shown, prompt.reference, repr(prompt.meta.get(RUBRIC))
        together.setdefault(key, []).extend(places)
    groups = [
        Group(
            prompt=_asked(prompt_of(records[places[0][0]])),
            responses=tuple(
                responses_of(records[i])[j].model_copy(update={"meta": {}}) for i, j in places
            ),
        )
        for places in together.values()
    ]
    found: dict[tuple[int, int], Score | Unscored] = {}
    for places, scores in zip(together.values(), scorer.score(groups), strict=True):
        found |= zip(places, scores, strict=True)
    return [
        [found[i, j] for j in range(len(responses_of(record)))] for i, record in enumerate(records)
    ]


def _asked(prompt: Prompt) -> Prompt:
    """Return what a scorer sees of a prompt."""
    meta = {key: value for key, value in prompt.meta.items() if key == RUBRIC}
    return prompt.model_copy(update={"id": "", "meta": meta})
