"""Score with a reward model in this process."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from assay.aggregation import aggregate
from assay.errors import ConfigError
from assay.models import checkpoint
from assay.models.fit import unfit
from assay.models.layout import Encoded
from assay.models.reward_model import RewardModel
from assay.types import Group, Score, Unscored

__all__ = ["LocalScorer"]

log = logging.getLogger(__name__)


class LocalScorer:
    """A `Scorer` on a model in memory, or on a folder that `assay train` saved.

    Sequences are sorted by length and go through the model in batches of at most `micro_tokens` tokens, padding
    included; in fp32 scores do not depend on how they are batched. A response that is longer than the model's
    `max_length` is `Unscored`, never truncated, and so is one of which nothing is read.
    """

    def __init__(self, model: RewardModel | Path | str, *, micro_tokens: int = 8192) -> None:
        if micro_tokens < 1:
            raise ConfigError(f"micro_tokens is {micro_tokens}; it must be 1 or more")
        self.model = model.eval() if isinstance(model, RewardModel) else checkpoint.load(model)
        self.micro_tokens = micro_tokens

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response of each group, in order: its steps' scores, and their aggregation."""
        return [[self._score(logits) for logits in group] for group in self.logits(groups)]

    def logits(self, groups: Sequence[Group]) -> list[list[tuple[float, ...] | Unscored]]:
        """The raw logit of every step of every response, before link and aggregation."""
        encoder = self.model.encoder
        pairs = [(group.prompt, response) for group in groups for response in group.responses]
        sequences = encoder.encode(pairs)
        found: list[tuple[float, ...] | Unscored | None] = [None] * len(pairs)
        for i, ((_, response), sequence) in enumerate(zip(pairs, sequences, strict=True)):
            match unfit(encoder.layout, response, sequence):
                case "too long":
                    limit = encoder.layout.max_length
                    found[i] = Unscored(reason=f"{len(sequence.ids)} tokens > max_length {limit}")
                case "empty":
                    found[i] = Unscored(reason="empty response")
        left = sorted((i for i, x in enumerate(found) if x is None), key=lambda i: -len(sequences[i].ids))
        self.model.eval()
        while left:
            count = _count([len(sequences[i].ids) for i in left], self.micro_tokens)
            try:
                logits = self._forward([sequences[i] for i in left[:count]])
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                logits = self._smaller(count, len(sequences[left[0]].ids))
                if not logits:
                    continue
            for i, value in zip(left, logits, strict=False):
                found[i] = value
            left = left[count:]
        values: Iterator[tuple[float, ...] | Unscored] = (x for x in found if x is not None)
        return [[next(values) for _ in group.responses] for group in groups]

    @torch.inference_mode()
    def _forward(self, sequences: Sequence[Encoded]) -> list[tuple[float, ...] | Unscored]:
        rows = self.model(self.model.collate(sequences)).double().cpu().tolist()
        return [tuple(row[: len(s.reads)]) for row, s in zip(rows, sequences, strict=True)]

    def _smaller(self, count: int, length: int) -> list[tuple[float, ...] | Unscored]:
        """Memory ran out: halve the budget, or give up on a sequence that does not fit alone."""
        if count == 1:
            return [Unscored(reason=f"out of memory at {length} tokens")]
        self.micro_tokens = max(1, count * length // 2)
        log.warning("out of memory; going on with micro_tokens=%d", self.micro_tokens)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return []

    def _score(self, logits: tuple[float, ...] | Unscored) -> Score | Unscored:
        if isinstance(logits, Unscored):
            return logits
        readout = self.model.readout
        link = torch.sigmoid if readout.link == "sigmoid" else torch.asarray
        steps = tuple(link(torch.tensor(logits, dtype=torch.float64)).tolist())
        if not all(x - x == 0 for x in steps):
            return Unscored(reason="the model's output is not finite")
        return Score(value=aggregate(steps, readout.aggregate), steps=steps)


def _count(lengths: Sequence[int], micro_tokens: int) -> int:
    """How many of the sequences, longest first, fit in a batch; at least one."""
    return max(1, min(len(lengths), micro_tokens // lengths[0]))


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
