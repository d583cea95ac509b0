"""JudgeArena's annotations: {judge_completion, instruction_index, model_A, model_B, judge}.

The judge wrote a score for each ("score A: 7"); the last one of each counts, since a judge may
quote the answers. Equal scores are a tie, and a text without both is no verdict, where JudgeArena
takes a tie.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from assay.arena.ballots import Ballot
from assay.arena.votes import Outcome, Votes
from assay.data import fields
from assay.errors import DataError

__all__ = ["ballots", "matches", "rows"]

SCORE: Final = re.compile(
    r"score[ _]*(?:of|for)?[ _]*(?:assistant[ _]*)?([ab])\W{0,6}?(-?\d+)", re.I
)
WRITTEN: Final = {Outcome.FIRST: (10, 0), Outcome.SECOND: (0, 10)}


def matches(row: Mapping[str, Any]) -> bool:
    """Two models and what the judge wrote."""
    return {"judge_completion", "model_A", "model_B"} <= row.keys()


def ballots(row: Mapping[str, Any]) -> Iterator[Ballot]:
    """One vote a row."""
    said = row.get("judge_completion")
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


def rows(votes: Votes) -> Iterator[dict[str, Any]]:
    """Scores of 10 and 0, or 5 each for a tie. Raises `DataError` for weights and covariates."""
    if votes.weight is not None or votes.covariates is not None:
        raise DataError("JudgeArena's rows have no weights and no covariates; write a plain table")
    for i in range(len(votes)):
        a, b = WRITTEN.get(Outcome(votes.outcome[i]), (5, 5))
        row: dict[str, Any] = {
            "judge_completion": f"score_A: {a}\nscore_B: {b}",
            "instruction_index": i if votes.cluster is None else int(votes.cluster[i]),
            "model_A": votes.players[votes.first[i]],
            "model_B": votes.players[votes.second[i]],
        }
        if votes.judge is not None:
            row["judge"] = votes.judges[votes.judge[i]]
        yield row
