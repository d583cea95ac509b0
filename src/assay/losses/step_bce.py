"""Is every step right? Binary cross-entropy on step labels, hard or soft (arXiv:2305.20050, 2312.08935)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.types import StepLabels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StepBCE"]


@dataclass(frozen=True, kw_only=True)
class StepBCE:
    """Learn whether each step is right: a process reward model.

    With z the logit at a step's end and y its label, a probability, the loss is the mean of -y log σ(z) -
    (1 - y) log σ(-z) over all labelled steps of the batch: a response counts by its number of labelled steps.
    """

    consumes: ClassVar[type[StepLabels]] = StepLabels
    trains: ClassVar[Literal["process"]] = "process"

    @property
    def reads(self) -> Literal["steps"]:
        """One value a step."""
        return "steps"

    def terms(self, targets: Tensor, mask: Tensor) -> int:
        """Labelled steps."""
        return int((mask & ~targets.isnan()).sum())

    def __call__(self, values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Mean over labelled steps. values, targets, mask: (G, R, S); NaN targets are not supervised."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        labelled = mask & ~targets.isnan()
        each = binary_cross_entropy_with_logits(
            values.masked_fill(~labelled, 0.0), targets.masked_fill(~labelled, 0.0), reduction="none"
        )
        return (each * labelled).sum() / labelled.sum().clamp(min=1)
