"""Run a model over a tree by its key-value cache: every shared node once, its cache expanded for
what follows.

Right for nearly every causal architecture (sliding windows, ALiBi, latent attention, hybrids),
because the model does its own attention. Nodes with descendants are run alone; the leaves under a
node together, padded on the right, where nothing is read. Gradients flow through the caches.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from assay.errors import BackendError
from assay.packing.tree import Node, Tree

__all__ = ["forward"]


def forward(backbone: nn.Module, tree: Tree, *, micro_tokens: int = 8192) -> Tensor:
    """(T, D) last hidden states of a tree's tokens; `micro_tokens`: most tokens, prefix included,
    of a batch."""
    children: dict[int, list[int]] = {}
    for i, node in enumerate(tree.nodes):
        children.setdefault(node.parent, []).append(i)
    found: list[Tensor | None] = [None] * len(tree.nodes)
    # (parent's cache, its children)
    todo: list[tuple[Any, list[int]]] = [(None, children.get(-1, []))]
    while todo:
        cache, siblings = todo.pop()
        for i in siblings:
            if i in children:
                hidden, below = _run(backbone, tree, [tree.nodes[i]], cache, keep=True)
                found[i] = hidden[0]
                todo.append((below, children[i]))
        leaves = sorted(
            (i for i in siblings if i not in children), key=lambda i: -_size(tree.nodes[i])
        )
        while leaves:
            longest = tree.nodes[leaves[0]]
            count = max(1, micro_tokens // (longest.depth + _size(longest)))
            batch, leaves = leaves[:count], leaves[count:]
            hidden, _ = _run(backbone, tree, [tree.nodes[i] for i in batch], cache, keep=False)
            for row, i in zip(hidden, batch, strict=True):
                found[i] = row[: _size(tree.nodes[i])]
    return torch.cat([x for x in found if x is not None])


def _size(node: Node) -> int:
    return node.end - node.start


def _run(
    backbone: nn.Module, tree: Tree, nodes: Sequence[Node], cache: Any, *, keep: bool
) -> tuple[Tensor, Any]:
    """(B, L, D) hidden states of B siblings, and the cache after them."""
    depth, width = nodes[0].depth, max(map(_size, nodes))
    ids = np.zeros((len(nodes), width), dtype=np.int64)
    mask = np.zeros((len(nodes), depth + width), dtype=np.int64)
    for i, node in enumerate(nodes):
        ids[i, : _size(node)] = tree.ids_T[node.start : node.end]
        mask[i, : depth + _size(node)] = 1
    device = next(backbone.parameters()).device
    positions = torch.arange(depth, depth + width, device=device).expand(len(nodes), -1)
    out = backbone(
        input_ids=torch.from_numpy(ids).to(device),
        attention_mask=torch.from_numpy(mask).to(device),
        position_ids=positions,
        past_key_values=None if cache is None else _expanded(cache, len(nodes), device),
        use_cache=keep or cache is not None,
    )
    after = getattr(out, "past_key_values", None)
    if keep and after is None:
        raise BackendError(
            f"{type(backbone).__name__} gives no key-value cache; its prompts cannot be shared"
        )
    return out.last_hidden_state, after


def _expanded(cache: Any, count: int, device: torch.device) -> Any:
    """A copy of a cache of one row with `count` rows; `reorder_cache` is there for every kind of
    layer."""
    new = copy.copy(cache)
    new.layers = [_copied(layer) for layer in cache.layers]
    new.reorder_cache(torch.zeros(count, dtype=torch.long, device=device))
    return new


def _copied(layer: Any) -> Any:
    """A copy of a layer's cache: containers of states that are written in place, as hybrids have,
    are its own."""
    new = copy.copy(layer)
    for name, value in vars(layer).items():
        if isinstance(value, (list, dict)):
            setattr(new, name, copy.copy(value))
    return new
