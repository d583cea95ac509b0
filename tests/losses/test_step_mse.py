"""Numbers by hand: sigma(1) = 0.7310586, sigma(-1) = 0.2689414."""

import pytest
import torch

from assay.losses.step_mse import StepMSE

NAN = torch.nan


def test_mean_over_supervised_steps_by_hand() -> None:
    values = torch.tensor([[[1.0, -1.0, 3.0]], [[-1.0, 9.0, 9.0]]])
    mask = torch.tensor([[[True, True, True]], [[True, False, False]]])
    targets = torch.tensor([[[1.0, 0.25, NAN]], [[0.5, NAN, NAN]]])
    expected = ((1 - 0.7310586) ** 2 + (0.2689414 - 0.25) ** 2 + (0.2689414 - 0.5) ** 2) / 3
    assert float(StepMSE()(values, targets, mask)) == pytest.approx(expected, abs=1e-6)
    assert StepMSE().terms(targets, mask) == 3


def test_nothing_after_the_first_error() -> None:
    values, mask = torch.tensor([[[1.0, 1.0, 1.0]]]), torch.ones(1, 1, 3, dtype=torch.bool)
    targets = torch.tensor([[[0.75, 0.25, 1.0]]])
    loss = StepMSE(first_error=True)
    expected = ((0.7310586 - 0.75) ** 2 + (0.7310586 - 0.25) ** 2) / 2
    assert float(loss(values, targets, mask)) == pytest.approx(expected, abs=1e-6)
    assert loss.terms(targets, mask) == 2


def test_it_is_least_at_the_label() -> None:
    values = torch.linspace(-4, 4, 81).view(81, 1, 1)
    targets, mask = torch.tensor([[[0.6]]]), torch.ones(1, 1, 1, dtype=torch.bool)
    losses = [float(StepMSE()(v[None], targets, mask)) for v in values]
    best = values[losses.index(min(losses))].sigmoid()
    assert float(best) == pytest.approx(0.6, abs=0.02)
