"""Heads rebuilt from their tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["head_of"]


def head_of(tensors: Sequence[Tensor]) -> nn.Module:
    """A linear head (weight, maybe bias), or a chain of (weight, bias) with ReLU between, in
    fp32."""
    layers: list[nn.Module] = []
    for i in range(0, len(tensors), 2):
        weight, *bias = tensors[i : i + 2]
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bool(bias), dtype=torch.float32)
        with torch.no_grad():
            linear.weight.copy_(weight)
            if bias:
                linear.bias.copy_(bias[0])
        layers += [nn.ReLU(), linear] if layers else [linear]
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)
