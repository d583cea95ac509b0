"""Best-of-n: sample n responses, keep the one the scorer likes most (arXiv:2110.14168, arXiv:2305.20050).

Left out: the estimate of what it gains for every n from one pool, which is `assay.stats`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assay import search
from assay.protocols import Generator, Sampling, Scorer, SearchResult
from assay.types import Group, Prompt, Score, Unscored

__all__ = ["BestOfN"]


@dataclass(frozen=True, kw_only=True)
class BestOfN:
    """Sample n responses and take the highest-scored.

    An unscored response is never taken; where all are, nothing is chosen. Ties are drawn, by the seed and the prompt.
    """

    n: int = 16
    """Responses sampled for each prompt."""
    temperature: float = 1.0
    """Sampling temperature; 0 makes all n the same."""
    max_tokens: int = 256
    """Longest response, in tokens."""
    seed: int = 0
    """Seed of the sampler and of ties."""

    def __call__(self, prompts: Sequence[Prompt], generator: Generator, scorer: Scorer) -> list[SearchResult]:
        """One result a prompt, in order."""
        sampling = Sampling(n=self.n, temperature=self.temperature, max_tokens=self.max_tokens, seed=self.seed)
        return search.run(prompts, generator, scorer, sampling, self.choose)

    def choose(self, group: Group, scores: Sequence[Score | Unscored]) -> int | None:
        """Index of the highest-scored candidate; None when none is scored."""
        scored = {i: score.value for i, score in enumerate(scores) if isinstance(score, Score)}
        return search.best(scored, self.seed, group.prompt)
