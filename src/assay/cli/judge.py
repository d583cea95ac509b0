"""`assay judge WHAT DATA --judge SPEC`: let a language model, a decision server or a reward model
judge: pairs, responses, by a rubric, step by step, or typed questions.

What is paid for is kept as it comes: a run that was stopped resumes where it was, and runs may
share a ledger. What has no verdict is counted, never taken for a tie or a zero.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, ClassVar

import tyro

from assay.cli.options import (
    Aside,
    Data,
    Executor,
    FailOn,
    Format,
    Overwrite,
    check_conditions,
    end_where,
)
from assay.specs.answerers import KINDS
from assay.specs.compute import Compute
from assay.specs.judges import GRAMMAR

__all__ = ["COMMANDS"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judging(Compute):
    """Settings that all kinds of judging share."""

    data: Data
    """Records to judge: file, folder or Hugging Face data set."""
    judge: Annotated[str, tyro.conf.arg(metavar="JUDGE", help=f"Judge: {GRAMMAR}.")]
    out: Path
    """Folder of the run, for verdicts.jsonl, judge.json, report.html and run.json."""
    ledger: Path | None = None
    """File of paid answers, which several runs may share; without it, one in the run's folder."""
    repeats: int | None = None
    """Texts per question, whose verdicts are counted."""
    prices: str | None = None
    """Money per million tokens read and written, IN:OUT or IN:OUT:CACHED, for the bill."""
    limit: int | None = None
    """Most records to judge."""
    format: Format = None
    set_aside: Aside = None
    executor: Executor = "local"
    seed: int = 0
    """Seed of the intervals."""
    chunk: int = 128
    """Records judged and kept at once."""
    overwrite: Overwrite = False
    fail_on: FailOn = ()

    how: ClassVar[Any]

    def __call__(self) -> None:
        """Judge, print, and write the files."""
        from assay.workflows.judge import judge

        check_conditions(self.fail_on)
        given = {key: value for key, value in vars(self).items() if key != "fail_on"}
        result = judge(**given, how=self.how, settings=self)
        print(result)
        end_where("judge", self.fail_on, result.metrics)


@dataclasses.dataclass(frozen=True, kw_only=True)
class JudgePairs(Judging):
    """Compare pairs of responses, in both orders unless the judge says else.

    Data: preferences, or groups of two responses. Reported are accuracy beside its baselines, in
    one order and in both, flips, ties, and the judge's biases.
    """

    how: ClassVar[Any] = "pairs"


@dataclasses.dataclass(frozen=True, kw_only=True)
class JudgePoints(Judging):
    """Score responses one at a time, or each among those of its prompt.

    Data: any records with responses; where they have labels, scores are measured against them.
    """

    how: ClassVar[Any] = "points"


@dataclasses.dataclass(frozen=True, kw_only=True)
class JudgeRubric(Judging):
    """Score responses by the criteria of a rubric: rubric:FILE@ANSWERER, or each prompt's own."""

    how: ClassVar[Any] = "rubric"


@dataclasses.dataclass(frozen=True, kw_only=True)
class JudgeSteps(Judging):
    """Find the first wrong step of solutions: steps:ANSWERER.

    Data: step labels.
    """

    how: ClassVar[Any] = "steps"


@dataclasses.dataclass(frozen=True, kw_only=True)
class JudgeDecide(Judging):
    """Answer typed questions, and measure the answers against gold distributions.

    Data: rows of a state with questions (typed-decisions, NeMo AutoModel).
    """

    judge: Annotated[str, tyro.conf.arg(metavar="ANSWERER", help=f"Answerer: {KINDS}.")]

    how: ClassVar[Any] = "decide"


COMMANDS: dict[str, Any] = {
    "pairs": JudgePairs,
    "points": JudgePoints,
    "rubric": JudgeRubric,
    "steps": JudgeSteps,
    "decide": JudgeDecide,
}
