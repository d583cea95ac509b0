"""JudgeArena's annotations: {judge_completion, instruction_index, model_A, model_B, judge}.

The judge wrote a score for each ("score A: 7"); the last one of each counts, since a judge may
quote the answers. Equal scores are a tie, and a text without both is no verdict, where JudgeArena
takes a tie.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from assay.arena.ballots import Ballot
from assay.arena.votes import Outcome
from assay.data import fields

__all__ = ["ballots", "matches"]

SCORE: Final = re.compile(
    r"score[ _]*(?:of|for)?[ _]*(?:assistant[ _]*)?([ab])\W{0,6}?(-?\d+)", re.I
)


def matches(row: Mapping[str, Any]) -> bool:
    """Two models and what the judge wrote."""
    return {"judge_completion", "model_A", "model_B"} <= row.keys()


def ballots(row: Mapping[str, Any]) -> Iterator[Ballot]:
    """One vote a row."""
    said = row["judge_completion"]
    scores = {
        side.lower(): int(n) for side, n in SCORE.findall(said if isinstance(said, str) else "")
    }
    outcome = None
    if len(scores) == 2:
        gap = scores["a"] - scores["b"]
        outcome = Outcome.FIRST if gap > 0 else Outcome.SECOND if gap < 0 else Outcome.TIE
    index, judge = row.get("instruction_index"), row.get("judge")
    yield Ballot(
        first=fields.text(row, "model_A"),
        second=fields.text(row, "model_B"),
        outcome=outcome,
        cluster=None if index is None else str(index),
        judge=None if judge is None else str(judge),
    )
