"""Numbers by hand: -log sigma(1) = 0.3132617, -log sigma(-1) = 1.3132617, log 2 = 0.6931472."""

import pytest
import torch

from assay.losses.outcome import Outcome

NAN = torch.nan


def test_last_step_by_hand() -> None:
    values = torch.tensor([[[5.0, 1.0, 9.0]], [[-1.0, 9.0, 9.0]]])
    mask = torch.tensor([[[True, True, False]], [[True, False, False]]])
    targets = torch.tensor([[[NAN, 1.0, NAN]], [[0.25, NAN, NAN]]])
    expected = (0.3132617 + 0.25 * 1.3132617 + 0.75 * 0.3132617) / 2
    assert float(Outcome()(values, targets, mask)) == pytest.approx(expected, abs=1e-6)
    assert Outcome().terms(targets, mask) == 2
    assert Outcome().reads == "steps"


def test_labels_of_earlier_steps_are_not_used() -> None:
    values, mask = torch.tensor([[[5.0, 1.0]]]), torch.ones(1, 1, 2, dtype=torch.bool)
    assert Outcome()(values, torch.tensor([[[0.0, 1.0]]]), mask) == Outcome()(
        values, torch.tensor([[[NAN, 1.0]]]), mask
    )


def test_every_token_gives_each_response_the_same_weight() -> None:
    values = torch.tensor([[[1.0, -1.0, 0.0]], [[1.0, 9.0, 9.0]]])
    mask = torch.tensor([[[True, True, True]], [[True, False, False]]])
    targets = torch.tensor([[[NAN, NAN, 1.0]], [[0.0, NAN, NAN]]])
    first = (0.3132617 + 1.3132617 + 0.6931472) / 3
    assert float(Outcome(every_token=True)(values, targets, mask)) == pytest.approx(
        (first + 1.3132617) / 2, abs=1e-6
    )
    assert Outcome(every_token=True).reads == "tokens"


def test_without_a_label_there_is_no_loss() -> None:
    values, mask = torch.zeros(1, 1, 2), torch.ones(1, 1, 2, dtype=torch.bool)
    targets = torch.tensor([[[1.0, NAN]]])
    for every_token in (False, True):
        loss = Outcome(every_token=every_token)
        assert loss.terms(targets, mask) == 0
        assert float(loss(values, targets, mask)) == 0
