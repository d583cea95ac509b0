"""`assay benchmark NAME DATA`: a process reward model, or a file of step scores, on a public
benchmark."""

import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

import tyro

from assay import components
from assay.cli.eval import show
from assay.errors import ConfigError
from assay.runs.settings import dumps, write_atomic, write_run
from assay.specs.compute import Compute
from assay.specs.scorers import scorer
from assay.types import Group, Record, Score, StepLabels, Unscored

if TYPE_CHECKING:
    from assay.evaluation import Report
    from assay.protocols import Benchmark, Scorer

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

CHUNK = 32
"""Groups scored at once."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Measure step scores on a benchmark, with 95 % intervals, beside baselines that need no
    model."""

    if TYPE_CHECKING:
        benchmark: Benchmark[Any]
    else:
        benchmark: tyro.conf.OmitArgPrefixes[Benchmarks]
        """Which benchmark, and its settings; `--data` names its files."""

    model: str | None = None
    """Scorer of the steps: a reward model's folder, a published one by name, or any other word
    (docs/explain/words.md), with settings behind it (NAME,key=value)."""

    scores: Path | None = None
    """Or a file of step scores that something else wrote: JSONL rows with `id` and `scores`."""

    save: Path | None = None
    """Write the model's step scores here, in that layout."""

    out: Path | None = None
    """Folder for benchmark.json, report.html and run.json."""

    def __call__(self) -> None:
        """Score, measure, print, and write the files."""
        from assay.benchmarks import measure, read_scores, score_steps, write_scores

        if (self.model is None) == (self.scores is None):
            raise ConfigError("give --model FOLDER or --scores FILE, one of the two")
        records = self.benchmark.records()
        if self.scores is not None:
            scores = read_scores(self.scores, records)
        else:
            scores = score_steps(InParts(self._scorer()), records)
            if self.save is not None:
                write_scores(self.save, records, scores)
        found = measure(self.benchmark, records, scores)
        show(found)
        if self.out is not None:
            self._write(self.out, found, records, [score for (score,) in scores])

    def _write(
        self,
        out: Path,
        found: "Report",
        records: Sequence[Record],
        scores: Sequence[Score | Unscored],
    ) -> None:
        from assay.pages.evaluation import evaluation_sections, run_section
        from assay.pages.solutions import solutions_section
        from assay.report import write_report

        write_atomic(out / "benchmark.json", dumps(found.to_json(), indent=2) + "\n")
        run = json.loads(write_run(out, self, [self.scores] if self.scores else []).read_text())
        name, subject = (
            components.name_of(type(self.benchmark)).partition("/")[2],
            str(self.model or self.scores),
        )
        sections = evaluation_sections(found)
        if steps := [
            (r, s) for r, s in zip(records, scores, strict=True) if isinstance(r, StepLabels)
        ]:
            sections.append(solutions_section([r for r, _ in steps], [s for _, s in steps]))
        sections.append(run_section(run))
        write_report(
            out / "report.html", f"{name} of {Path(subject).name}", sections, subtitle=subject
        )
        print(f"wrote {out / 'benchmark.json'}, {out / 'report.html'} and {out / 'run.json'}")

    def _scorer(self) -> "Scorer":
        assert self.model is not None
        return scorer(
            self.model, device=self.device, dtype=self.dtype, micro_tokens=self.micro_tokens
        )


@dataclasses.dataclass(frozen=True)
class InParts:
    """A scorer that shows how far it is."""

    scorer: "Scorer"

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """The same scores, some groups at a time."""
        from assay.console.progress import progress

        found: list[list[Score | Unscored]] = []
        with progress("score", len(groups)) as bar:
            for start in range(0, len(groups), CHUNK):
                found += self.scorer.score(groups[start : start + CHUNK])
                bar(len(found), "")
        return found
