"""Score with a reward model in this process, every shared prefix computed once."""

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from assay.aggregation import aggregate, caution
from assay.data.records import all_pairs
from assay.errors import ConfigError
from assay.models import checkpoint
from assay.models.fit import unfit
from assay.models.implicit import ImplicitRewardModel
from assay.models.laid_out import laid_out
from assay.models.layout import Encoded
from assay.models.readout import Readout
from assay.models.reward_model import Batch, RewardModel, Shared, arrange, share
from assay.models.unread import say_unread
from assay.packing.budget import Budget, out_of_memory
from assay.packing.incremental import Memory
from assay.packing.tree import grow
from assay.scorers.reading import Reading
from assay.types import Group, Response, Score, Unscored

__all__ = ["LocalScorer", "score_of"]

Logits = tuple[float, ...] | Unscored


CUTS = 3
"""How often a group that does not fit is cut before its responses are scored one by one."""


class _Piece(NamedTuple):
    """Sequences that go through the model together, and how many tokens that takes."""

    members: list[int]
    tokens: int


class _Plan(NamedTuple):
    """Who shares what."""

    alone: list[_Piece]
    """Sequences that share little, in padded batches."""
    trees: list[_Piece]
    """Whole groups."""
    branches: list[_Piece]
    """Unfinished responses, after what is remembered of them."""
    behind: list[_Piece]
    """Groups and single sequences, after the prompts that are remembered."""


NOTHING = Encoded((), 0, ())
"""In place of a sequence that the layout refuses."""


class LocalScorer:
    """A `Scorer` on a model in memory, or on a folder that `assay train` saved.

    What a group's responses share goes through the model once. Groups are put together up to
    `micro_tokens` tokens a pass, and a larger one goes in parts without computing its prompt again;
    when memory runs out the budget is halved. In fp32 scores do not depend on any of this. A
    response that is longer than the model's `max_length` is `Unscored`, never truncated, and so is
    one of which nothing is read.

    Unfinished responses are the branches of a search: keys and values of up to `remember` of their
    tokens are kept, so that scoring what extends them costs the new tokens only.

    prompts: keys and values of up to so many tokens of prompts are kept too, for responses to one
    prompt that come in several calls, as they do in a server.
    """

    def __init__(
        self,
        model: RewardModel | Path | str,
        *,
        micro_tokens: int = 8192,
        remember: int = 32_768,
        prompts: int = 0,
    ) -> None:
        if micro_tokens < 1 or min(remember, prompts) < 0:
            raise ConfigError(
                f"micro_tokens is {micro_tokens}, remember {remember} and prompts {prompts}; at"
                " least 1, 0 and 0 are needed"
            )
        self.model = model.eval() if isinstance(model, RewardModel) else checkpoint.load(model)
        learned = self.model.scores.labels if self.model.scores else "correctness"
        if doubt := caution(self.model.readout.aggregate, learned):
            warnings.warn(doubt, stacklevel=2)
        self.budget = Budget(micro_tokens)
        self.memory, self.prompts = Memory(remember), Memory(prompts)
        self._read = 0
        self._said_unread = False
        self.texts_unended = 0
        """Texts laid out elsewhere that did not end as the model's finished responses do."""
        # What is remembered is of one call at a time.
        self._one_at_a_time = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """The model's: neither `micro_tokens` nor what is remembered changes a score."""
        return self.model.fingerprint

    @property
    def tokens_read(self) -> int:
        """Tokens that went through the model so far: what several responses share counts once,
        padding not at all."""
        return self._read + self.memory.ran + self.prompts.ran

    @property
    def tokens_spared(self) -> int:
        """Tokens that did not go through the model because an earlier call had run them."""
        return self.memory.spared + self.prompts.spared

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response of each group, in order: its steps' scores, and their
        aggregation."""
        return [[self._score(logits) for logits in group] for group in self.logits(groups)]

    def logits(self, groups: Sequence[Group]) -> list[list[Logits]]:
        """The raw logit of every step of every response, before link and aggregation."""
        return [[logits for logits, _ in group] for group in self._outputs(groups)]

    @property
    def readout(self) -> Readout:
        """How logits become scores."""
        return self.model.readout

    def readings(self, groups: Sequence[Group]) -> list[list[Reading]]:
        """One score per response as `score` gives it, with its logits and its token ids."""
        return [
            [
                Reading(
                    score=self._score(logits),
                    logits=() if isinstance(logits, Unscored) else logits,
                    ids=ids,
                )
                for logits, ids in group
            ]
            for group in self._outputs(groups)
        ]

    def _outputs(self, groups: Sequence[Group]) -> list[list[tuple[Logits, tuple[int, ...]]]]:
        """The logits of every response and the ids that they are of; one call at a time."""
        with self._one_at_a_time, torch.inference_mode():
            return self._run(groups)

    def _run(self, groups: Sequence[Group]) -> list[list[tuple[Logits, tuple[int, ...]]]]:
        self.model.eval()
        pairs = all_pairs(groups)
        sequences: list[Encoded] = []
        found: dict[int, Logits] = {}
        for i, (pair, made) in enumerate(
            zip(pairs, laid_out([[p] for p in pairs], self.model.encoder), strict=True)
        ):
            sequences.append(NOTHING if isinstance(made, str) else made[0])
            if pair[1].rendered is not None and not self.model.encoder.ended(sequences[i].ids):
                self.texts_unended += not isinstance(made, str)
            reason = (
                Unscored(reason=made) if isinstance(made, str) else self._unfit(pair[1], made[0])
            )
            if reason is not None:
                found[i] = reason
        self._said_unread = self._said_unread or say_unread(
            [sequences[i].ids for i in range(len(pairs)) if i not in found],
            self.model.encoder.tokenizer,
            "the reward model's tokenizer does not know what these texts are written in, and its"
            " scores cannot tell apart what differs there",
        )
        plan = self._planned(groups, sequences, found)
        self._score_all(plan.alone, self._arranged, sequences, found, padded=True)
        self._score_all(plan.trees, self._shared, sequences, found)
        self._score_all(plan.branches, self._remembered, sequences, found)
        self._score_all(plan.behind, self._after_prompts, sequences, found)
        values = ((found[i], sequences[i].ids) for i in range(len(pairs)))
        return [[next(values) for _ in group.responses] for group in groups]

    def _planned(
        self,
        groups: Sequence[Group],
        sequences: Sequence[Encoded],
        found: Mapping[int, Logits],
    ) -> "_Plan":
        """What goes through the model together, and how; of that which is not found yet."""
        engine, plan = self.model.engine, _Plan([], [], [], [])
        # An implicit model needs logits of two networks at every token, and the memory keeps last
        # states of one.
        remembers = (
            not isinstance(self.model, ImplicitRewardModel)
            and engine.path == "packed"
            and engine.may_pay([len(s.ids) for s in sequences])
        )
        branches = remembers and self.memory.tokens > 0
        # A larger group goes in parts, which a remembered one does not.
        most = min(self.prompts.tokens, self.budget.micro_tokens) if remembers else 0
        start = 0
        for group in groups:
            members = [i for i in range(start, start + len(group.responses)) if i not in found]
            open_ = [i for i in members if branches and not group.responses[i - start].finished]
            start += len(group.responses)
            fit = [i for i in members if i not in open_]
            plan.branches.extend(_Piece([i], len(sequences[i].ids)) for i in open_)
            tree = engine.tree([sequences[i].ids for i in fit]) if len(fit) > 1 else None
            if tree is not None:
                whole = _Piece(fit, len(tree.ids_T))
                (plan.behind if whole.tokens <= most else plan.trees).append(whole)
                continue
            for single in (_Piece([i], len(sequences[i].ids)) for i in fit):
                (plan.behind if single.tokens <= most else plan.alone).append(single)
        # Like lengths stand together, where padding is what a batch costs; and like texts, where
        # each part finds what the one before it read.
        plan.alone.sort(key=lambda piece: -piece.tokens)
        plan.behind.sort(key=lambda piece: sequences[piece.members[0]].ids)
        return plan

    def _score_all(
        self,
        left: list[_Piece],
        run: Callable[[list[Encoded]], Tensor],
        sequences: Sequence[Encoded],
        found: dict[int, Logits],
        *,
        padded: bool = False,
    ) -> None:
        """Note the logits of all pieces, as many at a time as the budget holds.

        A group that does not fit whole is cut a few times, then scored response by response, and
        only what does not fit alone is `Unscored`; the others' budget stays what it was.
        """
        cuts, before = 0, self.budget.micro_tokens
        while left:
            sizes = [piece.tokens for piece in left]
            costs = sizes[0] * np.arange(1, len(left) + 1) if padded else np.cumsum(sizes)
            count = max(1, int((costs <= self.budget.micro_tokens).sum()))
            part = [i for piece in left[:count] for i in piece.members]
            try:
                rows = run([sequences[i] for i in part]).double().cpu().tolist()
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                self.memory.forget()
                self.prompts.forget()
                if cuts == 0:
                    before = self.budget.micro_tokens
                if count > 1 or (len(part) > 1 and cuts < CUTS):
                    cuts += count == 1
                    self.budget.halve(int(costs[count - 1]))
                    continue
                if cuts:
                    self.budget.micro_tokens = before
                if len(part) > 1:
                    left, cuts = [*(_Piece([i], len(sequences[i].ids)) for i in part), *left[1:]], 0
                    continue
                found |= {
                    i: Unscored(reason=f"out of memory at {len(sequences[i].ids)} tokens")
                    for i in part
                }
            else:
                found |= {
                    i: tuple(row[: len(sequences[i].reads)])
                    for i, row in zip(part, rows, strict=True)
                }
            left, cuts = left[count:], 0

    def _arranged(self, sequences: Sequence[Encoded]) -> Tensor:
        """(B, S) logits of sequences that share little."""
        ids, reads = [s.ids for s in sequences], [s.reads for s in sequences]
        self._read += sum(map(len, ids))
        model = self.model
        return self._logits(arrange(ids, reads, model.pad_id, model.engine, **_places(sequences)))

    def _shared(self, sequences: Sequence[Encoded]) -> Tensor:
        """(B, S) logits of whole groups."""
        tree = grow([np.array(s.ids) for s in sequences])
        self._read += len(tree.ids_T)
        return self._logits(share(tree, [s.reads for s in sequences], **_places(sequences)))

    def _remembered(self, sequences: Sequence[Encoded]) -> Tensor:
        """(B, S) logits of branches, run from where what is remembered ends."""
        return self._read_at(
            self.memory.hidden(
                self.model.backbone,
                [np.array(s.ids) for s in sequences],
                attention=self.model.engine.attention,
            ),
            sequences,
        )

    def _after_prompts(self, sequences: Sequence[Encoded]) -> Tensor:
        """(B, S) logits of sequences, run from where the prompts that are remembered end.

        A text that was laid out elsewhere does not say where its prompt ends, and is kept whole.
        """
        return self._read_at(
            self.prompts.hidden(
                self.model.backbone,
                [np.array(s.ids) for s in sequences],
                [s.start or len(s.ids) for s in sequences],
                attention=self.model.engine.attention,
            ),
            sequences,
        )

    def _read_at(self, rows: Sequence[Tensor], sequences: Sequence[Encoded]) -> Tensor:
        """(B, S) logits of sequences whose last hidden states are there."""
        width = max(len(s.reads) for s in sequences)
        reads = [[*s.reads, *(s.reads[-1:] * (width - len(s.reads)))] for s in sequences]
        return self.model.read(
            torch.stack([row[places] for row, places in zip(rows, reads, strict=True)])
        )

    def _logits(self, batch: Batch | Shared) -> Tensor:
        device = next(self.model.parameters()).device
        logits: Tensor = self.model(batch.to(device), micro_tokens=self.budget.micro_tokens)
        return logits

    def _unfit(self, response: Response, sequence: Encoded) -> Unscored | None:
        layout = self.model.layout
        if response.rendered is not None and isinstance(self.model, ImplicitRewardModel):
            return Unscored(
                reason="an implicit reward model adds up over the response alone, and a text that"
                " was laid out elsewhere does not say where it starts; send prompt and response"
            )
        for token in (min(sequence.ids, default=0), max(sequence.ids, default=0)):
            if not 0 <= token < self.model.rows:
                rows = self.model.rows
                return Unscored(
                    reason=f"token {token} has no row in the model's embedding of {rows}"
                )
        match unfit(layout, response, sequence):
            case "too long":
                return Unscored(
                    reason=f"{len(sequence.ids)} tokens > max_length {layout.max_length}"
                )
            case "empty":
                return Unscored(reason="empty response")
            case None:
                return None

    def _score(self, logits: tuple[float, ...] | Unscored) -> Score | Unscored:
        return logits if isinstance(logits, Unscored) else score_of(logits, self.model.readout)


def score_of(logits: tuple[float, ...], readout: Readout) -> Score | Unscored:
    """Return the score that a read-out makes of the logits of a response's steps."""
    link = torch.sigmoid if readout.link == "sigmoid" else torch.asarray
    logits_S = torch.tensor(logits, dtype=torch.float64)
    if readout.link == "sigmoid":
        logits_S = logits_S / readout.temperature
    values = link(logits_S).tolist()
    added = logits_S.diff(prepend=logits_S.new_zeros(1))
    steps = tuple(link(added).tolist() if readout.steps == "difference" else values)
    if not all(x - x == 0 for x in (*values, *steps)):
        return Unscored(reason="the model's output is not finite")
    # The last logit holds all before it, so that this is the response's own, however its steps
    # are scored.
    value = values[-1] if readout.aggregate == "last" else aggregate(steps, readout.aggregate)
    return Score(value=value, steps=steps)


def _places(sequences: Sequence[Encoded]) -> dict[str, Any]:
    """Where the responses stand in their sequences."""
    return {"starts": [s.start for s in sequences], "spans": [s.spans for s in sequences]}
