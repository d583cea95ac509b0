"""Numbers by hand: -log sigma(1) = 0.3132617, -log sigma(-1) = 1.3132617."""

import pytest
import torch

from assay.errors import ConfigError
from assay.losses.step_bce import StepBCE

NAN = torch.nan


def test_mean_over_labelled_steps_by_hand() -> None:
    values = torch.tensor([[[1.0, -1.0, 3.0]], [[-1.0, 9.0, 9.0]]])
    mask = torch.tensor([[[True, True, True]], [[True, False, False]]])
    targets = torch.tensor([[[1.0, 0.3, NAN]], [[1.0, NAN, NAN]]])
    soft = 0.3 * 1.3132617 + 0.7 * 0.3132617
    assert float(StepBCE()(values, targets, mask)) == pytest.approx((0.3132617 + soft + 1.3132617) / 3, abs=1e-6)
    assert StepBCE().terms(targets, mask) == 3


def test_labels_where_there_is_no_step_do_not_count() -> None:
    values = torch.tensor([[[1.0, -1.0]]])
    mask = torch.tensor([[[True, False]]])
    assert float(StepBCE()(values, torch.tensor([[[1.0, 1.0]]]), mask)) == pytest.approx(0.3132617, abs=1e-6)
    assert StepBCE().terms(torch.tensor([[[1.0, 1.0]]]), mask) == 1


def test_without_a_label_there_is_no_loss_and_no_gradient() -> None:
    values = torch.ones(1, 1, 2, requires_grad=True)
    loss = StepBCE()(values, torch.full((1, 1, 2), NAN), torch.ones(1, 1, 2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert (values.grad == 0).all()


def test_nothing_after_the_first_error_and_hard_labels() -> None:
    values, mask = torch.tensor([[[1.0, 1.0, 1.0, 1.0]]]), torch.ones(1, 1, 4, dtype=torch.bool)
    targets = torch.tensor([[[0.7, NAN, 0.2, 0.9]]])
    loss = StepBCE(first_error=True, threshold=0.5)
    assert loss.terms(targets, mask) == 2
    assert float(loss(values, targets, mask)) == pytest.approx((0.3132617 + 1.3132617) / 2, abs=1e-6)
    assert StepBCE(threshold=0.1).terms(targets, mask) == 3
    assert float(StepBCE(threshold=0.1)(values, targets, mask)) == pytest.approx(0.3132617, abs=1e-6)


def test_right_steps_may_weigh_more() -> None:
    values, mask = torch.tensor([[[1.0, 1.0]]]), torch.ones(1, 1, 2, dtype=torch.bool)
    found = StepBCE(right_weight=3.0)(values, torch.tensor([[[1.0, 0.0]]]), mask)
    assert float(found) == pytest.approx((3 * 0.3132617 + 1.3132617) / 2, abs=1e-6)
    with pytest.raises(ConfigError, match="right_weight"):
        StepBCE(right_weight=0.0)
