"""From records to tensors: every record is encoded once, batches are padded when they are needed.

Shapes: G records in a batch, R responses a record, S read positions a response; see `protocols.Loss` for targets.
"""

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.errors import ConfigError, DataError
from assay.models.fit import unfit
from assay.models.layout import Encoded, Encoder
from assay.models.reward_model import Batch, Shared, arrange
from assay.packing.engine import Engine
from assay.packing.tree import LEAST
from assay.protocols import Disentangling, Loss
from assay.types import Message, Preference, Prompt, Ranking, Record, Response, StepLabels

__all__ = [
    "Example",
    "MicroBatch",
    "collate",
    "encode",
    "epoch_order",
    "items",
    "micro_batches",
    "nothing_left",
    "portions",
    "say_dropped",
]

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]

CHUNK = 1024
"""Records tokenised at once."""


@dataclass(frozen=True, slots=True)
class Example:
    """One record as numbers."""

    ids: tuple[Ints, ...]
    """Token ids of each response, with its prompt."""
    reads: tuple[Ints, ...]
    """Where each response is read."""
    starts: tuple[int, ...]
    """Where each response begins."""
    target: Floats
    """[probability, margin] of a preference, and its responses' features where the loss asks for them; grades (R,) of a
    ranking, labels (S,) of step labels; NaN = no label."""
    prompt: int
    """Equal for records of one prompt."""

    @property
    def length(self) -> int:
        """Tokens of the longest response: what the record costs when padded."""
        return max(map(len, self.ids))

    @property
    def unique(self) -> int:
        """Tokens when what all responses begin with is counted once: what the record costs when shared."""
        first, *others = self.ids
        saved = min((_common(first, ids) for ids in others), default=0) * len(others)
        return sum(map(len, self.ids)) - (saved if saved >= LEAST else 0)


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """What one forward pass takes, and what the loss compares it with."""

    batch: Batch | Shared
    """The sequences of all G records, one after another; absent responses are left out."""
    slots: Tensor
    """Place of each sequence among the G x R of the values."""
    targets: Tensor
    mask_G_R_S: Tensor
    terms: int
    """Terms of the loss, for weighting."""

    @property
    def tokens(self) -> int:
        """Tokens of all sequences, without padding."""
        return self.batch.tokens

    @property
    def computed(self) -> int:
        """Tokens that go through the model."""
        return self.batch.computed

    def to(self, device: torch.device) -> "MicroBatch":
        """The same on a device."""
        slots, targets, mask_G_R_S = (x.to(device) for x in (self.slots, self.targets, self.mask_G_R_S))
        return MicroBatch(self.batch.to(device), slots, targets, mask_G_R_S, self.terms)

    def values(self, logits_B_S: Tensor) -> Tensor:
        """(B, S) logits of the sequences -> (G, R, S) values; 0 where there is no response."""
        groups, width, positions = self.mask_G_R_S.shape
        if len(logits_B_S) == groups * width:
            return logits_B_S.view(groups, width, positions)
        values = logits_B_S.new_zeros(groups * width, positions).index_copy(0, self.slots, logits_B_S)
        return values.view(groups, width, positions)


def encode(records: Sequence[Record], encoder: Encoder, loss: Loss) -> tuple[list[Example], dict[str, int]]:
    """Examples, and how many records were dropped for which reason. Nothing is ever truncated.

    Raises `DataError` where a record is not of the kind that the loss learns from.
    """
    examples: list[Example] = []
    dropped: Counter[str] = Counter()
    prompts: dict[tuple[Message, ...], int] = {}
    for start in range(0, len(records), CHUNK):
        chunk = records[start : start + CHUNK]
        for i, record in enumerate(chunk):
            if not isinstance(record, loss.consumes):
                raise DataError(
                    f"record {start + i} is a {type(record).__name__}, and {type(loss).__name__} learns from "
                    f"{loss.consumes.__name__} records; use a loss for what the data holds"
                )
        encoded = iter(encoder.encode([item for record in chunk for item in items(record)]))
        for record in chunk:
            sequences = [next(encoded) for _ in items(record)]
            reasons = {unfit(encoder.layout, r, s) for (_, r), s in zip(items(record), sequences, strict=True)} - {None}
            assert isinstance(record, (Preference, Ranking, StepLabels))
            prompt = prompts.setdefault(record.prompt.messages, len(prompts))
            found = _example(record, sequences, loss, prompt)
            if not sequences or "empty" in reasons:
                dropped["empty response"] += 1
            elif reasons:
                dropped[f"longer than {encoder.layout.max_length} tokens"] += 1
            elif found is None:
                dropped["no label"] += 1
            else:
                examples.append(found)
    return examples, dict(dropped)


def items(record: Record) -> list[tuple[Prompt, Response]]:
    """The responses of a record, each with its prompt."""
    if isinstance(record, StepLabels):
        return [(record.prompt, record.response)]
    assert isinstance(record, (Preference, Ranking))
    return [(record.prompt, response) for response in record.responses]


def _example(record: Record, sequences: list[Encoded], loss: Loss, prompt: int) -> Example | None:
    """The example; None where it has no label to learn from."""
    ids = tuple(np.array(s.ids, dtype=np.int32) for s in sequences)
    if loss.reads == "tokens":
        reads = tuple(np.arange(s.start, len(s.ids), dtype=np.int32) for s in sequences)
    else:
        reads = tuple(np.array(s.reads, dtype=np.int32) for s in sequences)
    if isinstance(record, Preference):
        features: list[float] = []
        if isinstance(loss, Disentangling):
            features = [loss.feature_of(record.prompt, response) for response in record.responses]
        target = np.array([record.prefer, record.margin or 0.0, *features], dtype=np.float32)
    elif isinstance(record, Ranking):
        target = np.array(record.grades, dtype=np.float32)
    else:
        assert isinstance(record, StepLabels)
        labels = np.array([math.nan if y is None else y for y in record.labels], dtype=np.float32)
        if np.isnan(labels).all():
            return None
        # A token carries its step's label, and closing tokens the last one's; at step ends this is the identity.
        target = labels[np.searchsorted(sequences[0].reads, reads[0])] if loss.reads == "tokens" else labels
    return Example(ids, reads, tuple(s.start for s in sequences), target, prompt)


def say_dropped(what: str, of: int, dropped: Mapping[str, int], *, aloud: bool, of_what: str = "records") -> None:
    """Say how many are left out and why; nobody should find out by chance."""
    if (count := sum(dropped.values())) and aloud:
        print(f"{count} of {of} {what} {of_what} are dropped: {_why(dropped)}", file=sys.stderr)


def nothing_left(of: int, dropped: Mapping[str, int]) -> DataError:
    """The error of a run without anything to learn from."""
    return DataError(f"no record is left to train on: of {of}, {_why(dropped) or 'none was given'}")


def _why(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in dropped.items())


def collate(examples: Sequence[Example], loss: Loss, pad_id: int, engine: Engine | None = None) -> MicroBatch:
    """One micro-batch of the examples; with an engine, shared where that is faster."""
    ids, reads = [x for e in examples for x in e.ids], [x for e in examples for x in e.reads]
    batch = arrange(ids, reads, pad_id, engine, starts=[x for e in examples for x in e.starts])
    counts = np.array([len(e.ids) for e in examples])
    present_G_R = np.arange(counts.max()) < counts[:, None]
    slots = torch.from_numpy(np.flatnonzero(present_G_R))
    groups, width, positions = *present_G_R.shape, batch.valid_B_S.shape[1]
    mask = torch.zeros(groups * width, positions, dtype=torch.bool).index_copy(0, slots, batch.valid_B_S)
    mask_G_R_S = mask.view(groups, width, positions)
    if issubclass(loss.consumes, Preference):
        targets = np.stack([e.target for e in examples])
    else:
        shape = present_G_R.shape if issubclass(loss.consumes, Ranking) else (groups, positions)
        targets = np.full(shape, math.nan, dtype=np.float32)
        targets[np.arange(shape[1]) < np.array([len(e.target) for e in examples])[:, None]] = np.concatenate(
            [e.target for e in examples]
        )
    tensor = torch.from_numpy(targets)
    if issubclass(loss.consumes, StepLabels):
        tensor = tensor.unsqueeze(1)
    return MicroBatch(batch, slots, tensor, mask_G_R_S, loss.terms(tensor, mask_G_R_S))


def micro_batches(
    examples: Sequence[Example], loss: Loss, pad_id: int, micro_tokens: int, engine: Engine | None = None
) -> list[MicroBatch]:
    """The examples as micro-batches of at most `micro_tokens` tokens, padding included, or of one record."""
    return [collate(part, loss, pad_id, engine) for part in portions(examples, micro_tokens, engine)]


def portions(examples: Sequence[Example], micro_tokens: int, engine: Engine | None = None) -> list[list[Example]]:
    """The examples in portions of at most `micro_tokens` tokens, padding included, or of one record.

    With an engine that shares prefixes a portion holds as many records as their unique tokens allow, and records of
    one prompt stand together.
    """
    if engine is not None and engine.tree([ids for e in examples for ids in e.ids]) is not None:
        return _by_prompt(examples, micro_tokens)
    return _by_length(examples, micro_tokens)


def _by_length(examples: Sequence[Example], micro_tokens: int) -> list[list[Example]]:
    """Records of like length together."""
    parts: list[list[Example]] = []
    sequences = 0
    for example in sorted(examples, key=lambda e: e.length):
        sequences += len(example.ids)
        if not parts or sequences * example.length > micro_tokens:
            parts.append([])
            sequences = len(example.ids)
        parts[-1].append(example)
    return parts


def _by_prompt(examples: Sequence[Example], micro_tokens: int) -> list[list[Example]]:
    """Records that begin alike together."""
    parts: list[list[Example]] = []
    tokens = 0
    for example in sorted(examples, key=lambda e: e.ids[0].tolist()):
        cost = example.unique
        if parts and (saved := _common(parts[-1][-1].ids[0], example.ids[0])) >= LEAST:
            cost -= saved
        if not parts or tokens + cost > micro_tokens:
            parts.append([])
            tokens, cost = 0, example.unique
        parts[-1].append(example)
        tokens += cost
    return parts


def _common(a: Ints, b: Ints) -> int:
    """How many tokens two sequences begin with."""
    size = min(len(a), len(b))
    same = a[:size] == b[:size]
    return size if same.all() else int(same.argmin())


def epoch_order(
    lengths: NDArray[Any],
    batch_size: int,
    seed: int,
    epoch: int,
    bucket: int = 1,
    prompts: NDArray[Any] | None = None,
    together: int = 1,
) -> list[NDArray[np.intp]]:
    """Indices of the records of every batch of an epoch: a pure function of its arguments.

    Records are shuffled, up to `together` of one prompt put side by side, then sorted by length within pools of
    `bucket` batches, and the batches shuffled; batch sizes differ by at most one, so that no step rests on a handful of
    records.
    """
    if not len(lengths):
        raise ConfigError("there are no records to put in order")
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    if together > 1 and prompts is not None:
        order = order[_side_by_side(prompts[order], together, rng)]
    bounds = np.linspace(0, len(order), math.ceil(len(order) / batch_size) + 1).round().astype(np.intp)
    for first in range(0, len(bounds) - 1, bucket):
        pool = slice(bounds[first], bounds[min(first + bucket, len(bounds) - 1)])
        if bucket > 1:
            order[pool] = order[pool][np.argsort(lengths[order[pool]], kind="stable")]
    return [order[bounds[i] : bounds[i + 1]] for i in rng.permutation(len(bounds) - 1)]


def _side_by_side(prompts: NDArray[Any], together: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """An order in which runs of up to `together` records of one prompt follow each other, the runs shuffled."""
    by_prompt = np.argsort(prompts, kind="stable")
    ordered = prompts[by_prompt]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    within = np.arange(len(ordered)) - np.repeat(first, np.diff(np.r_[first, len(ordered)]))
    run = np.cumsum(within % together == 0) - 1
    rank = rng.permutation(run[-1] + 1)[run]
    found: NDArray[np.intp] = by_prompt[np.argsort(rank, kind="stable")]
    return found
