"""From advantages to a loss, token by token, and how tokens weigh: pure functions.

| name       | how tokens weigh                                                                    |
|------------|-------------------------------------------------------------------------------------|
| `token`    | all tokens of the batch alike: long responses weigh more (DAPO, arXiv:2503.14476)   |
| `sequence` | the mean over each response's tokens, then over responses (GRPO, arXiv:2402.03300)  |
| `constant` | all tokens alike, divided by responses x a constant length (Dr.GRPO,                |
|            | arXiv:2503.20783)                                                                   |
| `sum`      | the sum over each response's tokens, then the mean over responses: the policy       |
|            | gradient itself                                                                     |

A response's tokens that have no score weigh nothing; in `sequence`, `constant` and `sum` responses
without a score are not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Reduction", "importance", "policy_loss", "value_loss", "weights"]

Reduction = Literal["token", "sequence", "constant", "sum"]


def importance(
    log_B_T: Tensor,
    old_B_T: Tensor,
    mask_B_T: Tensor,
    level: Literal["token", "sequence"] = "token",
) -> Tensor:
    """(B, T) π / π_old of each token; or of the whole response, its geometric mean, at each token.
    1 outside the mask.

    The ratio of a response has the gradient of each token's own log-probability at that token
    (GSPO-token, arXiv:2507.18071, 4.3): where all tokens of a response have one advantage and one
    weight, that sums up to GSPO's.
    """
    log_ratio_B_T = (log_B_T - old_B_T).where(mask_B_T, 0.0)
    if level == "token":
        return log_ratio_B_T.exp()
    held_B_T = log_ratio_B_T.detach()
    mean_B = held_B_T.sum(-1) / mask_B_T.sum(-1).clamp(min=1)
    return (mean_B.exp()[:, None] * (log_ratio_B_T - held_B_T).exp()).where(mask_B_T, 1.0)


def policy_loss(
    ratio_B_T: Tensor,
    advantages_B_T: Tensor,
    *,
    low: float = 0.2,
    high: float = 0.2,
    dual: float | None = None,
) -> tuple[Tensor, Tensor]:
    """(B, T) -min(A ρ, A clip(ρ, 1 - low, 1 + high)) (PPO, arXiv:1707.06347), and where the clip
    binds.

    low, high: they may differ (clip-higher, arXiv:2503.14476). dual: where A < 0, the loss is at
    most -dual A, so that no ratio however large makes it explode (arXiv:1912.09729); 3 is usual.
    """
    plain_B_T = -advantages_B_T * ratio_B_T
    clipped_B_T = -advantages_B_T * ratio_B_T.clamp(1 - low, 1 + high)
    loss_B_T = plain_B_T.maximum(clipped_B_T)
    bound_B_T = clipped_B_T > plain_B_T
    if dual is not None:
        most_B_T = -dual * advantages_B_T
        bound_B_T = bound_B_T | ((advantages_B_T < 0) & (loss_B_T > most_B_T))
        loss_B_T = loss_B_T.minimum(most_B_T).where(advantages_B_T < 0, loss_B_T)
    return loss_B_T, bound_B_T.detach()


def value_loss(
    values_B_T: Tensor, old_B_T: Tensor, returns_B_T: Tensor, clip: float | None = 0.2
) -> Tensor:
    """(B, T) ½ (V - R)², at least ½ (V' - R)² with V' no further than `clip` from the old value
    (arXiv:1707.06347)."""
    error_B_T = (values_B_T - returns_B_T).square()
    if clip is not None:
        near_B_T = old_B_T + (values_B_T - old_B_T).clamp(-clip, clip)
        error_B_T = error_B_T.maximum((near_B_T - returns_B_T).square())
    return error_B_T / 2


def weights(mask_B_T: Tensor, how: Reduction, length: int) -> Tensor:
    """(B, T) weight of each token's loss; the loss of a batch is the weighted sum, so that parts of
    it add up.

    length: the constant of `constant`.
    """
    mask = mask_B_T.double()
    responses = mask.any(-1).sum().clamp(min=1)
    if how == "token":
        return mask / mask.sum().clamp(min=1)
    if how == "sequence":
        return mask / mask.sum(-1, keepdim=True).clamp(min=1) / responses
    return mask / responses / (length if how == "constant" else 1)
