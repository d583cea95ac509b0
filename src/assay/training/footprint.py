"""Memory of training and of scoring, before either begins.

A pass of a few layers is run on tensors that hold no numbers (PyTorch's fake tensors), and the
bytes that are alive are counted as they come and go; layers are alike, so all of them follow.
Whatever the architecture, the precision, adapters and recomputation do to memory is done by the
code that will do it. Kernels are those of the CPU; scratch memory inside of kernels and what an
allocator cannot use are not counted.
"""

import logging
import weakref
from copy import deepcopy
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from assay.errors import ConfigError
from assay.models.loading import first_line
from assay.models.lora import adapt
from assay.models.shapes import network_of
from assay.training.adamw import MOMENTS, Bf16Update
from assay.training.optimization import checkpointing

__all__ = ["Footprint", "Use", "footprint"]

UPDATE: dict[str, int] = {"master": 8, "stochastic": 24}
"""Bytes per number of the largest bf16 tensor that its update needs for a moment."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """How a model is run, as far as memory goes."""

    trains: bool
    dtype: Literal["float32", "bfloat16"] = "float32"
    autocast: bool = False
    bf16_update: Bf16Update = "master"
    gradient_checkpointing: bool = False
    lora: int = 0
    """Rank of adapters, 0 for none."""
    tokens: int = 8192
    """Tokens of a pass."""
    length: int = 1024
    """Tokens of a sequence."""
    ranks: int = 1
    """Processes that weights, gradients and the optimiser's state are cut among (FSDP)."""


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes that one rank holds at its peak, by what they are."""

    weights: float
    gathered: float = 0.0
    """Layers that FSDP has put together for the moment: two, and what belongs to no layer."""
    gradients: float = 0.0
    optimiser: float = 0.0
    activations: float = 0.0
    """What a pass holds beside them, at its peak."""

    @property
    def total(self) -> float:
        """All of it."""
        return float(sum(astuple(self)))


@dataclass(frozen=True)
class _Traced:
    """Bytes of a network of some layers."""

    weights: float
    trained: float
    """Bytes of the weights that are trained, as many as of their gradients."""
    optimiser: float
    largest: int
    """Numbers in the largest trained tensor in bf16."""
    layers: float
    """Most bytes beside weights and gradients while layers are run, or run back."""
    table: float
    """The same while the table of tokens gets its gradient."""
    a_layer: float = 0.0
    """Bytes of one layer's weights."""


def footprint(config: Any, use: Use) -> Footprint:
    """Bytes of one rank's weights, gradients, AdamW's state and activations.

    Raises `ConfigError` for an architecture that cannot be run without numbers, as where a router
    looks at them: its activations are not known.
    """
    layers = int(config.get_text_config().num_hidden_layers)
    held = _of_all(config, use, layers)
    # What FSDP gathers for autocast is in bf16 already, and no copies of it are made.
    halved = use.ranks > 1 and use.autocast and use.dtype == "float32"
    run = _of_all(config, replace(use, dtype="bfloat16"), layers) if halved else held
    return Footprint(
        weights=held.weights / use.ranks,
        gathered=0.0 if use.ranks == 1 else 2 * run.a_layer + held.weights - layers * held.a_layer,
        gradients=held.trained / use.ranks,
        optimiser=held.optimiser / use.ranks,
        activations=max(run.layers, run.table, UPDATE[use.bf16_update] * held.largest / use.ranks),
    )


def _of_all(config: Any, use: Use, layers: int) -> "_Traced":
    """Bytes of all layers, from those of two and of four: they are alike."""
    # Ranks change nothing of what is traced.
    use = replace(use, ranks=1)
    few = _traced(_Key(config), use, min(2, layers))
    if layers <= 2:
        return few
    more = _traced(_Key(config), use, min(4, layers))
    times = (layers - 2) / (min(4, layers) - 2)
    weights, trained, optimiser, peak = (
        a + (b - a) * times
        for a, b in (
            (few.weights, more.weights),
            (few.trained, more.trained),
            (few.optimiser, more.optimiser),
            (few.layers, more.layers),
        )
    )
    a_layer = (weights - few.weights) / (layers - 2)
    return replace(
        few,
        weights=weights,
        trained=trained,
        optimiser=optimiser,
        layers=peak,
        a_layer=a_layer,
    )


class _Key:
    """A configuration that is hashed by its content."""

    def __init__(self, config: Any) -> None:
        self.config, self.text = config, config.to_json_string()

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.text == self.text


@lru_cache(maxsize=64)
def _traced(key: _Key, use: Use, layers: int) -> _Traced:
    """Bytes of so many layers."""
    config = deepcopy(key.config)
    config.get_text_config().num_hidden_layers = layers
    log = logging.getLogger("torch._subclasses.fake_tensor")
    # What cannot be run is said once, below, and not with PyTorch's stack before.
    log.disabled = True
    try:
        network = network_of(config, "meta", getattr(torch, use.dtype))
        # Heads are in fp32 whatever the backbone is in.
        network.score = nn.Linear(config.get_text_config().hidden_size, 1, False, device="meta")
        if use.lora:
            adapt(network, use.lora, 2 * use.lora)
        with FakeTensorMode(allow_non_fake_inputs=True):
            return _run(_as_on_cpu(network), use)
    except Exception as error:
        raise ConfigError(
            f"a {config.model_type} cannot be run without numbers, so what its passes hold is not"
            f" known ({type(error).__name__}: {first_line(error)}); plan with a dense shape of its"
            " width, or measure a run"
        ) from error
    finally:
        log.disabled = False


def _as_on_cpu(network: Any) -> Any:
    """Put fake tensors of the CPU in the place of a network's tensors on the meta device."""
    made: dict[int, Tensor] = {}
    for module in network.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is None:
                    continue
                if id(tensor) not in made:
                    new = torch.empty(tensor.shape, dtype=tensor.dtype)
                    made[id(tensor)] = (
                        nn.Parameter(new, requires_grad=tensor.requires_grad)
                        if isinstance(tensor, nn.Parameter)
                        else new
                    )
                held[name] = made[id(tensor)]
    return network


def _run(network: Any, use: Use) -> _Traced:
    """One pass over padded sequences, and back."""
    weights = list(network.parameters())
    trained = [p for p in weights if p.requires_grad and use.trains]
    for p in trained:
        # A pass's gradients are added to those that the step has, which are counted apart.
        p.register_post_accumulate_grad_hook(_drop)
    rows, length = max(1, use.tokens // use.length), min(use.length, use.tokens)
    ids = torch.zeros(rows, length, dtype=torch.long)
    alive = _Alive([*weights, *network.buffers()])
    network.train(use.trains)
    with (
        checkpointing(network, use.gradient_checkpointing and use.trains),
        torch.set_grad_enabled(use.trains),
        alive,
    ):
        with torch.autocast("cpu", torch.bfloat16, enabled=use.autocast):
            states = network.base_model(
                input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False
            ).last_hidden_state[:, -1]
        if use.trains:
            network.score(states.float()).sum().backward()
    low = [p.numel() for p in trained if p.dtype == torch.bfloat16]
    master = 4 if use.bf16_update == "master" else 0
    return _Traced(
        weights=_bytes(weights),
        trained=_bytes(trained),
        optimiser=MOMENTS * sum(p.numel() for p in trained) + master * sum(low),
        largest=max(low, default=0),
        layers=alive.most,
        table=alive.most_at_table,
    )


def _drop(parameter: Tensor) -> None:
    parameter.grad = None


def _bytes(tensors: list[Any]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count the bytes that operations make, for as long as they live; those of `held` apart."""

    def __init__(self, held: list[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.most, self.most_at_table = 0, 0, 0
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in held}
        self._at_table = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self._at_table |= func is torch.ops.aten.embedding_dense_backward.default
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._made(tensor)
        return result

    def _made(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        # Views share what they look at.
        place = storage._cdata
        if place in self._sizes:
            return
        self._sizes[place] = storage.nbytes()
        self.now += storage.nbytes()
        weakref.finalize(storage, self._gone, place)
        if self._at_table:
            self.most_at_table = max(self.most_at_table, self.now)
        else:
            self.most = max(self.most, self.now)

    def _gone(self, place: int) -> None:
        self.now -= self._sizes.pop(place)
