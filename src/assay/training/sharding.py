"""A model whose weights, gradients and optimiser's state lie in parts on all processes (FSDP2,
`torch.distributed.fsdp.fully_shard`; arXiv:2304.11277).

Each layer is gathered when a pass comes to it and let go after; what stands outside the layers is
gathered for a whole pass. So a pass goes through `World.run`, and through every layer once: paths
that run the layers several times a pass are not taken (`_engine`), and models that need it are
refused.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from assay.errors import BackendError, ConfigError
from assay.models.logits import formula_of
from assay.packing import rotary
from assay.packing.budget import out_of_memory
from assay.packing.engine import Engine, engine_of, pin
from assay.training.parallel import World

__all__ = ["at_home", "gathered", "like", "local", "shard", "whole"]

T = TypeVar("T")
log = logging.getLogger(__name__)


class _Through(nn.Module):
    """What every pass of a model goes through, whatever it asks of the model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, compute: Callable[[], T]) -> T:
        """What is computed while the weights are at hand."""
        return compute()


def shard(
    model: nn.Module, network: Any, world: World, *, autocast: bool = False, offload: bool = False
) -> World:
    """Split a model, whole, on the CPU and as it will train, among the processes, in place; the
    world with a way through it.

    network: stock network whose layers are gathered one by one; so are those of `model.reference`,
    where there is one. autocast: they are gathered in bf16. offload: parts lie in the CPUs' memory.
    Raises `ConfigError` for models that take several runs of their layers a pass.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import (
        CPUOffloadPolicy,
        FSDPModule,
        MixedPrecisionPolicy,
        fully_shard,
    )
    from torch.distributed.tensor import DTensor

    networks = [network, *filter(None, [getattr(model, "reference", None)])]
    for one in networks:
        _check(one)
        pin(one.base_model, _engine(one, world))
    kind = world.device.partition(":")[0]
    how: dict[str, Any] = {"mesh": init_device_mesh(kind, (world.size,))}
    if offload:
        how["offload_policy"] = CPUOffloadPolicy(pin_memory=kind == "cuda")
    exact = MixedPrecisionPolicy(reduce_dtype=torch.float32, cast_forward_inputs=False)
    halved = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    names = {name for one in networks for name in one._no_split_modules or ()}
    for layer in [m for m in model.modules() if type(m).__name__ in names]:
        fully_shard(layer, mp_policy=halved if autocast else exact, **how)
    head = getattr(network, "score", None)
    if head is not None:
        # Its weights are in fp32 whatever the others are in, and a group is in one precision.
        fully_shard(head, mp_policy=exact, **how)
    root = _Through(model)
    fully_shard(root, mp_policy=exact, **how)
    for module in root.modules():
        if isinstance(module, FSDPModule):
            # A share of the loss is divided by the terms of all, so gradients add up.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    if not all(isinstance(p, DTensor) for p in model.parameters()):
        raise BackendError("the model's parameters were not split; this build of torch cannot")
    return replace(world, root=root)


@contextmanager
def whole(model: nn.Module, world: World) -> Iterator[None]:
    """Gather all weights of a model that lies in parts, for passes without gradients that ask no
    other process, however many each makes; all processes enter and leave together.

    Every process then holds the model once, beside its own parts.
    """
    from torch.distributed.fsdp import FSDPModule

    if world.root is None:
        yield
        return
    layers = [module for module in model.modules() if isinstance(module, FSDPModule)]
    with torch.no_grad():
        # A pass through the root gathers what stands outside the layers, and lets nothing go.
        world.root(lambda: None)
        for layer in layers:
            layer.unshard()
            layer.set_reshard_after_forward(False, recurse=False)
        try:
            yield
        finally:
            for layer in layers:
                layer.set_reshard_after_forward(True, recurse=False)
                layer.reshard()
            world.root.reshard()


def _check(network: Any) -> None:
    """Raise `ConfigError` where a pass runs the layers of a network more than once."""
    name = type(network).__name__
    if rotary.changes(network.base_model):
        raise ConfigError(
            f"the rotary embeddings of {name} change with the length, and its sequences go through"
            " it apart; train it in one process"
        )
    head = getattr(network, "get_output_embeddings", lambda: None)()
    if head is not None and not hasattr(network, "score") and formula_of(network) is None:
        raise ConfigError(
            f"{name} makes logits of whole sequences only, one after another; train it in one"
            " process"
        )


def _engine(network: Any, world: World) -> Engine:
    """How the model shares prefixes: as found on the CPU, if its layers run once a pass."""
    engine = engine_of(network.base_model)
    if engine.path == "plain" or (engine.path == "packed" and world.device == "cpu"):
        return engine
    reason = "weights that lie in parts are tried on the CPU only, and gathered once a pass"
    log.warning("%s: prompts are recomputed for every response: %s", type(network).__name__, reason)
    return replace(engine, path="plain", reason=reason)


def like(parameter: Tensor, whole: Tensor) -> Tensor:
    """A whole tensor, split as a parameter of its shape is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(parameter, DTensor):
        return whole
    return distribute_tensor(
        whole.to(parameter.device), parameter.device_mesh, parameter.placements, src_data_rank=None
    )


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor, to be read and written."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def gathered(model: nn.Module, world: World) -> dict[str, Tensor]:
    """The trained parameters whole, on the leader's CPU; empty for others, who take part."""
    found: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            whole = parameter.detach().full_tensor()  # type: ignore[attr-defined]
            if world.leader:
                found[name] = whole.cpu()
    return found


def at_home(model: nn.Module, values: dict[str, Tensor], world: World) -> None:
    """Put trained parameters into the whole model, and it where this process computes if it fits
    there."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in values:
                parameter.copy_(values[name])
    # What was in parts refers to itself, and holds memory.
    gc.collect()
    try:
        model.to(world.device)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        log.warning("the whole model does not fit on %s; it is saved on the CPU", world.device)
        model.to("cpu")
