"""`assay eval MODEL DATA`: how good a reward model is on records that it did not see."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from assay.errors import DataError
from assay.runs.outputs import check_run
from assay.runs.settings import dumps, write_atomic, write_run
from assay.specs.compute import Compute
from assay.specs.scorers import KINDS, scorer
from assay.specs.verifiers import verifier as verifier_of
from assay.types import Prompt, Ranking, Record, Unscored

if TYPE_CHECKING:
    from assay.evaluation import Report
    from assay.models.reward_model import RewardModel
    from assay.protocols import Scorer

__all__ = ["Command", "measure", "show"]

SHOWN = 3
"""Reasons told of what is unscored."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Measure a reward model: accuracy, calibration and best-of-n, with 95 % intervals, beside what
    costs nothing.

    The data holds preferences, rankings (pools of graded responses), outcomes or step labels.
    Unscored responses are counted, never taken for low scores.
    """

    model: Annotated[
        tyro.conf.Positional[str], tyro.conf.arg(metavar="SCORER", help=f"The scorer: {KINDS}.")
    ]

    data: tyro.conf.Positional[str]
    """File, folder or Hugging Face data set of labelled records."""

    out: Path | None = None
    """Folder for eval.json, report.html and run.json."""

    format: str | None = None
    """Format of the data, where it is not told by its columns."""

    set_aside: Path | None = None
    """Put malformed rows here instead of stopping at the first."""

    verifier: str = "numeric"
    """Finds the final answers that majority votes count, where the records are pools: numeric,
    math, package.module:Class, or none."""

    seed: int = 0
    """Seed of the bootstrap."""

    def __call__(self) -> None:
        """Score, measure, print, and write the files."""
        from assay.data import io

        if self.out is not None:
            check_run(self.out, "eval", writes=())
        found_by = scorer(
            self.model,
            device=self.device,
            dtype=self.dtype,
            micro_tokens=self.micro_tokens,
            verifier=None if self.verifier == "none" else verifier_of(self.verifier),
        )
        records: list[Record] = []
        prompts = 0
        for record in io.read(self.data, format=self.format, set_aside=self.set_aside):
            if isinstance(record, Prompt):
                prompts += 1
            else:
                records.append(record)
        if not records:
            raise DataError(
                f"{self.data} holds {prompts} prompts and no labelled response; give preferences or"
                " labels"
            )
        found = measure(found_by, records, verifier=self.verifier, seed=self.seed)
        show(found)
        if self.out is not None:
            self._write(self.out, found)

    def _write(self, out: Path, found: "Report") -> None:
        from assay.pages.evaluation import evaluation_sections, run_section
        from assay.report import write_report

        write_atomic(out / "eval.json", dumps(found.to_json(), indent=2) + "\n")
        run = json.loads(write_run(out, self, [Path(self.data)]).read_text())
        sections = [*evaluation_sections(found), run_section(run)]
        write_report(
            out / "report.html",
            f"Evaluation of {Path(self.model).name}",
            sections,
            subtitle=self.data,
        )
        print(f"wrote {out / 'eval.json'}, {out / 'report.html'} and {out / 'run.json'}")


def measure(
    model: "RewardModel | Scorer",
    records: Sequence[Record],
    *,
    verifier: str = "none",
    seed: int = 0,
) -> "Report":
    """Score the records with a model, or any scorer, and evaluate.

    Raises `DataError` where kinds are mixed, and, with the most frequent reasons, where nothing
    could be measured.
    """
    from assay.console.progress import progress
    from assay.evaluation import evaluate, groups_of
    from assay.models.reward_model import RewardModel
    from assay.scorers.local import LocalScorer

    groups = groups_of(records)
    scorer = LocalScorer(model) if isinstance(model, RewardModel) else model
    scores = []
    with progress("score", len(groups)) as bar:
        for start in range(0, len(groups), 256):
            scores += scorer.score(groups[start : start + 256])
            bar(len(scores), "")
    answers = None
    if verifier != "none" and all(isinstance(record, Ranking) for record in records):
        from assay.cli.bestof import answer

        checker = verifier_of(verifier)
        answers = [[answer(checker, response) for response in group.responses] for group in groups]
    probabilities = isinstance(scorer, LocalScorer) and scorer.model.readout.link == "sigmoid"
    found = evaluate(records, scores, probabilities=probabilities, answers=answers, seed=seed)
    reasons = Counter(
        score.reason for row in scores for score in row if isinstance(score, Unscored)
    )
    told = [f"{count} responses unscored: {reason}" for reason, count in reasons.most_common(SHOWN)]
    if not any(estimate.n for estimate in found.metrics.values()):
        raise DataError(
            f"nothing can be measured on {len(records)} records:"
            f" {'; '.join(told or found.notes[:1])}"
        )
    return dataclasses.replace(found, notes=[*found.notes, *told])


def show(found: "Report") -> None:
    """A table of every metric, its baselines below it."""
    from rich.console import Console
    from rich.table import Table

    from assay.stats import bracket

    table = Table(box=None, padding=(0, 1))
    for name in ("metric", "value", "95 % interval", "n", "unscored"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name, estimate in found.metrics.items():
        baselines = {key: e for key, e in found.baselines.items() if key.startswith(f"{name}/")}
        for key, e in ({name: estimate} | baselines).items():
            label = f"[bold]{name}[/bold]" if key == name else f"  {key.removeprefix(f'{name}/')}"
            table.add_row(label, f"{e.value:.3f}", bracket(e), str(e.n), str(e.unscored))
    Console().print(table)
    for note in found.notes:
        print(note)
