"""How likely is it to finish right from here? Squared error on soft step labels
(arXiv:2501.07301)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.losses import supervised
from assay.types import StepLabels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StepMSE"]


@dataclass(frozen=True, kw_only=True)
class StepMSE:
    """Learn each step's probability, as Monte-Carlo labels estimate it.

    With z the logit at a step's end and y its label, the loss is the mean of (σ(z) - y)² over all
    supervised steps of the batch. A label that is an average of rollouts is an unbiased but noisy
    estimate, and the squared error bounds what one label that is 0 or 1 by chance can do, where the
    cross-entropy does not.
    """

    first_error: bool = False
    """No supervision after the first wrong step (its label below a half)."""

    consumes: ClassVar[type[StepLabels]] = StepLabels
    trains: ClassVar[Literal["process"]] = "process"

    @property
    def reads(self) -> Literal["steps"]:
        """One value a step."""
        return "steps"

    def terms(self, targets: Tensor, mask: Tensor) -> int:
        """Supervised steps."""
        return int(supervised(targets, mask, first_error=self.first_error, threshold=None)[1].sum())

    def __call__(self, values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Mean over supervised steps. values, targets, mask: (G, R, S); NaN targets are not
        supervised."""
        labels, labelled = supervised(targets, mask, first_error=self.first_error, threshold=None)
        each = (values.masked_fill(~labelled, 0.0).sigmoid() - labels).square()
        return (each * labelled).sum() / labelled.sum().clamp(min=1)
