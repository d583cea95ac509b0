"""`assay audit gate` and `assay audit gate-check`: may this judge score?"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from assay.cli.options import Data, Format
from assay.specs.compute import Compute
from assay.specs.judges import GRAMMAR
from assay.specs.scorer_kinds import KINDS

__all__ = ["AuditGate", "AuditGateCheck"]

JudgeWord = Annotated[
    str, tyro.conf.arg(metavar="JUDGE", help=f"Judge: {GRAMMAR}. Or any scorer: {KINDS}.")
]


@dataclass(frozen=True, kw_only=True)
class AuditGate(Compute):
    """Hold a judge against what people say, and write gate.json: whether it may score.

    Labels: rows of {prompt, response, verdict} (yes or no) or {prompt, responses: [two], verdict}
    (first, second or tie), with rater, criterion, subset and probability where there are any; or
    records with labels. Ends with 1 where the gate is closed, which is written as well.
    """

    labels: Data
    """What people say: file, folder or Hugging Face data set."""
    judge: JudgeWord
    out: Path
    """File for the gate. It holds the texts of its anchors."""
    floor: float = 0.85
    """Least agreement, overall and for every criterion and subset."""
    rule: Literal["lower", "point"] = "lower"
    """What must reach the floor: the lower end of agreement's 95 % interval, or its value."""
    threshold: float | None = None
    """Least score of a response that means yes; without it 0.5, for scores in [0, 1]."""
    by: Literal["human", "ai", "program"] = "human"
    """Who labelled; a gate by labels of a model stays closed."""
    blind: Literal["yes", "no", "unknown"] = "unknown"
    """Whether raters did not see the judge's verdicts; where they did, the gate stays closed."""
    days: int = 90
    """Days until the gate expires."""
    anchors: int = 40
    """Labels that are kept in the gate, to be asked again."""
    format: Format = None
    seed: int = 0
    """Seed of the anchors and of the intervals."""

    def __call__(self) -> None:
        """Measure, write, print, and end with 1 where the gate is closed."""
        from assay.workflows.gate import gate

        found = gate(**vars(self))
        print(f"{found}\nwrote {self.out}")
        if found.reasons:
            print("assay audit gate: the gate is closed", file=sys.stderr)
            raise SystemExit(1)


@dataclass(frozen=True, kw_only=True)
class AuditGateCheck(Compute):
    """Check a judge against its gate: the same judge, open, not expired, and no drift.

    The anchors in the gate are asked again, past any ledger. Ends with 1 where the judge may not
    score.
    """

    gate: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="GATE")]
    """File of the gate."""
    judge: JudgeWord
    update: bool = False
    """Append what the anchors showed to GATE.checks.jsonl; by default nothing is written."""

    def __call__(self) -> None:
        """Check, print, and end with 1 where the gate is closed."""
        from assay.workflows.gate import check_gate

        given = dict(vars(self))
        found = check_gate(given.pop("gate"), **given)
        print(found)
        if found.reasons:
            print("assay audit gate-check: the gate is closed", file=sys.stderr)
            raise SystemExit(1)
