"""Train a language model of a world to imitate demonstrations."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["imitate", "llama_of"]


def llama_of(words: int, positions: int, **ids: int) -> Any:
    """Return the configuration of two layers, 64 wide: about 105k parameters.

    words: size of the vocabulary; ids: `bos_token_id`, `eos_token_id` and `pad_token_id`.
    """
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=words,
        hidden_size=64,
        intermediate_size=176,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=positions,
        tie_word_embeddings=True,
        initializer_range=0.1,
        **ids,
    )


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
