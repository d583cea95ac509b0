"""Soft best-of-n: among n samples, draw one with a chance that grows with its score
(arXiv:2405.01525).

Response i is drawn with probability exp(strength r_i) / sum_j exp(strength r_j). As n grows this
becomes the policy tilted by exp(strength r), which is what a KL penalty of 1 / strength would
train; a large strength is best-of-n, none is the policy. A proxy's outliers are taken less often
than by best-of-n.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import assay.search as search
from assay.errors import ConfigError
from assay.types import Group, Prompt, Score, Unscored

__all__ = ["SoftBestOfN"]


@dataclass(frozen=True, kw_only=True)
class SoftBestOfN:
    """Sample n responses and draw one of them, the likelier the higher its score."""

    n: int = 16
    """Responses sampled for each prompt."""
    strength: float = 10.0
    """Inverse temperature, per unit of the score; large = best-of-n, 0 = uniform."""
    seed: search.Seed = 0
    """Seed of the draw, which also depends on the prompt."""

    def __post_init__(self) -> None:
        if not (self.strength >= 0 and math.isfinite(self.strength)):
            raise ConfigError(
                f"strength is {self.strength}; it must be a number from 0 on (best-of-n is the"
                " limit)"
            )

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Sample, score, draw."""
        return search.best_of_drawn(prompt, account, self.n, self.choose)

    def weights(self, values: Sequence[float]) -> list[float]:
        """The probability of each score."""
        top = max(values)
        raw = [math.exp(self.strength * (value - top)) for value in values]
        return [w / math.fsum(raw) for w in raw]

    def choose(self, group: Group, scores: Sequence[Score | Unscored | None]) -> int | None:
        """Index of the drawn candidate; None when none is scored."""
        values = search.values_of(scores)
        if not values:
            return None
        (drawn,) = search.lot(self.seed, group.prompt).choices(
            [*values], self.weights([*values.values()])
        )
        return drawn
