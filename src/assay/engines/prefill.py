"""Run prompts through a causal LM once, so that samples can continue them.

Prompts that begin alike share the tokens they begin with: steps of one solution are prefixes of one
another and come out of a single pass over the longest, answers to one question continue the
question's keys and values. A prompt's last token is left for a pass of its own, one row a prompt,
whose logits start its samples: exact, and the vocabulary is projected to only where somebody
samples. What a `Memory` holds of a prompt is not run at all.

Sharing needs keys and values that can be cut anywhere: one plain full-attention layer cache a
layer. Sliding windows, recurrent states and rotary embeddings that change with the length are run
the plain way, every prompt left-padded; of the last, prompts that have the same angles to the end
of their samples.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from assay.engines.memory import Ids, KeysValues, Memory, common
from assay.packing import rotary

__all__ = ["Prefilled", "Run", "batch_order", "can_share", "plan", "prefill"]

LEAST = 16
"""Tokens in common that are worth sharing: about what one more pass through the model costs."""

PASS_TOKENS = 8192
"""Tokens of one pass."""

GROWTH = 64
"""Tokens by which a full buffer grows."""


@dataclass(frozen=True)
class Run:
    """Tokens that pass through the model together, after those that another run has already, or the
    memory."""

    ids: Ids
    """The whole sequence, from its first token."""
    shared: int
    """Tokens at its start that are the parent's, or else the memory's."""
    parent: int
    """Index of that run; -1 without one."""
    level: int
    """Runs before it on the way from the root."""
    family: int
    """Index of the root."""


@dataclass(frozen=True)
class Prefilled:
    """P prompts, left-padded to T tokens, ready to be continued."""

    prompts: Sequence[Ids]
    cache: Any
    scores_P_V: Tensor
    """Scores of each prompt's next token."""
    ids_P_T: Tensor
    """The tokens; any in the padding."""
    mask_P_T: Tensor
    """1 at tokens, 0 at padding."""


class Buffer(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values (B, heads, T, width), in memory with room to grow.

    Tokens are written in place instead of copying all that came before, and rows that leave are
    overwritten by the last ones.
    """

    def __init__(self, keys: Tensor, values: Tensor, *, spare: int = 0) -> None:
        """spare: how many tokens at the end are room."""
        super().__init__()
        self.lazy_initialization(keys, values)
        self._room_for_keys, self._room_for_values = keys, values
        self._view(keys.shape[0], keys.shape[2] - spare)

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Append tokens (B, heads, t, width)."""
        rows, length = self.keys.shape[0], self.keys.shape[2]
        after = length + key_states.shape[2]
        if after > self._room_for_keys.shape[2]:
            self._move(torch.arange(rows, device=self.device), after)
        self._view(rows, after)
        self.keys[:, :, length:], self.values[:, :, length:] = key_states, value_states
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Rows by index. Where they get fewer, only those that change their place are copied."""
        rows, length = self.keys.shape[0], self.keys.shape[2]
        if len(indices) > rows:
            self._move(indices, length)
        else:
            (moved,) = torch.nonzero(
                indices != torch.arange(len(indices), device=indices.device), as_tuple=True
            )
            self.keys[moved], self.values[moved] = (
                self.keys[indices[moved]],
                self.values[indices[moved]],
            )
        self._view(len(indices), length)

    def _move(self, indices: Tensor, length: int) -> None:
        """Copy rows to where there is room for this many tokens, and more."""
        self._room_for_keys = _copied(self.keys, indices, length + GROWTH)
        self._room_for_values = _copied(self.values, indices, length + GROWTH)

    def _view(self, rows: int, length: int) -> None:
        self.keys, self.values = (
            self._room_for_keys[:rows, :, :length],
            self._room_for_values[:rows, :, :length],
        )


def _copied(x_B_H_T_D: Tensor, indices: Tensor, room: int) -> Tensor:
    """Rows by index, with room for this many tokens."""
    _, heads, length, width = x_B_H_T_D.shape
    copy = x_B_H_T_D.new_empty(len(indices), heads, room, width)
    torch.index_select(x_B_H_T_D, 0, indices, out=copy[:, :, :length])
    return copy


@torch.inference_mode()
def can_share(model: Any) -> bool:
    """Return whether the keys and values of a prefix are the first ones of the whole: asked of the
    cache that it makes."""
    if rotary.changes(model):
        return False
    ids = torch.zeros(1, 2, dtype=torch.long, device=model.device)
    cache: Any = getattr(
        model(input_ids=ids, use_cache=True, logits_to_keep=1), "past_key_values", None
    )
    return type(cache) is DynamicCache and all(
        type(layer) is DynamicLayer and layer.get_seq_length() == ids.shape[1]
        for layer in cache.layers
    )


def plan(
    sequences: Sequence[Ids], known: Callable[[Ids], int] = lambda _: 0
) -> tuple[list[Run], list[int]]:
    """Runs in lexicographic order, and the run that begins with each sequence. known: how many
    tokens are remembered.

    A sequence that begins another is part of that one's run. What a run shares with any before it,
    it shares with the one right before it; its parent is the first run that has these tokens, so
    that siblings make one level. A run that gains little by a parent has none.
    """
    order = sorted(range(len(sequences)), key=lambda i: tuple(sequences[i]))
    ordered = [tuple(sequences[i]) for i in order]
    # One that begins any other begins the next.
    wholes = [
        place
        for place, (ids, after) in enumerate(zip(ordered, [*ordered[1:], ()], strict=False))
        if after[: len(ids)] != ids
    ]
    hosts = [0] * len(sequences)
    for place, i in enumerate(order):
        hosts[i] = bisect_left(wholes, place)
    runs: list[Run] = []
    # (tokens, run): ever more tokens, shared by all runs from that one on.
    path: list[tuple[int, int]] = []
    for index, ids in enumerate(ordered[place] for place in wholes):
        shared = common(runs[-1].ids, ids) if runs else 0
        parent = index - 1
        while path and path[-1][0] >= shared:
            parent = path.pop()[1]
        path.append((shared, parent))
        if (remembered := known(ids)) < min(LEAST, len(ids)):
            remembered = 0
        if shared < remembered + LEAST:
            runs.append(Run(ids, remembered, -1, 0, index))
        else:
            runs.append(Run(ids, shared, parent, runs[parent].level + 1, runs[parent].family))
    return runs, hosts


def batch_order(prompts: Sequence[Ids], *, share: bool) -> list[int]:
    """Prompts in an order to take batches from: those that share tokens together, and those of like
    length."""
    if not share:
        return sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    runs, hosts = plan(prompts)
    longest = Counter[int]()
    for run in runs:
        longest[run.family] = max(longest[run.family], len(run.ids))
    families = [runs[host].family for host in hosts]
    return sorted(
        range(len(prompts)),
        key=lambda i: (longest[families[i]], families[i], hosts[i], len(prompts[i])),
    )


@torch.inference_mode()
def prefill(
    model: Any, prompts: Sequence[Ids], *, share: bool, memory: Memory | None = None
) -> Prefilled:
    """Prompts with something to continue from. share: what `can_share` says of the model, without
    which there is no memory."""
    if memory is not None:
        memory.meet(model)
    ids_P_T, mask_P_T = (x.to(model.device) for x in _padded(prompts, left=True))
    rotary.reset(model)
    if not share or min(map(len, prompts)) < 2:
        out = model(
            input_ids=ids_P_T,
            attention_mask=mask_P_T,
            position_ids=(mask_P_T.cumsum(-1) - 1).clamp(min=0),
            use_cache=True,
            logits_to_keep=1,
        )
        return Prefilled(prompts, out.past_key_values, out.logits[:, -1], ids_P_T, mask_P_T)
    memory = memory or Memory(0)
    bodies = [prompt[:-1] for prompt in prompts]
    runs, hosts = plan(bodies, memory.known)
    done = {i: memory.take(run.ids) for i, run in enumerate(runs) if run.shared == len(run.ids)}
    for batch in _passes(runs):
        starts = [_start(runs[i], done, memory) for i in batch]
        done.update(zip(batch, _run(model, [runs[i] for i in batch], starts), strict=True))
    parts = [_first(done[host], len(body)) for body, host in zip(bodies, hosts, strict=True)]
    cache = DynamicCache()
    cache.layers = [Buffer(*layer, spare=GROWTH) for layer in _stacked(parts, spare=GROWTH)]
    out = model(
        input_ids=ids_P_T[:, -1:],
        attention_mask=mask_P_T,
        position_ids=mask_P_T.sum(-1, keepdim=True) - 1,
        past_key_values=cache,
        use_cache=True,
    )
    return Prefilled(prompts, cache, out.logits[:, -1], ids_P_T, mask_P_T)


def _passes(runs: Sequence[Run]) -> Iterator[list[int]]:
    """Runs of one level and of like length together, parents before their children; none without
    new tokens.

    No more than half of a pass is padding: a few tokens after a remembered beginning do not wait
    for a new prompt.
    """
    widths = [len(run.ids) - run.shared for run in runs]
    batch: list[int] = []
    tokens = 0
    for i in sorted(
        (i for i, width in enumerate(widths) if width), key=lambda i: (runs[i].level, widths[i])
    ):
        size = (len(batch) + 1) * widths[i]
        tokens += widths[i]
        if batch and (
            runs[batch[-1]].level < runs[i].level or size > PASS_TOKENS or size > 2 * tokens + LEAST
        ):
            yield batch
            batch, tokens = [], widths[i]
        batch.append(i)
    if batch:
        yield batch


def _start(run: Run, done: dict[int, KeysValues], memory: Memory) -> KeysValues:
    """The keys and values of what a run shares."""
    if run.parent < 0:
        return memory.take(run.ids[: run.shared])
    return _first(done[run.parent], run.shared)


def _first(whole: KeysValues, count: int) -> KeysValues:
    """The keys and values of the first tokens, to be gone through once."""
    return ((keys[:, :count], values[:, :count]) for keys, values in whole)


def _run(model: Any, runs: Sequence[Run], starts: Sequence[KeysValues]) -> list[KeysValues]:
    """The keys and values of some runs of one level: shared ones left-padded, new ones
    right-padded."""
    past = max(run.shared for run in runs)
    new = [run.ids[run.shared :] for run in runs]
    ids_R_T, _ = _padded(new, left=False)
    shared_R = torch.tensor([run.shared for run in runs])
    width = ids_R_T.shape[1]
    mask_R_T = torch.ones(len(runs), past + width, dtype=torch.long)
    mask_R_T[:, :past] = torch.arange(past) >= past - shared_R[:, None]
    out = model(
        input_ids=ids_R_T.to(model.device),
        # Padding on the right is behind every token, so that nothing sees it.
        attention_mask=mask_R_T.to(model.device),
        position_ids=(shared_R[:, None] + torch.arange(width)).to(model.device),
        past_key_values=DynamicCache(_stacked(starts)) if past else None,
        use_cache=True,
        logits_to_keep=1,
    )
    spans = [slice(past - run.shared, past + len(ids)) for run, ids in zip(runs, new, strict=True)]
    layers = out.past_key_values.layers
    return [
        [(layer.keys[r, :, span], layer.values[r, :, span]) for layer in layers]
        for r, span in enumerate(spans)
    ]


def _stacked(parts: Sequence[KeysValues], *, spare: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Each layer's keys and values of P prompts, (P, heads, T, width), left-padded with zeros; then
    room to spare."""
    for layer in zip(*parts, strict=True):
        yield tuple(_left_padded(side, spare) for side in zip(*layer, strict=True))  # type: ignore[misc]


def _left_padded(rows: Sequence[Tensor], spare: int) -> Tensor:
    longest = max(row.shape[1] for row in rows)
    heads, _, width = rows[0].shape
    out = rows[0].new_empty(len(rows), heads, longest + spare, width)
    for there, row in zip(out, rows, strict=True):
        start = longest - row.shape[1]
        there[:, :start] = 0
        there[:, start:longest] = row
    return out


def _padded(sequences: Sequence[Ids], *, left: bool) -> tuple[Tensor, Tensor]:
    """Ids and mask (P, T). What stands in the padding is masked or unseen, so it may be any
    token."""
    width = max(map(len, sequences))
    ids = np.zeros((len(sequences), width), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, there, sequence in zip(ids, mask, sequences, strict=True):
        span = slice(width - len(sequence), width) if left else slice(0, len(sequence))
        row[span] = sequence
        there[span] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)
