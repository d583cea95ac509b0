"""MT-Bench's judgments of pairs (arXiv:2306.05685): {question_id, model_1, model_2, g1_winner,
g2_winner, judge, turn}.

Both games name models, whichever was shown first. They are one vote: a winner only if both games
name it, else a tie; a game that failed ("error") is no verdict, and then there is no vote.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from assay.arena.ballots import Ballot
from assay.arena.votes import Outcome
from assay.data import fields

__all__ = ["ballots", "matches"]

SAID: Final = {"model_1": Outcome.FIRST, "model_2": Outcome.SECOND, "tie": Outcome.TIE}


def matches(row: Mapping[str, Any]) -> bool:
    """Two models and the winners of two games."""
    return {"model_1", "model_2", "g1_winner", "g2_winner"} <= row.keys()


def _both(row: Mapping[str, Any]) -> Outcome | None:
    """What two games say together; None where one of them failed."""
    one, other = (SAID.get(row[name]) for name in ("g1_winner", "g2_winner"))
    if one is None or other is None:
        return None
    return one if one == other else Outcome.TIE


def ballots(row: Mapping[str, Any]) -> Iterator[Ballot]:
    """One vote a row."""
    judge = fields.parsed(row.get("judge"))
    names = judge if isinstance(judge, list) else [judge]
    yield Ballot(
        first=fields.text(row, "model_1"),
        second=fields.text(row, "model_2"),
        outcome=_both(row),
        cluster=str(row["question_id"]) if "question_id" in row else None,
        judge=None if judge is None else " ".join(map(str, names)),
    )
