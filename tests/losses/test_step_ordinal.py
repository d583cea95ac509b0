import math

import pytest
import torch

from assay.errors import ConfigError
from assay.losses.step_ordinal import StepOrdinal

NAN = math.nan


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_by_hand() -> None:
    """One response, z = (0.3, -1, 2, 5), labelled right, neutral, wrong, and not at all."""
    values = torch.tensor([[[0.3, -1.0, 2.0, 5.0]]], dtype=torch.float64)
    targets = torch.tensor([[[1.0, 0.5, 0.0, NAN]]], dtype=torch.float64)
    mask = torch.ones_like(values, dtype=torch.bool)
    g = 1.5
    p = [sigmoid(0.3 - g), sigmoid(-1.0) - sigmoid(-1.0 - g), sigmoid(-2.0)]
    loss = StepOrdinal(gap=g)
    assert float(loss(values, targets, mask)) == pytest.approx(-sum(map(math.log, p)) / 3)
    assert loss.terms(targets, mask) == 3


def test_the_classes_make_one_distribution() -> None:
    mask = torch.ones(1, 1, 1, dtype=torch.bool)
    for z in (-4.0, -0.2, 0.0, 0.7, 9.0):
        value = torch.full((1, 1, 1), z, dtype=torch.float64)
        total = sum(
            math.exp(-float(StepOrdinal()(value, torch.full_like(value, y), mask)))
            for y in (0.0, 0.5, 1.0)
        )
        assert total == pytest.approx(1)


def test_nothing_after_the_first_error() -> None:
    targets = torch.tensor([[[1.0, 0.5, 0.0, 1.0]]])
    mask = torch.ones_like(targets, dtype=torch.bool)
    assert StepOrdinal(first_error=True).terms(targets, mask) == 3


def test_the_gap_is_checked() -> None:
    with pytest.raises(ConfigError):
        StepOrdinal(gap=0)
