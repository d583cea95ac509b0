"""A tiny model learns planted steps by every step loss, and a ranking's logits have the right
sign."""

from pathlib import Path

import pytest
import torch

from assay.losses.step_bce import StepBCE
from assay.losses.step_mse import StepMSE
from assay.losses.step_ranking import StepRanking
from assay.protocols import Loss
from assay.training.loop import Settings, train
from assay.types import StepLabels
from tests.training import planted


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def softened(records: list[StepLabels]) -> list[StepLabels]:
    """As eight rollouts would label: three of them succeed from a right step, none from a wrong
    one."""
    return [
        r.model_copy(update={"labels": tuple(None if y is None else 0.375 * y for y in r.labels)})
        for r in records
    ]


@pytest.mark.parametrize(
    ("loss", "soft"),
    [
        (StepBCE(first_error=True, right_weight=2.0), False),
        (StepBCE(threshold=0.125), True),
        (StepMSE(), False),
        (StepRanking(margin=2.0, first_error=True), False),
    ],
)
def test_planted_steps_are_learnt(loss: Loss, soft: bool, tmp_path: Path) -> None:
    records, held = planted.steps(300), planted.steps(100, seed=1)
    if soft:
        records, held = softened(records), softened(held)
    settings = Settings(epochs=10, batch_size=32, learning_rate=5e-3)
    done = train(
        planted.model("process"), records, loss=loss, settings=settings, out=tmp_path, held_out=held
    )
    assert done.held_out_accuracy is not None
    assert done.held_out_accuracy > 0.95
