"""Test-time strategies: from several candidates to one.

One strategy a module. Each has a pure `choose(group, scores)` over candidates that are already scored, and a `__call__`
that samples, scores and chooses; so a recorded pool is replayed by the code that serves. The helpers below are what the
strategies share.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from assay.protocols import Generator, Prefix, Sampling, Scorer, SearchResult, Verifier
from assay.types import Group, Prompt, Score, Unscored

__all__ = ["Choose", "best", "best_at", "run", "vote"]

K = TypeVar("K")
Choose = Callable[[Group, Sequence[Score | Unscored]], int | None]


def run(
    prompts: Sequence[Prompt], generator: Generator, scorer: Scorer, sampling: Sampling, choose: Choose
) -> list[SearchResult]:
    """Sample `sampling.n` responses a prompt, score them in one call, choose one each."""
    responses = generator.generate([Prefix(prompt) for prompt in prompts], sampling)
    groups = [Group(prompt=p, responses=tuple(r)) for p, r in zip(prompts, responses, strict=True)]
    scores = scorer.score(groups)
    return [
        SearchResult(group=group, scores=tuple(row), choice=choose(group, row))
        for group, row in zip(groups, scores, strict=True)
    ]


def best(values: Mapping[K, float], seed: int, of: Prompt) -> K | None:
    """The key of the largest value; None of nothing.

    Ties are broken by a draw that depends on the seed and the prompt, not on the batch: the first is not favoured.
    """
    if not values:
        return None
    top = max(values.values())
    tied = [key for key, value in values.items() if value == top]
    return tied[0] if len(tied) == 1 else random.Random(f"{seed}\n{of.text}").choice(tied)


def best_at(places: Sequence[int], group: Group, scores: Sequence[Score | Unscored], seed: int) -> int | None:
    """The best-scored of the candidates at `places`; a drawn one of them where none is scored."""
    scored = {i: score.value for i in places if isinstance(score := scores[i], Score)}
    return best(scored or dict.fromkeys(places, 0.0), seed, group.prompt)


def vote(
    group: Group, weights: Mapping[int, float], verifier: Verifier, seed: int
) -> tuple[str | None, Mapping[str, list[int]]]:
    """The answer with the largest sum of weights, and the candidates that give each answer.

    `weights` maps candidates to the weight of their vote; the others have none, nor has a candidate whose text states
    no answer. The winner is None when no vote was cast.
    """
    ballots: dict[str, list[int]] = {}
    for i in weights:
        answer = verifier.extract(group.responses[i].text)
        if answer is not None:
            ballots.setdefault(verifier.canonical(answer), []).append(i)
    sums = {key: math.fsum(weights[i] for i in places) for key, places in ballots.items()}
    return best(sums, seed, group.prompt), ballots
