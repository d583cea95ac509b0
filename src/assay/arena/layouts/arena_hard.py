"""Arena-Hard's judgments (arXiv:2406.11939): {uid, category, judge, model, baseline, games: two of
{score}}.

The first game shows the baseline first, the second the model. ">>" counts three votes. Of a row in
which a game is null or has no score, neither counts, for one order alone favours a side.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from assay.arena.ballots import Ballot, outcome_of
from assay.arena.votes import Outcome, Votes
from assay.data import fields
from assay.errors import DataError

__all__ = ["BASELINES", "STRONG", "ballots", "games", "matches", "rows"]

BASELINES: Final = MappingProxyType(
    {
        "hard_prompt": "o3-mini-2025-01-31",
        "coding": "o3-mini-2025-01-31",
        "math": "o3-mini-2025-01-31",
        "creative_writing": "gemini-2.0-flash-001",
        "arena-hard-v0.1": "gpt-4-0314",
    }
)
"""Baseline of each category, where a row names none; of the first version's rows, too, which have
no category."""
STRONG: Final = 3.0
"""Votes that a ">>" or "<<" counts."""
SCORES: Final = {
    Outcome.FIRST: "A>B",
    Outcome.SECOND: "B>A",
    Outcome.TIE: "A=B",
    Outcome.BOTH_BAD: "A=B",
}


def matches(row: Mapping[str, Any]) -> bool:
    """Games of a model, by a judge."""
    return {"games", "model", "judge"} <= row.keys()


def games(row: Mapping[str, Any]) -> list[tuple[Outcome | None, float]]:
    """Return outcome and weight of both games, each None where either has no score."""
    found: list[tuple[Outcome | None, float]] = []
    played = fields.parsed(fields.value(row, "games"))
    if played is None:
        return [(None, 1.0)] * 2
    if not isinstance(played, list):
        raise fields.wrong("games", "a list of two games", played)
    for game in played:
        said = game.get("score") if isinstance(game, dict) else None
        weight = STRONG if isinstance(said, str) and (">>" in said or "<<" in said) else 1.0
        found.append((None if said is None else outcome_of(said, "score"), weight))
    if len(found) != 2:
        raise DataError(f"field 'games': there are {len(found)}, not two")
    return [(None, 1.0)] * 2 if any(said is None for said, _ in found) else found


def ballots(row: Mapping[str, Any]) -> Iterator[Ballot]:
    """Two votes a row."""
    against = row.get("baseline") or BASELINES.get(row.get("category", "arena-hard-v0.1"))
    if not against:
        raise DataError(
            f"the row names no baseline, and its category {row['category']!r} has none; add a"
            " column baseline with the model that the answers were judged against"
        )
    model = fields.text(row, "model")
    for (outcome, weight), sides in zip(
        games(row), ((against, model), (model, against)), strict=True
    ):
        yield Ballot(
            first=sides[0],
            second=sides[1],
            outcome=outcome,
            weight=weight,
            cluster=str(row.get("uid", row.get("question_id"))),
            judge=str(row["judge"]),
        )


def rows(votes: Votes) -> Iterator[dict[str, Any]]:
    """A row for every two votes that are the two orders of one prompt.

    Raises `DataError` where votes are not so, and for weights that are not 1 or 3.
    """
    if len(votes) % 2 or votes.covariates is not None:
        raise DataError("Arena-Hard has two games a prompt and no covariates; write a plain table")
    for i in range(0, len(votes), 2):
        pair = (i, i + 1)
        if votes.first[i] != votes.second[i + 1] or votes.second[i] != votes.first[i + 1]:
            raise DataError(f"votes {i + 1} and {i + 2} are not two orders of one pair")
        row: dict[str, Any] = {
            "uid": str(i if votes.cluster is None else int(votes.cluster[i])),
            "judge": "unnamed" if votes.judge is None else votes.judges[votes.judge[i]],
            "model": votes.players[votes.second[i]],
            "baseline": votes.players[votes.first[i]],
            "games": [],
        }
        for j in pair:
            score, weight = SCORES[Outcome(votes.outcome[j])], float(votes.weights[j])
            if weight not in (1.0, STRONG) or (weight == STRONG and score == "A=B"):
                raise DataError(f"vote {j + 1} weighs {weight:g}; Arena-Hard has 1, or 3 for a win")
            row["games"].append({"score": score.replace(">", ">>") if weight == STRONG else score})
        yield row
