"""Train a language model of a world to imitate demonstrations."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["imitate"]


def imitate(
    model: Any,
    loss_of_a_batch: Callable[[], Tensor],
    *,
    steps: int,
    learning_rate: float,
    show: Callable[[int, str], None],
) -> Any:
    """Train a model by AdamW with linear warm-up and decay. `show` is told each step."""
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, weight_decay=0.01, fused=True
    )
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * min(1, step / 50) * (1 - step / steps)
        loss = loss_of_a_batch()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        show(step + 1, f"loss {loss.item():.3f}")
    return model.eval()
