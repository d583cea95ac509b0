"""Choose how a model computes shared prefixes, and never take a fast path on trust.

* packed: for the model types in `PACKED`, with SDPA. Its attention is a kernel a node (cascade), or
one launch (varlen, flex) on CUDA, where what passes the trial and is fastest there is taken;
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

from assay.packing import costs, expand, packed, plain, rotary, trial
from assay.packing.packed import Attention
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

LAUNCHES = 2
"""Calls that attention of one launch is counted as: it and what tells it who sees whom."""


@dataclass(frozen=True)
class Engine:
    """How a model computes shared prefixes."""

    path: Path
    reason: str
    """Why not a faster one; empty for the fastest."""
    token_cost: float
    """Floating-point operations of one layer for one token."""
    piece_cost: float = costs.CALL["cpu"]
    """What one call of the attention costs a layer, in floating-point operations that could be done
    meanwhile (`costs`)."""
    attention: Attention = "cascade"
    """That of the packed path."""

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
        calls = len(lengths) if self.attention == "cascade" else min(len(lengths), LAUNCHES)
        enough = calls * self.piece_cost <= sum(lengths) * self.token_cost
        return self.path != "plain" and len(lengths) > 0 and enough

    def worth(self, tree: Tree) -> bool:
        """Return whether sharing is faster than padded batches: it saves tokens and padding, and
        costs calls."""
        saved = len(tree.lengths) * max(tree.lengths) - len(tree.ids_T)
        inner = sum(node.stop > node.end for node in tree.nodes)
        if self.path == "packed":
            calls = len(tree.nodes) + inner if self.attention == "cascade" else LAUNCHES
            return saved * self.token_cost > calls * self.piece_cost
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
        return packed.forward(backbone, tree, micro_tokens=micro_tokens, attention=engine.attention)
    run = expand.forward if engine.path == "expand" else plain.forward
    return run(backbone, tree, micro_tokens=micro_tokens)


def _choose(backbone: nn.Module) -> Engine:
    name, cost = type(backbone).__name__, _token_cost(backbone)
    # On CPUs the constant is within a third of what is measured, and a run that is resumed, or
    # repeated on another machine, takes the same path.
    on_cpu = next(backbone.parameters()).device.type == "cpu"
    call = costs.CALL["cpu"] if on_cpu else costs.call_cost(backbone, cost)
    engine = Engine("plain", "", cost, call)
    reasons: list[str] = []
    why = _unshareable(backbone)
    for path in ("packed", "expand"):
        found = replace(engine, path=path, reason="; ".join(reasons))
        if path == "packed":
            served, reason = (None, why) if why else _packed(backbone, found)
        else:
            reason = why or _unexpandable(backbone)
            reason = reason or trial.fault(partial(hidden, engine=found), backbone)
            served = found
        if reason is None and served is not None:
            if reasons:
                log.info("%s: shared prefixes by the %s path: %s", name, path, found.reason)
            return served
        reasons.append(f"not {path}: {reason}")
    log.warning("%s: prompts are recomputed for every response: %s", name, "; ".join(reasons))
    return replace(engine, reason="; ".join(reasons))


def _packed(backbone: nn.Module, engine: Engine) -> tuple[Engine | None, str | None]:
    """The packed engine with the fastest attention that passes the trial, or why none does."""
    if reason := _unpackable(backbone):
        return None, reason
    passed: list[Engine] = []
    reasons: list[str] = []
    for attention in _attentions(backbone):
        found = replace(engine, attention=attention)
        # Blocks that are seen whole come with rows of several blocks only.
        fault = trial.fault(partial(hidden, engine=found), backbone, blocks=attention == "flex")
        if fault is None:
            passed.append(found)
        else:
            reasons.append(fault if attention == "cascade" else f"{attention}: {fault}")
    if not passed:
        packed.detach(backbone)
        return None, "; ".join(reasons) or "no attention for this device and precision"
    if reasons:
        log.info("%s: attention by %s: %s", type(backbone).__name__, passed[0].attention, reasons)
    return (passed[0] if len(passed) == 1 else _fastest(backbone, passed)), None


def _attentions(backbone: nn.Module) -> list[Attention]:
    """What may compute a row's attention on a model's device, in its precision."""
    first, windowed = next(backbone.parameters()), getattr(backbone.config, "sliding_window", None)
    if not first.is_cuda:
        return ["cascade"]
    # FlexAttention takes every precision, and so weights in fp32 that autocast runs in bf16.
    found: list[Attention] = ["flex"]
    if first.dtype in (torch.bfloat16, torch.float16):
        found = ["varlen", *found] if windowed else ["cascade", "varlen", *found]
    return found


def _fastest(backbone: nn.Module, engines: Sequence[Engine]) -> Engine:
    """The engine that runs 16 responses to a prompt in least time, measured once a machine and
    model's shape."""
    config: Any = backbone.config
    first = next(backbone.parameters())
    most = min(640, int(getattr(config, "max_position_embeddings", None) or 640))
    rng = np.random.default_rng(0)
    prompt = rng.integers(0, config.vocab_size, most * 4 // 5)
    rows = [rng.integers(0, config.vocab_size, most // 5) for _ in range(16)]
    tree = grow([np.concatenate([prompt, row]) for row in rows])

    @torch.no_grad()
    def measured() -> str:
        seconds = {
            e.attention: costs.seconds_of(partial(hidden, backbone, tree, e), first.device)
            for e in engines
        }
        log.info("seconds of 16 responses by each attention: %s", seconds)
        return min(seconds, key=lambda name: seconds[name])

    tried = "+".join(e.attention for e in engines)
    size = sum(p.numel() for p in backbone.parameters())
    what = "attention", tried, config.model_type, first.device.type, first.dtype, size
    best = costs.remembered("|".join(map(str, what)), measured)
    return next((e for e in engines if e.attention == best), engines[0])


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
    return None


def _unexpandable(backbone: nn.Module) -> str | None:
    return "gradient checkpointing keeps no cache" if _checkpointed(backbone) else None


def _checkpointed(backbone: nn.Module) -> bool:
    # The name changed within transformers 5.
    names = ("is_activation_checkpointing", "is_gradient_checkpointing")
    name = next((name for name in names if hasattr(type(backbone), name)), None)
    return backbone.training and name is not None and bool(getattr(backbone, name))


def _token_cost(backbone: nn.Module) -> float:
    """Two operations a parameter of an average layer that a token meets: embeddings left out, and
    of a mixture's experts those that it goes to."""
    tables = [module for module in backbone.modules() if isinstance(module, nn.Embedding)]
    met = -float(sum(table.weight.numel() for table in tables))
    share = _share_of_experts(backbone.config)
    for name, p in backbone.named_parameters():
        met += p.numel() * (share if ".experts." in name else 1.0)
    return 2 * met / max(1, int(getattr(backbone.config, "num_hidden_layers", 1)))


def _share_of_experts(config: Any) -> float:
    """How many of a mixture's experts a token goes to, over how many there are."""
    names = ("num_experts", "n_routed_experts", "num_local_experts")
    counts = [getattr(config, name, None) for name in names]
    every = next((count for count in counts if isinstance(count, int) and count > 0), 1)
    chosen = getattr(config, "num_experts_per_tok", None) or every
    return min(1.0, chosen / every)
