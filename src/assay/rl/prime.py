"""PRIME: a process reward that is learned while the policy is (arXiv:2502.01456).

A second copy of the policy, φ, learns online whether responses are right, with β ln φ/π₀ summed
over a response as its logit; the same quantity token by token is then a reward a token, without a
step label ever made.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from assay.engines.hf import Sample
from assay.errors import ConfigError
from assay.models.implicit import ImplicitRewardModel
from assay.models.layout import Encoded
from assay.rl.advantages import Bools
from assay.rl.rewards import Array
from assay.rl.rollout import portions
from assay.training.adamw import AdamW, Bf16Update, parameters_of

__all__ = ["ImplicitProcess"]


class ImplicitProcess:
    """The implicit process model of a run, and its optimiser.

    model: made of the policy as it was, for instance by `checkpoint.wrap_implicit`. weight: of its
    rewards beside the outcome's. bf16_update, seed: as `training.adamw` has them.
    """

    def __init__(
        self,
        model: ImplicitRewardModel,
        *,
        weight: float = 1.0,
        learning_rate: float = 1e-6,
        clip: float = 10.0,
        bf16_update: Bf16Update = "master",
        seed: int = 0,
    ) -> None:
        for name, value in (("weight", weight), ("learning_rate", learning_rate), ("clip", clip)):
            if not 0 < value < math.inf:
                raise ConfigError(f"PRIME's {name} is {value}; it must be above 0")
        self.model, self.weight, self.learning_rate, self.clip = (
            model.eval(),
            weight,
            learning_rate,
            clip,
        )
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimiser = AdamW(
            trained, lr=learning_rate, bf16_update=bf16_update, seed=seed, fused=None
        )

    def learn(
        self, samples: Sequence[Sample], right_B: Array, scored_B: Bools, micro_tokens: int
    ) -> dict[str, float]:
        """One step on whether responses are right, in [0, 1]: mean cross-entropy, and how often it
        had the right sign.

        It is taken before the rewards are read, as in the paper.
        """
        chosen = np.flatnonzero(scored_B)
        if not len(chosen):
            return {}
        loss, hits = 0.0, 0.0
        self.optimiser.zero_grad(set_to_none=True)
        for part in portions(samples, chosen, micro_tokens):
            rewards_B_T, _ = self.model.token_rewards([_encoded(samples[i]) for i in part])
            logit_B = rewards_B_T.sum(-1)
            target_B = torch.as_tensor(right_B[part], dtype=logit_B.dtype, device=logit_B.device)
            term = binary_cross_entropy_with_logits(logit_B, target_B, reduction="sum") / len(
                chosen
            )
            term.backward()  # type: ignore[no-untyped-call]
            loss += float(term.detach())
            hits += float(((logit_B > 0) == (target_B > 0.5)).sum())
        torch.nn.utils.clip_grad_norm_(parameters_of(self.optimiser), self.clip)
        self.optimiser.step()
        return {"prime/loss": loss, "prime/accuracy": hits / len(chosen)}

    def rewards(self, samples: Sequence[Sample], width: int, micro_tokens: int) -> Array:
        """(B, width) the reward of each token, 0 after the last."""
        found_B_T = np.zeros((len(samples), width))
        with torch.no_grad():
            for part in portions(samples, np.arange(len(samples)), micro_tokens):
                values, _ = self.model.token_rewards([_encoded(samples[i]) for i in part])
                found_B_T[part, : values.shape[1]] = self.weight * values.double().cpu().numpy()
        return found_B_T

    def state(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {
            "network": self.model.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.model.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])


def _encoded(sample: Sample) -> Encoded:
    ids = (*sample.prefix_ids, *sample.ids)
    return Encoded(ids, len(sample.prefix_ids), (len(ids) - 1,))
