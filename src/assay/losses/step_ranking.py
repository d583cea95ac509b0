"""Which steps are worth more? Step values ranked within a response, as Q-values are (PQM, arXiv:2410.11287)."""

from __future__ import annotations

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

    With Q the logits, c₁, c₂, ... a response's right steps in order, W its wrong ones, and c₀ a start of Q = 0, a
    response's loss is the mean over t of

        log( Σ_{q <= t} exp Q(c_q) + Σ_{w in W} exp(Q(w) + ζ) ) - Q(c_t),

    where t = 0 counts only if there is a wrong step. The batch's is the mean over its responses that have a supervised
    step: each counts the same, however long it is.
    """

    margin: float = 4.0
    """ζ, by how much wrong steps must lie below right ones; the paper finds 2 to 4 best."""

    first_error: bool = False
    """Supervise no step after the first wrong one (its label below a half)."""

    consumes: ClassVar[type[StepLabels]] = StepLabels
    trains: ClassVar[Literal["process"]] = "process"

    def __post_init__(self) -> None:
        if not self.margin >= 0:
            raise ConfigError(f"margin is {self.margin}; step ranking needs 0 or more")

    @property
    def reads(self) -> Literal["steps"]:
        """One value a step."""
        return "steps"

    def terms(self, targets: Tensor, mask: Tensor) -> int:
        """Responses with a supervised step."""
        return int(supervised(targets, mask, first_error=self.first_error, threshold=0.5)[1].any(-1).sum())

    def __call__(self, values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Mean over responses. values, targets, mask: (G, R, S); NaN targets are not supervised."""
        import torch

        labels, labelled = supervised(targets, mask, first_error=self.first_error, threshold=0.5)
        right, wrong = labelled & (labels == 1), labelled & (labels == 0)
        # The start stands before the first step: it is right where there is a wrong one to be told from.
        start = torch.zeros_like(values[..., :1])
        q = torch.cat([start, values.masked_fill(~labelled, 0.0)], -1)
        counted = torch.cat([wrong.any(-1, keepdim=True), right], -1)
        earlier = torch.cat([torch.ones_like(right[..., :1]), right], -1)[..., None, :]
        order = torch.arange(q.shape[-1], device=q.device)
        below = (earlier & (order <= order[:, None])).expand(*q.shape, q.shape[-1])
        rivals = torch.cat([torch.zeros_like(right[..., :1]), wrong], -1)[..., None, :].expand_as(below)
        scores = torch.cat(
            [
                q[..., None, :].expand_as(below).masked_fill(~below, -torch.inf),
                (q + self.margin)[..., None, :].expand_as(rivals).masked_fill(~rivals, -torch.inf),
            ],
            -1,
        )
        each = (scores.logsumexp(-1) - q) * counted
        of_response = each.sum(-1) / counted.sum(-1).clamp(min=1)
        there = labelled.any(-1)
        return (of_response * there).sum() / there.sum().clamp(min=1)
