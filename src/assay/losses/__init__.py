"""Losses: one frozen dataclass a module, found by name; its fields are its settings.

They are masked functions of the logits a reward model reads. The reward of a response is its last logit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["last"]


def last(values: Tensor, mask: Tensor) -> Tensor:
    """(..., S) -> (...): the value at the last position where `mask` is True; 0 where it is nowhere True."""
    index = mask.long().cumsum(-1).argmax(-1, keepdim=True)
    return values.gather(-1, index).squeeze(-1).masked_fill(~mask.any(-1), 0.0)
