"""`assay eval DATA --scorer SCORER`: how good a scorer is on labelled records."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from assay.cli.options import Aside, Data, FailOn, Format, Overwrite, check_conditions, end_where
from assay.specs.compute import Compute
from assay.specs.scorer_kinds import KINDS

__all__ = ["Command"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Measure a scorer: accuracy, calibration and best-of-n, with 95 % intervals, beside baselines
    that need no model.

    The data holds preferences, rankings (pools of graded responses), outcomes or step labels.
    Unscored responses are counted, never taken for low scores.
    """

    data: Data
    """Labelled records: file, folder or Hugging Face data set."""
    scorer: Annotated[str | None, tyro.conf.arg(metavar="SCORER", help=f"Scorer: {KINDS}.")] = None

    scores: Path | None = None
    """Instead of a scorer: file of scores that exist, matched by texts, by id or by the data's
    order."""
    probabilities: bool = False
    """Scores of a file or a column are probabilities: steps are right from 0.5 on, and not from
    0."""
    out: Path | None = None
    """Folder of the run, for eval.json, report.html and run.json."""
    format: Format = None
    set_aside: Aside = None

    verifier: Annotated[str, tyro.conf.arg(metavar="VERIFIER")] = "numeric"
    """Verifier that finds the final answers which majority votes count, where the records are
    pools, and that the scorer "verifier" stands for: numeric, math, package.module:Class, or
    none."""
    fail_on: FailOn = ()

    overwrite: Overwrite = False

    seed: int = 0
    """Seed of the bootstrap."""

    def __call__(self) -> None:
        """Score, measure, print, and write the files."""
        from assay.workflows.evaluate import evaluate

        given = dict(vars(self))
        check_conditions(given.pop("fail_on"))
        result = evaluate(**given, settings=self)
        print(result)
        end_where("eval", self.fail_on, {**result.metrics, **result.baselines})
