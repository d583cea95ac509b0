"""By hand, against brute force over orders, and against Bradley-Terry for two."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from assay.losses.bradley_terry import BradleyTerry
from assay.losses.plackett_luce import PlackettLuce


def loss(rewards: list[float], grades: list[float]) -> float:
    values = torch.tensor(rewards, dtype=torch.float64)[None, :, None]
    return float(
        PlackettLuce()(
            values, torch.tensor([grades], dtype=torch.float64), torch.ones_like(values).bool()
        )
    )


def test_three_by_hand() -> None:
    expected = math.log((math.e**2 + math.e + 1) / math.e**2) + math.log((math.e + 1) / math.e)
    assert loss([2, 1, 0], [30, 20, 10]) == pytest.approx(expected)
    assert loss([1, 0, 2], [0.2, 0.1, 0.3]) == pytest.approx(expected), (
        "grades matter by their order alone"
    )


def test_probabilities_of_all_orders_add_up_to_one() -> None:
    rewards = [0.3, -1.2, 2.0, 0.7]
    total = sum(
        math.exp(-loss(rewards, list(grades)))
        for grades in itertools.permutations([1.0, 2.0, 3.0, 4.0])
    )
    assert total == pytest.approx(1.0)


def test_ties_share_a_denominator() -> None:
    # Two tied at the top, one below: each of the tied is chosen from all three.
    whole = math.log(math.e**2 + math.e + 1)
    assert loss([2, 1, 0], [1, 1, 0]) == pytest.approx((whole - 2) + (whole - 1))
    # Tied at the bottom: each is chosen from the two.
    rest = math.log(math.e + 1)
    assert loss([2, 1, 0], [1, 0, 0]) == pytest.approx((whole - 2) + (rest - 1) + (rest - 0))


def test_two_responses_are_bradley_terry() -> None:
    values = torch.randn(8, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = torch.ones(8, 2, 3, dtype=torch.bool)
    first = torch.tensor([1.0, 0, 1, 1, 0, 0, 1, 0], dtype=torch.float64)
    grades = torch.stack([first, 1 - first], dim=-1)
    pairs = torch.stack([first, torch.zeros(8, dtype=torch.float64)], dim=-1)
    assert torch.allclose(
        PlackettLuce()(values, grades, mask), BradleyTerry()(values, pairs, mask), atol=1e-12
    )


def _random() -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    values = torch.randn(5, 4, 2, generator=g, dtype=torch.float64)
    return (
        values,
        torch.randint(0, 3, (5, 4), generator=g).double(),
        torch.ones(5, 4, 2, dtype=torch.bool),
    )


def test_shift_and_order_of_responses_do_not_matter() -> None:
    values, grades, mask = _random()
    expected = float(PlackettLuce()(values, grades, mask))
    assert float(
        PlackettLuce()(values + torch.arange(5.0)[:, None, None], grades, mask)
    ) == pytest.approx(expected)
    order = torch.tensor([2, 0, 3, 1])
    assert float(
        PlackettLuce()(values[:, order], grades[:, order], mask[:, order])
    ) == pytest.approx(expected)


def test_absent_responses_are_as_if_they_were_not_there() -> None:
    values, grades, mask = _random()
    mask[:, 3] = False
    grades[:, 3] = torch.nan
    expected = PlackettLuce()(values[:, :3], grades[:, :3], mask[:, :3])
    assert float(PlackettLuce()(values, grades, mask)) == pytest.approx(float(expected))
