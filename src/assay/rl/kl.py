"""The divergence from the reference: how it is estimated, where it is charged, and which gradient
that gives.

With δ = ln π(y) - ln π₀(y) of a sampled token y ~ π:

    k1 = δ              unbiased, of either sign
    k2 = δ² / 2         biased (second order), positive
    k3 = e^{-δ} - 1 + δ unbiased, positive
    exact = Σ_v π(v) ln π(v)/π₀(v)  no sampling noise at the token (Rao-Blackwell), needs all logits

(J. Schulman, "Approximating KL divergence", 2020.) An estimator of a value need not give the
value's gradient when it is differentiated. On policy, and for one token, the expected gradient is:

| | in reward (times ∇ln π) | in loss (differentiated) | in loss with ratio (ρ k differentiated) |
|---|---|---|---|
| k1 | ∇KL(π‖π₀) | **0** | ∇KL(π‖π₀) |
| k2 | ∇E_π[k2] - ∇KL(π‖π₀), no divergence's | ∇KL(π‖π₀) | ∇E_π[k2] |
| k3 | ∇KL(π‖π₀) - ∇KL(π₀‖π) | ∇KL(π₀‖π) | ∇KL(π‖π₀) |
| exact | 0 at the token: it pays for later ones only | ∇KL(π‖π₀) | ∇KL(π‖π₀) |

k1 in the loss is refused: it does nothing but add noise. k3 in the loss is what DeepSeekMath has
(arXiv:2402.03300), and pulls toward *covering* the reference; with the ratio it is DeepSeek-V3.2's.
In the loss each token is charged for itself alone; in the reward a token also pays for the
divergence of those that it leads to, as the sum over a response demands. `exact` is charged in the
loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from assay.errors import ConfigError
from assay.rl.rewards import Array

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Controller",
    "Estimator",
    "KLPlace",
    "check",
    "chi_squared",
    "chi_squared_cost",
    "estimate",
    "in_loss",
]

Estimator = Literal["k1", "k2", "k3", "exact"]
KLPlace = Literal["reward", "loss", "loss_with_ratio"]

REACH = 10.0
"""Where the log-ratio of a whole response is above this, its ratio is taken to grow linearly, so
that one response cannot decide alone (arXiv:2403.03185)."""


def check(estimator: Estimator, place: KLPlace) -> None:
    """Raise `ConfigError` for the combinations that give no gradient, with what would."""
    if (estimator, place) == ("k1", "loss"):
        raise ConfigError(
            "k1 in the loss has a gradient of zero on average: it adds noise and holds nothing"
            " back; put k1 into the reward, or use k2 in the loss, or k3 in the loss with the ratio"
        )
    if (estimator, place) == ("exact", "reward"):
        raise ConfigError(
            "the exact divergence is the same whichever token is drawn, so that as a reward it"
            " teaches the token nothing about itself; put it into the loss, or use k1 in the reward"
        )


def estimate(estimator: Literal["k1", "k2", "k3"], log_ratio: Tensor) -> Tensor:
    """k1, k2 or k3 of δ = ln π - ln π₀, element by element, in nats."""
    if estimator == "k1":
        return log_ratio
    if estimator == "k2":
        return log_ratio.square() / 2
    return (-log_ratio).expm1() + log_ratio


def in_loss(
    estimator: Estimator,
    place: KLPlace,
    log_ratio: Tensor,
    exact: Tensor | None,
    importance: Tensor,
) -> Tensor:
    """The term added to the loss at each token, before β; differentiable.

    log_ratio: ln π - ln π₀ with the gradient of π. importance: π / π_old with its gradient, 1 on
    policy.
    """
    if estimator == "exact":
        if exact is None:
            raise ConfigError("the exact divergence needs the reference's logits")
        value = exact
    else:
        value = estimate(estimator, log_ratio)
    return importance * value if place == "loss_with_ratio" else value


@dataclass(frozen=True)
class Controller:
    """The coefficient β, held or adapted to a target: β ← β (1 + clip(KL/target - 1, ±.2)
    n/horizon) (arXiv:1909.08593)."""

    beta: float
    target: float | None = None
    """KL a response to hold, in nats; None leaves β as it is."""
    horizon: float = 10_000
    """Responses over which β may change by about a fifth, which is the most that it changes at
    once."""

    def after(self, kl: float, responses: int) -> Controller:
        """The controller after so many responses of a mean KL."""
        if self.target is None:
            return self
        error = float(np.clip(kl / self.target - 1, -0.2, 0.2))
        return replace(self, beta=self.beta * (1 + error * min(1.0, responses / self.horizon)))


def chi_squared(log_ratio_B: Array) -> float:
    """χ²(π‖π₀) over whole responses, estimated from y ~ π: E[ρ - 1] + E[1/ρ - 1], ρ = π/π₀
    (arXiv:2403.03185).

    The second term is 0 on average and takes noise away. Log-ratios are bounded (`REACH`); where
    bounded ones matter the estimate is too low, and its noise is large whenever its value is. Never
    below 0.
    """
    ratio_B, inverse_B = _bounded_exp(log_ratio_B), _bounded_exp(-log_ratio_B)
    return max(0.0, float((ratio_B - 1 + inverse_B - 1).mean())) if len(log_ratio_B) else 0.0


def chi_squared_cost(log_ratio_B: Array) -> Array:
    """(B,) what each response is charged, before the coefficient c, so that c √χ² is held back.

    ∇ c√χ² = c/(2√χ²) ∇E_π0[ρ²] = (c/√χ²) E_π[ρ ∇ln π]: a reward of -c ρ/√χ², ρ of this policy held
    constant. The mean over the batch is taken off, which leaves (B - 1) / B of the gradient. √χ²
    counts as at least .1, so that a policy that has hardly moved is hardly held.
    """
    ratio_B = _bounded_exp(log_ratio_B)
    root = np.sqrt(max(chi_squared(log_ratio_B), 1e-2))
    return np.asarray((ratio_B - ratio_B.mean()) / root)


def _bounded_exp(x: Array) -> Array:
    """exp up to `REACH`, its tangent beyond."""
    edge = np.exp(REACH)
    return np.where(x <= REACH, np.exp(np.minimum(x, REACH)), edge * (1 + x - REACH))
