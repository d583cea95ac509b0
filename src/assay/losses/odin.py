"""A reward without what a feature explains: two heads, of which one takes the feature up (ODIN,
arXiv:2402.07319).

With r_Q and r_N the heads' rewards, f the feature of a response, and ρ Pearson's correlation over
all responses of a step, the loss is

    mean Bradley-Terry loss of r_Q + r_N  +  λ (|ρ(r_Q, f)| - ρ(r_N, f))  +  μ |cos(W_Q, W_N)|.

The sum of both explains the labels, so what of them goes with f has a place, and r_Q needs no trace
of it. The paper's f is the length, its heads have normalised weights, and so the cosine is its |W_Q
W_N|.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from assay import components
from assay.errors import ConfigError, DataError
from assay.losses import last, pearson
from assay.types import Preference, Prompt, Response

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ODIN"]

FEATURES: Final[Mapping[str, Callable[[str], float]]] = {
    "characters": len,
    "words": lambda text: len(text.split()),
    "lines": lambda text: len(text.splitlines()),
}


@dataclass(frozen=True, kw_only=True)
class ODIN:
    """Learn from preferences a reward that does not go with a feature such as length.

    A second head takes up what the feature explains, and is thrown away when the model is saved.
    Steps need 32 records.
    """

    feature: str = "characters"
    """What the reward should not go with: characters, words or lines of the response, or
    `package.module:function` of prompt and response."""

    correlation: float = 1.0
    """λ, weight of the heads' correlations with the feature."""

    orthogonality: float = 1.0
    """μ, weight of the angle between the heads."""

    consumes: ClassVar[type[Preference]] = Preference
    trains: ClassVar[Literal["preference"]] = "preference"
    min_batch: ClassVar[int] = 32

    def __post_init__(self) -> None:
        if not (0 <= self.correlation < math.inf and 0 <= self.orthogonality < math.inf):
            raise ConfigError("ODIN needs finite correlation >= 0 and orthogonality >= 0")
        if self.feature not in FEATURES and ":" not in self.feature:
            raise ConfigError(
                f"no feature is called {self.feature!r}; there is {', '.join(FEATURES)}, and"
                " package.module:function"
            )

    @property
    def reads(self) -> Literal["steps"]:
        """Rewards are read at the last step."""
        return "steps"

    def terms(self, targets: Tensor, mask: Tensor) -> int:
        """Pairs in the batch."""
        return len(targets)

    def __call__(self, values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Mean Bradley-Terry loss over pairs. values, mask: (G, 2, S), of both heads together;
        targets: (G, 2 or 4)."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        rewards_G_2 = last(values, mask)
        prefer, margin = targets[:, 0], targets[:, 1]
        difference = rewards_G_2[:, 0] - rewards_G_2[:, 1] - margin * (prefer - 0.5).sign()
        return binary_cross_entropy_with_logits(difference, prefer)

    def feature_of(self, prompt: Prompt, response: Response) -> float:
        """The feature. Raises `DataError` where it is no finite number."""
        if self.feature in FEATURES:
            return float(FEATURES[self.feature](response.text))
        function: Any = components.load("losses", self.feature)
        value = float(function(prompt, response))
        if not math.isfinite(value):
            raise DataError(
                f"{self.feature} is {value} of {response.text[:40]!r}; it must be a finite number"
            )
        return value

    def regularizer(self, rewards: Tensor, features: Tensor, heads: Tensor) -> Tensor:
        """λ (|ρ(r_Q, f)| - ρ(r_N, f)) + μ |cos(W_Q, W_N)|. rewards: (2, G, 2); features: (G, 2);
        heads: (2, D)."""
        from torch.nn.functional import cosine_similarity

        if rewards.shape[1] < self.min_batch:
            raise ConfigError(
                f"a correlation over {rewards.shape[1]} records is mostly chance; give"
                f" {self.min_batch} or more"
            )
        quality, nuisance = pearson(rewards[0], features), pearson(rewards[1], features)
        overlap = cosine_similarity(heads[0], heads[1], dim=0).abs()
        return self.correlation * (quality.abs() - nuisance) + self.orthogonality * overlap
