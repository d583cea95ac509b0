"""Compare a model's scores in every way of batching: one by one, padded, shared, stock.

A saved folder is served by tools that know nothing of this library, so its scores must not depend
on how sequences are put together.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

from assay.models.implicit import ImplicitRewardModel
from assay.models.layout import Encoded
from assay.models.loading import quiet
from assay.models.reward_model import Batch, RewardModel, Shared, share
from assay.packing import rotary
from assay.packing.tree import grow

__all__ = ["differences", "in_batches", "measured", "one_by_one", "tolerance_of"]


def tolerance_of(model: RewardModel) -> float:
    """Return how far apart a model's scores may lie: 1e-4 in fp32, 0.2 in bf16, whose scores depend
    on the batch's shape.

    In bf16, a trained SmolLM2's differed by .08; a wrong read position or a lost head moves them by
    more than 1.
    """
    return (
        1e-4 if next(model.backbone.parameters()).dtype in (torch.float32, torch.float64) else 0.2
    )


@contextmanager
def measured(model: RewardModel) -> Iterator[None]:
    """Without dropout and gradients, and as it was after."""
    training = model.training
    try:
        with torch.inference_mode():
            model.eval()
            yield
    finally:
        model.train(training)


def one_by_one(model: RewardModel, sequences: Sequence[Encoded]) -> list[Tensor]:
    """The logits (S,) of each sequence without any other."""
    return [model(model.collate([s]))[0].double().cpu() for s in sequences]


def differences(
    model: RewardModel, reloaded: RewardModel, sequences: Sequence[Encoded], alone: Sequence[Tensor]
) -> float:
    """Return the largest difference between the logits `alone` and those of the same sequences in
    batches, or of the stock models in `reloaded`; NaN where any is.

    reloaded: the saved copy, or the model itself where there is none.
    """
    found = [in_batches(model, reloaded, sequences, alone)]
    if not isinstance(getattr(reloaded.network, "score", None), nn.Sequential):
        stock = _stock(reloaded, sequences)
        for value, expected, s in zip(stock, alone, sequences, strict=True):
            if s.reads and s.reads[-1] == len(s.ids) - 1:
                found.append(abs(value - float(expected[-1])))
    return _largest(found)


def in_batches(
    model: RewardModel, reloaded: RewardModel, sequences: Sequence[Encoded], alone: Sequence[Tensor]
) -> float:
    """Return the largest difference between the logits `alone` and those of the same sequences in
    batches of this library; NaN where any is."""
    tree = grow([np.array(s.ids) for s in sequences], least=1)
    starts, spans = [s.start for s in sequences], [s.spans for s in sequences]
    shared = share(tree, [s.reads for s in sequences], starts=starts, spans=spans)
    shared = shared.to(next(model.parameters()).device)
    batches: list[tuple[RewardModel, Batch | Shared]] = [
        (model, model.collate(sequences)),
        (model, model.collate(sequences, side="left")),
        (model, shared),
    ]
    if reloaded is not model:
        batches += [(reloaded, reloaded.collate(sequences)), (reloaded, shared)]
    found: list[float] = []
    for other, batch in batches:
        for row, expected, s in zip(other(batch), alone, sequences, strict=True):
            found += (row[: len(s.reads)].double().cpu() - expected).abs().tolist()
    return _largest(found)


def _largest(found: Sequence[float]) -> float:
    # A NaN among them must not hide behind a `max` that it happens to lose.
    return math.nan if any(map(math.isnan, found)) else max(found, default=0.0)


def _stock(model: RewardModel, sequences: Sequence[Encoded]) -> list[float]:
    """Logits by the stock models themselves over a batch padded by their own tokenizer: a
    classifier's own pooling, or the sums of what two language models say of the responses' tokens.
    """
    if rotary.changes(model.backbone) and len(sequences) > 1:
        # In a batch of theirs, scores depend on the longest sequence: only one by one are they a
        # model's own.
        return list(chain.from_iterable(_stock(model, [sequence]) for sequence in sequences))
    for network in (model.network, getattr(model, "reference", None)):
        if network is not None:
            rotary.reset(network)
    with quiet():
        batch = model.encoder.tokenizer.pad(
            {"input_ids": [list(s.ids) for s in sequences]}, return_tensors="pt"
        )
    batch = batch.to(next(model.parameters()).device)
    if isinstance(model, ImplicitRewardModel):
        policy, reference = (
            m(**batch).logits.float().log_softmax(-1) for m in (model.network, model.reference)
        )
        next_ids = batch["input_ids"][:, 1:, None]
        ratios = (policy - reference)[:, :-1].gather(-1, next_ids).squeeze(-1)
        return [
            model.beta * float(row[torch.tensor(s.own, device=row.device) - 1].sum())
            for row, s in zip(ratios, sequences, strict=True)
        ]
    head = model.network.score
    # In the backbone's precision, as stock tools load it; in a copy, for the model may go on
    # training.
    model.network.score = copy.deepcopy(head).to(next(model.backbone.parameters()).dtype)
    try:
        logits = model.network(**batch).logits
    finally:
        model.network.score = head
    return [
        float(x) + model.readout.offset for x in (logits.float() * model.readout_weights).sum(-1)
    ]
