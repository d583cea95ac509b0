"""Majority vote in which each vote weighs what the scorer gives it (arXiv:2206.02336,
arXiv:2211.14275)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import assay.search as search
from assay.types import Group, Prompt, Score, Unscored
from assay.verifiers.answers.numeric import Numeric

__all__ = ["WeightedMajority"]


@dataclass(frozen=True, kw_only=True)
class WeightedMajority:
    """Sample n responses and take the final answer with the largest sum of scores.

    Scores must be nonnegative, best probabilities: a sum of raw logits would let a wrong vote count
    against its own answer, and depends on a zero point that a preference model does not have. An
    unscored response, and one without a final answer, has no vote; where none has one, nothing is
    chosen. Ties are drawn, by the seed and the prompt.
    """

    n: int = 16
    """Responses sampled for each prompt."""
    transform: Literal["none", "sigmoid"] = "none"
    """sigmoid: make logits into probabilities before they are summed."""
    seed: search.Seed = 0
    """Seed for breaking ties."""
    answers: search.Answers = field(default_factory=Numeric)
    """Finds the final answers and says which are the same."""

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Sample, score, count. Raises `ConfigError` at a negative score."""
        return search.best_of_drawn(prompt, account, self.n, self.choose)

    def choose(self, group: Group, scores: Sequence[Score | Unscored | None]) -> int | None:
        """Index of the best-scored candidate that gives the winning answer; None when no vote was
        cast."""
        weights = {
            i: search.weight(value, self.transform) for i, value in search.values_of(scores).items()
        }
        winner, ballots = search.vote(group, weights, self.answers, self.seed)
        return None if winner is None else search.best_at(ballots[winner], group, scores, self.seed)
