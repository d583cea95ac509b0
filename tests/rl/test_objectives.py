import math
from typing import Any

import pytest
import torch
from torch import Tensor

from assay.rl.objectives import importance, policy_loss, value_loss, weights

DOUBLE = torch.float64


def lengths(*of: int) -> Tensor:
    return torch.arange(max(of)) < torch.tensor(of)[:, None]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("how", "expected", "total"), [
    ("token", [[1 / 4] * 3, [1 / 4, 0, 0], [0, 0, 0]], 1),
    ("sequence", [[1 / 6] * 3, [1 / 2, 0, 0], [0, 0, 0]], 1),
    ("constant", [[1 / 20] * 3, [1 / 20, 0, 0], [0, 0, 0]], 4 / 20),
    ("sum", [[1 / 2] * 3, [1 / 2, 0, 0], [0, 0, 0]], 4 / 2),
])  # fmt: skip
def test_weights_by_hand(how: Any, expected: list[list[float]], total: float) -> None:
    # Two responses with a score, of 3 tokens and 1; the third has none.
    found = weights(lengths(3, 1, 0), how, 10)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=DOUBLE))
    assert float(found.sum()) == pytest.approx(total)
    assert not weights(lengths(2, 0) & False, how, 10).any()


@pytest.mark.parametrize("how", ["token", "sequence", "constant", "sum"])
def test_parts_of_a_batch_add_up(how: Any) -> None:
    mask = lengths(4, 1, 0, 3, 2)
    log, old, advantages = numbers(5, 4), numbers(5, 4, seed=1), numbers(5, 4, seed=2)
    weight = weights(mask, how, 7)

    def gradient(parts: list[list[int]]) -> Tensor:
        leaf = log.clone().requires_grad_()
        for part in parts:
            width = max(1, int(mask[part].sum(-1).max()))
            at = (torch.tensor(part)[:, None], torch.arange(width))
            term, _ = policy_loss(importance(leaf[at], old[at], mask[at]), advantages[at])
            (term * weight[at]).sum().backward()
        assert leaf.grad is not None
        return leaf.grad

    torch.testing.assert_close(gradient([[0, 3], [2], [4, 1]]), gradient([[0, 1, 2, 3, 4]]))


def test_importance_by_hand() -> None:
    log = torch.log(torch.tensor([[0.5, 0.2, 0.9], [0.3, 0.1, 0.1]], dtype=DOUBLE))
    old = torch.log(torch.tensor([[0.25, 0.4, 0.3], [0.6, 0.7, 0.1]], dtype=DOUBLE))
    # Rubbish outside the mask stays out.
    log[1, 1:], old[1, 2] = math.nan, -math.inf
    mask = lengths(3, 1)
    assert importance(log, old, mask).flatten().tolist() == pytest.approx([2, 0.5, 3, 0.5, 1, 1])
    found = importance(log, old, mask, "sequence")
    assert found[0].tolist() == pytest.approx([3 ** (1 / 3)] * 3)
    assert found[1, 0] == pytest.approx(0.5)


def test_the_ratio_of_a_sequence_has_each_tokens_own_gradient() -> None:
    log, old, mask = numbers(2, 4).requires_grad_(), numbers(2, 4, seed=1), lengths(4, 2)
    ratio = importance(log, old, mask, "sequence")
    (found,) = torch.autograd.grad(ratio[0, 0] + 10 * ratio[1, 1], log)
    own = torch.zeros(2, 4, dtype=DOUBLE)
    own[0, 0], own[1, 1] = ratio[0, 0].detach(), 10 * ratio[1, 0].detach()
    torch.testing.assert_close(found, own)
    # GSPO: a mean over responses of s A, s = (π / π_old)^(1 / length).
    advantages = torch.tensor([[0.7], [-1.3]], dtype=DOUBLE).expand(2, 4)
    ratio = importance(log, old, mask, "sequence")
    (found,) = torch.autograd.grad((-advantages * ratio * weights(mask, "sequence", 1)).sum(), log)
    mean = torch.where(mask, log - old, 0).sum(1) / mask.sum(1)
    (expected,) = torch.autograd.grad(-(advantages[:, 0] * mean.exp()).mean(), log)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("how", ["token", "sequence", "constant", "sum"])
@pytest.mark.parametrize("dual", [None, 3.0])
def test_on_policy_ppo_is_reinforce_with_a_baseline(how: Any, dual: float | None) -> None:
    logits, mask = numbers(3, 4, 5).requires_grad_(), lengths(4, 2, 0)
    tokens = torch.randint(5, (3, 4, 1), generator=torch.Generator().manual_seed(3))
    log = logits.log_softmax(-1).gather(-1, tokens).squeeze(-1)
    advantages, weight = torch.where(mask, numbers(3, 4, seed=4), 0), weights(mask, how, 9)
    term, bound = policy_loss(
        importance(log, log.detach(), mask), advantages, low=0.1, high=0.3, dual=dual
    )
    (found,) = torch.autograd.grad((term * weight).sum(), logits, retain_graph=True)
    (expected,) = torch.autograd.grad(-(advantages * log * weight).sum(), logits)
    torch.testing.assert_close(found, expected)
    assert float(expected.abs().max()) > 0.01
    assert not bound.any()


def test_on_policy_the_ratio_of_a_sequence_gives_the_same_gradient() -> None:
    log, mask = numbers(2, 4).requires_grad_(), lengths(4, 2)
    advantages, weight = (
        torch.tensor([[0.7], [-1.3]], dtype=DOUBLE).expand(2, 4),
        weights(mask, "sequence", 1),
    )
    gradients = []
    for level in ("token", "sequence"):
        term, _ = policy_loss(importance(log, log.detach(), mask, level), advantages)  # type: ignore[arg-type]
        gradients += torch.autograd.grad((term * weight).sum(), log)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(("advantage", "ratio", "loss", "slope", "binds"), [
    (1.0, 0.7, -0.7, -1.0, False),
    (-1.0, 0.7, 0.8, 0.0, True),
    (1.0, 1.25, -1.25, -1.0, False),
    (1.0, 1.3, -1.28, 0.0, True),
    (-1.0, 1.3, 1.3, 1.0, False),
    (2.0, 3.0, -2.56, 0.0, True),
    (0.0, 5.0, 0.0, 0.0, False),
])  # fmt: skip
def test_asymmetric_clips_by_hand(
    advantage: float, ratio: float, loss: float, slope: float, binds: bool
) -> None:
    leaf = torch.tensor([[ratio]], dtype=DOUBLE, requires_grad=True)
    found, bound = policy_loss(leaf, torch.tensor([[advantage]], dtype=DOUBLE), low=0.2, high=0.28)
    (grad,) = torch.autograd.grad(found.sum(), leaf)
    assert (float(found.detach()), float(grad), bool(bound)) == (pytest.approx(loss), slope, binds)


@pytest.mark.parametrize(("advantage", "ratio", "loss", "slope", "binds"), [
    (-1.0, 5.0, 3.0, 0.0, True),
    (-2.0, 5.0, 6.0, 0.0, True),
    (-2.0, 2.0, 4.0, 2.0, False),
    (-1.0, 0.5, 0.8, 0.0, True),
    (1.0, 5.0, -1.2, 0.0, True),
    (1.0, 1.1, -1.1, -1.0, False),
])  # fmt: skip
def test_the_dual_clip_by_hand(
    advantage: float, ratio: float, loss: float, slope: float, binds: bool
) -> None:
    leaf = torch.tensor([[ratio]], dtype=DOUBLE, requires_grad=True)
    found, bound = policy_loss(leaf, torch.tensor([[advantage]], dtype=DOUBLE), dual=3.0)
    (grad,) = torch.autograd.grad(found.sum(), leaf)
    assert (float(found.detach()), float(grad), bool(bound)) == (pytest.approx(loss), slope, binds)


@pytest.mark.parametrize(("value", "target", "clip", "loss", "slope"), [
    (1.0, 0.0, 0.2, 0.5, 1.0),
    # Clipped to .7, which is 1.3 off.
    (1.0, 2.0, 0.2, 0.845, 0.0),
    (1.0, 2.0, None, 0.5, -1.0),
    (0.6, 2.0, 0.2, 0.98, -1.4),
    # Clipped to .3.
    (0.0, -1.0, 0.2, 0.845, 0.0),
    (0.0, 1.0, 0.2, 0.5, -1.0),
])  # fmt: skip
def test_value_clipping_by_hand(
    value: float, target: float, clip: float | None, loss: float, slope: float
) -> None:
    leaf = torch.tensor([[value]], dtype=DOUBLE, requires_grad=True)
    found = value_loss(leaf, torch.tensor([[0.5]]), torch.tensor([[target]], dtype=DOUBLE), clip)
    (grad,) = torch.autograd.grad(found.sum(), leaf)
    assert (float(found.detach()), float(grad)) == (pytest.approx(loss), pytest.approx(slope))
