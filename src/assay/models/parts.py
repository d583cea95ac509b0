"""A model whose matrices lie in parts on several processes: tensor parallelism by the plan that
transformers has of an architecture.

Each process holds some columns or rows of every layer's matrices, and embeddings, norms and the
head whole. One process, the leader, asks; the others run every pass of the backbone with it. For
reading only, without shared prefixes. Tried on CPUs, with gloo.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor, nn

from assay.errors import BackendError, ConfigError
from assay.packing import rotary
from assay.packing.budget import out_of_memory
from assay.packing.engine import Engine, pin

__all__ = ["PARTS", "TRIED", "divided", "follow", "leading", "local", "settle"]

PARTS: Final = "parts"
"""The word for a device that stands for those of all processes."""
TRIED: Final = frozenset(
    "exaone4 gemma gemma2 gemma3_text glm4 gpt_neox llama ministral mistral olmo2 olmo3 phi phi3"
    " qwen2 qwen3 smollm3 starcoder2".split()
)
"""Model types whose plan was held against the whole model."""


def divided(home: Path, config: Any) -> dict[str, Any]:
    """Return settings by which transformers reads this process's part of a model.

    Raises `ConfigError` for an architecture that was not tried in parts, and where its heads cannot
    be dealt evenly.
    """
    if not dist.is_initialized():
        raise ConfigError(
            "device 'parts' stands for several processes, which torchrun starts of `assay score`"
        )
    size, kind = dist.get_world_size(), config.model_type
    if kind not in TRIED:
        raise ConfigError(
            f"{home} is of type {kind}, which was not tried in parts ({', '.join(sorted(TRIED))}"
            " were); start one process, or ask a server that cuts its layers"
        )
    heads = config.num_attention_heads, getattr(config, "num_key_value_heads", 0)
    if any(count % size for count in heads):
        raise ConfigError(
            f"{home} has {heads[0]} heads and {heads[1]} of keys, which {size} processes cannot"
            " share evenly; start a number of processes that divides both"
        )
    try:
        from transformers.distributed import DistributedConfig

        return {"distributed_config": DistributedConfig(tp_size=size)}
    except (ImportError, TypeError) as error:
        raise ConfigError(
            "this version of transformers does not lay matrices in parts; upgrade it"
        ) from error


def settle(home: Path, network: Any) -> str:
    """Keep a network in parts to plain passes, and return what this process holds of it.

    Raises `ConfigError` for what would look at other processes' state between passes.
    """
    if rotary.changes(network.base_model):
        raise ConfigError(
            f"{home} has rotary embeddings that change with the length, which are not in step on"
            " several processes; start one"
        )
    pin(network.base_model, Engine("plain", "matrices lie in parts", 0.0))
    held = sum(part.numel() * part.element_size() for part in map(local, network.parameters()))
    return f"{held / 1e9:,.2f} GB on each of {dist.get_world_size()} processes"


def local(tensor: Tensor) -> Tensor:
    """Return what this process holds of a tensor."""
    found: Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return found


@contextmanager
def leading(backbone: nn.Module) -> Iterator[None]:
    """Have all other processes run every pass of a backbone as well, until this ends.

    Where it ends by an error nobody is told: what is lost with the leader ends the others.
    """
    forward = backbone.forward

    def together(**given: Any) -> Any:
        _told({k: v.cpu() if isinstance(v, Tensor) else v for k, v in given.items()})
        try:
            return forward(**given)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            # The others are within this pass, and cannot begin a smaller one.
            raise BackendError(
                "memory ran out in a pass of several processes; give fewer --micro-tokens"
            ) from error

    backbone.forward = together
    try:
        yield
        _told(None)
    finally:
        backbone.forward = forward


def follow(backbone: nn.Module) -> None:
    """Run the passes that the leader runs, until it is done."""
    device = next(backbone.parameters()).device
    with torch.inference_mode():
        while (given := _told(None)) is not None:
            backbone(**{k: v.to(device) if isinstance(v, Tensor) else v for k, v in given.items()})


def _told(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what the leader gives."""
    found = [given]
    dist.broadcast_object_list(found, src=0)
    return found[0]
