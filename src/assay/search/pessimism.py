"""Inference-time pessimism: best-of-n that does not get worse as n grows (arXiv:2503.21878).

Among n samples, response i is drawn with probability w_i / n, w_i = max(0, (r_i - lambda) / beta),
where lambda is such that the w_i have mean 1. That maximises E[r] - beta/2 * chi2(pi, pi_0) over
the samples: the penalty is on the chi-squared divergence, which bounds how much a rare, overrated
response can gain. A large beta draws among all of them; as beta goes to 0 the best remains.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import assay.search as search
from assay.errors import ConfigError
from assay.types import Group, Prompt, Score, Unscored

__all__ = ["Pessimism"]


@dataclass(frozen=True, kw_only=True)
class Pessimism:
    """Sample n responses and draw one, the likelier the more its score exceeds a level that beta
    sets."""

    n: int = 64
    """Responses sampled for each prompt."""
    beta: float = 0.1
    """Strength of the penalty, in units of the score."""
    seed: search.Seed = 0
    """Seed of the draw, which also depends on the prompt."""

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise ConfigError(f"beta is {self.beta}; it must be above 0 (best-of-n is the limit)")

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Sample, score, draw."""
        return search.best_of_drawn(prompt, account, self.n, self.choose)

    def weights(self, values: Sequence[float]) -> list[float]:
        """The probability of each score: exact, by sorting."""
        # Measured from the highest, lest a small beta be lost beside it.
        n, top = len(values), max(values)
        below = [value - top for value in values]
        ordered = sorted(below, reverse=True)
        total = 0.0
        level = 0.0
        for k, value in enumerate(ordered, 1):
            total += value
            # With the k highest above the level, sum (r - level) / beta = n.
            level = (total - n * self.beta) / k
            if k == n or ordered[k] <= level:
                break
        return [max(0.0, value - level) / (self.beta * n) for value in below]

    def choose(self, group: Group, scores: Sequence[Score | Unscored | None]) -> int | None:
        """Index of the drawn candidate; None when none is scored."""
        values = search.values_of(scores)
        if not values:
            return None
        (drawn,) = search.lot(self.seed, group.prompt).choices(
            [*values], self.weights([*values.values()])
        )
        return drawn
