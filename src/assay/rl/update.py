"""One optimiser step: log-probabilities of the samples, their advantages, and the loss.

    reading = read_tokens(...)   log-probabilities, divergence, values, before anything is learned
    advantages_of(...)           rewards, the charge for divergence, values -> (B, T)
    update(...)                  loss in parts of bounded size, clipped gradient, AdamW

On policy, with one update per round and nothing that needs them before, `read_tokens` is left out:
the update reads the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assay.errors import BackendError
from assay.models.log_probabilities import LogProbabilities
from assay.rl import advantages, objectives
from assay.rl.advantages import Bools, Ints
from assay.rl.kl import chi_squared, chi_squared_cost, estimate, in_loss
from assay.rl.mixture import combined
from assay.rl.policy import Policy
from assay.rl.rewards import Array
from assay.rl.rollout import Rollout, passes
from assay.rl.scoring import Rewards
from assay.rl.settings import PROCESS, Settings
from assay.training.optimization import clip, recomputing

__all__ = [
    "Reading",
    "RoundBatch",
    "advantages_of",
    "divergence_figures",
    "read_tokens",
    "token_losses",
    "update",
]


@dataclass(frozen=True)
class Reading:
    """Log-probabilities of a round's tokens under policy and reference, their divergence, entropy
    and values; all (B, T)."""

    log_B_T: Array
    reference_B_T: Array
    kl_B_T: Array
    entropy_B_T: Array
    values_B_T: Array | None


@dataclass(frozen=True, kw_only=True)
class RoundBatch:
    """A round's samples with what is learned at each of their tokens; arrays are (B, T)."""

    rollout: Rollout
    mask_B_T: Bools
    """True at the tokens that are learned from."""
    advantages_B_T: Array
    returns_B_T: Array | None
    """Targets of the value head; None without one."""
    before: Reading | None
    """The reading before the round's first update; None where an update reads the same."""


@dataclass(frozen=True)
class _MicroLoss:
    """Figures of one portion of a minibatch."""

    loss: float
    value_loss: float
    charge: float
    clipped: float
    reading: Reading | None
    """What was read on the way, where nothing was read before."""


def _arrays(result: LogProbabilities, values: Tensor | None) -> Reading:
    def array(x: Tensor | None) -> Array:
        assert x is not None
        return x.detach().double().cpu().numpy()

    return Reading(
        array(result.values_B_R),
        array(result.reference_B_R),
        array(result.kl_B_R),
        array(result.entropy_B_R),
        None if values is None else array(values),
    )


def read_tokens(policy: Policy, rollout: Rollout, settings: Settings) -> Reading:
    """Read all tokens under the present policy and its reference, without gradients."""
    everything = np.arange(len(rollout.samples))
    parts, idle = passes(rollout.samples, everything, settings.micro_tokens, policy.world)

    def of(part: Sequence[int]) -> Reading:
        result, values = policy.read(
            [rollout.samples[b] for b in part],
            temperature=settings.temperature,
            entropy=True,
            micro_tokens=settings.micro_tokens,
        )
        return _arrays(result, values)

    with torch.no_grad():
        read = [(part, policy.world.run(partial(of, part))) for part in parts]
    return _joined(policy.world.everybodys(read[: len(read) - idle]), rollout)


def _joined(everybodys: Sequence[Sequence[tuple[Any, Reading]]], rollout: Rollout) -> Reading:
    """Join the readings of parts of a round, by process; zeros where nothing was read."""
    shape = rollout.mask_B_T.shape
    parts = [*chain.from_iterable(everybodys)]

    def whole(name: str) -> Array:
        joined_B_T = np.zeros(shape)
        for part, reading in parts:
            values = getattr(reading, name)
            joined_B_T[part, : values.shape[1]] = values
        return joined_B_T

    valued = bool(parts) and parts[0][1].values_B_T is not None
    return Reading(
        whole("log_B_T"),
        whole("reference_B_T"),
        whole("kl_B_T"),
        whole("entropy_B_T"),
        whole("values_B_T") if valued else None,
    )


def advantages_of(
    settings: Settings,
    beta: float,
    rollout: Rollout,
    rewards: Rewards,
    process_B_T: Array,
    mask_B_T: Bools,
    before: Reading | None,
) -> tuple[Array, Array | None]:
    """(B, T) advantages, 0 outside the mask; and the targets of the value head, where there is
    one."""
    outcome_B = rewards.outcome_B
    if settings.chi2 and before is not None:
        ratio_B = np.where(rollout.mask_B_T, before.log_B_T - before.reference_B_T, 0.0).sum(1)
        outcome_B = outcome_B - settings.chi2 * chi_squared_cost(ratio_B)
    returns_B_T = None
    if settings.advantage in PROCESS:
        result_B_T = _process_advantages(
            settings, rollout, rewards, process_B_T, mask_B_T, outcome_B
        )
    elif settings.combine != "sum":
        combined_B = combined(settings, rewards, rollout.group_B).values_B
        result_B_T = np.broadcast_to(combined_B[:, None], mask_B_T.shape)
    else:
        rewards_B_T = _token_rewards(
            settings, beta, rollout, rewards.scored_B, process_B_T, mask_B_T, outcome_B, before
        )
        result_B_T, returns_B_T = _outcome_advantages(
            settings, rewards_B_T, rollout.group_B, rewards.scored_B, mask_B_T, before
        )
    result_B_T = np.where(mask_B_T, result_B_T, 0.0)
    if settings.whiten != "no":
        result_B_T = advantages.whiten(result_B_T, mask_B_T, shift=settings.whiten == "full")
    return result_B_T, returns_B_T


def _process_advantages(
    settings: Settings,
    rollout: Rollout,
    rewards: Rewards,
    process_B_T: Array,
    mask_B_T: Bools,
    outcome_B: Array,
) -> Array:
    """Advantages of step rewards by themselves; whole responses' are added by leave-one-out."""
    group_B = rollout.group_B
    if settings.advantage == "grpo_process":
        result_B_T = advantages.grpo_process(process_B_T, rewards.ends_B_T, mask_B_T, group_B)
    elif settings.advantage == "token_rloo":
        result_B_T = advantages.token_rloo(process_B_T, mask_B_T, group_B, settings.discount)
    else:
        result_B_T = advantages.progress(process_B_T, rewards.ends_B_T, mask_B_T)
    return result_B_T + advantages.rloo(outcome_B, group_B, rewards.scored_B)[:, None]


def _token_rewards(
    settings: Settings,
    beta: float,
    rollout: Rollout,
    scored_B: Bools,
    process_B_T: Array,
    mask_B_T: Bools,
    outcome_B: Array,
    before: Reading | None,
) -> Array:
    """(B, T) rewards: steps' at their last tokens, responses' at theirs, less the charge for
    divergence where it is one of them."""
    rewards_B_T = np.where(mask_B_T, process_B_T, 0.0)
    rewards_B_T[np.arange(len(outcome_B)), rollout.lasts_B] += np.where(scored_B, outcome_B, 0.0)
    if settings.kl and settings.kl_place == "reward" and settings.kl_estimator != "exact":
        assert before is not None
        ratio_B_T = torch.from_numpy(before.log_B_T - before.reference_B_T)
        charge_B_T = estimate(settings.kl_estimator, ratio_B_T).numpy()
        rewards_B_T = rewards_B_T - np.where(mask_B_T, beta * charge_B_T, 0.0)
    return rewards_B_T


def _outcome_advantages(
    settings: Settings,
    rewards_B_T: Array,
    group_B: Ints,
    scored_B: Bools,
    mask_B_T: Bools,
    before: Reading | None,
) -> tuple[Array, Array | None]:
    """Advantages of token rewards, and the targets of the value head."""
    if settings.advantage == "gae":
        assert before is not None
        assert before.values_B_T is not None
        result_B_T, _ = advantages.gae(
            rewards_B_T,
            before.values_B_T,
            mask_B_T,
            discount=settings.discount,
            decay=settings.gae_decay,
        )
        # Values learn the actual returns (λ = 1, arXiv:2503.01491): of their own guesses, the
        # start of a long response would learn what its end is worth only after many rounds.
        return result_B_T, advantages.returns(rewards_B_T, mask_B_T, settings.discount)
    if settings.advantage == "reinforce_plus_plus":
        result_B_T = advantages.reinforce_plus_plus(rewards_B_T, mask_B_T, settings.discount)
        return result_B_T, None
    how = {"rloo": advantages.rloo, "grpo": advantages.grpo, "dr_grpo": advantages.dr_grpo}
    of_B = how[settings.advantage](rewards_B_T.sum(1), group_B, scored_B)
    return np.broadcast_to(of_B[:, None], mask_B_T.shape), None


def token_losses(
    settings: Settings,
    log_B_T: Tensor,
    before_B_T: Tensor | None,
    reference_B_T: Tensor | None,
    exact_B_T: Tensor | None,
    advantages_B_T: Tensor,
    mask_B_T: Tensor,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """(B, T) the policy's loss, the charge for divergence before β (None where there is none), and
    where the clip binds; not yet weighted, 0 outside the mask.

    before: log-probabilities when the round began; None where these are those. reference, exact: ln
    π₀ of the tokens, and the exact divergence. Ratios of whole responses (GSPO) weigh advantages. A
    token's divergence is charged by that token's own ratio: E_old[ρ k] is E_π[k] for no other.
    """
    old_B_T = log_B_T.detach() if before_B_T is None else before_B_T
    ratio_B_T = objectives.importance(log_B_T, old_B_T, mask_B_T, settings.importance)
    term_B_T, bound_B_T = objectives.policy_loss(
        ratio_B_T,
        advantages_B_T,
        low=settings.clip_low,
        high=settings.clip_high,
        dual=settings.dual_clip,
    )
    charge_B_T = None
    if settings.kl and settings.kl_place != "reward":
        assert reference_B_T is not None
        own_B_T = objectives.importance(log_B_T, old_B_T, mask_B_T)
        charge_B_T = in_loss(
            settings.kl_estimator, settings.kl_place, log_B_T - reference_B_T, exact_B_T, own_B_T
        ).where(mask_B_T, 0.0)
    return term_B_T.where(mask_B_T, 0.0), charge_B_T, bound_B_T


def _learn_values(policy: Policy, rate: float) -> None:
    """A step of the value head: w - rate ∇L, with states of length 1 and a bias of curvature at
    most 2 whatever the size of model and rewards, so that a rate below 1 cannot diverge."""
    if policy.critic is None:
        return
    with torch.no_grad():
        for parameter in policy.critic.parameters():
            if parameter.grad is not None:
                # Every process has the whole head, and the gradient of its own responses.
                parameter.sub_(rate * policy.world.summed(parameter.grad))
                parameter.grad = None


def update(
    policy: Policy,
    optimiser: torch.optim.Optimizer,
    settings: Settings,
    beta: float,
    batch: RoundBatch,
    members: Ints,
) -> tuple[dict[str, float], Reading]:
    """Take one optimiser step on some of the responses.

    members: indices of the minibatch's responses. Returns the step's figures, and what was read on
    the way. Raises `BackendError` where loss or gradient is not finite.
    """
    own = torch.from_numpy(batch.mask_B_T[members])
    weights_B_T, token_B_T = np.zeros(batch.mask_B_T.shape), np.zeros(batch.mask_B_T.shape)
    weights_B_T[members] = objectives.weights(own, settings.reduction, settings.max_tokens).numpy()
    token_B_T[members] = objectives.weights(own, "token", 1).numpy()
    world = policy.world
    sums, read = np.zeros(4), []
    parts, idle = passes(batch.rollout.samples, members, settings.micro_tokens, world)
    given = settings, beta, batch
    with recomputing(policy.model, settings.gradient_checkpointing):
        for i, part in enumerate(parts):
            loss, one = world.run(
                partial(minibatch_loss, policy, *given, part, weights_B_T, token_B_T)
            )
            counts = i < len(parts) - idle
            if loss.requires_grad:
                (loss if counts else loss * 0.0).backward()  # type: ignore[no-untyped-call]
            if counts:
                sums += [one.loss, one.value_loss, one.charge, one.clipped]
                read += [] if one.reading is None else [(part, one.reading)]
    loss_sum, value_sum, charge_sum, clipped = world.summed(torch.from_numpy(sums)).tolist()
    norm = clip([*policy.network_parameters().values()], settings.clip)
    if not math.isfinite(loss_sum) or not math.isfinite(norm):
        optimiser.zero_grad(set_to_none=True)
        raise BackendError(
            f"loss {loss_sum}, gradient norm {norm}; lower the learning rate (now"
            f" {settings.learning_rate:.3g}), or keep the parameters in fp32"
        )
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    _learn_values(policy, settings.critic_learning_rate)
    figures = {"loss": loss_sum, "gradient_norm": norm, "clip_fraction": clipped}
    if batch.returns_B_T is not None:
        figures["value_loss"] = value_sum
    if settings.kl and settings.kl_place != "reward":
        figures["kl_charge"] = charge_sum
    return figures, _joined(world.everybodys(read), batch.rollout)


def minibatch_loss(
    policy: Policy,
    settings: Settings,
    beta: float,
    batch: RoundBatch,
    part: Sequence[int],
    weights_B_T: Array,
    token_B_T: Array,
) -> tuple[Tensor, _MicroLoss]:
    """Compute the loss of one portion of a minibatch, for `backward`, and its figures.

    part: indices of its responses. weights: of tokens in the policy's loss; token: in the value
    head's.
    """
    before = batch.before
    result, values = policy.read(
        [batch.rollout.samples[b] for b in part],
        temperature=settings.temperature,
        entropy=before is None,
        reference=before is None or (bool(settings.kl) and settings.kl_estimator == "exact"),
    )
    log_now = result.values_B_R
    width = log_now.shape[1]

    def cut(x_B_T: Any) -> Tensor:
        rows = np.ascontiguousarray(x_B_T[part, :width])
        return torch.from_numpy(rows).to(policy.model.device)

    log_before, reference = None, result.reference_B_R
    if before is not None:
        log_before, reference = (
            cut(x).to(log_now.dtype) for x in (before.log_B_T, before.reference_B_T)
        )
    mask, weights, token = cut(batch.mask_B_T), cut(weights_B_T), cut(token_B_T)
    term, charge, bound = token_losses(
        settings,
        log_now,
        log_before,
        reference,
        result.kl_B_R,
        cut(batch.advantages_B_T).to(log_now.dtype),
        mask,
    )
    loss, charged, value_lost = (term * weights).sum(), 0.0, 0.0
    if charge is not None:
        charge_sum = (charge * weights).sum()
        loss = loss + beta * charge_sum
        charged = float(charge_sum.detach())
    lost = float(loss.detach())
    if batch.returns_B_T is not None:
        assert values is not None
        assert before is not None
        assert before.values_B_T is not None
        error = objectives.value_loss(
            values,
            cut(before.values_B_T).to(values.dtype),
            cut(batch.returns_B_T).to(values.dtype),
            settings.value_clip,
        )
        value_loss = (error * token).sum()
        value_lost = float(value_loss.detach())
        # The two have no parameter in common, so one way back gives the gradient of each.
        loss = loss + value_loss
    clipped = float((bound & mask).double().mul(token).sum())
    reading = _arrays(result, values) if before is None else None
    return loss, _MicroLoss(lost, value_lost, charged, clipped, reading)


def divergence_figures(reading: Reading, rollout: Rollout) -> dict[str, Any]:
    """Divergence, entropy, and two ratios whose means are 1 where samples come from the trained
    policy."""
    mask_B_T = rollout.mask_B_T
    ratio_B_T = np.where(mask_B_T, reading.log_B_T - reading.reference_B_T, 0.0)
    drift = np.exp((reading.log_B_T - rollout.logprobs_B_T)[mask_B_T])
    inverse = np.exp(np.clip(-ratio_B_T[mask_B_T], -20, 20))

    def mean_and_error(x: Array) -> list[float]:
        return [float(x.mean()), float(x.std() / math.sqrt(len(x)))]

    return {
        "kl": float(np.where(mask_B_T, reading.kl_B_T, 0.0).sum(1).mean()),
        "kl_k1": float(ratio_B_T.sum(1).mean()),
        "chi2": chi_squared(ratio_B_T.sum(1)),
        "entropy": float(reading.entropy_B_T[mask_B_T].mean()),
        "kl_a_token": float(reading.kl_B_T[mask_B_T].mean()),
        "scorer_over_sampler": mean_and_error(drift),
        "reference_over_policy": mean_and_error(inverse),
    }
