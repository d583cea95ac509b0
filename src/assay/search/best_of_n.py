"""Best-of-n: sample n responses, keep the one the scorer likes most (arXiv:2110.14168,
arXiv:2305.20050).

Left out: the estimate of what it gains for every n from one pool, which is `assay.stats`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import assay.search as search
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["BestOfN"]


@dataclass(frozen=True, kw_only=True)
class BestOfN:
    """Sample n responses and take the highest-scored.

    An unscored response is never taken; where all are, nothing is chosen. Ties are drawn, by the
    seed and the prompt.
    """

    n: int = 16
    """Responses sampled for each prompt."""
    enough: float | None = None
    """Score at which sampling stops: 1 for a verifier's verdicts. None = always sample
    n."""
    chunk: int = 4
    """Responses sampled between two checks, where `enough` is set."""
    seed: search.Seed = 0
    """Seed for breaking ties."""

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Sample, score, choose."""
        chunk = self.chunk if self.enough is not None else 0
        return search.best_of_drawn(
            prompt, account, self.n, self.choose, chunk=chunk, enough=self._enough
        )

    def choose(self, group: Group, scores: Sequence[Score | Unscored | None]) -> int | None:
        """Index of the highest-scored candidate; None when none is scored."""
        return search.best(search.values_of(scores), self.seed, group.prompt)

    def _enough(self, responses: list[Response], scores: Sequence[Score | Unscored | None]) -> str:
        if self.enough is None:
            return ""
        return (
            "confident"
            if max(search.values_of(scores).values(), default=-float("inf")) >= self.enough
            else ""
        )
