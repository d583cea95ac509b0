"""Choose how a model computes shared prefixes, and never take a fast path on trust.

* packed: for the model types in `PACKED`, with SDPA; on CUDA in bf16 or fp16, and without a sliding
window;
* expand: for any model with a key-value cache, unless gradient checkpointing drops it;
* plain: for every other, and while dropout is on, for a shared prompt would share its noise.

Each is tried on the model, once, when it is first needed (`trial`), and the next one taken where it
does not give what plain batches give. Why is logged.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from assay.packing import expand, packed, plain, rotary, trial
from assay.packing.tree import Tree, grow

__all__ = ["PACKED", "Engine", "engine_of", "hidden", "pin"]

log = logging.getLogger(__name__)

Path = Literal["packed", "expand", "plain"]

PACKED = {
    "gemma3_text",
    "glm4",
    "gpt2",
    "gpt_neox",
    "llama",
    "mistral",
    "olmo",
    "olmo2",
    "opt",
    "phi",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm3",
    "starcoder2",
}
"""Model types that the packed path was tried on: attention by name, positions from
`position_ids`."""

NOISE = ("dropout", "pdrop", "layerdrop", "jitter")
"""Words in the names of settings that make a model random."""

PIECE = {"cpu": 4e6, "cuda": 4e9}
"""What one call of the attention costs a layer, in floating-point operations that could be done
meanwhile."""


@dataclass(frozen=True)
class Engine:
    """How a model computes shared prefixes."""

    path: Path
    reason: str
    """Why not a faster one; empty for the fastest."""
    token_cost: float
    """Floating-point operations of one layer for one token."""
    piece_cost: float = PIECE["cpu"]

    def tree(self, ids: Sequence[Any]) -> Tree | None:
        """The tree of some sequences; None where padded batches are faster."""
        # Looking for what is shared costs time, too.
        if not self.may_pay([len(row) for row in ids]):
            return None
        tree = grow([np.asarray(row) for row in ids])
        return tree if self.worth(tree) else None

    def may_pay(self, lengths: Sequence[int]) -> bool:
        """Return whether sequences are so long, and the model so large, that leaving one out is
        worth a call."""
        enough = len(lengths) * self.piece_cost <= sum(lengths) * self.token_cost
        return self.path != "plain" and len(lengths) > 0 and enough

    def worth(self, tree: Tree) -> bool:
        """Return whether sharing is faster than padded batches: it saves tokens and padding, and
        costs calls."""
        saved = len(tree.lengths) * max(tree.lengths) - len(tree.ids_T)
        inner = sum(node.stop > node.end for node in tree.nodes)
        if self.path == "packed":
            return saved * self.token_cost > (len(tree.nodes) + inner) * self.piece_cost
        # A prompt run alone and a cache copied cost more than a call.
        return (
            self.path == "expand"
            and tree.ratio >= 1.15
            and saved * self.token_cost > 20 * inner * self.piece_cost
        )


_engines: "WeakKeyDictionary[nn.Module, dict[Any, Engine]]" = WeakKeyDictionary()
_pinned: "WeakKeyDictionary[nn.Module, Engine]" = WeakKeyDictionary()


def pin(backbone: nn.Module, engine: Engine) -> None:
    """Run a model by this engine from now on, however it stands: where its weights lie in parts on
    several machines it cannot be tried."""
    _pinned[backbone] = engine


def engine_of(backbone: nn.Module) -> Engine:
    """The engine of a model as it stands: its device, precision, attention, and whether it
    trains."""
    if backbone in _pinned:
        return _pinned[backbone]
    first = next(backbone.parameters())
    attention = str(backbone.config._attn_implementation).replace(packed.NAME, "sdpa")  # type: ignore[union-attr]
    key = (
        first.device.type,
        first.dtype,
        attention,
        backbone.training,
        _checkpointed(backbone),
        _noise(backbone),
    )
    known = _engines.setdefault(backbone, {})
    if key not in known:
        known[key] = _choose(backbone)
    return known[key]


def hidden(backbone: nn.Module, tree: Tree, engine: Engine, *, micro_tokens: int = 8192) -> Tensor:
    """(T, D) last hidden states of a tree's tokens.

    `micro_tokens`: most tokens in a forward pass, so far as the path can cut the tree: the packed
    one without gradients only, the others among leaves.
    """
    if engine.path == "packed":
        packed.attach(backbone)
    run = {"packed": packed.forward, "expand": expand.forward, "plain": plain.forward}[engine.path]
    return run(backbone, tree, micro_tokens=micro_tokens)


def _choose(backbone: nn.Module) -> Engine:
    device, name = next(backbone.parameters()).device.type, type(backbone).__name__
    engine = Engine("plain", "", _token_cost(backbone), PIECE.get(device, PIECE["cuda"]))
    reasons: list[str] = []
    why = _unshareable(backbone)
    paths: dict[Path, str | None] = {
        "packed": why or _unpackable(backbone),
        "expand": why or _unexpandable(backbone),
    }
    for path, reason in paths.items():
        found = replace(engine, path=path, reason="; ".join(reasons))
        reason = reason or trial.fault(partial(hidden, engine=found), backbone)
        if reason is None:
            if reasons:
                log.info("%s: shared prefixes by the %s path: %s", name, path, found.reason)
            return found
        if path == "packed":
            packed.detach(backbone)
        reasons.append(f"not {path}: {reason}")
    log.warning("%s: prompts are recomputed for every response: %s", name, "; ".join(reasons))
    return replace(engine, reason="; ".join(reasons))


def _unshareable(backbone: nn.Module) -> str | None:
    """Why a model's prefixes cannot be shared at all."""
    config: Any = backbone.config
    if getattr(config, "is_encoder_decoder", False):
        return "an encoder-decoder"
    if rotary.changes(backbone):
        return "rotary embeddings that change with the longest sequence"
    if noise := _noise(backbone):
        return f"{noise} is on, and a shared prompt would share its noise; set it to 0"
    return None


def _noise(backbone: nn.Module) -> str:
    """Return what makes a model random while it trains: a setting or a module; empty where nothing
    does."""
    if not backbone.training:
        return ""
    config: dict[str, Any] = backbone.config.to_dict()  # type: ignore[operator,union-attr]
    noisy = [
        k
        for k, v in config.items()
        if isinstance(v, float) and v and any(word in k for word in NOISE)
    ]
    noisy = [k for k in noisy if not k.startswith(("classifier", "summary"))]
    noisy += [
        name
        for name, m in backbone.named_modules()
        if isinstance(m, nn.Dropout) and m.p > 0 and m.training
    ]
    return noisy[0] if noisy else ""


def _unpackable(backbone: nn.Module) -> str | None:
    config: Any = backbone.config
    if config.model_type not in PACKED:
        return f"{config.model_type} is not among the architectures tried"
    if config._attn_implementation not in ("sdpa", packed.NAME):
        return f"attention is {config._attn_implementation}, not sdpa"
    first = next(backbone.parameters())
    if first.is_cuda and first.dtype not in (torch.bfloat16, torch.float16):
        return f"no flash attention on CUDA in {first.dtype}"
    if first.is_cuda and getattr(config, "sliding_window", None):
        return "a sliding window on CUDA"
    return None


def _unexpandable(backbone: nn.Module) -> str | None:
    return "gradient checkpointing keeps no cache" if _checkpointed(backbone) else None


def _checkpointed(backbone: nn.Module) -> bool:
    # The name changed within transformers 5.
    names = ("is_activation_checkpointing", "is_gradient_checkpointing")
    name = next((name for name in names if hasattr(type(backbone), name)), None)
    return backbone.training and name is not None and bool(getattr(backbone, name))


def _token_cost(backbone: nn.Module) -> float:
    """Two operations a parameter of an average layer, embeddings left out."""
    tables = [module for module in backbone.modules() if isinstance(module, nn.Embedding)]
    embeddings = sum(table.weight.numel() for table in tables)
    layers = int(getattr(backbone.config, "num_hidden_layers", 1))
    return 2 * (sum(p.numel() for p in backbone.parameters()) - embeddings) / max(1, layers)
