"""Does a model give the same scores however its requests are put together? Ask before serving."""

import dataclasses
import math
from collections.abc import Iterator

import torch

from assay.errors import BackendError
from assay.models.checkpoint import PROBES
from assay.models.parity import in_batches, measured, one_by_one, tolerance_of
from assay.models.reward_model import RewardModel
from assay.protocols import Scorer
from assay.scorers.local import LocalScorer

__all__ = ["models_of", "self_check"]


def models_of(scorer: object, depth: int = 4) -> Iterator[RewardModel]:
    """Return the reward models in memory behind a scorer, those of an ensemble's members too."""
    if isinstance(scorer, LocalScorer):
        yield scorer.model
    elif depth and isinstance(scorer, list | tuple):
        for member in scorer:
            yield from models_of(member, depth - 1)
    elif depth and dataclasses.is_dataclass(scorer) and not isinstance(scorer, type):
        for field in dataclasses.fields(scorer):
            yield from models_of(getattr(scorer, field.name), depth - 1)


def self_check(name: str, scorer: Scorer) -> float | None:
    """Return the largest difference between logits one by one and in batches, by every way of
    batching; None where there is no model in memory. It warms the model up, too.

    Raises `BackendError` where the difference is no number, or beyond the model's tolerance.
    """
    worst: float | None = None
    for model in models_of(scorer):
        sequences = model.encoder.encode(list(PROBES))
        with measured(model):
            alone = one_by_one(model, sequences)
            spread = float(torch.cat(alone).std(correction=0))
            difference = in_batches(model, model, sequences, alone)
        limit = tolerance_of(model) * max(1.0, spread)
        if not (difference <= limit and math.isfinite(spread)):
            raise BackendError(
                f"{name} is not served: its scores differ by {difference:.3g} between requests one"
                f" by one and in batches, and {limit:.2g} are allowed; try --dtype float32, or"
                " --no-self-check to serve it as it is"
            )
        worst = max(worst or 0.0, difference)
    return worst
