"""Attention over a tree of tokens, exactly, at no more than its cost: a cascade of flash
attentions.

A token sees its node's earlier tokens and all of its node's ancestors. Descendants stand right
after their node in the row, so this falls apart into pieces that flash kernels do without any mask:
every node with itself, causally, and all descendants of a node with that node, wholly. Parts of one
softmax are put together by their log-sum-exps a and b:

    out = σ(a - b) out_a + σ(b - a) out_b,    lse = log(exp a + exp b)

and the gradient of each piece is what the flash backward gives when it is told the whole softmax's
output and lse (as in ring attention, arXiv:2310.01889, and cascade inference). No key is copied, no
score computed that is masked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from assay.packing.tree import Tree

__all__ = ["Piece", "Seen", "attend", "pieces_of", "within"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Queries [q0, q1) and keys [k0, k1) of the row."""

    q0: int
    q1: int
    k0: int
    k1: int
    causal: bool
    """Each query sees keys up to itself (the two ranges are the same); otherwise all of them."""


def pieces_of(tree: Tree) -> list[Piece]:
    """Who sees whom: first every token its own node, then its ancestors, so that every query has
    been seen first."""
    own = [Piece(n.start, n.end, n.start, n.end, True) for n in tree.nodes]
    return own + [Piece(n.end, n.stop, n.start, n.end, False) for n in tree.nodes if n.stop > n.end]


Seen = tuple[Piece, Tensor | None]
"""A piece, and what is added to its scores: 0, or -1e30 where a sliding window hides a key."""


def within(
    pieces: Sequence[Piece], window: int | None, queries: Tensor, keys: Tensor, dtype: torch.dtype
) -> list[Seen]:
    """The pieces as a layer sees them whose queries see only keys less than `window` positions
    before them.

    queries, keys: positions of the row's queries (T,) and keys (U,); dtype: that of the model.
    """
    # With float64 queries the kernel takes a float32 mask too, and reads it wrong.
    dtype = torch.promote_types(dtype, torch.float32)
    found: list[Seen] = []
    for p in pieces:
        q, k = queries[p.q0 : p.q1], keys[p.k0 : p.k1]
        if window is None or int(q.max() - k.min()) < window:
            found.append((p, None))
        elif p.causal or int(q.min() - k.max()) < window:
            ahead = q[:, None] - k[None]
            hidden = (ahead >= window) | (ahead < 0)
            # Finite, so that a query that sees none of a piece's keys gives them weight 0 and not
            # 0/0.
            found.append(
                (
                    p,
                    torch.zeros(hidden.shape, dtype=dtype, device=q.device).masked_fill_(
                        hidden, -1e30
                    ),
                )
            )
    return found


def attend(
    query_H_T_D: Tensor,
    key_K_U_D: Tensor,
    value_K_U_D: Tensor,
    seen: Sequence[Seen],
    *,
    scale: float,
) -> Tensor:
    """(H, T, D) attention of T queries over U keys; H is a multiple of the K key heads.

    Every query's first piece is its own node's. Differentiable in query, key and value.
    """
    out: Tensor = _Cascade.apply(query_H_T_D, key_K_U_D, value_K_U_D, tuple(seen), scale)  # type: ignore[no-untyped-call]
    return out


class _Cascade(torch.autograd.Function):
    """All pieces together."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, seen: tuple[Seen, ...], scale: float
    ) -> Tensor:
        heads, size, width = query.shape
        # (T, H, D) in memory: what the output projection reads next.
        out = query.new_empty(size, heads, width).transpose(0, 1)
        lse = query.new_empty(heads, size, dtype=torch.promote_types(query.dtype, torch.float32))
        for p, mask in seen:
            part, weight = _forward(
                query[:, p.q0 : p.q1], key[:, p.k0 : p.k1], value[:, p.k0 : p.k1], p, mask, scale
            )
            there, total = out[:, p.q0 : p.q1], lse[:, p.q0 : p.q1]
            if p.causal:
                there.copy_(part)
                total.copy_(weight)
            else:
                there.lerp_(part, (weight - total).sigmoid_().to(part.dtype).unsqueeze(-1))
                torch.logaddexp(total, weight, out=total)
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.seen, ctx.scale = seen, scale
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, lse = ctx.saved_tensors
        grads = torch.zeros_like(query), torch.zeros_like(key), torch.zeros_like(value)
        for p, mask in ctx.seen:
            rows, columns = slice(p.q0, p.q1), slice(p.k0, p.k1)
            parts = _backward(
                gradient[:, rows],
                query[:, rows],
                key[:, columns],
                value[:, columns],
                out[:, rows],
                lse[:, rows],
                p,
                mask,
                ctx.scale,
            )
            for total, part, where in zip(grads, parts, (rows, columns, columns), strict=True):
                total[:, where] += part
        return *grads, None, None


def _forward(
    q: Tensor, k: Tensor, v: Tensor, p: Piece, mask: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """Output (H, Q, D) and log-sum-exp (H, Q) of one piece."""
    causal = p.causal and mask is None
    if q.is_cuda:
        k, v = (x.repeat_interleave(len(q) // len(x), 0) for x in (k, v))
        out, lse, *_ = torch.ops.aten._scaled_dot_product_flash_attention(
            q[None], k[None], v[None], 0.0, causal, scale=scale
        )
        return out[0], lse[0]
    out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        q[None], k[None], v[None], 0.0, causal, attn_mask=mask, scale=scale
    )
    return out[0], lse[0]


def _backward(
    g: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    lse: Tensor,
    p: Piece,
    mask: Tensor | None,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of one piece's queries, keys and values, given the whole softmax's output and
    log-sum-exp."""
    causal = p.causal and mask is None
    if q.is_cuda:
        share = len(q) // len(k)
        k, v = (x.repeat_interleave(share, 0) for x in (k, v))
        none = torch.zeros(2, dtype=torch.uint64, device=q.device)
        dq, dk, dv = torch.ops.aten._scaled_dot_product_flash_attention_backward(
            g[None].contiguous(),
            q[None],
            k[None],
            v[None],
            out[None],
            lse[None].contiguous(),
            None,
            None,
            q.shape[1],
            k.shape[1],
            0.0,
            causal,
            none,
            none,
            scale=scale,
        )
        dk, dv = (x[0].unflatten(0, (-1, share)).sum(1) for x in (dk, dv))
        return dq[0], dk, dv
    dq, dk, dv = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
        g[None],
        q[None],
        k[None],
        v[None],
        out[None],
        lse[None],
        0.0,
        causal,
        attn_mask=mask,
        scale=scale,
    )
    return dq[0], dk[0], dv[0]
