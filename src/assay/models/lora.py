"""Low-rank adapters on the backbone (LoRA, arXiv:2106.09685: W + alpha/rank * B A); a head is
always trained in full.

`adapt` and `merge` take a stock network, `add_lora` and `merge_lora` a reward model.

Adapters live inside the backbone while it trains and are merged into its weights before saving, so
that what is saved is a stock checkpoint. On two CPU cores they are slower than full training and
need more memory; they pay on large backbones, where the optimizer's state is what does not fit. The
reference of an implicit model is then the backbone without adapters, held once.

In a mixture of experts each expert's matrices get adapters of the rank that is asked for;
transformers holds them stacked in one parameter, and so does peft (`ParamWrapper`, one around
another where a module has several). Routers are left as they are: who moves them moves which expert
learns, and a few tokens may then unbalance what pretraining balanced.
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

AROUND = ("x_proj", "dt_proj", "out_proj")
"""Layers of state-space mixers whose kernels take the weight, and would not see an adapter."""


def add_lora(
    model: RewardModel,
    rank: int,
    alpha: float,
    targets: Literal["all-linear"] | Sequence[str] = "all-linear",
    dropout: float = 0.0,
) -> None:
    """Freeze the backbone and put adapters into it, in place; they start at zero, so scores do not
    change yet.

    targets: names of the layers to adapt ("q_proj"), or every linear one and every expert, but no
    router. Raises `MissingExtra` without peft, `ConfigError` when there are adapters already, no
    layer fits, or experts are to be adapted with dropout, which their adapters do not have.
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
    """The same of a stock network: a causal language model's own head is frozen, a classifier's
    `score` is not."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtra("LoRA", "train") from error

    backbone = network.base_model
    if adapted(network):
        raise ConfigError("the model has LoRA adapters already; merge them before adding others")
    linear, experts = _linear(network), _experts(backbone)
    there = sorted({name.rpartition(".")[2] for name in (*linear, *experts)})
    if not isinstance(targets, str):
        linear, experts = (
            [n for n in names if n.rpartition(".")[2] in targets] for names in (linear, experts)
        )
    if not linear and not experts:
        raise ConfigError(
            f"LoRA targets {targets} fit no layer; this backbone has {', '.join(there) or 'none'}"
        )
    if experts and dropout:
        raise ConfigError(
            f"adapters of experts ({experts[0]}) have no dropout; set it to 0, or name other"
            " targets"
        )
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=[f"0.{name}" for name in linear],
        target_parameters=[f"0.{name}" for name in experts],
        # GPT-2's layers hold their weights transposed.
        fan_in_fan_out=any(isinstance(m, Conv1D) for m in backbone.modules()),
    )
    # In a list, for in a model that it knows peft takes names of layers for those of experts in
    # older versions.
    inject_adapter_in_model(config, nn.ModuleList([backbone]))
    for name, parameter in network.named_parameters():
        parameter.requires_grad = "lora_" in name or name.startswith("score.")
        if "lora_" in name:
            # Updates of adapters are too small for bf16's eight bits.
            parameter.data = (
                parameter.data.float() if parameter.dtype != torch.float64 else parameter.data
            )


def _linear(network: Any) -> list[str]:
    """Names in the backbone of its linear layers, but for heads, routers, and those that are read
    around."""
    backbone = network.base_model
    heads = [getattr(network, "score", None), network.get_output_embeddings()]
    routers = {"router", "gate"} if _experts(backbone) else {"router"}
    found = []
    for name, module in backbone.named_modules():
        *path, last = name.split(".")
        if not isinstance(module, (nn.Linear, Conv1D)) or any(module is head for head in heads):
            continue
        mixer = type(backbone.get_submodule(".".join(path))).__name__.lower()
        if not routers & {*path, last} and not ("mamba" in mixer and last in AROUND):
            found.append(name)
    return found


def _experts(backbone: nn.Module) -> list[str]:
    """Names of the parameters that hold one matrix per expert, (experts, width, width)."""
    found = []
    for name, module in backbone.named_modules():
        if "expert" in name.lower() or "expert" in type(module).__name__.lower():
            own = module.named_parameters(recurse=False)
            found += [f"{name}.{key}" for key, parameter in own if parameter.ndim == 3]
    return found


def adapted(network: nn.Module) -> bool:
    """Return whether a network carries adapters."""
    return any("lora_" in name for name, _ in network.named_parameters())


def merge_lora(model: RewardModel) -> None:
    """Add the adapters to the weights they adapt and take them out, in place; outputs stay the same
    up to rounding."""
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
    # The outermost of adapters around one another comes first, and its base layer is that of all.
    outermost = [(name, m) for name, m in layers if not name.endswith(".base_layer")]
    for _, layer in layers:
        layer.merge()
    for name, layer in outermost:
        parent, _, child = name.rpartition(".")
        setattr(backbone.get_submodule(parent), child, layer.get_base_layer())
    for parameter in network.parameters():
        parameter.requires_grad = True
