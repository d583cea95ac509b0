"""Does a model give the same scores however its requests are put together? Ask before serving."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from assay.errors import BackendError
from assay.models.checkpoint import PROBES
from assay.models.implicit import ImplicitRewardModel
from assay.models.layout import Encoded
from assay.models.parity import in_batches, measured, one_by_one, tolerance_of
from assay.packing.incremental import Memory
from assay.protocols import Scorer
from assay.scorers.local import LocalScorer

__all__ = ["local_scorers", "self_check"]


def local_scorers(scorer: object, depth: int = 4) -> Iterator[LocalScorer]:
    """Return the scorers in memory behind a scorer, those of an ensemble's members too."""
    if isinstance(scorer, LocalScorer):
        yield scorer
    elif depth and isinstance(scorer, Mapping):
        yield from local_scorers([*scorer.values()], depth)
    elif depth and isinstance(scorer, list | tuple):
        for member in scorer:
            yield from local_scorers(member, depth - 1)
    elif depth and dataclasses.is_dataclass(scorer) and not isinstance(scorer, type):
        for field in dataclasses.fields(scorer):
            yield from local_scorers(getattr(scorer, field.name), depth - 1)


def self_check(name: str, scorer: Scorer) -> float | None:
    """Return the largest difference between logits one by one and in batches, by every way of
    batching, or behind prompts that were kept; None where there is no model in memory. It warms the
    model up, too.

    Raises `BackendError` where the difference is no number, or beyond the model's tolerance.
    """
    worst: float | None = None
    for local in local_scorers(scorer):
        model = local.model
        sequences = model.encoder.encode(list(PROBES))
        with measured(model):
            alone = one_by_one(model, sequences)
            spread = float(torch.cat(alone).std(correction=0))
            ways = {
                "in batches": in_batches(model, model, sequences, alone),
                "behind kept prompts": behind_prompts(local, sequences, alone),
            }
        limit = tolerance_of(model) * max(1.0, spread)
        for way, difference in ways.items():
            if not (difference <= limit and math.isfinite(spread)):
                also = ", --prompt-tokens 0" * (way != "in batches")
                raise BackendError(
                    f"{name} is not served: its scores differ by {difference:.3g} between requests"
                    f" one by one and {way}, and {limit:.2g} are allowed; try --dtype"
                    f" float32{also}, or --no-self-check to serve it as it is"
                )
        worst = max(worst or 0.0, *ways.values())
    return worst


def behind_prompts(
    scorer: LocalScorer, sequences: Sequence[Encoded], alone: Sequence[Tensor]
) -> float:
    """Return the largest difference between the logits `alone` and those read behind prompts that
    were kept, NaN where any is; 0 where the scorer keeps none."""
    model, memory = scorer.model, Memory(scorer.prompts.tokens)
    implicit = isinstance(model, ImplicitRewardModel)
    if not memory.tokens or implicit or model.engine.path != "packed":
        return 0.0
    found: list[Tensor] = []
    # Twice: the first time a prompt is kept, the second time it is known.
    for s, expected in [*zip(sequences, alone, strict=True)] * 2:
        (row,) = memory.hidden(
            model.backbone,
            [np.array(s.ids)],
            [s.start or len(s.ids)],
            attention=model.engine.attention,
        )
        (logits,) = model.read(row[None, list(s.reads)])
        found.append((logits.double().cpu() - expected).abs())
    return float(torch.cat(found).max())
