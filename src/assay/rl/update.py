"""One optimiser step: what policy and reference say of the samples, advantages, and the loss of
them.

    seen = see(...)        log-probabilities, divergence, values, before anything is learned
    advantages_of(...)     rewards, the charge for divergence, values -> (B, T)
    update(...)            loss in parts of bounded size, clipped gradient, AdamW

On policy, with one update a round and nothing that needs them before, `see` is left out: the update
reads the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assay.errors import BackendError
from assay.models.log_probabilities import LogProbabilities
from assay.rl import advantages, objectives
from assay.rl.kl import chi_squared, chi_squared_cost, estimate, in_loss
from assay.rl.policy import Policy
from assay.rl.rewards import Array
from assay.rl.rollout import Rollout, portions
from assay.rl.scoring import Rewards
from assay.rl.settings import PROCESS, Settings

__all__ = ["Seen", "advantages_of", "see", "seen_figures", "update"]


@dataclass(frozen=True)
class Seen:
    """What policy and reference say of a round's tokens, before it is learned from; all (B, T)."""

    log_B_T: Array
    reference_B_T: Array
    kl_B_T: Array
    entropy_B_T: Array
    values_B_T: Array | None


def _arrays(found: LogProbabilities, values: Tensor | None) -> Seen:
    def array(x: Tensor | None) -> Array:
        assert x is not None
        return x.detach().double().cpu().numpy()

    return Seen(
        array(found.values_B_R),
        array(found.reference_B_R),
        array(found.kl_B_R),
        array(found.entropy_B_R),
        None if values is None else array(values),
    )


def see(policy: Policy, rollout: Rollout, settings: Settings) -> Seen:
    """What is said of all tokens as things stand, without gradients."""
    with torch.no_grad():
        parts = [
            (
                part,
                _arrays(
                    *policy.read(
                        [rollout.samples[b] for b in part],
                        temperature=settings.temperature,
                        entropy=True,
                        micro_tokens=settings.micro_tokens,
                    )
                ),
            )
            for part in portions(
                rollout.samples, np.arange(len(rollout.samples)), settings.micro_tokens
            )
        ]
    return _joined(parts, rollout)


def _joined(parts: Sequence[tuple[Any, Seen]], rollout: Rollout) -> Seen:
    """Parts of a round put together; zeros where nothing was read."""
    shape = rollout.mask_B_T.shape

    def whole(name: str) -> Array:
        found = np.zeros(shape)
        for part, seen in parts:
            values = getattr(seen, name)
            found[part, : values.shape[1]] = values
        return found

    valued = bool(parts) and parts[0][1].values_B_T is not None
    return Seen(
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
    mask_B_T: Any,
    seen: Seen | None,
) -> tuple[Array, Array | None]:
    """(B, T) advantages, 0 outside the mask; and what values learn, with a value head."""
    group_B, scored_B = rollout.group_B, rewards.scored_B
    outcome_B = rewards.outcome_B
    if settings.chi2 and seen is not None:
        ratio_B = np.where(rollout.mask_B_T, seen.log_B_T - seen.reference_B_T, 0.0).sum(1)
        outcome_B = outcome_B - settings.chi2 * chi_squared_cost(ratio_B)
    returns_B_T = None
    if settings.advantage in PROCESS:
        if settings.advantage == "grpo_process":
            found_B_T = advantages.grpo_process(process_B_T, rewards.ends_B_T, mask_B_T, group_B)
        elif settings.advantage == "token_rloo":
            found_B_T = advantages.token_rloo(process_B_T, mask_B_T, group_B, settings.discount)
        else:
            found_B_T = advantages.progress(process_B_T, rewards.ends_B_T, mask_B_T)
        found_B_T = found_B_T + advantages.rloo(outcome_B, group_B, scored_B)[:, None]
    else:
        rewards_B_T = np.where(mask_B_T, process_B_T, 0.0)
        rewards_B_T[np.arange(len(outcome_B)), rollout.lengths_B - 1] += np.where(
            scored_B, outcome_B, 0.0
        )
        if settings.kl and settings.kl_place == "reward" and settings.kl_estimator != "exact":
            assert seen is not None
            ratio_B_T = torch.from_numpy(seen.log_B_T - seen.reference_B_T)
            charge_B_T = estimate(settings.kl_estimator, ratio_B_T).numpy()
            rewards_B_T = rewards_B_T - np.where(mask_B_T, beta * charge_B_T, 0.0)
        if settings.advantage == "gae":
            assert seen is not None
            assert seen.values_B_T is not None
            found_B_T, _ = advantages.gae(
                rewards_B_T,
                seen.values_B_T,
                mask_B_T,
                discount=settings.discount,
                decay=settings.gae_decay,
            )
            # Values learn what really came (λ = 1, arXiv:2503.01491): of their own guesses, the
            # start of a long response would learn what its end is worth only after many rounds.
            returns_B_T = advantages.returns(rewards_B_T, mask_B_T, settings.discount)
        elif settings.advantage == "reinforce_plus_plus":
            found_B_T = advantages.reinforce_plus_plus(rewards_B_T, mask_B_T, settings.discount)
        else:
            how = {"rloo": advantages.rloo, "grpo": advantages.grpo, "dr_grpo": advantages.dr_grpo}
            of_B = how[settings.advantage](rewards_B_T.sum(1), group_B, scored_B)
            found_B_T = np.broadcast_to(of_B[:, None], mask_B_T.shape)
    found_B_T = np.where(mask_B_T, found_B_T, 0.0)
    if settings.whiten != "no":
        found_B_T = advantages.whiten(found_B_T, mask_B_T, shift=settings.whiten == "full")
    return found_B_T, returns_B_T


def token_losses(
    settings: Settings,
    log_B_T: Tensor,
    before_B_T: Tensor | None,
    reference_B_T: Tensor | None,
    exact_B_T: Tensor | None,
    advantages_B_T: Tensor,
    mask_B_T: Tensor,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """(B, T) the policy's loss, what divergence is charged in the loss before β (None where it is
    not), and where the clip binds; not yet weighed, 0 outside the mask.

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
                parameter.sub_(rate * parameter.grad)
                parameter.grad = None


def update(
    policy: Policy,
    optimiser: torch.optim.Optimizer,
    settings: Settings,
    beta: float,
    rollout: Rollout,
    members: Any,
    mask_B_T: Any,
    advantages_B_T: Array,
    returns_B_T: Array | None,
    seen: Seen | None,
) -> tuple[dict[str, float], Seen]:
    """One optimiser step on some of the responses; its figures, and what was read on the way."""
    device = policy.model.device
    weights_B_T = np.zeros(mask_B_T.shape)
    own = torch.from_numpy(mask_B_T[members])
    weights_B_T[members] = objectives.weights(own, settings.reduction, settings.max_tokens).numpy()
    token_B_T = np.zeros(mask_B_T.shape)
    token_B_T[members] = objectives.weights(own, "token", 1).numpy()
    loss_sum, clipped, value_sum, charge_sum = 0.0, 0.0, 0.0, 0.0
    read: list[tuple[Any, Seen]] = []
    exact = bool(settings.kl) and settings.kl_estimator == "exact"
    for part in portions(rollout.samples, members, settings.micro_tokens):
        found, values = policy.read(
            [rollout.samples[b] for b in part],
            temperature=settings.temperature,
            entropy=seen is None,
            reference=seen is None or exact,
        )
        width = found.values_B_R.shape[1]

        def cut(x: Any, part: Any = part, width: int = width) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(x[part, :width])).to(device)

        mask = cut(mask_B_T)
        log_now = found.values_B_R
        before, reference = None, found.reference_B_R
        if seen is not None:
            before, reference = (
                cut(x).to(log_now.dtype) for x in (seen.log_B_T, seen.reference_B_T)
            )
        term, charge, bound = token_losses(
            settings,
            log_now,
            before,
            reference,
            found.kl_B_R,
            cut(advantages_B_T).to(log_now.dtype),
            mask,
        )
        loss = (term * cut(weights_B_T)).sum()
        if charge is not None:
            charged = (charge * cut(weights_B_T)).sum()
            loss = loss + beta * charged
            charge_sum += float(charged.detach())
        if returns_B_T is not None:
            assert values is not None
            assert seen is not None
            assert seen.values_B_T is not None
            error = objectives.value_loss(
                values,
                cut(seen.values_B_T).to(values.dtype),
                cut(returns_B_T).to(values.dtype),
                settings.value_clip,
            )
            error = (error * cut(token_B_T)).sum()
            error.backward()  # type: ignore[no-untyped-call]
            value_sum += float(error.detach())
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        loss_sum += float(loss.detach())
        clipped += float((bound & mask).double().mul(cut(token_B_T)).sum())
        if seen is None:
            read.append((part, _arrays(found, values)))
    norm = float(
        torch.nn.utils.clip_grad_norm_([*policy.network_parameters().values()], settings.clip)
    )
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
    if returns_B_T is not None:
        figures["value_loss"] = value_sum
    if settings.kl and settings.kl_place != "reward":
        figures["kl_charge"] = charge_sum
    return figures, _joined(read, rollout)


def seen_figures(seen: Seen, rollout: Rollout) -> dict[str, Any]:
    """Divergence, entropy, and whether what samples is what is trained."""
    mask_B_T = rollout.mask_B_T
    ratio_B_T = np.where(mask_B_T, seen.log_B_T - seen.reference_B_T, 0.0)
    drift = np.exp((seen.log_B_T - rollout.logprobs_B_T)[mask_B_T])
    inverse = np.exp(np.clip(-ratio_B_T[mask_B_T], -20, 20))

    def mean_and_error(x: Array) -> list[float]:
        return [float(x.mean()), float(x.std() / math.sqrt(len(x)))]

    return {
        "kl": float(np.where(mask_B_T, seen.kl_B_T, 0.0).sum(1).mean()),
        "kl_k1": float(ratio_B_T.sum(1).mean()),
        "chi2": chi_squared(ratio_B_T.sum(1)),
        "entropy": float(seen.entropy_B_T[mask_B_T].mean()),
        "kl_a_token": float(seen.kl_B_T[mask_B_T].mean()),
        "scorer_over_sampler": mean_and_error(drift),
        "reference_over_policy": mean_and_error(inverse),
    }
