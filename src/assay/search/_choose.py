"""How candidates are chosen among: the best, a drawn one, the answer with most votes. Every tie is
drawn, never given to the first.
"""

import math
import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from assay.errors import ConfigError
from assay.protocols import Verifier
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = [
    "Answers",
    "Pick",
    "Seed",
    "ballots_of",
    "best",
    "best_at",
    "check_pick",
    "lot",
    "pick",
    "values_of",
    "vote",
    "weight",
]

K = TypeVar("K", bound=Hashable)
Scores = Sequence[Score | Unscored | None]

Seed = int
Answers = Verifier
"""Settings that a command has one of, for the policy and every strategy: none of a strategy's own
there."""

Pick = Literal["best", "weighted", "majority"]
"""How a search chooses among its finished branches: the highest-scored, or a vote of their final
answers, weighted by their scores or not."""


def lot(seed: int, of: Prompt, *use: object) -> random.Random:
    """Random numbers that depend on the seed and the prompt, not on the batch; for each use others,
    lest the draw that decides in the end repeat the one that decided on the way."""
    return random.Random(f"{' '.join(map(str, (seed, *use)))}\n{of.text}")


def best(values: Mapping[K, float], seed: int, of: Prompt) -> K | None:
    """The key of the largest value; None of nothing. Ties are drawn: the first is not favoured."""
    if not values:
        return None
    top = max(values.values())
    tied = [key for key, value in values.items() if value == top]
    return tied[0] if len(tied) == 1 else lot(seed, of).choice(tied)


def values_of(scores: Scores) -> dict[int, float]:
    """The value of each candidate that is scored."""
    return {i: score.value for i, score in enumerate(scores) if isinstance(score, Score)}


def best_at(places: Sequence[int], group: Group, scores: Scores, seed: int) -> int | None:
    """The best-scored of the candidates at `places`; a drawn one of them where none is scored."""
    values = values_of(scores)
    scored = {i: values[i] for i in places if i in values}
    return best(scored or dict.fromkeys(places, 0.0), seed, group.prompt)


def ballots_of(
    responses: Sequence[Response], places: Iterable[int], verifier: Verifier
) -> dict[str, list[int]]:
    """The candidates that give each answer, by its canonical form; one whose text states no answer
    gives none."""
    ballots: dict[str, list[int]] = {}
    for i in places:
        answer = verifier.extract(responses[i].answer)
        if answer is not None:
            ballots.setdefault(verifier.canonical(answer), []).append(i)
    return ballots


def vote(
    group: Group, weights: Mapping[int, float], verifier: Verifier, seed: int
) -> tuple[str | None, Mapping[str, list[int]]]:
    """The answer with the largest sum of weights, and the candidates that give each answer.

    `weights` maps candidates to the weight of their vote; the others have none, nor has a candidate
    whose text states no answer. The winner is None when no vote was cast.
    """
    ballots = ballots_of(group.responses, weights, verifier)
    sums = {key: math.fsum(weights[i] for i in places) for key, places in ballots.items()}
    return best(sums, seed, group.prompt), ballots


def weight(score: float, transform: Literal["none", "sigmoid"]) -> float:
    """Return what a score weighs in a vote. Raises `ConfigError` for a negative one: sums of raw
    logits are no votes."""
    if transform == "sigmoid":
        return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))
    if score < 0:
        raise ConfigError(
            f"a score of {score:g} cannot weigh a vote: sums of raw logits are not votes; "
            'use a scorer that reads out probabilities, or transform="sigmoid"'
        )
    return score


def pick(group: Group, scores: Scores, how: Pick, verifier: Verifier, seed: int) -> int | None:
    """The chosen candidate; None where none can be chosen."""
    if how == "best":
        return best(values_of(scores), seed, group.prompt)
    if how == "majority":
        weights = dict.fromkeys(range(len(group.responses)), 1.0)
    else:
        weights = {i: weight(value, "none") for i, value in values_of(scores).items()}
    winner, ballots = vote(group, weights, verifier, seed)
    return None if winner is None else best_at(ballots[winner], group, scores, seed)


def check_pick(how: Any) -> None:
    """Raises `ConfigError` for a way to choose that there is not."""
    if how not in ("best", "weighted", "majority"):
        raise ConfigError(f"pick={how!r}; there is best, weighted and majority")
