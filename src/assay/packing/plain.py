"""Run a model over a tree the usual way: every sequence whole, in padded batches. What the other
paths must equal.

Where rotary embeddings change with the longest sequence, only sequences that have the same angles
stand in a batch. A token that several sequences share has no one state then, so the tree must share
none.
"""

import numpy as np
import torch
from torch import Tensor, nn

from assay.packing import rotary
from assay.packing.tree import Tree

__all__ = ["forward"]


def forward(backbone: nn.Module, tree: Tree, *, micro_tokens: int = 8192) -> Tensor:
    """(T, D) last hidden states of a tree's tokens; `micro_tokens`: most tokens, padding included,
    of a batch."""
    device = next(backbone.parameters()).device
    order = sorted(range(len(tree.lengths)), key=lambda i: -tree.lengths[i])
    parts, places = [], []
    while order:
        width = tree.lengths[order[0]]
        span = rotary.span(backbone, width)
        # From the longest to the shortest, those of one span stand side by side.
        batch = [
            i
            for i in order[: max(1, micro_tokens // width)]
            if rotary.span(backbone, tree.lengths[i]) == span
        ]
        order = order[len(batch) :]
        ids = np.zeros((len(batch), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, there, i in zip(ids, mask, batch, strict=True):
            at = tree.places(i, np.arange(tree.lengths[i]))
            row[: len(at)] = tree.ids_T[at]
            there[: len(at)] = 1
            places.append(at)
        mask_B_T = torch.from_numpy(mask).to(device)
        rotary.reset(backbone)
        out = backbone(
            input_ids=torch.from_numpy(ids).to(device),
            attention_mask=mask_B_T,
            position_ids=torch.arange(width, device=device).expand(len(batch), -1),
            use_cache=False,
        )
        parts.append(out.last_hidden_state[mask_B_T.bool()])
    every = torch.cat(parts)
    # A token that several sequences share is taken from the first of them.
    unique, first = np.unique(np.concatenate(places), return_index=True)
    assert len(unique) == len(tree.ids_T)
    return every[torch.from_numpy(first).to(device)]
