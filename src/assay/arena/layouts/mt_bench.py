"""MT-Bench's judgments of pairs (arXiv:2306.05685): {question_id, model_1, model_2, g1_winner,
g2_winner, judge, turn}.

Both games name models, whichever was shown first. They are one vote: a winner only if both games
name it, else a tie; a game that failed ("error") is no verdict, and then there is no vote.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from assay.arena.ballots import Ballot
from assay.arena.votes import Outcome, Votes
from assay.data import fields
from assay.errors import DataError

__all__ = ["ballots", "both", "matches", "rows"]

SAID: Final = {"model_1": Outcome.FIRST, "model_2": Outcome.SECOND, "tie": Outcome.TIE}


def matches(row: Mapping[str, Any]) -> bool:
    """Two models and the winners of two games."""
    return {"model_1", "model_2", "g1_winner", "g2_winner"} <= row.keys()


def both(row: Mapping[str, Any]) -> Outcome | None:
    """Return what two games say together; None where one of them failed."""
    one, other = (SAID.get(str(row.get(name))) for name in ("g1_winner", "g2_winner"))
    if one is None or other is None:
        return None
    return one if one == other else Outcome.TIE


def ballots(row: Mapping[str, Any]) -> Iterator[Ballot]:
    """One vote a row."""
    judge = fields.parsed(row.get("judge"))
    turn = row.get("turn")
    yield Ballot(
        first=fields.text(row, "model_1"),
        second=fields.text(row, "model_2"),
        outcome=both(row),
        cluster=str(row["question_id"]) if "question_id" in row else None,
        judge=" ".join(map(str, judge)) if isinstance(judge, list) else _text(judge, turn),
    )


def _text(judge: object, turn: object) -> str | None:
    return None if judge is None else str(judge)


def rows(votes: Votes) -> Iterator[dict[str, Any]]:
    """Games that agree. Raises `DataError` for weights and covariates."""
    if votes.weight is not None or votes.covariates is not None:
        raise DataError("MT-Bench's rows have no weights and no covariates; write a plain table")
    names = {outcome: name for name, outcome in SAID.items()}
    for i in range(len(votes)):
        won = names[min(Outcome(votes.outcome[i]), Outcome.TIE)]
        row: dict[str, Any] = {
            "question_id": i if votes.cluster is None else int(votes.cluster[i]),
            "model_1": votes.players[votes.first[i]],
            "model_2": votes.players[votes.second[i]],
            "g1_winner": won,
            "g2_winner": won,
        }
        if votes.judge is not None:
            row["judge"] = [votes.judges[votes.judge[i]]]
        yield row
