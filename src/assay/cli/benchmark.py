"""`assay benchmark NAME --data FILES`: a process reward model, or a file of step scores, on a
public benchmark."""

import dataclasses
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

import tyro

from assay import components
from assay.cli.options import FailOn, Overwrite
from assay.specs.compute import Compute
from assay.specs.scorers import ScorerWord
from assay.stats.conditions import check_conditions

if TYPE_CHECKING:
    from assay.protocols import Benchmark

__all__ = ["Command"]

if not TYPE_CHECKING:
    Benchmarks = Union[  # noqa: UP007
        tuple(
            Annotated[components.load("benchmarks", n), tyro.conf.subcommand(n, prefix_name=False)]
            for n in [
                *components.names("benchmarks"),
                *filter(re.compile(r"[\w.]+:\w+").fullmatch, sys.argv),
            ]
        )
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Measure step scores on a benchmark, with 95 % intervals, beside baselines that need no
    model."""

    if TYPE_CHECKING:
        benchmark: Benchmark[Any]
    else:
        benchmark: tyro.conf.OmitArgPrefixes[Benchmarks]
        """Benchmark and its settings; `--data` names its files."""

    scorer: ScorerWord | None = None

    scores: Path | None = None
    """File of step scores instead: JSONL rows with `id` and `scores`, or what `assay score`
    wrote."""

    save: Path | None = None
    """File to write the scorer's step scores to, in that layout."""

    out: Path | None = None
    """Folder of the run, for benchmark.json, report.html and run.json."""

    overwrite: Overwrite = False

    fail_on: FailOn = ()

    def __call__(self) -> None:
        """Score, measure, print, and write the files."""
        from assay.workflows.benchmark import benchmark

        given = dict(vars(self))
        conditions = given.pop("fail_on")
        check_conditions(conditions)
        result = benchmark(given.pop("benchmark"), **given, settings=self)
        print(result)
        result.fail_on(conditions)
