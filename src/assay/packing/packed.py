"""Run a model over a tree's tokens in one row: every linear layer sees each token once and no
padding.

The model is a stock transformers one whose attention is looked up by name; `attach` gives it a name
of ours, under which it still does what it did unless a forward pass brings a `row` along. Keys and
values can be kept, so that later tokens are run against them: a group too large for memory goes in
parts, and a search pays for its new tokens only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from assay.errors import BackendError
from assay.packing import flex, varlen
from assay.packing.attention import Piece, attend, pieces_of, within
from assay.packing.device import to_device
from assay.packing.tree import Node, Tree

__all__ = ["NAME", "Attention", "Keys", "attach", "detach", "forward", "run"]

Attention = Literal["cascade", "varlen", "flex"]
"""How the pieces of a row are computed: a kernel each (`attention`), or all in one launch."""

NAME = "assay_tree"
"""The attention's name in transformers."""


@dataclass(frozen=True)
class Keys:
    """Keys and values of U tokens, for each layer (K, U, D)."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    depths_U: Tensor

    def take(self, index: Tensor | slice) -> "Keys":
        """Copies of some tokens' keys and values."""
        layers = tuple((k[:, index].clone(), v[:, index].clone()) for k, v in self.layers)
        return Keys(layers, self.depths_U[index])

    @staticmethod
    def join(parts: Sequence["Keys"]) -> "Keys":
        """Keys and values one after another."""
        layers = zip(*(part.layers for part in parts), strict=True)
        joined = tuple(
            (torch.cat([k for k, _ in each], 1), torch.cat([v for _, v in each], 1))
            for each in layers
        )
        return Keys(joined, torch.cat([part.depths_U for part in parts]))


@dataclass
class _Row:
    """What the attention of every layer needs to know of T queries and U keys."""

    attention: Attention
    pieces: Sequence[Piece]
    queries: Tensor
    keys: Tensor
    past: Keys | None
    keep: Tensor | None
    unseen: int = 0
    """Keys after the row's own that nobody sees."""
    plan: Any = None
    """What is the same for all windows: the ranges of FlexAttention, or the paths of varlen."""
    kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    layers: set[int] = field(default_factory=set)
    """Layers that took the row for one."""
    seen: dict[int | None, Any] = field(default_factory=dict)
    """Who sees whom in layers with a window, as this attention takes it."""

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None, scale: float
    ) -> Tensor:
        """(H, T, D) attention of a layer whose queries see less than `window` positions back."""
        if self.attention == "varlen":
            return varlen.attend(query, key, value, self.plan, window, scale=scale)
        if self.attention == "flex":
            if window not in self.seen:
                self.seen[window] = flex.mask_of(self.plan, self.queries, self.keys, window)
            return flex.attend(query, key, value, self.seen[window], scale=scale)
        if window not in self.seen:
            self.seen[window] = within(self.pieces, window, self.queries, self.keys, query.dtype)
        return attend(query, key, value, self.seen[window], scale=scale)


def attach(backbone: nn.Module) -> None:
    """Let a model that uses SDPA take rows."""
    backbone.config._attn_implementation = NAME  # type: ignore[union-attr]


def detach(backbone: nn.Module) -> None:
    """Give it SDPA back."""
    if backbone.config._attn_implementation == NAME:  # type: ignore[union-attr]
        backbone.config._attn_implementation = "sdpa"  # type: ignore[union-attr]


def forward(
    backbone: nn.Module,
    tree: Tree,
    *,
    micro_tokens: int | None = None,
    attention: Attention = "cascade",
) -> Tensor:
    """(T, D) last hidden states of a tree's tokens.

    Without gradients a tree of more than `micro_tokens` tokens goes in parts, each run against the
    keys of its ancestors in the parts before: nothing is computed twice.
    """
    device = next(backbone.parameters()).device
    both = np.stack([tree.ids_T, tree.depths_T]).astype(np.int64)
    ids, depths = to_device(both, device).unbind()
    if micro_tokens is None or len(ids) <= micro_tokens or torch.is_grad_enabled():
        return run(backbone, ids, depths, pieces_of(tree), attention=attention)[0]
    hidden: list[Tensor] = []
    past, before = None, list[Node]()
    for nodes in _parts(tree.nodes, micro_tokens):
        first, last = nodes[0].start, nodes[-1].end
        open_ = [n for n in nodes if n.stop > last]
        keep = torch.cat(
            [torch.arange(n.start - first, n.end - first, device=device) for n in open_]
            or [ids[:0]]
        )
        pieces = _pieces(nodes, before, first, last)
        out, kept = run(
            backbone,
            ids[first:last],
            depths[first:last],
            pieces,
            past=past,
            keep=keep,
            attention=attention,
        )
        hidden.append(out)
        still = [n.stop > last for n in before]
        past, before = (
            _join(past, before, still, kept),
            [n for n in before if n.stop > last] + open_,
        )
    return torch.cat(hidden)


def _parts(nodes: Sequence[Node], micro_tokens: int) -> list[list[Node]]:
    """Runs of nodes of at most so many tokens, or of one node."""
    parts: list[list[Node]] = []
    for node in nodes:
        if not parts or node.end - parts[-1][0].start > micro_tokens:
            parts.append([])
        parts[-1].append(node)
    return parts


def _pieces(nodes: Sequence[Node], before: Sequence[Node], first: int, last: int) -> list[Piece]:
    """Who sees whom among the nodes of a part [first, last), and the nodes before it whose keys are
    at hand."""
    ends = np.cumsum([0, *(n.end - n.start for n in before)]).tolist()
    shift = ends[-1] - first
    pieces = [
        Piece(n.start - first, n.end - first, n.start + shift, n.end + shift, True) for n in nodes
    ]
    keys = [(n, n.start + shift) for n in nodes] + list(zip(before, ends[:-1], strict=True))
    for node, at in keys:
        low, high = max(node.end, first), min(node.stop, last)
        if low < high:
            pieces.append(Piece(low - first, high - first, at, at + node.end - node.start, False))
    return pieces


def _join(
    past: Keys | None, before: Sequence[Node], still: Sequence[bool], kept: Keys | None
) -> Keys | None:
    """The keys of the nodes that are still needed, then the ones that were kept now."""
    if past is None or kept is None:
        return kept
    needed = np.repeat(np.array(still, dtype=bool), [n.end - n.start for n in before])
    mask = torch.from_numpy(needed).to(past.depths_U.device)
    return Keys.join([past.take(mask), kept])


def run(
    backbone: nn.Module,
    ids_T: Tensor,
    depths_T: Tensor,
    pieces: Sequence[Piece],
    *,
    past: Keys | None = None,
    keep: Tensor | None = None,
    attention: Attention = "cascade",
) -> tuple[Tensor, Keys | None]:
    """(T, D) last hidden states, and the keys and values of the tokens at `keep`.

    The pieces' keys count from the first token of `past`, and the row's own tokens come after it.
    """
    row = _row(attention, pieces, depths_T, past, keep)
    out = backbone(
        input_ids=pad(ids_T, (0, len(row.queries) - len(ids_T)))[None],
        position_ids=row.queries[None],
        # Four dimensions tell transformers that the mask is made; nothing reads it.
        attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool, device=ids_T.device),
        use_cache=False,
        row=row,
    )
    if len(row.layers) != backbone.config.num_hidden_layers:  # type: ignore[union-attr]
        raise BackendError(
            f"{len(row.layers)} of {type(backbone).__name__}'s layers took a packed row for one,"
            " and the others saw plain tokens; its attention was changed while it ran"
        )
    hidden: Tensor = out.last_hidden_state[0, : len(ids_T)]
    if keep is None:
        return hidden, None
    return hidden, Keys(tuple(row.kept[i] for i in sorted(row.kept)), depths_T[keep])


def _row(
    attention: Attention,
    pieces: Sequence[Piece],
    depths_T: Tensor,
    past: Keys | None,
    keep: Tensor | None,
) -> _Row:
    """What is told to every layer, on the device; for FlexAttention padded to one of few lengths.

    Only the tree's own integers go there, once and without waiting for it.
    """
    keys = depths_T if past is None else torch.cat([past.depths_U, depths_T])
    if attention == "varlen":
        paths = varlen.paths_of(pieces, depths_T.device)
        return _Row(attention, pieces, depths_T, keys, past, keep, plan=paths)
    if attention == "cascade":
        return _Row(attention, pieces, depths_T, keys, past, keep)
    size = flex.bucket(len(depths_T))
    padding = size - len(depths_T)
    unseen = flex.bucket(len(keys) + padding) - len(keys) - padding
    found = flex.ranges(pieces, len(depths_T), len(keys), padding, unseen)
    return _Row(
        attention,
        pieces,
        pad(depths_T, (0, padding)),
        pad(keys, (0, padding + unseen)),
        past,
        keep,
        unseen,
        to_device(found, depths_T.device),
    )


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    row: _Row | None = None,
    **settings: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it: (1, H, T, D) in, (1, T, H, D) out."""
    if row is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
        return out, None
    if torch.is_autocast_enabled(query.device.type):
        # Rotary embeddings leave fp32 queries beside bf16 values.
        query, key, value = (
            x.to(torch.get_autocast_dtype(query.device.type)) for x in (query, key, value)
        )
    query_H_T_D, key_K_T_D, value_K_T_D = query[0], key[0], value[0]
    index = int(module.layer_idx)  # type: ignore[arg-type]
    row.layers.add(index)
    if row.keep is not None:
        row.kept[index] = key_K_T_D[:, row.keep], value_K_T_D[:, row.keep]
    if row.past is not None:
        before = row.past.layers[index]
        none = key.new_zeros(len(key_K_T_D), row.unseen, key.shape[-1])
        key_K_T_D, value_K_T_D = (
            torch.cat([*x, none], 1) for x in zip(before, (key_K_T_D, value_K_T_D), strict=True)
        )
    scale = settings.get("scaling")
    out_H_T_D = row.attend(
        query_H_T_D,
        key_K_T_D,
        value_K_T_D,
        settings.get("sliding_window"),
        query.shape[-1] ** -0.5 if scale is None else scale,
    )
    return out_H_T_D.transpose(0, 1)[None], None


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
