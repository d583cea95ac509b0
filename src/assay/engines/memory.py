"""Keep keys and values of what a model read and wrote, so that what extends it costs its new tokens
only.

A search asks again and again for what follows its branches, and each of them was written by the
call before. Every token that is held has a slot, the same in each layer's pool; a sequence is a row
of slots, and sequences that begin alike run through the same ones. A slot is free when no sequence
runs through it any more. What is known of a sequence is decided by token ids: its longest beginning
in common with any that is held.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.packing.budget import out_of_memory
from assay.packing.incremental import fingerprint

__all__ = ["Ids", "KeysValues", "Memory", "common"]

Ids = Sequence[int]
KeysValues = Iterable[tuple[Tensor, Tensor]]
"""One sequence's keys and values, (heads, T, width) each, by layer."""

Slots = NDArray[np.int64]
NONE: Slots = np.zeros(0, dtype=np.int64)
Pool = list[tuple[Tensor, Tensor]]
"""Keys and values, (S, heads, width) each, by layer."""


@dataclass(frozen=True)
class _Taken:
    """A sequence's keys and values, gathered when their layer's turn comes: all at once they are
    much to hold."""

    pool: Pool
    slots: Slots

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for keys_S_H_D, values_S_H_D in self.pool:
            index = torch.from_numpy(self.slots).to(keys_S_H_D.device)
            yield keys_S_H_D[index].transpose(0, 1), values_S_H_D[index].transpose(0, 1)


class Memory:
    """Keys and values of at most `tokens` tokens of one model, forgotten when it changes.

    The least recently used sequences go first, but none goes for another of the same call: what
    there is no room for is not kept, so that a call larger than the memory leaves the next one
    something. Only for models whose keys and values can be cut anywhere.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self._model: tuple[Any, ...] = ()
        self._forget()

    def _forget(self) -> None:
        self._slots: dict[tuple[int, ...], Slots] = {}
        """Where every sequence's tokens are, the least recently used sequence first."""
        self._sorted: list[tuple[int, ...]] = []
        """The sequences in lexicographic order: what begins most like another stands next to its
        place."""
        self._used: set[tuple[int, ...]] = set()
        """The sequences of the present call."""
        self._users_S = np.zeros(0, dtype=np.int64)
        """How many sequences run through each slot."""
        self._pool: Pool = []

    def begin(self) -> None:
        """Another call: what the last one used may go."""
        self._used.clear()

    def meet(self, model: Any) -> None:
        """Forget everything where the model is not what it was. What a forward hook does is not
        seen."""
        if (found := fingerprint(model)) != self._model:
            self._forget()
            self._model = found

    def known(self, ids: Ids) -> int:
        """Return how many tokens at a sequence's beginning are held."""
        return self._nearest(tuple(ids))[1]

    def take(self, ids: Ids) -> KeysValues:
        """The keys and values of a sequence whose tokens are all held, until something else is
        kept."""
        host, known = self._nearest(tuple(ids))
        return _Taken(self._pool, self._slots[host][:known] if known else NONE)

    @torch.inference_mode()
    def keep(self, cache: Any, rows: Sequence[int], sequences: Sequence[Ids]) -> None:
        """Hold sequences that end where these rows of a cache end; only what is not held yet is
        copied."""
        end = cache.get_seq_length()
        # Slots, and the rows and columns that they are filled from.
        places: list[tuple[int, int, int]] = []
        try:
            for row, ids in zip(rows, sequences, strict=True):
                known, slots = self._add(tuple(ids))
                first = end - len(ids) + known
                places += [(slot, row, first + i) for i, slot in enumerate(slots.tolist())]
            if places:
                self._fill(cache, places)
        except BaseException as error:
            # Some slots may not hold what they should. To remember nothing is no reason to fail.
            self._forget()
            if not out_of_memory(error):
                raise

    def _nearest(self, ids: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        """The sequence with most tokens in common at the beginning, and how many."""
        place = bisect_left(self._sorted, ids)
        beside = self._sorted[max(0, place - 1) : place + 1]
        return max(
            ((host, common(host, ids)) for host in beside),
            key=lambda found: found[1],
            default=((), 0),
        )

    def _add(self, ids: tuple[int, ...]) -> tuple[int, Slots]:
        """Give a sequence slots, or what there is room for at its beginning: how many it has
        already, and the new."""
        host, known = self._nearest(ids)
        shared = self._slots[host][:known] if known else NONE
        # Counted first, lest making room free them.
        self._users_S[shared] += 1
        new = self._free(len(ids) - known)
        self._users_S[new] += 1
        ids = ids[: known + len(new)]
        if ids in self._slots:
            self._drop(ids)
        self._slots[ids] = np.concatenate([shared, new])
        insort(self._sorted, ids)
        self._used.add(ids)
        return known, new

    def _free(self, count: int) -> Slots:
        """So many free slots, or as many as there can be."""
        size, lacking = len(self._users_S), count - int((self._users_S == 0).sum())
        if lacking > 0:
            size = min(self.tokens, max(size + lacking, 2 * size))
            self._users_S = np.pad(self._users_S, (0, size - len(self._users_S)))
        for oldest in list(self._slots):
            if oldest in self._used or (self._users_S == 0).sum() >= count:
                break
            self._drop(oldest)
        return np.flatnonzero(self._users_S == 0)[:count]

    def _drop(self, ids: tuple[int, ...]) -> None:
        self._users_S[self._slots.pop(ids)] -= 1
        del self._sorted[bisect_left(self._sorted, ids)]
        self._used.discard(ids)

    def _fill(self, cache: Any, places: Sequence[tuple[int, int, int]]) -> None:
        """Copy keys and values to slots, from rows and columns of a cache."""
        layers = [(layer.keys, layer.values) for layer in cache.layers]
        slots_N, rows_N, columns_N = torch.tensor(places, device=layers[0][0].device).unbind(-1)
        if not self._pool:
            self._pool = [tuple(x[0, :, :0].transpose(0, 1) for x in layer) for layer in layers]
        for i, layer in enumerate(layers):
            grown = [_grown(pool_S_H_D, len(self._users_S)) for pool_S_H_D in self._pool[i]]
            for pool_S_H_D, x_B_H_T_D in zip(grown, layer, strict=True):
                pool_S_H_D[slots_N] = x_B_H_T_D[rows_N, :, columns_N]
            self._pool[i] = grown[0], grown[1]


def common(a: Ids, b: Ids) -> int:
    """Return how many tokens two sequences begin with."""
    size = min(len(a), len(b))
    different = np.flatnonzero(np.asarray(a[:size]) != np.asarray(b[:size]))
    return int(different[0]) if len(different) else size


def _grown(pool_S_H_D: Tensor, size: int) -> Tensor:
    """The pool with at least so many slots."""
    if len(pool_S_H_D) >= size:
        return pool_S_H_D
    return torch.nn.functional.pad(pool_S_H_D, (0, 0, 0, 0, 0, size - len(pool_S_H_D)))
