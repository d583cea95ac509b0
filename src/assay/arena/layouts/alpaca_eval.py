"""AlpacaEval's annotations (arXiv:2404.04475): {instruction, generator_1, generator_2, output_1,
output_2, annotator, preference}.

A preference between 1 (the first) and 2 is a probability: it becomes two votes that weigh as much
as each is believed, in the cluster of their instruction. 0 is a draw, as there; null is no verdict.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from assay.arena.ballots import Ballot, soft
from assay.arena.style import MEASURES, measured
from assay.arena.votes import Outcome, Votes
from assay.data import fields
from assay.errors import DataError

__all__ = ["ballots", "matches", "preference_of", "rows"]


def matches(row: Mapping[str, Any]) -> bool:
    """Two generators and a preference."""
    return {"generator_1", "generator_2", "preference"} <= row.keys()


def preference_of(row: Mapping[str, Any]) -> float:
    """Return the probability that the second output is better; NaN where nobody decided."""
    said = row.get("preference")
    if said is None or said != said:
        return float("nan")
    number = fields.amount(said, "preference")
    if number == 0:
        return 0.5
    if not 1 <= number <= 2:
        raise DataError(f"field 'preference': {number:g} is not between 1 and 2, nor 0 for a draw")
    return number - 1


def ballots(row: Mapping[str, Any]) -> Iterator[Ballot]:
    """One vote, or two with weights."""
    sides = [
        measured(text) for key in ("output_1", "output_2") if isinstance(text := row.get(key), str)
    ]
    measures = dict(zip(MEASURES, zip(*sides, strict=True), strict=True)) if len(sides) == 2 else {}
    instruction, judge = row.get("instruction"), row.get("annotator")
    for outcome, weight in soft(1 - preference_of(row)):
        yield Ballot(
            first=fields.text(row, "generator_1"),
            second=fields.text(row, "generator_2"),
            outcome=outcome,
            weight=weight,
            cluster=None if instruction is None else str(instruction),
            judge=None if judge is None else str(judge),
            measures=measures,
        )


def rows(votes: Votes) -> Iterator[dict[str, Any]]:
    """A row for each vote, or for two that are one preference; texts and measures are not in it.

    Raises `DataError` for weights that are no probabilities.
    """
    held: int | None = None
    for i, after in pairwise([*range(len(votes)), None]):
        if i is None:
            continue
        one = float(votes.weights[i]) if held is None else float(votes.weights[held])
        if held is None and one != 1:
            if after is None or not _completes(votes, i, after):
                raise DataError(
                    f"vote {i + 1} weighs {one:g}: AlpacaEval's rows have probabilities, two votes"
                    " whose weights are 1 together; write a plain table"
                )
            held = i
            continue
        outcome = Outcome(votes.outcome[i if held is None else held])
        prefer = {Outcome.FIRST: one, Outcome.SECOND: 1 - one}.get(outcome, 0.5)
        row: dict[str, Any] = {
            "instruction": str(i if votes.cluster is None else int(votes.cluster[i])),
            "generator_1": votes.players[votes.first[i]],
            "generator_2": votes.players[votes.second[i]],
            "preference": 2 - prefer,
        }
        if votes.judge is not None:
            row["annotator"] = votes.judges[votes.judge[i]]
        held = None
        yield row


def _completes(votes: Votes, i: int, j: int) -> bool:
    """Whether the next vote is the other half of a probability."""
    same = votes.first[i] == votes.first[j] and votes.second[i] == votes.second[j]
    both = {int(votes.outcome[i]), int(votes.outcome[j])} == {Outcome.FIRST, Outcome.SECOND}
    return bool(same and both and abs(votes.weights[i] + votes.weights[j] - 1) < 1e-9)
