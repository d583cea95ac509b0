"""One vote as a layout's row states it, and votes of many."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from assay.arena.votes import Outcome, Votes, votes
from assay.data import winners
from assay.errors import DataError

__all__ = ["Ballot", "collected", "outcome_of", "soft", "winner_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ballot:
    """One vote. What is None is not known, and is counted when votes are collected."""

    first: str | None
    second: str | None
    outcome: Outcome | None
    weight: float = 1.0
    cluster: Hashable = None
    judge: str | None = None
    covariates: Mapping[str, float] = field(default_factory=dict)
    measures: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def collected(ballots: Iterable[Ballot]) -> Votes:
    """Return ballots as votes; a covariate or measure that some of them have is NaN in others, and
    those are left out."""
    every = list(ballots)
    covariates = dict.fromkeys(name for each in every for name in each.covariates)
    measures = dict.fromkeys(name for each in every for name in each.measures)
    nan = float("nan")
    return votes(
        [each.first for each in every],
        [each.second for each in every],
        [each.outcome for each in every],
        weight=[each.weight for each in every] if any(e.weight != 1 for e in every) else None,
        cluster=[each.cluster for each in every]
        if any(each.cluster is not None for each in every)
        else None,
        judge=[each.judge for each in every]
        if any(each.judge is not None for each in every)
        else None,
        covariates={
            name: [each.covariates.get(name, nan) for each in every] for name in covariates
        },
        measures={
            name: [each.measures.get(name, (nan, nan)) for each in every] for name in measures
        },
    )


def outcome_of(value: object, field: str, players: winners.Names = (None, None)) -> Outcome | None:
    """Return what a word for a winner, the name of one of the players, or a number between 1 and 2
    says; None for another word.

    Raises `TwoMeanings` for a name that is also a word for the other player: all such votes are
    those of one place, or of one player, so leaving them out would lean on what is left.
    """
    try:
        prefer = winners.winner(value, field, players)
    except winners.TwoMeanings:
        raise
    except DataError:
        return None
    if prefer == 0.5 and isinstance(value, str) and "bad" in value.casefold():
        return Outcome.BOTH_BAD
    return {1.0: Outcome.FIRST, 0.0: Outcome.SECOND, 0.5: Outcome.TIE}.get(prefer)


def winner_of(outcome: int) -> str:
    """Return the name that `outcome_of` reads as this outcome."""
    return ("model_a", "model_b", "tie", "both_bad")[outcome]


def soft(prefer: float) -> list[tuple[Outcome | None, float]]:
    """Return the outcomes and weights that stand for a probability that the first is better.

    Both wins, as often as each is believed; 0, 1/2 and 1 are one vote, NaN is no verdict.
    """
    if not 0 <= prefer <= 1:
        return [(None, 1.0)]
    if prefer == 0.5:
        return [(Outcome.TIE, 1.0)]
    both = [(Outcome.FIRST, prefer), (Outcome.SECOND, 1 - prefer)]
    return [(outcome, weight) for outcome, weight in both if weight > 0]
