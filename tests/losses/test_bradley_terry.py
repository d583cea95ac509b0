"""Numbers by hand: sigma(1) = 0.7310586, -log sigma(1) = 0.3132617, -log sigma(-1) = 1.3132617."""

import math

import pytest
import torch
from torch import Tensor

from assay.errors import ConfigError
from assay.losses.bradley_terry import BradleyTerry


def loss(
    first: float, second: float, prefer: float, own_margin: float = 0.0, **settings: float
) -> float:
    values = torch.tensor([[[first], [second]]], dtype=torch.float64)
    targets = torch.tensor([[prefer, own_margin]], dtype=torch.float64)
    return float(BradleyTerry(**settings)(values, targets, torch.ones(1, 2, 1, dtype=torch.bool)))


def test_by_hand() -> None:
    assert loss(2, 1, 1.0) == pytest.approx(0.3132617, abs=1e-7)
    assert loss(2, 1, 0.0) == pytest.approx(1.3132617, abs=1e-7)
    assert loss(2, 1, 0.7) == pytest.approx(0.7 * 0.3132617 + 0.3 * 1.3132617, abs=1e-7)
    assert loss(1, 1, 0.5) == pytest.approx(math.log(2))


def test_margin_asks_for_a_larger_difference_whoever_is_preferred() -> None:
    assert loss(3, 1, 1.0, 1.0) == pytest.approx(0.3132617, abs=1e-7)
    assert loss(1, 3, 0.0, 1.0) == pytest.approx(0.3132617, abs=1e-7)
    assert loss(3, 1, 1.0, 0.25, margin=0.75) == pytest.approx(0.3132617, abs=1e-7)
    assert loss(1, 1, 0.5, 5.0) == pytest.approx(math.log(2)), "a tie has no margin"


def test_center_and_smoothing() -> None:
    assert loss(2, 1, 1.0, center=0.1) == pytest.approx(0.3132617 + 0.1 * 9, abs=1e-7)
    assert loss(2, 1, 1.0, smoothing=0.1) == pytest.approx(
        0.9 * 0.3132617 + 0.1 * 1.3132617, abs=1e-7
    )
    assert loss(2, 1, 0.0, smoothing=0.1) == pytest.approx(
        0.1 * 0.3132617 + 0.9 * 1.3132617, abs=1e-7
    )


def _random(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    values = torch.randn(6, 2, 3, generator=g)
    targets = torch.rand(6, 2, generator=g)
    return values, targets, torch.arange(3) < torch.randint(1, 4, (6, 2, 1), generator=g)


def test_swapping_the_responses_changes_nothing() -> None:
    values, targets, mask = _random()
    swapped = torch.stack([1 - targets[:, 0], targets[:, 1]], dim=-1)
    of = BradleyTerry(margin=0.3, center=0.01, smoothing=0.05)
    assert float(of(values, targets, mask)) == pytest.approx(
        float(of(values.flip(1), swapped, mask.flip(1)))
    )


def test_identified_only_up_to_a_constant_for_each_prompt() -> None:
    values, targets, mask = _random()
    shifts = torch.arange(6.0)[:, None, None]
    assert float(BradleyTerry()(values + shifts, targets, mask)) == pytest.approx(
        float(BradleyTerry()(values, targets, mask)), abs=1e-6
    )
    assert BradleyTerry(center=0.1)(values + shifts, targets, mask) > BradleyTerry(center=0.1)(
        values, targets, mask
    )


def test_reward_is_read_at_the_last_step() -> None:
    values = torch.tensor([[[9.0, 2.0, -5.0], [1.0, 7.0, 7.0]]])
    mask = torch.tensor([[[True, True, False], [True, False, False]]])
    assert float(BradleyTerry()(values, torch.tensor([[1.0, 0.0]]), mask)) == pytest.approx(
        0.3132617, abs=1e-6
    )


def test_shrinking_is_of_each_reward() -> None:
    assert loss(2, 1, 1.0, shrink=0.1) == pytest.approx(0.3132617 + 0.1 * (4 + 1), abs=1e-7)
    assert loss(2, -2, 1.0, shrink=0.1, center=1.0) == pytest.approx(
        math.log1p(math.exp(-4)) + 0.1 * 8, abs=1e-7
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"shrink": -1.0},
        {"margin": -1.0},
        {"center": -1.0},
        {"smoothing": 0.5},
        {"margin": math.nan},
    ],
)
def test_settings_are_checked(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="Bradley-Terry needs"):
        BradleyTerry(**bad)
