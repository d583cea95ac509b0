"""Attention over a tree of tokens in one launch: flash attention of variable lengths.

Each node is a sequence of the kernel: its queries are the node's tokens, its keys the path that
leads to them, gathered. The last query sees the last key and all before it, which is how flash
attention takes fewer queries than keys; a window counts positions, for a path's keys stand in their
order. A prompt's keys are copied once a child, those of the few key heads only.

`torch.nn.attention.varlen` runs on CUDA only, in bf16 and fp16. Its gradient needs nothing of ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from assay.packing.attention import Piece
from assay.packing.device import to_device

__all__ = ["Paths", "attend", "paths_of"]


@dataclass(frozen=True)
class Paths:
    """The N nodes of a row, and the keys of each one's path."""

    queries: Tensor
    """(N + 1,) where each node's queries begin; int32."""
    keys: Tensor
    """(N + 1,) where each path's keys begin among those gathered; int32."""
    places: Tensor
    """(G,) which keys are gathered."""
    longest: tuple[int, int]
    """Most queries of a node, and most keys of a path."""


def paths_of(pieces: Sequence[Piece], device: torch.device) -> Paths:
    """The paths of a row's own nodes, which stand in its order.

    A path's keys stand in the order of their places: what is above a token lies before it.
    """
    own = sorted((p for p in pieces if p.causal), key=lambda p: p.q0)
    starts = np.array([p.q0 for p in own])
    paths: list[list[tuple[int, int]]] = [[] for _ in own]
    for p in pieces:
        first, last = np.searchsorted(starts, [p.q0, p.q1])
        for path in paths[first:last]:
            path.append((p.k0, p.k1))
    places = [np.concatenate([np.arange(*span) for span in sorted(path)]) for path in paths]
    counts = np.array([[p.q1 - p.q0 for p in own], [len(each) for each in places]])
    offsets = np.pad(counts.cumsum(1), ((0, 0), (1, 0))).astype(np.int32)
    queries, keys = to_device(offsets, device).unbind()
    gathered = to_device(np.concatenate(places), device)
    longest_query, longest_key = counts.max(1).tolist()
    return Paths(queries, keys, gathered, (longest_query, longest_key))


def attend(
    query_H_T_D: Tensor,
    key_K_U_D: Tensor,
    value_K_U_D: Tensor,
    paths: Paths,
    window: int | None,
    *,
    scale: float,
) -> Tensor:
    """(H, T, D) attention of T queries over U keys; H is a multiple of the K key heads, which are
    not repeated."""
    # Of torch 2.10 and later.
    from torch.nn.attention.varlen import varlen_attn

    key_G_K_D, value_G_K_D = (
        x.transpose(0, 1).index_select(0, paths.places) for x in (key_K_U_D, value_K_U_D)
    )
    out = varlen_attn(
        query_H_T_D.transpose(0, 1),
        key_G_K_D,
        value_G_K_D,
        paths.queries,
        paths.keys,
        *paths.longest,
        scale=scale,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=len(query_H_T_D) != len(key_K_U_D),
    )
    assert isinstance(out, Tensor)
    return out.transpose(0, 1)
