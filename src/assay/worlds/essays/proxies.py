"""The networks of reward models of five sizes: stock Llamas, from scratch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from assay.worlds.essays.policy import llama_config

__all__ = ["SIZES", "Size", "network"]


@dataclass(frozen=True, kw_only=True)
class Size:
    """A reward model's shape, and how fast it learns."""

    width: int
    inner: int
    layers: int
    heads: int
    learning_rate: float


SIZES: Final[Mapping[str, Size]] = {
    "XS": Size(width=6, inner=8, layers=1, heads=1, learning_rate=2e-2),
    "S": Size(width=12, inner=8, layers=1, heads=1, learning_rate=1e-2),
    "M": Size(width=20, inner=32, layers=1, heads=2, learning_rate=8e-3),
    "L": Size(width=40, inner=56, layers=2, heads=4, learning_rate=4e-3),
    "XL": Size(width=72, inner=128, layers=2, heads=4, learning_rate=2e-3),
}
"""About 0.5k, 1.3k, 4k, 28k and 100k parameters."""


def network(size: str, seed: int = 0) -> Any:
    """A `LlamaForSequenceClassification` of a size, weights drawn from the seed."""
    from transformers import LlamaForSequenceClassification

    shape = SIZES[size]
    torch.manual_seed(seed)
    config = llama_config(
        width=shape.width,
        inner=shape.inner,
        layers=shape.layers,
        heads=shape.heads,
        # Narrow layers need larger weights for activations of order one.
        spread=min(0.3, 0.7 / shape.width**0.5),
    )
    config.num_labels = 1
    return LlamaForSequenceClassification(config)
