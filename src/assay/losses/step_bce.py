"""Is every step right? Binary cross-entropy on step labels, hard or soft (arXiv:2305.20050,
2312.08935)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.errors import ConfigError
from assay.losses import supervised
from assay.types import StepLabels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StepBCE"]


@dataclass(frozen=True, kw_only=True)
class StepBCE:
    """Learn whether each step is right: a process reward model.

    With z the logit at a step's end and y its label, a probability, the loss is the mean of -w y
    log σ(z) - (1 - y) log σ(-z) over all supervised steps of the batch: a response counts by its
    number of supervised steps.
    """

    first_error: bool = False
    """No supervision after the first wrong step (its label below a half, or below the
    threshold)."""

    threshold: float | None = None
    """Threshold that makes soft labels hard: right from this label on; none keeps them soft."""

    right_weight: float = 1.0
    """Weight w of right steps, where they are many more or fewer than wrong ones. It moves every
    logit by log w: the probabilities are calibrated only where it is 1."""

    consumes: ClassVar[type[StepLabels]] = StepLabels
    trains: ClassVar[Literal["process"]] = "process"

    def __post_init__(self) -> None:
        if not 0 < self.right_weight < math.inf or not (
            self.threshold is None or 0 < self.threshold <= 1
        ):
            raise ConfigError(
                "step BCE needs a finite right_weight > 0 and a threshold above 0 and at most 1, or"
                " none"
            )

    @property
    def reads(self) -> Literal["steps"]:
        """One value a step."""
        return "steps"

    def terms(self, targets: Tensor, mask: Tensor) -> int:
        """Supervised steps."""
        return int(self._supervised(targets, mask)[1].sum())

    def __call__(self, values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Mean over supervised steps. values, targets, mask: (G, R, S); NaN targets are not
        supervised."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        labels, labelled = self._supervised(targets, mask)
        each = binary_cross_entropy_with_logits(
            values.masked_fill(~labelled, 0.0),
            labels,
            reduction="none",
            pos_weight=values.new_tensor(self.right_weight),
        )
        return (each * labelled).sum() / labelled.sum().clamp(min=1)

    def _supervised(self, targets: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return supervised(targets, mask, first_error=self.first_error, threshold=self.threshold)
