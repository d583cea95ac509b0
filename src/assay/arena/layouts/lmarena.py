"""Votes of LMArena (Chatbot Arena, arXiv:2403.04132) and MT-Bench's human votes.

Of 55,000 votes: {model_a, model_b, prompt, response_a, response_b, winner_model_a, winner_model_b,
winner_tie}. Of 100,000 and 140,000, and MT-Bench: {model_a, model_b, winner, conversation_a,
conversation_b, question_id or id, judge?, conv_metadata?}. Measures are those that `conv_metadata`
states, or are taken from the texts. Votes on one prompt (55,000), question or session are a
cluster.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from assay.arena.ballots import Ballot, outcome_of, winner_of
from assay.arena.style import MEASURES, measured
from assay.arena.votes import Outcome, Votes
from assay.data import conversations, fields
from assay.errors import DataError

__all__ = ["ballots", "matches", "rows"]

CAST: Final = {
    "winner_model_a": Outcome.FIRST,
    "winner_model_b": Outcome.SECOND,
    "winner_tie": Outcome.TIE,
}
CLUSTERS: Final = ("evaluation_session_id", "question_id", "prompt", "id")
"""Columns of what votes may share, the first that is there."""
JUDGES: Final = ("judge", "judge_hash")
STATED: Final = ("sum_assistant_{}_tokens", "header_count_{}", "list_count_{}", "bold_count_{}")
"""Measures in `conv_metadata`, in the order of `MEASURES`."""


def matches(row: Mapping[str, Any]) -> bool:
    """Two models and either a winner with conversations, or votes in columns of their own."""
    models = {"model_a", "model_b"} <= row.keys()
    talks = {"winner", "conversation_a"} <= row.keys() or {"winner", "conv_metadata"} <= row.keys()
    return models and (talks or CAST.keys() <= row.keys())


def ballots(row: Mapping[str, Any]) -> Iterator[Ballot]:
    """One vote a row."""
    if "winner" in row:
        outcome = outcome_of(row["winner"], "winner", (row.get("model_a"), row.get("model_b")))
    else:
        votes = [(row[name], name, said) for name, said in CAST.items() if row.get(name)]
        cast = [said for value, name, said in votes if fields.amount(value, name) == 1]
        outcome = cast[0] if len(cast) == 1 else None
    judge = next((row[name] for name in JUDGES if name in row), None)
    cluster = next((row[name] for name in CLUSTERS if name in row), None)
    yield Ballot(
        first=fields.text(row, "model_a"),
        second=fields.text(row, "model_b"),
        outcome=outcome,
        cluster=None if cluster is None else str(cluster),
        judge=None if judge is None else str(judge),
        measures=_measures(row),
    )


def _measures(row: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    stated = fields.parsed(row.get("conv_metadata"))
    sides = []
    for side in "ab":
        if isinstance(stated, dict):
            sides.append([_count(stated, name.format(side)) for name in STATED])
        elif text := _text(row, side):
            sides.append(list(measured(text)))
    if len(sides) < 2:
        return {}
    return dict(zip(MEASURES, zip(*sides, strict=True), strict=True))


def _count(stated: Mapping[str, Any], name: str) -> float:
    """A count, or the sum of counts by kind."""
    found = stated.get(name)
    if isinstance(found, dict):
        return float(sum(fields.amount(each, name) for each in found.values() if each is not None))
    return float("nan") if found is None else fields.amount(found, name)


def _text(row: Mapping[str, Any], side: str) -> str:
    """All that a model wrote."""
    if talk := row.get(name := f"conversation_{side}"):
        said = conversations.conversation(conversations.unpacked(talk, name), name)
        return "\n".join(each.content or "" for each in said if each.role == "assistant")
    answer = row.get(f"response_{side}")
    if not isinstance(answer, str):
        return ""
    try:
        found = json.loads(answer)
    except ValueError:
        return answer
    return "\n".join(map(str, found)) if isinstance(found, list) else answer


def rows(votes: Votes) -> Iterator[dict[str, Any]]:
    """Winners and measures, as `conv_metadata` has them; conversations are not in votes.

    Raises `DataError` for weights and covariates.
    """
    if votes.weight is not None or votes.covariates is not None:
        raise DataError("LMArena's rows have no weights and no covariates; write a plain table")
    for i in range(len(votes)):
        row: dict[str, Any] = {
            "question_id": i if votes.cluster is None else int(votes.cluster[i]),
            "model_a": votes.players[votes.first[i]],
            "model_b": votes.players[votes.second[i]],
            "winner": winner_of(int(votes.outcome[i])),
        }
        if votes.judge is not None:
            row["judge"] = votes.judges[votes.judge[i]]
        row["conv_metadata"] = None
        if votes.measures is not None and votes.measure_names == MEASURES:
            row["conv_metadata"] = {
                name.format(side): float(value)
                for s, side in enumerate("ab")
                for name, value in zip(STATED, votes.measures[i, :, s], strict=True)
            }
        yield row
