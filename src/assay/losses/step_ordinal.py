"""Wrong, neutral or right: three ordered classes on one logit, as PRM800K's labellers gave them
(arXiv:2305.20050).

With z the logit at a step's end and g > 0 the gap between the classes' thresholds, the model is the
proportional-odds one (McCullagh 1980):

    P(wrong) = σ(-z),
    P(neutral) = σ(z) - σ(z - g) = (1 - e^-g) σ(z) σ(g - z),
    P(right) = σ(z - g),

and the loss is the mean of -log P(class) over all supervised steps. A step's score stays σ(z): that
it is not wrong, neutral counted as right, which chose best in the paper. Beside a softmax over
three outputs it keeps the order of the classes, and needs no second read-out: only the gap is given
and not learned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.errors import ConfigError
from assay.losses import supervised
from assay.types import StepLabels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StepOrdinal"]


@dataclass(frozen=True, kw_only=True)
class StepOrdinal:
    """Learn wrong (a label below 1/3), neutral (up to 2/3) and right steps apart; read neutral ones
    as one half."""

    gap: float = 1.0
    """Distance between the thresholds, in logits: about a quarter of the steps at the middle are
    neutral at 1, a half at 2."""

    first_error: bool = False
    """No supervision after the first wrong step (its label below a half)."""

    consumes: ClassVar[type[StepLabels]] = StepLabels
    trains: ClassVar[Literal["process"]] = "process"

    def __post_init__(self) -> None:
        if not 0 < self.gap < math.inf:
            raise ConfigError(f"gap is {self.gap}; it must be above 0 and finite")

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
        from torch.nn.functional import logsigmoid

        labels, labelled = supervised(targets, mask, first_error=self.first_error, threshold=None)
        z = values.masked_fill(~labelled, 0.0)
        right, wrong = labels > 2 / 3, labels < 1 / 3
        neutral = ~(right | wrong)
        log_p = (
            right * logsigmoid(z - self.gap)
            + wrong * logsigmoid(-z)
            + neutral
            * (logsigmoid(z) + logsigmoid(self.gap - z) + math.log(-math.expm1(-self.gap)))
        )
        return -(log_p * labelled).sum() / labelled.sum().clamp(min=1)
