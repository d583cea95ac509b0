"""Losses: one frozen dataclass a module, found by name; its fields are its settings.

They are masked functions of the logits a reward model reads. The reward of a response is its last
logit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["last", "pearson", "supervised"]


def last(values: Tensor, mask: Tensor) -> Tensor:
    """(..., S) -> (...): the value at the last position where `mask` is True; 0 where it is nowhere
    True."""
    index = mask.long().cumsum(-1).argmax(-1, keepdim=True)
    return values.gather(-1, index).squeeze(-1).masked_fill(~mask.any(-1), 0.0)


def pearson(x: Tensor, y: Tensor) -> Tensor:
    """Correlation of all entries of two tensors of one shape, differentiable; 0 where either does
    not vary."""
    from torch.nn.functional import cosine_similarity

    return cosine_similarity((x - x.mean()).flatten(), (y - y.mean()).flatten(), dim=0, eps=1e-12)


def supervised(
    targets: Tensor, mask: Tensor, *, first_error: bool, threshold: float | None
) -> tuple[Tensor, Tensor]:
    """Labels of steps (..., S), hard where there is a threshold, and where to learn from them.

    first_error: not beyond the first step that is more likely wrong than right, as PRM800K was
    trained (arXiv:2305.20050): what comes after a mistake was labelled as if it had not been made,
    or not looked at. With a threshold, not beyond the first step that it makes wrong.
    """
    labelled = mask & ~targets.isnan()
    targets = targets.masked_fill(~labelled, 0.0)
    if threshold is not None:
        targets = (targets >= threshold).to(targets.dtype)
    if first_error:
        wrong = labelled & (targets < 0.5)
        labelled = labelled & (wrong.long().cumsum(-1) - wrong.long() == 0)
    return targets, labelled
