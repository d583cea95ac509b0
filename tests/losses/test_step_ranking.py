"""The sum over right steps, written out."""

import math

import pytest
import torch

from assay.errors import ConfigError
from assay.losses.step_ranking import StepRanking

NAN = torch.nan


def value(q: list[float], labels: list[float], **settings: float) -> float:
    mask = torch.ones(1, 1, len(q), dtype=torch.bool)
    return float(
        StepRanking(**settings)(
            torch.tensor([[q]]).double(), torch.tensor([[labels]]).double(), mask
        )
    )  # type: ignore[arg-type]


def test_right_steps_and_a_wrong_one_by_hand() -> None:
    e = math.exp
    wrong = e(-1.0 + 2.0)
    start = math.log(1 + wrong) - 0
    first = math.log(1 + e(0.5) + wrong) - 0.5
    second = math.log(1 + e(0.5) + e(1.5) + wrong) - 1.5
    assert value([0.5, 1.5, -1.0], [1, 1, 0], margin=2.0) == pytest.approx(
        (start + first + second) / 3
    )


def test_without_a_wrong_step_the_start_does_not_count() -> None:
    e = math.exp
    first, second = math.log(1 + e(0.5)) - 0.5, math.log(1 + e(0.5) + e(1.5)) - 1.5
    assert value([0.5, 1.5], [1, 1]) == pytest.approx((first + second) / 2)


def test_wrong_steps_alone_are_pushed_below_the_start() -> None:
    assert value([0.3, -0.2], [0, 0], margin=1.0) == pytest.approx(
        math.log(1 + math.exp(1.3) + math.exp(0.8))
    )


def test_a_response_counts_once_however_long_and_none_without_labels() -> None:
    q = torch.tensor([[[0.5, 1.5, 9.0]], [[0.3, 9.0, 9.0]], [[5.0, 5.0, 5.0]]]).double()
    mask = torch.tensor([[[True, True, False]], [[True, False, False]], [[True, True, True]]])
    targets = torch.tensor([[[1.0, 1.0, NAN]], [[0.0, NAN, NAN]], [[NAN, NAN, NAN]]]).double()
    loss = StepRanking(margin=1.0)
    expected = (value([0.5, 1.5], [1, 1], margin=1.0) + value([0.3], [0], margin=1.0)) / 2
    assert float(loss(q, targets, mask)) == pytest.approx(expected)
    assert loss.terms(targets, mask) == 2


def test_it_falls_when_a_right_step_rises_above_the_wrong_ones() -> None:
    assert value([2.0, -2.0], [1, 0]) < value([1.0, -1.0], [1, 0]) < value([-1.0, 1.0], [1, 0])
    assert value([1.0, 2.0], [1, 1]) < value([2.0, 1.0], [1, 1]), "values rise along right steps"
    assert value([1.0, 0.0, 2.0], [1, 0, 1], first_error=True) == value([1.0, 0.0], [1, 0])


def test_a_negative_margin_is_refused() -> None:
    with pytest.raises(ConfigError, match="margin is -1"):
        StepRanking(margin=-1.0)


@pytest.mark.parametrize("first_error", [False, True])
def test_equals_the_sum_written_out_for_ragged_batches(first_error: bool) -> None:
    draws = torch.Generator().manual_seed(0)
    q = 2 * torch.randn(40, 1, 7, generator=draws, dtype=torch.float64)
    mask = torch.arange(7) < torch.randint(1, 8, (40, 1, 1), generator=draws)
    labels = torch.rand(40, 1, 7, generator=draws, dtype=torch.float64)
    labels[torch.rand(40, 1, 7, generator=draws) < 0.3] = NAN
    of_each = []
    for row, marks, there in zip(
        q[:, 0].tolist(), labels[:, 0].tolist(), mask[:, 0].tolist(), strict=True
    ):
        steps = [
            (math.exp(z), y >= 0.5)
            for z, y, k in zip(row, marks, there, strict=True)
            if k and not math.isnan(y)
        ]
        if first_error:
            steps = steps[
                : 1 + next((i for i, (_, right) in enumerate(steps) if not right), len(steps))
            ]
        wrong = sum(z * math.exp(3.0) for z, right in steps if not right)
        rights = [z for z, right in steps if right]
        terms = [-math.log(z / (1 + sum(rights[: t + 1]) + wrong)) for t, z in enumerate(rights)]
        terms += [math.log(1 + wrong)] if wrong else []
        if terms:
            of_each.append(sum(terms) / len(terms))
    loss = StepRanking(margin=3.0, first_error=first_error)
    assert loss.terms(labels, mask) == len(of_each) < 40
    assert float(loss(q, labels, mask)) == pytest.approx(sum(of_each) / len(of_each), abs=1e-12)


def test_a_wrong_step_is_pushed_as_hard_wherever_it_stands() -> None:
    """Moving a wrong step among right ones changes nothing; the order of the right ones does."""
    assert value([0.5, 1.5, -1.0], [1, 1, 0]) == pytest.approx(value([-1.0, 0.5, 1.5], [0, 1, 1]))
    assert value([0.5, 1.5, -1.0], [1, 1, 0]) != pytest.approx(value([1.5, 0.5, -1.0], [1, 1, 0]))


def test_values_so_large_that_their_exponentials_are_not_numbers() -> None:
    q = torch.tensor([[[900.0, -900.0, 900.0]]], requires_grad=True)
    mask = torch.ones(1, 1, 3, dtype=torch.bool)
    for labels in ([1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]):
        loss = StepRanking()(q, torch.tensor([[labels]]), mask)
        assert loss.isfinite()
        assert torch.autograd.grad(loss, q)[0].isfinite().all()
