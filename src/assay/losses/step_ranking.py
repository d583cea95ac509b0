"""Which steps are worth more? Step values ranked within a response, as Q-values are (PQM,
arXiv:2410.11287)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from assay.errors import ConfigError
from assay.losses import supervised
from assay.types import StepLabels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StepRanking"]


@dataclass(frozen=True, kw_only=True)
class StepRanking:
    """Learn that right steps rise and wrong ones lie below all of them.

    With Q the logits, c₁, c₂, ... a response's right steps in order, W its wrong ones, and c₀ a
    start of Q = 0, a response's loss is the mean over t of

        log( Σ_{q <= t} exp Q(c_q) + Σ_{w in W} exp(Q(w) + ζ) ) - Q(c_t),

    where t = 0 counts only if there is a wrong step. The batch's is the mean over its responses
    that have a supervised
    step: each counts the same, however long it is. Wrong steps are not ranked among themselves. The
    start holds the values in place, so that they are logits, above 0 where right; they are not
    calibrated.
    """

    margin: float = 4.0
    """ζ, by how much wrong steps must lie below right ones; the paper finds 2 to 4 best."""

    first_error: bool = False
    """No supervision after the first wrong step (its label below a half)."""

    consumes: ClassVar[type[StepLabels]] = StepLabels
    trains: ClassVar[Literal["process"]] = "process"

    def __post_init__(self) -> None:
        if not 0 <= self.margin < math.inf:
            raise ConfigError(f"margin is {self.margin}; step ranking needs 0 or more, and finite")

    @property
    def reads(self) -> Literal["steps"]:
        """One value a step."""
        return "steps"

    def terms(self, targets: Tensor, mask: Tensor) -> int:
        """Responses with a supervised step."""
        return int(
            supervised(targets, mask, first_error=self.first_error, threshold=0.5)[1].any(-1).sum()
        )

    def __call__(self, values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Mean over responses. values, targets, mask: (G, R, S); NaN targets are not supervised."""
        import torch

        labels, labelled = supervised(targets, mask, first_error=self.first_error, threshold=0.5)
        right, wrong = labelled & (labels == 1), labelled & (labels == 0)
        # In the order start, wrong steps, right steps a running sum is every denominator: all wrong
        # ones, and the right ones so far. The start is told from the wrong steps, and so counts
        # where there is one.
        start = torch.zeros_like(values[..., :1])
        q = torch.cat([start, values.masked_fill(~right, 0.0)], -1)
        counted = torch.cat([wrong.any(-1, keepdim=True), right], -1)
        below = (values + self.margin).masked_fill(~wrong, -torch.inf)
        running = torch.cat(
            [start, below, values.masked_fill(~right, -torch.inf)], -1
        ).logcumsumexp(-1)
        each = (running[..., values.shape[-1] :] - q) * counted
        of_response = each.sum(-1) / counted.sum(-1).clamp(min=1)
        there = labelled.any(-1)
        return (of_response * there).sum() / there.sum().clamp(min=1)
