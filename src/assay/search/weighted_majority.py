"""Majority vote in which each vote weighs what the scorer gives it (arXiv:2206.02336, arXiv:2211.14275)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from assay import search
from assay.errors import ConfigError
from assay.protocols import Generator, Sampling, Scorer, SearchResult, Verifier
from assay.types import Group, Prompt, Score, Unscored
from assay.verifiers.numeric import Numeric

__all__ = ["WeightedMajority"]


@dataclass(frozen=True, kw_only=True)
class WeightedMajority:
    """Sample n responses and take the final answer with the largest sum of scores.

    Scores must be nonnegative, best probabilities: a sum of raw logits would let a wrong vote count against its own
    answer, and depends on a zero point that a preference model does not have. An unscored response, and one without a
    final answer, has no vote; where none has one, nothing is chosen. Ties are drawn, by the seed and the prompt.
    """

    n: int = 16
    """Responses sampled for each prompt."""
    transform: Literal["none", "sigmoid"] = "none"
    """sigmoid: make logits into probabilities before they are summed."""
    temperature: float = 1.0
    """Sampling temperature; 0 makes all n the same."""
    max_tokens: int = 256
    """Longest response, in tokens."""
    seed: int = 0
    """Seed of the sampler and of ties."""
    answers: Verifier = field(default_factory=Numeric)
    """Finds the final answers and says which are the same."""

    def __call__(self, prompts: Sequence[Prompt], generator: Generator, scorer: Scorer) -> list[SearchResult]:
        """One result a prompt, in order. Raises `ConfigError` at a negative score."""
        sampling = Sampling(n=self.n, temperature=self.temperature, max_tokens=self.max_tokens, seed=self.seed)
        return search.run(prompts, generator, scorer, sampling, self.choose)

    def choose(self, group: Group, scores: Sequence[Score | Unscored]) -> int | None:
        """Index of the best-scored candidate that gives the winning answer; None when no vote was cast."""
        weights = {i: self._weight(score.value) for i, score in enumerate(scores) if isinstance(score, Score)}
        winner, ballots = search.vote(group, weights, self.answers, self.seed)
        return None if winner is None else search.best_at(ballots[winner], group, scores, self.seed)

    def _weight(self, score: float) -> float:
        if self.transform == "sigmoid":
            return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))
        if score < 0:
            raise ConfigError(
                f"a score of {score:g} cannot weigh a vote: sums of raw logits are not votes; "
                'use a scorer that reads out probabilities, or transform="sigmoid"'
            )
        return score
