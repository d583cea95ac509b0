"""Is the final answer right? Binary cross-entropy on the outcome (arXiv:2110.14168)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.losses import last
from assay.types import StepLabels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Outcome"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Learn whether responses are right, from a label on the last step.

    With z the logits read and y the last label, a response's loss is the mean of -y log σ(z) - (1 -
    y) log σ(-z) over the positions read. The score is a probability, comparable between prompts.
    """

    every_token: bool = False
    """Prediction of the outcome at every token of the response, not only at its end: a value
    function (arXiv:2110.14168)."""

    consumes: ClassVar[type[StepLabels]] = StepLabels
    trains: ClassVar[Literal["outcome"]] = "outcome"

    @property
    def reads(self) -> Literal["steps", "tokens"]:
        """Tokens when every token is trained."""
        return "tokens" if self.every_token else "steps"

    def terms(self, targets: Tensor, mask: Tensor) -> int:
        """Responses that have a label."""
        return int((mask.any(-1) & ~last(targets, mask).isnan()).sum())

    def __call__(self, values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Mean over labelled responses. values, targets, mask: (G, R, S); NaN targets are not
        supervised."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        labels_G_R = last(targets, mask)
        labelled = mask.any(-1) & ~labels_G_R.isnan()
        labels_G_R = labels_G_R.nan_to_num(0.0)
        if self.every_token:
            expected = labels_G_R.unsqueeze(-1).expand_as(values)
            each = binary_cross_entropy_with_logits(
                values.masked_fill(~mask, 0.0), expected, reduction="none"
            )
            loss_G_R = (each * mask).sum(-1) / mask.sum(-1).clamp(min=1)
        else:
            loss_G_R = binary_cross_entropy_with_logits(
                last(values, mask), labels_G_R, reduction="none"
            )
        return (loss_G_R * labelled).sum() / labelled.sum().clamp(min=1)
