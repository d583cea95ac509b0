"""Gradients in closed form: a softmax policy of seven tokens, every expectation an enumeration."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from assay.errors import ConfigError
from assay.rl.kl import REACH, Controller, check, chi_squared, chi_squared_cost, estimate, in_loss
from assay.rl.objectives import policy_loss

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(7, dtype=torch.float64, generator=GENERATOR)
REFERENCE = torch.randn(7, dtype=torch.float64, generator=GENERATOR).log_softmax(-1)
ADVANTAGES = torch.randn(7, dtype=torch.float64, generator=GENERATOR)

ALLOWED = [
    (estimator, place)
    for estimator in ("k1", "k2", "k3", "exact")
    for place in ("reward", "loss", "loss_with_ratio")
    if (estimator, place) not in (("k1", "loss"), ("exact", "reward"))
]


def policy() -> tuple[Tensor, Tensor]:
    """Logits to differentiate by, and the log-probabilities they give."""
    logits = LOGITS.clone().requires_grad_()
    return logits, logits.log_softmax(-1)


def gradient(value: Tensor, logits: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(value, logits)
    return found


def divergences() -> dict[str, Tensor]:
    """Gradients of what the table names, by autograd of the exact quantity."""
    found = {"nothing": torch.zeros(7, dtype=torch.float64)}
    logits, log = policy()
    found["reverse"] = gradient((log.exp() * (log - REFERENCE)).sum(), logits)
    logits, log = policy()
    found["forward"] = gradient((REFERENCE.exp() * (REFERENCE - log)).sum(), logits)
    logits, log = policy()
    found["k2"] = gradient((log.exp() * (log - REFERENCE).square() / 2).sum(), logits)
    return found


def exact(log: Tensor) -> Tensor:
    return (log.exp() * (log - REFERENCE)).sum().expand(7)


def charged(estimator: Any, place: Any, beta: float, advantages: Tensor | None = None) -> Tensor:
    """Gradient of the expected loss on policy: the advantages' and β times the charge's."""
    logits, log = policy()
    drawn = log.exp().detach()
    ratio = (log - log.detach()).exp()
    gained = torch.zeros(7, dtype=torch.float64) if advantages is None else advantages
    if place == "reward":
        charge = exact(log) if estimator == "exact" else estimate(estimator, log - REFERENCE)
        gained = gained - beta * charge.detach()
    loss, _ = policy_loss(ratio, gained)
    if place != "reward":
        loss = loss + beta * in_loss(estimator, place, log - REFERENCE, exact(log), ratio)
    return gradient((drawn * loss).sum(), logits)


@pytest.mark.parametrize(("estimator", "place", "signs"), [
    ("k1", "reward", {"reverse": 1}),
    ("k1", "loss", {"nothing": 1}),
    ("k1", "loss_with_ratio", {"reverse": 1}),
    ("k2", "reward", {"k2": 1, "reverse": -1}),
    ("k2", "loss", {"reverse": 1}),
    ("k2", "loss_with_ratio", {"k2": 1}),
    ("k3", "reward", {"reverse": 1, "forward": -1}),
    ("k3", "loss", {"forward": 1}),
    ("k3", "loss_with_ratio", {"reverse": 1}),
    ("exact", "reward", {"nothing": 1}),
    ("exact", "loss", {"reverse": 1}),
    ("exact", "loss_with_ratio", {"reverse": 1}),
])  # fmt: skip
def test_every_estimator_gives_the_gradient_that_the_table_names(
    estimator: str, place: str, signs: dict[str, int]
) -> None:
    of = divergences()
    expected = sum(
        (sign * of[name] for name, sign in signs.items()), start=torch.zeros(7, dtype=torch.float64)
    )
    torch.testing.assert_close(charged(estimator, place, 1.0), expected, rtol=0, atol=1e-10)


def test_the_gradients_of_the_table_differ() -> None:
    of = divergences()
    names = [*of]
    for i, one in enumerate(names):
        for other in names[:i]:
            assert float((of[one] - of[other]).abs().max()) > 0.05


@pytest.mark.parametrize(("estimator", "place"), ALLOWED)
def test_what_is_allowed_holds_the_policy_back(estimator: Any, place: Any) -> None:
    check(estimator, place)
    free, held = (charged(estimator, place, beta, ADVANTAGES) for beta in (0.0, 0.5))
    torch.testing.assert_close(
        held - free, 0.5 * charged(estimator, place, 1.0), rtol=0, atol=1e-12
    )
    assert float((held - free).abs().max()) > 0.01
    # Without a charge the policy gradient is left: -Σ π A ∇ln π.
    logits, log = policy()
    torch.testing.assert_close(
        free, gradient(-(log.exp() * ADVANTAGES).sum(), logits), rtol=0, atol=1e-12
    )


def test_refusals_say_what_would_work() -> None:
    with pytest.raises(
        ConfigError, match=r"gradient of zero.*k1 into the reward, or use k2 in the loss, or k3"
    ):
        check("k1", "loss")
    with pytest.raises(
        ConfigError,
        match=r"teaches the token nothing.*put it into the loss, or use k1 in the reward",
    ):
        check("exact", "reward")
    with pytest.raises(ConfigError, match="reference's logits"):
        in_loss("exact", "loss", torch.zeros(1), None, torch.ones(1))


def test_estimators_by_hand() -> None:
    delta = torch.tensor([0.0, math.log(2), -math.log(2)], dtype=torch.float64)
    assert estimate("k1", delta).tolist() == pytest.approx([0, 0.6931472, -0.6931472])
    assert estimate("k2", delta).tolist() == pytest.approx([0, 0.2402265, 0.2402265])
    assert estimate("k3", delta).tolist() == pytest.approx([0, 0.1931472, 0.3068528])


def test_k1_and_k3_are_unbiased_and_k2_nearly_so_close_by() -> None:
    log = LOGITS.log_softmax(-1)
    for scale, error in ((1.0, 1.0), (0.03, 0.02)):
        reference = (log + scale * (REFERENCE - log)).log_softmax(-1)
        truth = float((log.exp() * (log - reference)).sum())
        mean = {
            name: float((log.exp() * estimate(name, log - reference)).sum())
            for name in ("k1", "k2", "k3")
        }  # type: ignore[arg-type]
        assert mean["k1"] == pytest.approx(truth, rel=1e-9)
        assert mean["k3"] == pytest.approx(truth, rel=1e-9)
        assert 1e-6 < abs(mean["k2"] / truth - 1) < error


@given(st.floats(-20, 20))
def test_k2_and_k3_are_never_negative(delta: float) -> None:
    for estimator in ("k2", "k3"):
        assert float(estimate(estimator, torch.tensor(delta, dtype=torch.float64))) >= -1e-15  # type: ignore[arg-type]


# A batch that holds each of seven tokens as often as the policy draws it, so that its means are
# expectations.
COUNTS = np.array([5, 3, 2, 4, 1, 3, 2])
TOKENS = np.repeat(np.arange(7), COUNTS)


def drawn() -> tuple[Tensor, Tensor]:
    """Logits of the policy that draws the batch, and its log-probabilities."""
    logits = torch.tensor(np.log(COUNTS)).requires_grad_()
    return logits, logits.log_softmax(-1)


def chi2(log: Tensor) -> Tensor:
    return ((2 * log - REFERENCE).exp()).sum() - 1


def test_chi_squared_is_the_divergence_where_the_batch_is_the_distribution() -> None:
    _, log = drawn()
    log = log.detach()
    assert chi_squared((log - REFERENCE).numpy()[TOKENS]) == pytest.approx(
        float(chi2(log)), rel=1e-12
    )
    assert float(chi2(log)) > 0.1


@pytest.mark.parametrize("coefficient", [1.0, 0.3])
def test_the_cost_as_a_reward_descends_the_root_of_chi_squared(coefficient: float) -> None:
    logits, log = drawn()
    expected = gradient(coefficient * chi2(log).sqrt(), logits)
    logits, log = drawn()
    cost = coefficient * chi_squared_cost((log - REFERENCE).detach().numpy()[TOKENS])
    assert cost.mean() == pytest.approx(0, abs=1e-12)
    # Minus a reward of -cost, times ∇ln π.
    found = gradient((torch.from_numpy(cost) * log[TOKENS]).mean(), logits)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    assert float(expected.abs().max()) > 0.01


def test_at_the_reference_nothing_is_charged_and_near_it_little() -> None:
    assert chi_squared_cost(np.zeros(4)).tolist() == [0] * 4
    assert chi_squared(np.zeros(4)) == 0
    assert chi_squared(np.zeros(0)) == 0
    # χ² is about 1e-8, and counts as .01.
    assert chi_squared_cost(np.array([1e-4, -1e-4])) == pytest.approx([1e-3, -1e-3], rel=1e-6)


def test_beyond_its_reach_a_ratio_grows_linearly() -> None:
    edge = math.exp(REACH)
    beyond = [chi_squared(np.array([REACH + x])) for x in (0.0, 1.0, 2.0, 50.0)]
    assert beyond == pytest.approx(
        [edge - 2 + math.exp(-REACH - x) + x * edge for x in (0, 1, 2, 50)], rel=1e-12
    )
    # The inverse is bounded alike: one unlikely response does not decide either.
    assert chi_squared(np.array([-REACH - 2])) == pytest.approx(beyond[2])
    # Ratios 3 e^10 and 1.
    first, second = chi_squared_cost(np.array([REACH + 2, 0.0]))
    root = math.sqrt((3 * edge - 2 + math.exp(-REACH - 2)) / 2)
    assert [first, second] == pytest.approx([(3 * edge - 1) / 2 / root, -(3 * edge - 1) / 2 / root])


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20))
def test_chi_squared_is_finite_and_never_negative(log_ratios: list[float]) -> None:
    found = chi_squared(np.array(log_ratios))
    assert math.isfinite(found)
    assert found >= 0
    assert np.isfinite(chi_squared_cost(np.array(log_ratios))).all()


def test_the_controller_by_hand() -> None:
    held = Controller(0.1, target=6.0, horizon=1000)
    assert held.after(6.0, 500) == held
    assert held.after(6.6, 500).beta == pytest.approx(0.1 * (1 + 0.1 * 0.5))
    assert held.after(5.7, 500).beta == pytest.approx(0.1 * (1 - 0.05 * 0.5))
    # Capped at a fifth times n / horizon.
    assert held.after(60.0, 500).beta == pytest.approx(0.1 * 1.1)
    assert held.after(0.0, 500).beta == pytest.approx(0.1 * 0.9)
    assert (held.after(0.0, 500).target, held.after(0.0, 500).horizon) == (6.0, 1000)
    assert Controller(0.1).after(60.0, 500) == Controller(0.1)


def test_more_responses_than_the_horizon_never_turn_the_price_around() -> None:
    held = Controller(0.1, target=6.0, horizon=10)
    assert held.after(0.0, 1000).beta == pytest.approx(0.08)
    assert held.after(60.0, 1000).beta == pytest.approx(0.12)
