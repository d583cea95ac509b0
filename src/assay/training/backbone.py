"""The model that a loss trains: its layout, read-out and aggregation follow from the loss."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from assay.aggregation import Aggregation
from assay.errors import ConfigError
from assay.models.checkpoint import Dtype, create, create_implicit
from assay.models.heads import HeadChoice
from assay.models.implicit import check_loss
from assay.models.layout import Layout
from assay.models.readout import Readout
from assay.models.reward_model import RewardModel
from assay.protocols import Loss
from assay.training.loop import READOUTS
from assay.types import Record, StepLabels

__all__ = ["model_for", "readout_for"]


def model_for(
    loss: Loss,
    backbone: str | Path,
    records: Sequence[Record],
    *,
    aggregate: Literal["auto"] | Aggregation = "auto",
    implicit_beta: float | None = None,
    head: HeadChoice = "auto",
    template: Literal["plain", "chat"] = "plain",
    max_length: int = 1024,
    dtype: Dtype = "float32",
    seed: int = 0,
) -> RewardModel:
    """Make the reward model that a loss trains on a backbone, on the CPU.

    records: the training records; whether their labels are values decides the aggregation.
    implicit_beta: no head, but β times the log-ratio to a frozen copy (arXiv:2412.01981). Raises
    `ConfigError` where the settings contradict the loss or each other.
    """
    # A step of a process model reads the same whether or not it is the last: nothing closes it.
    layout = Layout(template=template, max_length=max_length, close=loss.trains != "process")
    readout = readout_for(loss, records, aggregate)
    if implicit_beta is None:
        return create(backbone, layout=layout, readout=readout, dtype=dtype, seed=seed, head=head)
    check_loss(loss)
    if head != "auto":
        raise ConfigError(
            "an implicit model has no head, so there is none to keep or to draw; leave out head"
        )
    # A step's score is what it adds: its process reward.
    readout = readout.model_copy(update={"steps": "difference"})
    return create_implicit(
        backbone, layout=layout, readout=readout, beta=implicit_beta, dtype=dtype
    )


def readout_for(
    loss: Loss, records: Sequence[Record], aggregate: Literal["auto"] | Aggregation = "auto"
) -> Readout:
    """How the model of a loss is read: step scores make one score by their product, or by the last
    one where labels were made by rollouts, which are values: the last one holds all before it."""
    readout = READOUTS[loss.trains]
    if loss.trains != "process":
        if aggregate != "auto":
            raise ConfigError(
                f"aggregate is of step scores, and {type(loss).__name__} trains none; leave it out"
            )
        return readout
    if aggregate == "auto":
        values = any(isinstance(r, StepLabels) and r.meaning == "monte_carlo" for r in records)
        aggregate = "last" if values else "product"
    return readout.model_copy(update={"aggregate": aggregate})
