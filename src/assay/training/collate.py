"""From records to tensors: every record is encoded once, batches are padded when they are needed.

Shapes: G records in a batch, R responses a record, S read positions a response; see
`protocols.Loss` for targets.
"""

import math
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.data.records import pairs_of
from assay.errors import ConfigError, DataError, RefusedRecords
from assay.models.fit import unfit
from assay.models.laid_out import laid_out
from assay.models.layout import Encoded, Encoder
from assay.models.reward_model import Batch, Shared, arrange
from assay.packing.device import to_device
from assay.packing.engine import Engine
from assay.packing.tree import LEAST, common
from assay.protocols import AuxiliaryHeadLoss, Loss
from assay.types import Preference, Ranking, Record, StepLabels

__all__ = [
    "CHUNK",
    "HOLD_OUT",
    "IDENTICAL",
    "Dropped",
    "Example",
    "MicroBatch",
    "both",
    "collate",
    "count_dropped",
    "encode",
    "epoch_order",
    "micro_batches",
    "nothing_left",
    "portions",
    "say_dropped",
]

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]

S = TypeVar("S")
T = TypeVar("T")

CHUNK = 1024
"""Records tokenised at once."""
IDENTICAL: Final = "with identical responses"
"""Why a preference or a ranking teaches nothing."""
SAME_TOKENS: Final = "with different responses that are the same tokens"
"""The same, where it is the layout or the tokenizer that makes them alike."""
TIES: Final = "are ties of identical responses, which teach nothing"
HOLD_OUT: Final = (
    "give other records with --held-out FILE, a larger share, or --held-out 0 to hold out none"
)


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
    """[probability, margin] of a preference, and its responses' features where the loss asks for
    them; grades (R,) of a ranking, labels (S,) of step labels; NaN = no label."""
    prompt: int
    """Equal for records of one prompt."""
    spans: tuple[tuple[tuple[int, int], ...], ...] = ()
    """Where the assistant's turns of each response stand; () where none is a trajectory."""

    @property
    def length(self) -> int:
        """Tokens of the longest response: what the record costs when padded."""
        return max(map(len, self.ids))

    @property
    def unique(self) -> int:
        """Tokens when what all responses begin with is counted once: what the record costs when
        shared."""
        first, *others = self.ids
        saved = min((common(first, ids) for ids in others), default=0) * len(others)
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
        slots, targets, mask_G_R_S = (
            to_device(x, device) for x in (self.slots, self.targets, self.mask_G_R_S)
        )
        return MicroBatch(self.batch.to(device), slots, targets, mask_G_R_S, self.terms)

    def values(self, logits_B_S: Tensor) -> Tensor:
        """(B, S) logits of the sequences -> (G, R, S) values; 0 where there is no response."""
        groups, width, positions = self.mask_G_R_S.shape
        if len(logits_B_S) == groups * width:
            return logits_B_S.view(groups, width, positions)
        values = logits_B_S.new_zeros(groups * width, positions).index_copy(
            0, self.slots, logits_B_S
        )
        return values.view(groups, width, positions)


@dataclass(frozen=True)
class Dropped:
    """Records that are left out of training, and rankings that contradict themselves."""

    counts: Mapping[str, int]
    """How many are left out, by the reason."""
    first: Mapping[str, str] = field(default_factory=dict)
    """Place of the first of each, where places are known."""
    contradicting: int = 0
    """Rankings that are kept although they grade identical responses unlike."""
    ties: int = 0
    """Records that are kept although they teach nothing: all their responses are identical, and tie
    as they should."""

    @property
    def total(self) -> int:
        """How many are left out."""
        return sum(self.counts.values())

    @property
    def why(self) -> str:
        """The reasons, in words; "" where nothing is left out."""
        places = {
            reason: f" (first {self.first[reason]})"
            for reason in self.counts
            if reason in self.first
        }
        return ", ".join(
            f"{n} {reason}{places.get(reason, '')}" for reason, n in self.counts.items()
        )


def encode(
    records: Sequence[Record], encoder: Encoder, loss: Loss, places: Mapping[int, str] | None = None
) -> tuple[list[Example], Dropped]:
    """Examples, and how many records were dropped for which reason. Nothing is ever truncated.

    Preferences and rankings whose responses are all the same tokens teach nothing: whatever their
    label says, the gradient of a loss of differences is 0. They are dropped, unless they are ties,
    which are true and are kept and counted. places: where each record stands, by `id(record)`.

    Raises `DataError` where a record is not of the kind that the loss learns from, `RefusedRecords`
    for those that the layout refuses.
    """
    examples: list[Example] = []
    reasons: list[tuple[str, Record]] = []
    refused: dict[str, str] = {}
    contradicting = ties = 0
    prompts = dict[Hashable, int]()
    numbers = {id(record): f"record {i}" for i, record in enumerate(records)} | dict(places or {})
    for start in range(0, len(records), CHUNK):
        chunk = records[start : start + CHUNK]
        for record in chunk:
            if not isinstance(record, loss.consumes):
                raise DataError(
                    f"{numbers[id(record)]} is a {type(record).__name__}, and {type(loss).__name__}"
                    f" learns from {loss.consumes.__name__} records; use a loss for what the data"
                    " holds"
                )
        for record, sequences in zip(
            chunk, laid_out([pairs_of(r) for r in chunk], encoder), strict=True
        ):
            assert isinstance(record, (Preference, Ranking, StepLabels))
            if isinstance(sequences, str):
                refused[numbers[id(record)]] = sequences
                continue
            if (reason := _unfit(record, sequences, encoder)) is not None:
                reasons.append((reason, record))
                continue
            prompt = prompts.setdefault(record.prompt.shown, len(prompts))
            found = _example(record, sequences, loss, prompt)
            if found is None:
                reasons.append(("no label", record))
                continue
            contradicting += isinstance(record, Ranking) and _contradicts(found)
            ties += not isinstance(record, StepLabels) and _identical(sequences)
            examples.append(found)
    if refused:
        raise RefusedRecords(refused)
    return examples, replace(count_dropped(reasons, places), contradicting=contradicting, ties=ties)


def count_dropped(
    reasons: Sequence[tuple[str, Record]], places: Mapping[int, str] | None = None
) -> Dropped:
    """Count why records are left out, and note where the first of each reason stands."""
    first: dict[str, str] = {}
    for reason, record in reasons:
        if places and id(record) in places:
            first.setdefault(reason, places[id(record)])
    return Dropped(dict(Counter(reason for reason, _ in reasons)), first)


def both(encode_one: Callable[[S], T], training: S, held_out: S) -> list[T]:
    """Encode what is learned from and what is held out, so that a refusal names the records of both
    at once."""
    made: list[T] = []
    refused: dict[str, str] = {}
    for side in (training, held_out):
        try:
            made.append(encode_one(side))
        except RefusedRecords as error:
            refused |= error.why
    if refused:
        raise RefusedRecords(refused)
    return made


def _unfit(
    record: Preference | Ranking | StepLabels, sequences: Sequence[Encoded], encoder: Encoder
) -> str | None:
    """Why nothing can be learned from a record's sequences; None where something can."""
    reasons = {
        unfit(encoder.layout, r, s) for (_, r), s in zip(pairs_of(record), sequences, strict=True)
    } - {None}
    if not sequences or "empty" in reasons:
        return "empty response"
    if reasons:
        return f"longer than {encoder.layout.max_length} tokens"
    if isinstance(record, StepLabels):
        return None
    if len(sequences) == 1:
        return "with a single response"
    grades = (
        {record.prefer, 1 - record.prefer} if isinstance(record, Preference) else {*record.grades}
    )
    if not _identical(sequences) or len(grades) == 1:
        return None
    texts = {(response.text, response.turns) for _, response in pairs_of(record)}
    return IDENTICAL if len(texts) == 1 else SAME_TOKENS


def _identical(sequences: Sequence[Encoded]) -> bool:
    return len({sequence.ids for sequence in sequences}) == 1


def _contradicts(example: Example) -> bool:
    """Whether the same tokens have two grades."""
    grades: dict[bytes, float] = {}
    return any(
        grades.setdefault(ids.tobytes(), grade) != grade
        for ids, grade in zip(example.ids, example.target.tolist(), strict=True)
    )


def _example(record: Record, sequences: list[Encoded], loss: Loss, prompt: int) -> Example | None:
    """The example; None where it has no label to learn from."""
    ids = tuple(np.array(s.ids, dtype=np.int32) for s in sequences)
    if loss.reads == "tokens":
        reads = tuple(np.array(s.own, dtype=np.int32) for s in sequences)
    else:
        reads = tuple(np.array(s.reads, dtype=np.int32) for s in sequences)
    if isinstance(record, Preference):
        features: list[float] = []
        if isinstance(loss, AuxiliaryHeadLoss):
            features = [loss.feature_of(record.prompt, response) for response in record.responses]
        target = np.array([record.prefer, record.margin or 0.0, *features], dtype=np.float32)
    elif isinstance(record, Ranking):
        target = np.array(record.grades, dtype=np.float32)
    else:
        assert isinstance(record, StepLabels)
        labels = np.array([math.nan if y is None else y for y in record.labels], dtype=np.float32)
        if np.isnan(labels).all():
            return None
        # A token carries its step's label, and closing tokens the last one's; at step ends this is
        # the identity.
        target = (
            labels[np.searchsorted(sequences[0].reads, reads[0])]
            if loss.reads == "tokens"
            else labels
        )
    spans = tuple(s.spans for s in sequences)
    starts = tuple(s.start for s in sequences)
    return Example(ids, reads, starts, target, prompt, spans if any(spans) else ())


def say_dropped(
    what: str, of: int, left_out: Dropped, *, aloud: bool, of_what: str = "records"
) -> None:
    """Say how many are left out and why; nobody should find out by chance."""
    if not aloud:
        return
    if left_out.counts:
        print(
            f"{left_out.total} of {of} {what} {of_what} are dropped: {left_out.why}",
            file=sys.stderr,
        )
    for count, why in (
        (left_out.contradicting, "grade identical responses unlike"),
        (left_out.ties, TIES),
    ):
        if count:
            print(f"{count} of {of} {what} {of_what} {why}, and are kept", file=sys.stderr)


def nothing_left(of: int, left_out: Dropped, *, held_out: bool = False) -> DataError:
    """The error of a run without anything to learn from, or to evaluate on."""
    reasons = [left_out.why] * bool(left_out.counts) + [f"{left_out.ties} {TIES}"] * bool(
        left_out.ties
    )
    why = f"of {of}, {', '.join(reasons) or 'none was given'}"
    if held_out:
        return DataError(f"no held-out record is left to evaluate on: {why}; {HOLD_OUT}")
    return DataError(f"no record is left to train on: {why}")


def collate(
    examples: Sequence[Example], loss: Loss, pad_id: int, engine: Engine | None = None
) -> MicroBatch:
    """One micro-batch of the examples; with an engine, shared where that is faster."""
    ids = list(chain.from_iterable(e.ids for e in examples))
    reads = list(chain.from_iterable(e.reads for e in examples))
    starts = list(chain.from_iterable(e.starts for e in examples))
    spans = list(chain.from_iterable(e.spans or ((),) * len(e.ids) for e in examples))
    batch = arrange(ids, reads, pad_id, engine, starts=starts, spans=spans)
    counts = np.array([len(e.ids) for e in examples])
    present_G_R = np.arange(counts.max()) < counts[:, None]
    slots = torch.from_numpy(np.flatnonzero(present_G_R))
    groups, width, positions = *present_G_R.shape, batch.valid_B_S.shape[1]
    mask = torch.zeros(groups * width, positions, dtype=torch.bool).index_copy(
        0, slots, batch.valid_B_S
    )
    mask_G_R_S = mask.view(groups, width, positions)
    if issubclass(loss.consumes, Preference):
        targets = np.stack([e.target for e in examples])
    else:
        shape = present_G_R.shape if issubclass(loss.consumes, Ranking) else (groups, positions)
        targets = np.full(shape, math.nan, dtype=np.float32)
        targets[np.arange(shape[1]) < np.array([len(e.target) for e in examples])[:, None]] = (
            np.concatenate([e.target for e in examples])
        )
    tensor = torch.from_numpy(targets)
    if issubclass(loss.consumes, StepLabels):
        tensor = tensor.unsqueeze(1)
    return MicroBatch(batch, slots, tensor, mask_G_R_S, loss.terms(tensor, mask_G_R_S))


def micro_batches(
    examples: Sequence[Example],
    loss: Loss,
    pad_id: int,
    micro_tokens: int,
    engine: Engine | None = None,
) -> list[MicroBatch]:
    """The examples as micro-batches of at most `micro_tokens` tokens, padding included, or of one
    record."""
    return [
        collate(part, loss, pad_id, engine) for part in portions(examples, micro_tokens, engine)
    ]


def portions(
    examples: Sequence[Example], micro_tokens: int, engine: Engine | None = None
) -> list[list[Example]]:
    """The examples in portions of at most `micro_tokens` tokens, padding included, or of one
    record.

    With an engine that shares prefixes a portion holds as many records as their unique tokens
    allow, and records of one prompt stand together.
    """
    sequences = list(chain.from_iterable(e.ids for e in examples))
    if engine is not None and engine.tree(sequences) is not None:
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
        if parts and (saved := common(parts[-1][-1].ids[0], example.ids[0])) >= LEAST:
            cost -= saved
        if not parts or tokens + cost > micro_tokens:
            parts.append([])
            tokens, cost = 0, example.unique
        parts[-1].append(example)
        tokens += cost
    return parts


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

    Records are shuffled, up to `together` of one prompt put side by side, then sorted by length
    within pools of `bucket` batches, and the batches shuffled; batch sizes differ by at most one,
    so that no step rests on a handful of records.
    """
    if not len(lengths):
        raise ConfigError("there are no records to put in order")
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    if together > 1 and prompts is not None:
        order = order[_side_by_side(prompts[order], together, rng)]
    bounds = (
        np.linspace(0, len(order), math.ceil(len(order) / batch_size) + 1).round().astype(np.intp)
    )
    for first in range(0, len(bounds) - 1, bucket):
        pool = slice(bounds[first], bounds[min(first + bucket, len(bounds) - 1)])
        if bucket > 1:
            order[pool] = order[pool][np.argsort(lengths[order[pool]], kind="stable")]
    return [order[bounds[i] : bounds[i + 1]] for i in rng.permutation(len(bounds) - 1)]


def _side_by_side(
    prompts: NDArray[Any], together: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """An order in which runs of up to `together` records of one prompt follow each other, the runs
    shuffled."""
    by_prompt = np.argsort(prompts, kind="stable")
    ordered = prompts[by_prompt]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    within = np.arange(len(ordered)) - np.repeat(first, np.diff(np.r_[first, len(ordered)]))
    run = np.cumsum(within % together == 0) - 1
    rank = rng.permutation(run[-1] + 1)[run]
    found: NDArray[np.intp] = by_prompt[np.argsort(rank, kind="stable")]
    return found
