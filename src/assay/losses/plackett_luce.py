"""The Plackett-Luce model of a ranking: first the best is chosen, then the best of the rest
(Plackett 1975)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.losses import last
from assay.types import Ranking

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PlackettLuce"]


@dataclass(frozen=True, kw_only=True)
class PlackettLuce:
    """Learn from rankings of any number of responses.

    With r the rewards and g the grades, of which only the order matters, a group's loss is

        Σᵢ log Σ_{j: gⱼ <= gᵢ} exp(rⱼ - rᵢ).

    Responses of equal grade share a denominator (Breslow's treatment of ties, Biometrics 30, 1974).
    Two responses without a tie give the Bradley-Terry loss. The reward is identified up to a
    constant for each prompt.
    """

    consumes: ClassVar[type[Ranking]] = Ranking
    trains: ClassVar[Literal["preference"]] = "preference"

    @property
    def reads(self) -> Literal["steps"]:
        """Rewards are read at the last step."""
        return "steps"

    def terms(self, targets: Tensor, mask: Tensor) -> int:
        """Groups in the batch."""
        return len(targets)

    def __call__(self, values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Mean over groups. values, mask: (G, R, S); targets: (G, R) grades."""
        import torch

        rewards_G_R = last(values, mask)
        present = mask.any(-1)
        grades = targets.masked_fill(~present, 0.0)
        # Entry (i, j): j is in the denominator of i. Every row holds itself, so that no row is
        # empty.
        rest_G_R_R = present[:, None, :] & (grades[:, None, :] <= grades[:, :, None])
        rest_G_R_R = rest_G_R_R | torch.eye(
            present.shape[1], dtype=torch.bool, device=present.device
        )
        denominators = rewards_G_R[:, None, :].masked_fill(~rest_G_R_R, -torch.inf).logsumexp(-1)
        return ((denominators - rewards_G_R) * present).sum(-1).mean()
