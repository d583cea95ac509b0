"""Best-of-Poisson: best-of-n with n drawn anew for every prompt (arXiv:2506.19248).

n = 1 + Poisson(mu). The quantile u of the chosen response then has the density (mu u + 1) exp(mu (u
- 1)), which is within 6e-4 nats of the policy tilted by the score, the best there is at its KL; and
mu, unlike n, is continuous.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import assay.search as search
from assay.errors import ConfigError
from assay.types import Group, Prompt, Score, Unscored

__all__ = ["BestOfPoisson"]


@dataclass(frozen=True, kw_only=True)
class BestOfPoisson:
    """Sample 1 + Poisson(mu) responses and take the highest-scored."""

    mu: float = 15.0
    """Mean number of responses beyond the first: strength, and cost."""
    seed: search.Seed = 0
    """Seed of the number drawn and for breaking ties; both also depend on the prompt."""

    def __post_init__(self) -> None:
        if not (self.mu >= 0 and math.isfinite(self.mu)):
            raise ConfigError(f"mu is {self.mu}; it must be a number from 0 on")

    def size(self, prompt: Prompt) -> int:
        """Return how many responses this prompt gets."""
        lot, left = search.lot(self.seed, prompt, "size"), self.mu
        count, time = 1, lot.expovariate(1.0)
        while time <= left:
            count, time = count + 1, time + lot.expovariate(1.0)
        return count

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Sample, score, choose."""
        return search.best_of_drawn(prompt, account, self.size(prompt), self.choose)

    def choose(self, group: Group, scores: Sequence[Score | Unscored | None]) -> int | None:
        """Index of the highest-scored of the candidates; None when none is scored."""
        return search.best(search.values_of(scores), self.seed, group.prompt)
