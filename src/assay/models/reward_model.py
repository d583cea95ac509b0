"""The one reward model: any Hugging Face causal-LM backbone, a head of k outputs, and a read-out.

The network is a stock `...ForSequenceClassification` (or token classification), so that what is
saved is what every other tool loads; it is read at the positions the encoder names, never where a
padding token is or is not found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from assay.errors import ConfigError
from assay.fingerprint import fingerprint
from assay.models.fit import fitted
from assay.models.layout import Encoded, Encoder, Layout
from assay.models.likeness import warn_of_differences
from assay.models.readout import Readout
from assay.packing import rotary
from assay.packing.device import to_device
from assay.packing.engine import Engine, engine_of, hidden
from assay.packing.tree import Tree
from assay.types import LabelMeaning, Record

__all__ = [
    "Batch",
    "RewardModel",
    "Shared",
    "Side",
    "TrainScores",
    "arrange",
    "own_tokens",
    "pad",
    "share",
]

Side = Literal["right", "left"]


class TrainScores(Record):
    """Scores on the training records: what "a high score" means for this model."""

    mean: float
    std: float
    n: int
    labels: LabelMeaning = "correctness"
    """What it learned from: labels of correctness, or by rollouts, which are values."""


@dataclass(frozen=True)
class Batch:
    """Padded sequences: B of them, T tokens, S read positions."""

    ids_B_T: Tensor
    mask_B_T: Tensor
    """Attention mask: True at real tokens."""
    reads_B_S: Tensor
    """Read positions; 0 where a sequence has fewer than S."""
    valid_B_S: Tensor
    """True at read positions that exist."""
    starts_B: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    """Index of each response's first token in its sequence; empty where nobody said, for only
    implicit models ask."""
    own_B_R: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))
    """True at the response's own tokens, from its first on; empty where all are: only trajectories
    hold others'."""

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on a device."""
        return Batch(*(to_device(getattr(self, f.name), device) for f in fields(self)))

    @property
    def tokens(self) -> int:
        """Tokens of all sequences, without padding."""
        return int(self.mask_B_T.sum())

    @property
    def computed(self) -> int:
        """Tokens that go through the model: padding is computed, too."""
        return self.ids_B_T.numel()


@dataclass(frozen=True)
class Shared:
    """The same sequences with every shared prefix once."""

    tree: Tree
    reads_B_S: Tensor
    """Read positions, as places in the tree's row; 0 where a sequence has fewer than S."""
    valid_B_S: Tensor
    """True at read positions that exist."""
    starts_B: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    """Index of each response's first token in its sequence; empty where nobody said, for only
    implicit models ask."""
    own_B_R: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))
    """True at the response's own tokens, from its first on; empty where all are: only trajectories
    hold others'."""

    def to(self, device: torch.device | str) -> "Shared":
        """The same batch on a device."""
        tensors = self.reads_B_S, self.valid_B_S, self.starts_B, self.own_B_R
        return Shared(self.tree, *(to_device(x, device) for x in tensors))

    @property
    def tokens(self) -> int:
        """Tokens of all sequences: a shared one counts in each."""
        return sum(self.tree.lengths)

    @property
    def computed(self) -> int:
        """Tokens that go through the model: a shared one once."""
        return len(self.tree.ids_T)

    def rows(self) -> tuple[list[NDArray[np.integer[Any]]], Tensor]:
        """Token ids of each sequence, and the read positions (B, S) in it."""
        depths_T = torch.from_numpy(self.tree.depths_T).to(self.reads_B_S.device)
        rows = [
            self.tree.ids_T[self.tree.places(i, np.arange(n))]
            for i, n in enumerate(self.tree.lengths)
        ]
        return rows, depths_T[self.reads_B_S]


class RewardModel(nn.Module):
    """Backbone, head and read-out. The score of a preference model is known only up to a constant
    for each prompt.

    `implicit.ImplicitRewardModel` is the same without a head: two language models whose ratio is
    the reward.
    """

    readout_weights: Tensor
    pair_temperature: float = 1.0
    """What a difference of two scores is divided by for the log-odds of a preference; scores stay
    what they are."""

    def __init__(
        self, network: Any, encoder: Encoder, *, pad_id: int, scores: TrainScores | None = None
    ) -> None:
        super().__init__()
        # Where positions are a table, what is longer than the table is too long, whatever was asked
        # for.
        encoder.layout = fitted(encoder.layout, network)
        self.network = network
        self.encoder = encoder
        self.pad_id = pad_id
        self.scores = scores
        self.forced: Engine | None = None
        weights = torch.tensor(encoder.readout.weights, dtype=torch.float32)
        self.register_buffer("readout_weights", weights, persistent=False)
        self._prepare()
        warn_of_differences(encoder)

    def _prepare(self) -> None:
        """Check the network, and put its head into fp32."""
        head = getattr(self.network, "score", None)
        if not isinstance(head, nn.Module):
            raise ConfigError(
                f"{type(self.network).__name__} has no `score` head; use an architecture that"
                " has one"
            )
        if next(head.parameters()).dtype in (torch.bfloat16, torch.float16):
            # bf16 has 8 bits of mantissa: a head in fp32 keeps scores apart that differ in the
            # third digit.
            head.float()

    @property
    def fingerprint(self) -> str:
        """Name by all that a score depends on: weights, tokenizer, layout, read-out; the same in
        every process."""
        return fingerprint(self._parts())

    def _parts(self) -> dict[str, object]:
        """Return what a score depends on."""
        encoder = self.encoder
        return {
            "network": self.network,
            "tokenizer": encoder.tokenizer,
            "layout": encoder.layout,
            "readout": encoder.readout,
            "pad": self.pad_id,
            "scores": self.scores,
        }

    @property
    def backbone(self) -> nn.Module:
        """The transformer without a head."""
        backbone = self.network.base_model
        assert isinstance(backbone, nn.Module)
        return backbone

    @property
    def rows(self) -> int:
        """Tokens that the embedding has a row for; ids from here on cannot be read."""
        return int(self.network.get_input_embeddings().weight.shape[0])

    @property
    def readout(self) -> Readout:
        """The mapping from outputs to scores."""
        return self.encoder.readout

    @property
    def layout(self) -> Layout:
        """The mapping from text to tokens."""
        return self.encoder.layout

    @property
    def engine(self) -> Engine:
        """Return how shared prefixes are computed: `forced`, or what was found right and fast for
        this backbone."""
        return self.forced or engine_of(self.backbone)

    def forward(self, batch: Batch | Shared, *, micro_tokens: int = 1 << 30) -> Tensor:
        """Logits (B, S) at the read positions, in the head's precision; where `valid` is False they
        mean nothing.

        A shared batch of more than `micro_tokens` tokens goes through the backbone in parts, if no
        gradient is asked.
        """
        return self.read(self.states(batch, micro_tokens=micro_tokens))

    def states(self, batch: Batch | Shared, *, micro_tokens: int = 1 << 30) -> Tensor:
        """Last hidden states (B, S, D) at the read positions: what a head reads."""
        if rotary.changes(self.backbone):
            return self._states_by_span(
                batch if isinstance(batch, Batch) else _apart(batch, self.pad_id)
            )
        if isinstance(batch, Shared):
            hidden_T_D: Tensor = hidden(
                self.backbone, batch.tree, self.engine, micro_tokens=micro_tokens
            )
            return hidden_T_D[batch.reads_B_S]
        return self._states(batch)

    def _states_by_span(self, batch: Batch) -> Tensor:
        """The states of a batch whose sequences would change one another's rotary embeddings, were
        they together."""
        parts = rotary.batches(self.backbone, batch.mask_B_T.sum(-1).tolist())
        found: list[Tensor] = []
        for part in parts:
            rotary.reset(self.backbone)
            found.append(self._states(_only(batch, part)))
        order = torch.tensor([i for part in parts for i in part], device=batch.mask_B_T.device)
        return torch.cat(found)[order.argsort()]

    def _states(self, batch: Batch) -> Tensor:
        """The states of a batch in one forward pass."""
        positions = (batch.mask_B_T.long().cumsum(-1) - 1).clamp(min=0)
        hidden_B_T_D = self.backbone(
            input_ids=batch.ids_B_T,
            attention_mask=batch.mask_B_T.long(),
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state
        index = batch.reads_B_S.unsqueeze(-1).expand(-1, -1, hidden_B_T_D.shape[-1])
        states: Tensor = hidden_B_T_D.gather(1, index)
        return states

    def read(self, hidden: Tensor) -> Tensor:
        """Logits (...) of hidden states (..., D)."""
        head = self.network.score
        first = next(head.parameters())
        dtype = first.dtype
        with torch.autocast(hidden.device.type, enabled=False):
            outputs: Tensor = head(hidden.to(first.device, dtype))
            return (outputs * self.readout_weights.to(dtype)).sum(-1) + self.readout.offset

    def collate(
        self,
        sequences: Sequence[Encoded],
        *,
        reads: Literal["steps", "tokens"] = "steps",
        side: Side = "right",
    ) -> Batch:
        """A padded batch on the model's device, read at every step or at every token of the
        response."""
        positions = [s.reads if reads == "steps" else s.own for s in sequences]
        ids, starts = [s.ids for s in sequences], [s.start for s in sequences]
        spans = [s.spans for s in sequences]
        return pad(ids, positions, self.pad_id, starts=starts, spans=spans, side=side).to(
            next(self.parameters()).device
        )


def _only(batch: Batch, rows: Sequence[int]) -> Batch:
    """Some sequences of a batch, without the padding that the others asked for."""
    mask_B_T = batch.mask_B_T[rows]
    columns = torch.nonzero(mask_B_T.any(0)).squeeze(-1)
    first, last = int(columns[0]), int(columns[-1]) + 1
    return Batch(
        batch.ids_B_T[rows, first:last],
        mask_B_T[:, first:last],
        (batch.reads_B_S[rows] - first).clamp(min=0),
        batch.valid_B_S[rows],
        batch.starts_B[rows] if len(batch.starts_B) else batch.starts_B,
        batch.own_B_R[rows] if len(batch.own_B_R) else batch.own_B_R,
    )


def _apart(batch: Shared, pad_id: int) -> Batch:
    """The sequences of a tree one by one, padded."""
    rows, reads_B_S = batch.rows()
    device = reads_B_S.device
    padded = pad(rows, [[0]] * len(rows), pad_id).to(device)
    return Batch(
        padded.ids_B_T, padded.mask_B_T, reads_B_S, batch.valid_B_S, batch.starts_B, batch.own_B_R
    )


Ints = Sequence[int] | NDArray[np.integer[Any]]
Spans = Sequence[tuple[int, int]]


def arrange(
    ids: Sequence[Ints],
    reads: Sequence[Ints],
    pad_id: int,
    engine: Engine | None,
    *,
    starts: Ints = (),
    spans: Sequence[Spans] = (),
) -> Batch | Shared:
    """Sequences with their read positions, sharing prefixes where the engine finds it worth it."""
    tree = engine.tree(ids) if engine is not None else None
    return (
        pad(ids, reads, pad_id, starts=starts, spans=spans)
        if tree is None
        else share(tree, reads, starts=starts, spans=spans)
    )


def own_tokens(lengths: Ints, starts: Ints, spans: Sequence[Spans]) -> NDArray[np.bool_]:
    """True (B, R) at the own tokens of each response, from its first on; without spans all are."""
    bounds = list(zip(lengths, starts, spans, strict=True))
    own_B_R = np.zeros((len(bounds), max(length - start for length, start, _ in bounds)), bool)
    for row, (length, start, some) in zip(own_B_R, bounds, strict=True):
        for a, b in some or ((start, length),):
            row[a - start : b - start] = True
    return own_B_R


def _own(lengths: Ints, starts: Ints, spans: Sequence[Spans]) -> Tensor:
    """The same where it is not all there is."""
    found = own_tokens(lengths, starts, spans) if any(spans) else np.zeros(0, dtype=np.bool_)
    return torch.from_numpy(found)


def share(
    tree: Tree, reads: Sequence[Ints], *, starts: Ints = (), spans: Sequence[Spans] = ()
) -> Shared:
    """The sequences of a tree, read at these positions of each."""
    counts = np.array([len(row) for row in reads])
    valid_B_S = np.arange(max(1, int(counts.max()))) < counts[:, None]
    reads_B_S = np.zeros(valid_B_S.shape, dtype=np.int64)
    reads_B_S[valid_B_S] = np.concatenate(
        [tree.places(i, np.asarray(row)) for i, row in enumerate(reads)]
    )
    return Shared(
        tree,
        torch.from_numpy(reads_B_S),
        torch.from_numpy(valid_B_S),
        torch.from_numpy(np.array(starts, dtype=np.int64)),
        _own(tree.lengths, starts, spans),
    )


def pad(
    ids: Sequence[Ints],
    reads: Sequence[Ints],
    pad_id: int,
    *,
    starts: Ints = (),
    spans: Sequence[Spans] = (),
    side: Side = "right",
) -> Batch:
    """Pad token ids and read positions to rectangles; `side` is where the padding goes."""
    lengths, counts = np.array([len(row) for row in ids]), np.array([len(row) for row in reads])
    width, count = int(lengths.max()), max(1, int(counts.max()))
    column = np.arange(width)
    shift = width - lengths if side == "left" else np.zeros_like(lengths)
    mask_B_T = column >= shift[:, None] if side == "left" else column < lengths[:, None]
    valid_B_S = np.arange(count) < counts[:, None]
    ids_B_T = np.full(mask_B_T.shape, pad_id, dtype=np.int64)
    ids_B_T[mask_B_T] = np.concatenate(ids)
    reads_B_S = np.zeros(valid_B_S.shape, dtype=np.int64)
    reads_B_S[valid_B_S] = np.concatenate(reads)
    reads_B_S += shift[:, None] * valid_B_S
    return Batch(
        torch.from_numpy(ids_B_T),
        torch.from_numpy(mask_B_T),
        torch.from_numpy(reads_B_S),
        torch.from_numpy(valid_B_S),
        torch.from_numpy(np.array(starts, dtype=np.int64)),
        _own(lengths, starts, spans),
    )
