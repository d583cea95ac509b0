"""Measure a reward model, or a file of scores, on a public benchmark."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay import benchmarks, components
from assay.data.records import as_groups
from assay.data.scores import file_of
from assay.errors import ConfigError, DataError
from assay.protocols import Benchmark, Scorer
from assay.scorers.column import Column
from assay.scorers.verifier import unstated
from assay.specs.compute import Weights
from assay.types import Group, Record, Score, StepLabels, Unscored
from assay.workflows._data import named
from assay.workflows._folder import opened
from assay.workflows._output import described
from assay.workflows.evaluate import Evaluation
from assay.workflows.score import in_parts, scorer_at

if TYPE_CHECKING:
    from assay.report.html import Section

__all__ = ["benchmark"]

CHUNK = 32
"""Groups scored at once."""
KEPT = "kept.jsonl"
"""Journal of what actors score."""


def benchmark(
    name: str | Benchmark[Any],
    scorer: str | Scorer | None = None,
    *,
    scores: str | Path | None = None,
    data: str | Path | Iterable[str | Path] = (),
    save: str | Path | None = None,
    out: str | Path | None = None,
    micro_tokens: int = 8192,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    device: str = "auto",
    executor: str = "local",
    overwrite: bool = False,
    settings: object = None,
) -> Evaluation:
    """Measure scores on a benchmark, with 95 % intervals, beside baselines that need no model.

    name: such as "processbench", or a benchmark with settings of its own. scorer: a word (see
    `load_scorer`) or an object; or scores: a file of scores that exist, such as one {"id",
    "scores"} per line (see `assay.data.scores`). data: the benchmark's files. save: file
    to write the scores to, in RewardBench's layout where it is named so (see
    `benchmarks.write_scores`). out: folder for benchmark.json, report.html and run.json. executor:
    as for `score`. settings: what `run.json` holds; None is this call.

    Raises `ConfigError` unless one of scorer and scores is given, `DataError` where the records and
    the scores do not fit together.
    """
    body = settings or described("benchmark", **locals())
    if (scorer is None) == (scores is None):
        raise ConfigError(
            "give a scorer (--scorer WORD) or a file of scores (--scores FILE), one of the two"
        )
    files = named(scores and file_of(scores))
    with opened(out, body, "benchmark", data=files, overwrite=overwrite) as run:
        asked = benchmark_of(name, data)
        records = asked.records()
        notes: list[str] = []
        if scorer is None:
            found = benchmarks.read_scores(str(scores), records)
        else:
            kept = None if run is None else run.folder / KEPT
            # A column is only read, from what the data says of the responses.
            at = "local" if str(scorer).startswith("column:") else executor
            with scorer_at(at, scorer, device, dtype, weights, micro_tokens) as by:
                found = _scored(by, records, kept)
                notes = unstated(by)
        reasons = [score.reason for row in found for score in row if isinstance(score, Unscored)]
        if len(reasons) == sum(map(len, found)):
            raise DataError(
                f"nothing can be measured on {len(records)} records, for all responses are"
                f" unscored: {reasons[0]}"
            )
        if save is not None:
            benchmarks.write_scores(Path(save), records, found)
        subject = scorer if scores is None else scores
        of = str(subject) if isinstance(subject, (str, Path)) else type(subject).__name__
        measured = benchmarks.measure(asked, records, found)
        measured.notes.extend(notes)
        title = components.name_of(type(asked)).partition("/")[2]
        return Evaluation(
            name=f"{title} of {Path(of).name}",
            of=of,
            measured=measured,
            job="benchmark",
            settings=body,
            data=files,
            more=lambda: _examples(records, found),
        ).written_in(run)


def _scored(
    scorer: Scorer, records: Sequence[Any], kept: Path | None
) -> list[list[Score | Unscored]]:
    """Ask a scorer, which sees nothing that the data says of the responses; a column is such."""
    if isinstance(getattr(scorer, "scorer", scorer), Column):
        groups = as_groups(records)
        return [
            list(map(benchmarks.with_step, row, group.responses))
            for row, group in zip(scorer.score(groups), groups, strict=True)
        ]
    steps = all(isinstance(record, StepLabels) for record in records)
    return benchmarks.score_steps(_InParts(scorer, kept, steps), records)


def benchmark_of(
    name: str | Benchmark[Any], data: str | Path | Iterable[str | Path]
) -> Benchmark[Any]:
    """The benchmark of a name, over these files; a benchmark is returned as it is."""
    if not isinstance(name, str):
        return name
    if name == "typed-decisions":
        raise ConfigError(
            "typed-decisions is answered, not scored; measure an answerer on it with"
            ' assay.judge(data, judge=ANSWERER, how="decide", out=FOLDER)'
        )
    files = (data,) if isinstance(data, (str, Path)) else tuple(data)
    made: Benchmark[Any] = components.load("benchmarks", name)(data=tuple(map(str, files)))
    return made


class _InParts:
    """A scorer that shows its progress, and is refused early where it scores no steps."""

    def __init__(self, scorer: Scorer, kept: Path | None, every_step: bool) -> None:
        self._scorer, self._kept, self._every_step = scorer, kept, every_step

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """The same scores, some groups at a time."""
        return in_parts(self._scorer, groups, CHUNK, self._kept, every_step=self._every_step)


def _examples(
    records: Sequence[Record], scores: Sequence[Sequence[Score | Unscored]]
) -> "list[Section]":
    """Some solutions, step by step, or the most certain mistakes."""
    from assay.pages.examples import mistakes
    from assay.pages.solutions import solutions_section

    solutions = [record for record in records if isinstance(record, StepLabels)]
    if len(solutions) < len(records):
        return mistakes(records, scores)
    return [solutions_section(solutions, [score for (score,) in scores])]
