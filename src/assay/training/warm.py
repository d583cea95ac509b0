"""Average the weights of finished runs into one model, if that does no harm (WARM,
arXiv:2401.12187)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from assay import components
from assay.errors import ConfigError
from assay.models import checkpoint
from assay.models.averaging import average
from assay.models.reward_model import RewardModel
from assay.protocols import Loss
from assay.runs.outputs import check_new
from assay.training.collate import encode, micro_batches, nothing_left
from assay.training.loop import accumulate, train_scores
from assay.types import Record

__all__ = ["Warm", "accuracy", "warm"]


@dataclass(frozen=True, kw_only=True)
class Warm:
    """An average of runs."""

    model: RewardModel
    accuracy: float
    """On the held-out records."""
    members: tuple[float, ...]
    """The same of each run."""


def warm(
    folders: Sequence[Path | str],
    records: Sequence[Record],
    out: Path,
    *,
    loss: Loss | None = None,
    device: str = "cpu",
) -> Warm:
    """Average the reward models of the folders and save the result to `out`.

    The runs should start from the same weights and head (one backbone, one seed of `create`) and
    differ in learning rate, order or length. records: held-out ones, of the kind that `loss` (by
    default Bradley-Terry) learns from; the mean and spread of the average's scores are taken on
    them. Raises `ConfigError`, and saves nothing, where it is less accurate than its members are on
    average: then their weights are not linearly connected; and where `out` is not empty.
    """
    check_new(out)
    by: Loss = components.load("losses", "bradley-terry")() if loss is None else loss
    models = [checkpoint.load(folder, device=device, calibrated=False) for folder in folders]
    found = average(models)
    members = tuple(accuracy(model, records, by) for model in models)
    own, mean = accuracy(found, records, by), sum(members) / len(members)
    if own < mean:
        raise ConfigError(
            f"the average of {len(models)} models has accuracy {own:.3f} on {len(records)} held-out"
            f" records, and its members {mean:.3f} on average; not saved. Average runs that start"
            " from the same weights and head and train no longer than needed, or use an ensemble"
        )
    found.scores = train_scores(found, records)
    checkpoint.save(found, out)
    return Warm(model=found, accuracy=own, members=members)


def accuracy(
    model: RewardModel, records: Sequence[Record], loss: Loss, *, micro_tokens: int = 8192
) -> float:
    """How often the model's order or side agrees with the labels, as in training. Raises
    `DataError` without any."""
    examples, dropped = encode(records, model.encoder, loss)
    if not examples:
        raise nothing_left(len(records), dropped)
    parts = micro_batches(examples, loss, model.pad_id, micro_tokens, model.eval().engine)
    with torch.inference_mode():
        _, found = accumulate(model, parts, loss)
    if found is None:
        raise ConfigError(
            "no held-out record prefers one response, so there is no accuracy; give decided records"
        )
    return found
