"""Pay for new tokens only: keep keys and values of what was run, and run what extends it against
them.

What is kept is a set of sequences, each a path of blocks that it may share with others; a block's
memory is free when no kept sequence runs through it any more. The least recently used sequences go
first when there is no room.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from assay.packing import packed
from assay.packing.attention import Piece, pieces_of
from assay.packing.packed import Attention, Keys
from assay.packing.tree import Tree, grow

__all__ = ["Memory", "fingerprint"]

VALUES = 16
"""Values of each tensor that are looked at."""

Ints = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class _Block:
    """Some consecutive tokens of a sequence."""

    keys: Keys
    hidden_U_D: Tensor


Path = tuple[tuple[_Block, int], ...]
"""Blocks, and how many of each one's tokens belong to the sequence."""


@dataclass(frozen=True)
class _Known:
    """A sequence that was run."""

    ids: Ints
    path: Path


class Memory:
    """Keys and values of at most `tokens` tokens of one model, forgotten when its weights change.

    What a forward hook does is not seen: a model whose hooks change needs another memory.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.ran = 0
        """Tokens that went through the model so far."""
        self.spared = 0
        """Tokens that did not, for they were known; what sequences share counts once a call."""
        self._known: list[_Known] = []
        self._model: tuple[Any, ...] = ()

    @torch.inference_mode()
    def hidden(
        self,
        backbone: nn.Module,
        sequences: Sequence[Ints],
        keep: Sequence[int] | None = None,
        *,
        attention: Attention = "cascade",
    ) -> list[Tensor]:
        """(L, D) last hidden states of every sequence, whole; only tokens that are not known are
        run.

        keep: how many of each sequence's first tokens to keep; None keeps them all. attention: that
        of the model's engine.
        """
        if (model := fingerprint(backbone)) != self._model:
            self._known, self._model = [], model
        paths: list[Path] = [()] * len(sequences)
        # Sequences by the place from which they are new.
        places: dict[tuple[int, ...], list[int]] = {}
        depths = [0] * len(sequences)
        for i, ids in enumerate(sequences):
            paths[i], depths[i] = self._longest(ids)
            if depths[i] < len(ids):
                places.setdefault((depths[i], *(id(block) for block, _ in paths[i])), []).append(i)
        used: dict[int, int] = {}
        for block, count in chain.from_iterable(paths):
            used[id(block)] = max(count, used.get(id(block), 0))
        self.spared += sum(used.values())
        if places:
            # Those behind one block stand side by side, as its keys' queries must.
            rank: dict[int, int] = {}
            for block, _ in chain.from_iterable(paths):
                rank.setdefault(id(block), len(rank))

            def order(members: list[int]) -> list[tuple[int, int]]:
                return [(rank[id(block)], n) for block, n in paths[members[0]]]

            branches = sorted(places.values(), key=order)
            trees = [grow([sequences[i][depths[i] :] for i in members]) for members in branches]
            starts = [paths[members[0]] for members in branches]
            self.ran += sum(len(tree.ids_T) for tree in trees)
            ran = _run(backbone, trees, starts, attention)
            for members, new in zip(branches, ran, strict=True):
                for i, path in zip(members, new, strict=True):
                    paths[i] += path
        found = [_Known(ids, path) for ids, path in zip(sequences, paths, strict=True)]
        self._remember(found if keep is None else _beginnings(found, keep))
        return [torch.cat([block.hidden_U_D[:n] for block, n in path]) for path in paths]

    def forget(self) -> None:
        """Give back all that is kept."""
        self._known = []

    def _longest(self, ids: Ints) -> tuple[Path, int]:
        """The longest known beginning of a sequence."""
        best, depth = None, 0
        for known in self._known:
            size = min(len(known.ids), len(ids))
            same = known.ids[:size] == ids[:size]
            common = size if same.all() else int(same.argmin())
            if common > depth:
                best, depth = known, common
        if best is None:
            return (), 0
        return _first(best.path, depth), depth

    def _remember(self, new: Sequence[_Known]) -> None:
        """Put the sequences first, and drop the last ones that there is no room for."""
        kept: list[_Known] = []
        held: set[int] = set()
        seen: set[bytes] = set()
        size = 0
        for known in [*new, *self._known]:
            blocks = {id(b): len(b.hidden_U_D) for b, _ in known.path}
            new_tokens = sum(n for i, n in blocks.items() if i not in held)
            # One that does not fit must not cost the others their place.
            if size + new_tokens > self.tokens:
                continue
            size += new_tokens
            held |= blocks.keys()
            if known.ids.tobytes() not in seen:
                seen.add(known.ids.tobytes())
                kept.append(known)
        self._known = kept


def _first(path: Path, count: int) -> Path:
    """The first so many tokens of a path."""
    found: list[tuple[_Block, int]] = []
    for block, size in path:
        if count:
            found.append((block, min(size, count)))
            count -= found[-1][1]
    return tuple(found)


def _beginnings(found: Sequence[_Known], keep: Sequence[int]) -> list[_Known]:
    """The sequences' first tokens, each beginning once, in memory that holds no more than them."""
    once = {known.ids[:n].tobytes(): (known, n) for known, n in zip(found, keep, strict=True) if n}
    kept = []
    for known, n in once.values():
        *path, (block, count) = _first(known.path, n)
        if count < len(block.hidden_U_D):
            block = _Block(block.keys.take(slice(count)), block.hidden_U_D[:count].clone())
        kept.append(_Known(known.ids[:n], (*path, (block, count))))
    return kept


def fingerprint(model: nn.Module) -> tuple[Any, ...]:
    """Return what a model's keys, values and hidden states depend on: another one after any change
    to the model.

    Some of the weights' values are in it, for fused optimisers and writes to `.data` leave a
    tensor's version as it was. What a forward hook does is not.
    """
    tensors = [*model.parameters(), *model.buffers()]
    where = [
        (t.device, t.dtype, t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors
    ]
    adapters = [
        (
            getattr(m, "disable_adapters", None),
            str(getattr(m, "_active_adapter", "")),
            str(getattr(m, "scaling", "")),
        )
        for m in model.modules()
    ]
    switches = (model.training, torch.is_autocast_enabled(tensors[0].device.type))
    values = [t.detach().flatten()[:: max(1, t.numel() // VALUES)].double() for t in tensors]
    sample = torch.cat([v.to(tensors[0].device) for v in values]).cpu().numpy().tobytes()
    return (*where, *adapters, *switches, sample)


def _run(
    backbone: nn.Module, trees: Sequence[Tree], starts: Sequence[Path], attention: Attention
) -> list[list[Path]]:
    """Run the trees' tokens in one row, each after its known path; for each tree its sequences' new
    blocks."""
    device = next(backbone.parameters()).device
    known = list({id(block): block for path in starts for block, _ in path}.values())
    ends = np.cumsum([0, *(len(block.hidden_U_D) for block in known)]).tolist()
    places = {id(block): at for block, at in zip(known, ends[:-1], strict=True)}
    pieces: list[Piece] = []
    depths, row = [], 0
    for tree, path in zip(trees, starts, strict=True):
        size, shift = len(tree.ids_T), row + ends[-1]
        own = [
            Piece(p.q0 + row, p.q1 + row, p.k0 + shift, p.k1 + shift, p.causal)
            for p in pieces_of(tree)
        ]
        above = [Piece(row, row + size, places[id(b)], places[id(b)] + n, False) for b, n in path]
        pieces += [*own, *above]
        depths.append(tree.depths_T + sum(n for _, n in path))
        row += size
    packed.attach(backbone)
    hidden_T_D, keys = packed.run(
        backbone,
        torch.from_numpy(np.concatenate([tree.ids_T for tree in trees])).long().to(device),
        torch.from_numpy(np.concatenate(depths)).long().to(device),
        pieces,
        past=Keys.join([block.keys for block in known]) if known else None,
        keep=torch.arange(row, device=device),
        attention=attention,
    )
    assert keys is not None
    found: list[list[Path]] = []
    row = 0
    for tree in trees:
        # Copies: a slice would hold the whole row's memory.
        spans = [slice(row + node.start, row + node.end) for node in tree.nodes]
        blocks = {
            id(n): _Block(keys.take(s), hidden_T_D[s].clone())
            for n, s in zip(tree.nodes, spans, strict=True)
        }
        found.append(
            [
                tuple((blocks[id(n)], n.end - n.start) for n in tree.path(i))
                for i in range(len(tree.lengths))
            ]
        )
        row += len(tree.ids_T)
    return found
