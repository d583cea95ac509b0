"""Low-rank adapters on the backbone (LoRA, arXiv:2106.09685: W + alpha/rank * B A); a head is always trained in full.

`adapt` and `merge` take a stock network, `add_lora` and `merge_lora` a reward model.

Adapters live inside the backbone while it trains and are merged into its weights before saving, so that what is saved
is a stock checkpoint. On two CPU cores they are slower than full training and need more memory; they pay on large
backbones, where the optimizer's state is what does not fit. The reference of an implicit model is then the backbone
without adapters, held once.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from assay.errors import ConfigError, MissingExtra
from assay.models.implicit import ImplicitRewardModel
from assay.models.reward_model import RewardModel

__all__ = ["adapt", "adapted", "add_lora", "merge", "merge_lora"]


def add_lora(
    model: RewardModel,
    rank: int,
    alpha: float,
    targets: Literal["all-linear"] | Sequence[str] = "all-linear",
    dropout: float = 0.0,
) -> None:
    """Freeze the backbone and put adapters into it, in place; they start at zero, so scores do not change yet.

    targets: names of the layers to adapt ("q_proj"), or every linear one. Raises `MissingExtra` without peft,
    `ConfigError` when there are adapters already or no layer fits.
    """
    adapt(model.network, rank, alpha, targets, dropout)
    if isinstance(model, ImplicitRewardModel):
        model.tie()


def adapt(
    network: Any,
    rank: int,
    alpha: float,
    targets: Literal["all-linear"] | Sequence[str] = "all-linear",
    dropout: float = 0.0,
) -> None:
    """The same of a stock network: a causal language model's own head is frozen, a classifier's `score` is not."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtra("LoRA", "train") from error

    backbone = network.base_model
    if adapted(network):
        raise ConfigError("the model has LoRA adapters already; merge them before adding others")
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        # GPT-2's layers hold their weights transposed.
        fan_in_fan_out=any(isinstance(m, Conv1D) for m in backbone.modules()),
    )
    try:
        inject_adapter_in_model(config, backbone)
    except ValueError as error:
        linear = sorted({n.rpartition(".")[2] for n, m in backbone.named_modules() if isinstance(m, nn.Linear)})
        raise ConfigError(f"LoRA targets {targets} fit no layer; this backbone has {', '.join(linear)}") from error
    for name, parameter in network.named_parameters():
        parameter.requires_grad = "lora_" in name or name.startswith("score.")
        if "lora_" in name:
            # Updates of adapters are too small for bf16's eight bits.
            parameter.data = parameter.data.float() if parameter.dtype != torch.float64 else parameter.data


def adapted(network: nn.Module) -> bool:
    """Whether a network carries adapters."""
    return any("lora_" in name for name, _ in network.named_parameters())


def merge_lora(model: RewardModel) -> None:
    """Add the adapters to the weights they adapt and take them out, in place; outputs stay the same up to rounding."""
    if isinstance(model, ImplicitRewardModel) and adapted(model.network):
        model.untie()
    merge(model.network)


def merge(network: Any) -> None:
    """The same of a stock network."""
    try:
        from peft.tuners.tuners_utils import BaseTunerLayer
    except ImportError as error:
        raise MissingExtra("LoRA", "train") from error

    backbone = network.base_model
    layers = [(name, m) for name, m in backbone.named_modules() if isinstance(m, BaseTunerLayer)]
    if not layers:
        raise ConfigError("the model has no LoRA adapters to merge")
    for name, layer in layers:
        layer.merge()
        parent, _, child = name.rpartition(".")
        setattr(backbone.get_submodule(parent), child, layer.get_base_layer())
    for parameter in network.parameters():
        parameter.requires_grad = True
