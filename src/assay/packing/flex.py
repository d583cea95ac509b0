"""Attention over a tree of tokens in one launch: FlexAttention, told which blocks hold anything.

What a token sees falls out of two integers a key (`ranges`): descendants stand right after their
node, so that a key is seen by one stretch of the row's queries. Blocks of 128 x 128 in which nobody
sees anybody are left out, and those in which all see all need no mask. Both are found on the
device from those two vectors, with T x U / 128 comparisons and without waiting for it.

Rows and keys are padded to a few lengths (`bucket`), so that a kernel serves many trees. On a GPU
it is compiled, with gradients. On a CPU torch has no gradient of it, and without compiling it makes
all T x U scores: there it is for tests.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from assay.errors import BackendError
from assay.packing.attention import Piece

__all__ = ["BLOCK", "attend", "bucket", "mask_of", "ranges"]

BLOCK = 128
"""Queries and keys of a block: what FlexAttention skips or takes whole."""

Ints = NDArray[np.int32]


def bucket(count: int) -> int:
    """Return the length that a row of so many tokens is padded to: a multiple of 128, and above
    1,024 of an eighth of the power of two below; at most an eighth is padding there."""
    step = max(BLOCK, 1 << max(0, count.bit_length() - 4))
    return -(-count // step) * step


def ranges(
    pieces: Sequence[Piece], queries: int, keys: int, padding: int = 0, unseen: int = 0
) -> Ints:
    """(2, U + padding + unseen) of each key the first query that sees it, and the one after the
    last.

    pieces: of T queries and U keys. padding: queries after the T, and as many keys after the U,
    that see each other only, lest a query see nothing. unseen: keys that nobody sees. Raises
    `BackendError` where the queries of a key do not stand side by side.
    """
    low_U = np.full(keys + padding + unseen, queries, dtype=np.int32)
    high_U = np.zeros_like(low_U)
    count_U = np.zeros_like(low_U)
    for p in pieces:
        span = slice(p.k0, p.k1)
        first = np.arange(p.q0, p.q1, dtype=np.int32) if p.causal else p.q0
        low_U[span] = np.minimum(low_U[span], first)
        high_U[span] = np.maximum(high_U[span], p.q1)
        count_U[span] += p.q1 - first
    # A key that no piece holds is seen by nobody.
    low_U = np.minimum(low_U, high_U)
    if (count_U != high_U - low_U).any():
        raise BackendError("a key's queries do not stand side by side in the row")
    low_U[keys : keys + padding], high_U[keys : keys + padding] = queries, queries + padding
    return np.stack([low_U, high_U])


def mask_of(
    ranges_2_U: Tensor, depths_T: Tensor, depths_U: Tensor, window: int | None
) -> BlockMask:
    """Who sees whom, for T queries and U keys, both multiples of 128.

    ranges_2_U: `ranges`, on the device, as are the positions of queries and keys. window: each
    query sees only keys less than so many positions before it.
    """
    low_U, high_U = ranges_2_U.unbind()
    first_Q = torch.arange(0, len(depths_T), BLOCK, device=low_U.device)[:, None]
    touched = (low_U < first_Q + BLOCK) & (high_U > first_Q) & (low_U < high_U)
    filled = (low_U <= first_Q) & (high_U >= first_Q + BLOCK)
    some_Q_K = touched.view(len(first_Q), -1, BLOCK).any(-1)
    every_Q_K = filled.view(len(first_Q), -1, BLOCK).all(-1)
    sees = _within_ranges(low_U, high_U)
    if window is not None:
        queries, keys = (x.view(-1, BLOCK) for x in (depths_T, depths_U))
        some_Q_K &= queries.amin(1)[:, None] - keys.amax(1) < window
        every_Q_K &= queries.amax(1)[:, None] - keys.amin(1) < window
        # A tensor, so that another window is no reason to compile again.
        most = torch.full((), window, dtype=depths_T.dtype, device=depths_T.device)
        sees = _within_window(low_U, high_U, depths_T, depths_U, most)
    return BlockMask.from_kv_blocks(
        *_ordered(some_Q_K & ~every_Q_K),
        *_ordered(every_Q_K),
        BLOCK_SIZE=BLOCK,
        mask_mod=sees,
        seq_lengths=(len(depths_T), len(depths_U)),
    )


def attend(
    query_H_T_D: Tensor, key_K_U_D: Tensor, value_K_U_D: Tensor, mask: BlockMask, *, scale: float
) -> Tensor:
    """(H, T, D) attention of T queries over U keys; H is a multiple of the K key heads, which are
    not repeated. Differentiable on a GPU."""
    out: Tensor = _kernel(query_H_T_D.device.type)(
        query_H_T_D[None],
        key_K_U_D[None],
        value_K_U_D[None],
        block_mask=mask,
        scale=scale,
        enable_gqa=len(query_H_T_D) != len(key_K_U_D),
    )
    return out[0]


@functools.cache
def _kernel(device: str) -> Callable[..., Any]:
    run: Callable[..., Any] = flex_attention
    return run if device == "cpu" else torch.compile(run)


def _within_ranges(low_U: Tensor, high_U: Tensor) -> Callable[..., Tensor]:
    def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (low_U[key] <= query) & (query < high_U[key])

    return sees


def _within_window(
    low_U: Tensor, high_U: Tensor, depths_T: Tensor, depths_U: Tensor, window: Tensor
) -> Callable[..., Tensor]:
    def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        near = depths_T[query] - depths_U[key] < window
        return (low_U[key] <= query) & (query < high_U[key]) & near

    return sees


def _ordered(mask_Q_K: Tensor) -> tuple[Tensor, Tensor]:
    """(1, 1, Q) how many blocks of keys each block of queries sees, and (1, 1, Q, K) which, those
    first."""
    order = mask_Q_K.int().argsort(dim=-1, descending=True, stable=True)
    return mask_Q_K.sum(-1, dtype=torch.int32)[None, None], order.int()[None, None]
