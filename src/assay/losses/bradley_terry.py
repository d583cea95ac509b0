"""The Bradley-Terry model of a preference: P(first is better) = σ(r₁ - r₂) (Biometrika 39, 1952;
arXiv:1706.03741)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.errors import ConfigError
from assay.losses import last
from assay.types import Preference

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BradleyTerry"]


@dataclass(frozen=True, kw_only=True)
class BradleyTerry:
    """Learn from preferences between two responses, soft or hard.

    With p the probability that the first is better, r the responses' rewards, and m the margin
    given to the preferred one, a pair's loss is

        -p log σ(d) - (1 - p) log σ(-d) + center (r₁ + r₂)² + shrink (r₁² + r₂²),    d = r₁ - r₂ - m
        sign(p - 1/2).

    Only differences within a prompt enter it: the reward is identified up to a constant for each
    prompt, so rewards of responses to different prompts are not comparable (`center` asks for the
    constant that makes them sum to 0).
    """

    margin: float = 0.0
    """By how much the preferred reward should be larger, added to a pair's own margin
    (arXiv:2307.09288)."""

    center: float = 0.0
    """Weight of (r₁ + r₂)², which keeps rewards near 0; 0.01 is usual (arXiv:2312.09244)."""

    shrink: float = 0.0
    """Weight of r₁² + r₂², which keeps rewards bounded where labels are certain."""

    smoothing: float = 0.0
    """Share of labels taken to be flipped: p becomes (1 - s) p + s (1 - p); below 0.5."""

    consumes: ClassVar[type[Preference]] = Preference
    trains: ClassVar[Literal["preference"]] = "preference"

    def __post_init__(self) -> None:
        if not (
            self.margin >= 0 and self.center >= 0 and self.shrink >= 0 and 0 <= self.smoothing < 0.5
        ):
            raise ConfigError(
                "Bradley-Terry needs margin >= 0, center >= 0, shrink >= 0 and 0 <= smoothing < 0.5"
            )

    @property
    def reads(self) -> Literal["steps"]:
        """Rewards are read at the last step."""
        return "steps"

    def terms(self, targets: Tensor, mask: Tensor) -> int:
        """Pairs in the batch."""
        return len(targets)

    def __call__(self, values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Mean over pairs. values, mask: (G, 2, S); targets: (G, 2), probability and margin."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        rewards_G_2 = last(values, mask)
        prefer, margin = targets.unbind(-1)
        difference = (
            rewards_G_2[:, 0] - rewards_G_2[:, 1] - (margin + self.margin) * (prefer - 0.5).sign()
        )
        prefer = (1 - self.smoothing) * prefer + self.smoothing * (1 - prefer)
        loss = binary_cross_entropy_with_logits(difference, prefer)
        if self.center:
            loss = loss + self.center * rewards_G_2.sum(-1).square().mean()
        if self.shrink:
            loss = loss + self.shrink * rewards_G_2.square().sum(-1).mean()
        return loss
