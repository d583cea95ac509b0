"""Rotary embeddings whose angles change with the longest sequence of a batch (dynamic NTK,
longrope).

Transformers takes the length from the largest position in a forward pass, so that a short sequence
beside a long one gets the long one's angles, and a dynamic one keeps them for later passes that are
shorter. Here a sequence has the angles that it has alone in a fresh model: `reset` forgets what
earlier passes left, and only sequences of one `span` go through the model together.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

__all__ = ["batches", "changes", "kind", "reset", "span"]

_known: "WeakKeyDictionary[nn.Module, tuple[tuple[nn.Module, str, str], ...]]" = WeakKeyDictionary()


def _changing(backbone: nn.Module) -> tuple[tuple[nn.Module, str, str], ...]:
    """The modules that change, each with its kind and the prefix of its attributes' names, by type
    of layer."""
    if backbone not in _known:
        found = []
        for module in backbone.modules():
            kinds = getattr(module, "rope_type", None)
            named = kinds if isinstance(kinds, dict) else {"": kinds}
            for layer, kind in named.items():
                if isinstance(kind, str) and ("dynamic" in kind or kind == "longrope"):
                    found.append((module, kind, f"{layer}_" if layer else ""))
        _known[backbone] = tuple(found)
    return _known[backbone]


def changes(backbone: nn.Module) -> bool:
    """Return whether a model's rotary embeddings change with the longest sequence of a batch."""
    return bool(_changing(backbone))


def kind(backbone: nn.Module) -> str:
    """The kind of rotary embeddings that change, as the model's config names it; empty where none
    does."""
    return ", ".join(sorted({kind for _, kind, _ in _changing(backbone)}))


def span(backbone: nn.Module, length: int) -> int:
    """Tokens by which a sequence's angles are decided: sequences of one span have one set of
    angles.

    0 for all that are no longer than what the embeddings were trained for, and in models whose
    embeddings do not change. Above that, every length has its own angles by dynamic scaling, and
    longrope has one second set.
    """
    found = 0
    for module, kind, prefix in _changing(backbone):
        limit = _limit(module, kind, prefix)
        if length > limit:
            found = max(found, length if kind != "longrope" else limit + 1)
    return found


def batches(backbone: nn.Module, lengths: Sequence[int]) -> list[list[int]]:
    """Indices of the sequences that may go through the model together: one batch, unless the
    embeddings change."""
    found: dict[int, list[int]] = {}
    for i, length in enumerate(lengths):
        found.setdefault(span(backbone, length), []).append(i)
    return [*found.values()]


def reset(backbone: nn.Module) -> None:
    """Give the embeddings the angles of a fresh model, whatever was run before."""
    for module, kind, prefix in _changing(backbone):
        if kind == "longrope":
            # Decided anew in every pass.
            continue
        first: Any = getattr(module, f"{prefix}original_inv_freq", None)
        if first is None:
            continue
        # A buffer made while gradients were off altogether could not be used where they are on.
        with torch.inference_mode(False):
            now = getattr(module, f"{prefix}inv_freq")
            setattr(module, f"{prefix}inv_freq", first.detach().clone().to(now.device))
        setattr(module, f"{prefix}max_seq_len_cached", module.original_max_seq_len)


def _limit(module: nn.Module, kind: str, prefix: str) -> int:
    """The longest sequence that gets the first angles."""
    config: Any = module.config
    parameters = config.rope_parameters
    if prefix:
        parameters = parameters[prefix[:-1]]
    if kind == "longrope":
        return int(parameters["original_max_position_embeddings"])
    return int(module.original_max_seq_len)  # type: ignore[arg-type]
