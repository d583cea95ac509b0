"""`assay benchmark NAME FILES`: a reward model, or a file of scores, on a public benchmark."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import tyro

from assay.cli.choices import choices
from assay.cli.options import Executor, FailOn, Overwrite, check_conditions, end_where
from assay.protocols import Benchmark
from assay.specs.compute import Compute
from assay.specs.scorer_kinds import KINDS

B = TypeVar("B", bound=Benchmark[Any])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Compute, Generic[B]):
    """Measure scores on a benchmark, with 95 % intervals, beside baselines that need no model.

    The benchmark's files stand behind its name: assay benchmark processbench FILES --scorer SCORER.
    """

    benchmark: tyro.conf.OmitArgPrefixes[B]
    """Benchmark, its files behind it, and its settings."""
    scorer: Annotated[
        str | None,
        tyro.conf.arg(metavar="SCORER", help=f"Scorer, of steps where the benchmark is: {KINDS}."),
    ] = None

    scores: Path | None = None
    """Instead of a scorer: file of scores that exist, such as rows with `id` and `scores`, what
    `assay score` wrote, a published `prediction` of ProcessBench, or results of PRMBench's own
    programs."""
    save: Path | None = None
    """File to write the scores to, as rows with `id` and `scores`; NAME_outputs.jsonl,
    NAME_all.jsonl and NAME.json are written as RewardBench writes its results."""
    out: Path | None = None
    """Folder of the run, for benchmark.json, report.html and run.json."""
    executor: Executor = "local"
    fail_on: FailOn = ()

    overwrite: Overwrite = False

    def __call__(self) -> None:
        """Score, measure, print, and write the files."""
        from assay.workflows.benchmark import benchmark

        given = dict(vars(self))
        check_conditions(given.pop("fail_on"))
        result = benchmark(given.pop("benchmark"), **given, settings=self)
        print(result)
        end_where("benchmark", self.fail_on, {**result.metrics, **result.baselines})


def command(arguments: Sequence[str]) -> Any:
    """Return the command with all benchmarks, and one of the user's own where it is named."""
    generic: Any = Command
    return generic[choices("benchmarks", arguments)]
