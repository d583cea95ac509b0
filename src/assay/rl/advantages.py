"""How much better a token was than what was to be expected: from rewards to advantages, as pure
functions.

B responses of at most T tokens; rewards (B, T) stand at tokens and are 0 elsewhere; mask (B, T) is
True at a response's tokens, between which those of an environment may stand, which take no time;
group (B,) is the index of the prompt. Responses without
a score have an all-False
mask: they are in no mean and get no advantage.

| function              | advantage                          | baseline                            |
|-----------------------|------------------------------------|-------------------------------------|
| `rloo`                | R_i - mean of the others           | leave-one-out                       |
|                       | (arXiv:2402.14740)                 |                                     |
| `grpo`                | (R_i - mean) / (std + 1e-4)        | group mean, own response included   |
|                       | (arXiv:2402.03300)                 |                                     |
| `dr_grpo`             | R_i - mean (arXiv:2503.20783)      | the same; lengths and difficulty do |
|                       |                                    | not weigh                           |
| `reinforce_plus_plus` | return from each token on,         | batch mean                          |
|                       | whitened over the batch            |                                     |
|                       | (arXiv:2501.03262)                 |                                     |
| `gae`                 | Σ (γλ)^l δ_{t+l}, δ_t = r_t + γ    | a value head                        |
|                       | V_{t+1} - V_t (arXiv:1506.02438)   |                                     |
| `grpo_process`        | Σ of normalised step rewards from  | the group's mean step               |
|                       | a token's step on                  |                                     |
|                       | (arXiv:2402.03300)                 |                                     |
| `token_rloo`          | Σ_{t' >= t} (r_t' - b)             | b: leave-one-out mean reward *a     |
|                       |                                    | token* (PURE, PRIME)                |
| `progress`            | the reward of a token's own step,  | none: a difference                  |
|                       | none of later ones (PAV,           |                                     |
|                       | arXiv:2410.08146)                  |                                     |

`grpo_process` still pays for padding: a step above the group's mean step is a gain wherever it
stands. `token_rloo` charges every token, because a baseline a step would change with the number of
steps.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.rl.rewards import Array

__all__ = [
    "Bools",
    "Ints",
    "dr_grpo",
    "gae",
    "group_mean",
    "grpo",
    "grpo_process",
    "others_mean",
    "progress",
    "reinforce_plus_plus",
    "returns",
    "rloo",
    "token_rloo",
    "whiten",
]

Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]

EPSILON = 1e-4
"""Added to standard deviations, as in TRL; a group of equal rewards has advantage 0."""


def rloo(return_B: Array, group_B: Ints, scored_B: Bools) -> Array:
    """R_i minus the mean return of the other responses to its prompt (arXiv:2402.14740); 0 where
    there is no other."""
    return np.where(
        scored_B & (_counts(group_B, scored_B) > 1),
        return_B - others_mean(return_B, group_B, scored_B),
        0,
    )


def dr_grpo(return_B: Array, group_B: Ints, scored_B: Bools) -> Array:
    """R_i minus the group's mean (arXiv:2503.20783): RLOO times (n - 1) / n."""
    return np.where(scored_B, return_B - group_mean(return_B, group_B, scored_B), 0.0)


def grpo(return_B: Array, group_B: Ints, scored_B: Bools) -> Array:
    """(R_i - mean) / (std + 1e-4), with the unbiased standard deviation of the group
    (arXiv:2402.03300).

    Dividing by it makes a prompt of which one response in many is right weigh more than one of
    which half are.
    """
    centred_B = dr_grpo(return_B, group_B, scored_B)
    count_B = _counts(group_B, scored_B)
    square_B = group_mean(centred_B**2, group_B, scored_B) * count_B / np.maximum(count_B - 1, 1)
    return np.asarray(centred_B / (np.sqrt(square_B) + EPSILON))


def returns(rewards_B_T: Array, mask_B_T: Bools, discount: float = 1.0) -> Array:
    """(B, T) what is still to come at each token, its own reward included: Σ γ^{t'-t} r_t'; 0
    outside the mask."""
    found_B_T = np.zeros_like(rewards_B_T)
    ahead_B = np.zeros(len(rewards_B_T))
    for t in reversed(range(rewards_B_T.shape[1])):
        to_come_B = rewards_B_T[:, t] + discount * ahead_B
        ahead_B = np.where(mask_B_T[:, t], to_come_B, ahead_B)
        found_B_T[:, t] = ahead_B
    return np.where(mask_B_T, found_B_T, 0.0)


def reinforce_plus_plus(rewards_B_T: Array, mask_B_T: Bools, discount: float = 1.0) -> Array:
    """Returns from each token on, whitened over all tokens of the batch (arXiv:2501.03262)."""
    return whiten(returns(rewards_B_T, mask_B_T, discount), mask_B_T)


def gae(
    rewards_B_T: Array,
    values_B_T: Array,
    mask_B_T: Bools,
    *,
    discount: float = 1.0,
    decay: float = 0.95,
) -> tuple[Array, Array]:
    """Advantages and the returns that values learn (advantage + value), both (B, T)
    (arXiv:1506.02438).

    values: V of the state in which each token was chosen. After a response's last token nothing is
    to come.
    """
    advantages_B_T = np.zeros_like(rewards_B_T)
    ahead_B, next_B = np.zeros(len(rewards_B_T)), np.zeros(len(rewards_B_T))
    for t in reversed(range(rewards_B_T.shape[1])):
        here_B = mask_B_T[:, t]
        error_B = rewards_B_T[:, t] + discount * next_B - values_B_T[:, t]
        ahead_B = np.where(here_B, error_B + discount * decay * ahead_B, ahead_B)
        next_B = np.where(here_B, values_B_T[:, t], next_B)
        advantages_B_T[:, t] = np.where(here_B, ahead_B, 0.0)
    return advantages_B_T, np.where(mask_B_T, advantages_B_T + values_B_T, 0.0)


def grpo_process(rewards_B_T: Array, ends_B_T: Bools, mask_B_T: Bools, group_B: Ints) -> Array:
    """Σ over steps that end at a token or after it of (r - mean) / (std + 1e-4), over all steps of
    the group (arXiv:2402.03300, 4.1.3).

    ends: True at the last token of every step. The standard deviation is the unbiased one.
    """
    ends_B_T = ends_B_T & mask_B_T
    count = np.bincount(group_B, weights=ends_B_T.sum(1))
    mean = np.bincount(group_B, weights=(rewards_B_T * ends_B_T).sum(1)) / np.maximum(count, 1)
    centred_B_T = np.where(ends_B_T, rewards_B_T - mean[group_B][:, None], 0.0)
    square = np.bincount(group_B, weights=(centred_B_T**2).sum(1)) / np.maximum(count - 1, 1)
    return returns(centred_B_T / (np.sqrt(square) + EPSILON)[group_B][:, None], mask_B_T)


def token_rloo(rewards_B_T: Array, mask_B_T: Bools, group_B: Ints, discount: float = 1.0) -> Array:
    """Returns of r_t - b from each token on, b the mean over the group's other responses of their
    mean reward a token (arXiv:2504.15275; arXiv:2502.01456). 0 for a response that is alone."""
    scored_B: Bools = np.asarray(mask_B_T.any(1))
    a_token_B = rewards_B_T.sum(1) / np.maximum(mask_B_T.sum(1), 1)
    base_B = others_mean(a_token_B, group_B, scored_B)
    alone_B = _counts(group_B, scored_B) < 2
    charged_B_T = np.where(mask_B_T & ~alone_B[:, None], rewards_B_T - base_B[:, None], 0.0)
    return returns(charged_B_T, mask_B_T, discount)


def progress(rewards_B_T: Array, ends_B_T: Bools, mask_B_T: Bools) -> Array:
    """Every token gets the reward of its own step, and nothing of what comes later
    (arXiv:2410.08146).

    With what a step adds to a prover's value as reward, this is the A^μ of the effective reward Q^π
    + α A^μ.
    """
    found_B_T = np.zeros_like(rewards_B_T)
    own_B = np.zeros(len(rewards_B_T))
    for t in reversed(range(rewards_B_T.shape[1])):
        own_B = np.where(ends_B_T[:, t], rewards_B_T[:, t], own_B)
        found_B_T[:, t] = own_B
    return np.where(mask_B_T, found_B_T, 0.0)


def whiten(advantages_B_T: Array, mask_B_T: Bools, *, shift: bool = True) -> Array:
    """Divided by the standard deviation over the mask, the mean taken off first where `shift`; 0
    outside the mask.

    Where all are alike nothing is known, and everything becomes 0 (without a shift it stays as it
    is).
    """
    inside = advantages_B_T[mask_B_T]
    if not len(inside):
        return np.zeros_like(advantages_B_T)
    mean, std = float(inside.mean()), float(inside.std())
    scale = 1.0 / (std + 1e-8) if std > 1e-8 else 1.0
    return np.where(mask_B_T, (advantages_B_T - mean * shift) * scale, 0.0)


def group_mean(value_B: Array, group_B: Ints, scored_B: Bools) -> Array:
    """(B,) the mean of each response's group; 0 where none of it has a score."""
    return _sums(value_B, group_B, scored_B) / np.maximum(_counts(group_B, scored_B), 1)


def others_mean(value_B: Array, group_B: Ints, scored_B: Bools) -> Array:
    """(B,) the mean of the others in each response's group; 0 where there is none."""
    own_B = np.where(scored_B, value_B, 0.0)
    rest_B = _counts(group_B, scored_B) - scored_B
    return (_sums(value_B, group_B, scored_B) - own_B) / np.maximum(rest_B, 1) * (rest_B > 0)


def _sums(value_B: Array, group_B: Ints, scored_B: Bools) -> Array:
    return np.asarray(
        np.bincount(group_B, weights=np.where(scored_B, value_B, 0.0))[group_B], dtype=np.float64
    )


def _counts(group_B: Ints, scored_B: Bools) -> Array:
    return np.asarray(
        np.bincount(group_B, weights=scored_B.astype(np.float64))[group_B], dtype=np.float64
    )
