"""MT-Bench (arXiv:2306.05685): pairs judged in both orders, single grades, and who agrees.

A pair's winner is named by both games, or it is a tie (`layouts.mt_bench`). Agreement is over votes
of two kinds on one question, pair and turn: of all votes (S1), or of those where neither is a tie
(S2).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, Literal

import numpy as np

from assay import stats
from assay.arena.ballots import Ballot, collected, outcome_of
from assay.arena.layouts.mt_bench import both
from assay.arena.votes import Outcome, Votes
from assay.data import fields
from assay.stats import Estimate

__all__ = ["Rates", "agreement", "grades", "rates", "votes_of_grades"]

FAILED: Final = -1.0
"""A grade that could not be read."""
Key = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often a player wins."""

    win_rate: Estimate
    """Wins over all votes, ties being none."""
    adjusted: Estimate
    """With half of the ties."""


def rates(votes: Votes) -> dict[str, Rates]:
    """Return every player's win rates, by cluster."""
    found = {}
    clusters = np.arange(len(votes)) if votes.cluster is None else votes.cluster
    for code, player in enumerate(votes.players):
        shown_first, shown_second = votes.first == code, votes.second == code
        there = shown_first | shown_second
        if not there.any():
            continue
        points = np.where(shown_first, votes.points, 1 - votes.points)[there]
        ids = clusters[there].tolist()
        found[player] = Rates(
            win_rate=stats.proportion((points == 1).astype(float), clusters=ids),
            adjusted=stats.proportion(points, clusters=ids),
        )
    return found


def grades(rows: Iterable[Mapping[str, Any]]) -> dict[str, Estimate]:
    """Return the mean grade of each model by question, {model, question_id, score}; a score of -1
    is unscored."""
    scores: dict[str, list[tuple[float, str]]] = {}
    for row in rows:
        score = fields.amount(fields.value(row, "score"), "score")
        scores.setdefault(fields.text(row, "model"), []).append((score, str(row["question_id"])))
    found = {}
    for model, said in scores.items():
        known = [(score, question) for score, question in said if score != FAILED]
        found[model] = stats.mean(
            [score for score, _ in known],
            clusters=[question for _, question in known],
            unscored=len(said) - len(known),
            within=(1.0, 10.0),
        )
    return found


def votes_of_grades(rows: Iterable[Mapping[str, Any]], same: float = 0.1) -> Votes:
    """Return votes on every two models that were graded on one question and turn: the higher grade
    wins, and a difference of up to `same` is a tie."""
    graded: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in rows:
        key = (str(row["question_id"]), str(row.get("turn", 1)), str(row.get("judge", "")))
        score = fields.amount(fields.value(row, "score"), "score")
        graded.setdefault(key, {})[fields.text(row, "model")] = score
    return collected(
        Ballot(
            first=one,
            second=other,
            outcome=_higher(of[one], of[other], same),
            cluster=question,
            judge=judge or None,
        )
        for (question, _, judge), of in graded.items()
        for one, other in combinations(of, 2)
    )


def _higher(one: float, other: float, same: float) -> Outcome | None:
    if FAILED in (one, other):
        return None
    if abs(one - other) <= same:
        return Outcome.TIE
    return Outcome.FIRST if one > other else Outcome.SECOND


def agreement(
    one: Sequence[Mapping[str, Any]],
    other: Sequence[Mapping[str, Any]] | None = None,
    *,
    setup: Literal["S1", "S2"] = "S1",
) -> Estimate:
    """Return how often a vote of one list and one of the other on the same key agree, by question.

    Rows are people's ({model_a, model_b, winner, question_id, turn}) or judges' ({model_1, model_2,
    g1_winner, g2_winner, ...}). other: None compares all pairs of votes within the one list. A vote
    without a verdict is in no pair, and counted as unscored.
    """
    mine, failed = _by_key(one)
    theirs, more = (mine, 0) if other is None else _by_key(other)
    agrees, questions = [], []
    for key, said in mine.items():
        pairs = (
            list(combinations(said, 2))
            if other is None
            else [(a, b) for a in said for b in theirs.get(key, [])]
        )
        for a, b in pairs:
            if setup == "S2" and Outcome.TIE in (a, b):
                continue
            agrees.append(float(a == b))
            questions.append(key[0])
    return stats.proportion(agrees, clusters=questions, unscored=failed + more)


def _by_key(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[Key, list[Outcome]], int]:
    """Votes by question, pair in alphabetical order and turn, and how many have no verdict."""
    found: dict[Key, list[Outcome]] = {}
    failed = 0
    for row in rows:
        games = "model_1" in row
        names = ("model_1", "model_2") if games else ("model_a", "model_b")
        a, b = (fields.text(row, name) for name in names)
        said = both(row) if games else outcome_of(row.get("winner"), "winner")
        if said is None:
            failed += 1
            continue
        said = min(said, Outcome.TIE)
        if a > b:
            a, b = b, a
            said = {Outcome.FIRST: Outcome.SECOND, Outcome.SECOND: Outcome.FIRST}.get(said, said)
        key = (str(row["question_id"]), a, b, str(row.get("turn", 1)))
        found.setdefault(key, []).append(said)
    return found, failed
