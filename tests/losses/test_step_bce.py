"""Numbers by hand: -log sigma(1) = 0.3132617, -log sigma(-1) = 1.3132617."""

import pytest
import torch

from assay.errors import ConfigError
from assay.losses.step_bce import StepBCE
from assay.losses.step_ranking import StepRanking
from assay.training.accuracy import hits

NAN = torch.nan


def test_mean_over_labelled_steps_by_hand() -> None:
    values = torch.tensor([[[1.0, -1.0, 3.0]], [[-1.0, 9.0, 9.0]]])
    mask = torch.tensor([[[True, True, True]], [[True, False, False]]])
    targets = torch.tensor([[[1.0, 0.3, NAN]], [[1.0, NAN, NAN]]])
    soft = 0.3 * 1.3132617 + 0.7 * 0.3132617
    assert float(StepBCE()(values, targets, mask)) == pytest.approx(
        (0.3132617 + soft + 1.3132617) / 3, abs=1e-6
    )
    assert StepBCE().terms(targets, mask) == 3


def test_labels_where_there_is_no_step_do_not_count() -> None:
    values = torch.tensor([[[1.0, -1.0]]])
    mask = torch.tensor([[[True, False]]])
    assert float(StepBCE()(values, torch.tensor([[[1.0, 1.0]]]), mask)) == pytest.approx(
        0.3132617, abs=1e-6
    )
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
    assert float(loss(values, targets, mask)) == pytest.approx(
        (0.3132617 + 1.3132617) / 2, abs=1e-6
    )
    assert StepBCE(threshold=0.1).terms(targets, mask) == 3
    assert float(StepBCE(threshold=0.1)(values, targets, mask)) == pytest.approx(
        0.3132617, abs=1e-6
    )


def test_right_steps_may_weigh_more() -> None:
    values, mask = torch.tensor([[[1.0, 1.0]]]), torch.ones(1, 1, 2, dtype=torch.bool)
    found = StepBCE(right_weight=3.0)(values, torch.tensor([[[1.0, 0.0]]]), mask)
    assert float(found) == pytest.approx((3 * 0.3132617 + 1.3132617) / 2, abs=1e-6)
    with pytest.raises(ConfigError, match="right_weight"):
        StepBCE(right_weight=0.0)


def test_the_first_error_is_the_first_that_the_threshold_makes_wrong() -> None:
    mask = torch.ones(1, 1, 4, dtype=torch.bool)
    rollouts = torch.tensor([[[0.75, 0.25, 0.0, 0.0]]])
    assert StepBCE(first_error=True).terms(rollouts, mask) == 2
    assert StepBCE(first_error=True, threshold=0.25).terms(rollouts, mask) == 3, (
        "a quarter is right"
    )
    assert StepBCE(first_error=True, threshold=0.8).terms(rollouts, mask) == 1, (
        "three quarters are wrong"
    )


@pytest.mark.parametrize(
    ("settings", "right", "decided"), [({}, 2, 4), ({"threshold": 0.125}, 4, 4)]
)
def test_accuracy_is_of_the_labels_that_are_learnt(
    settings: dict[str, float], right: int, decided: int
) -> None:
    values, mask = (
        torch.tensor([[[3.0, 3.0, 3.0, -3.0, 3.0]]]),
        torch.ones(1, 1, 5, dtype=torch.bool),
    )
    targets = torch.tensor([[[0.75, 0.25, 0.125, 0.0, NAN]]])
    assert hits(StepBCE(**settings), values, targets, mask).tolist() == [right, decided]
    assert hits(StepBCE(first_error=True), values, targets, mask).tolist() == [1, 2]
    assert hits(StepRanking(first_error=True), values, targets, mask).tolist() == [1, 2]


def test_the_weight_moves_the_logit_by_its_logarithm() -> None:
    """The minimum over one value of 10 labels, 3 of them right, however soft they are written."""
    value = torch.zeros((), dtype=torch.float64, requires_grad=True)
    mask = torch.ones(1, 1, 10, dtype=torch.bool)
    hard = torch.tensor([[[1.0] * 3 + [0.0] * 7]], dtype=torch.float64)
    soft = torch.full_like(hard, 0.3)
    for weight in (0.2, 1.0, 5.0):
        loss = StepBCE(right_weight=weight)
        assert torch.allclose(
            loss(value.expand(1, 1, 10), hard, mask), loss(value.expand(1, 1, 10), soft, mask)
        )
        best = torch.tensor(0.3).logit().double() + torch.tensor(weight).log().double()
        (slope,) = torch.autograd.grad(loss((best + value).expand(1, 1, 10), hard, mask), value)
        assert abs(float(slope)) < 1e-7
