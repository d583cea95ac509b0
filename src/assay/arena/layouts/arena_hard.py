"""Arena-Hard's judgments (arXiv:2406.11939): {uid, category, judge, model, baseline, games: two of
{score}}.

The first game shows the baseline first, the second the model. ">>" counts three votes. Of a row in
which a game is null or has no score, neither counts, for one order alone favours a side.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from assay.arena.ballots import Ballot, outcome_of
from assay.arena.votes import Outcome
from assay.data import fields
from assay.errors import DataError

__all__ = ["BASELINES", "STRONG", "ballots", "games", "matches"]

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


def matches(row: Mapping[str, Any]) -> bool:
    """Games of a model, by a judge."""
    return {"games", "model", "judge"} <= row.keys()


def games(row: Mapping[str, Any]) -> list[tuple[Outcome | None, float]]:
    """Return outcome and weight of both games, each None where either has no score."""
    found = []
    for game in fields.parsed(fields.value(row, "games")):
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
