"""PRIME: a process reward that is learned while the policy is (arXiv:2502.01456).

A second copy of the policy, φ, learns online whether responses are right, with β ln φ/π₀ summed
over a response as its logit; the same quantity token by token is then a reward a token, without a
step label ever made.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from assay.engines.hf import Sample
from assay.errors import ConfigError
from assay.models.implicit import ImplicitRewardModel
from assay.models.layout import Encoded
from assay.rl.advantages import Bools
from assay.rl.rewards import Array
from assay.rl.rollout import passes
from assay.training.adamw import AdamW, Bf16Update, parameters_of
from assay.training.optimization import clip as clip_gradients
from assay.training.parallel import ALONE, World
from assay.training.parts import put_whole
from assay.training.sharding import like, shard

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
        self.bf16_update, self.seed, self.world = bf16_update, seed, ALONE
        self.optimiser = self._optimiser()

    def _optimiser(self) -> AdamW:
        return AdamW(
            [*self.parameters().values()],
            lr=self.learning_rate,
            bf16_update=self.bf16_update,
            seed=self.seed,
            fused=None,
        )

    def parameters(self) -> dict[str, Any]:
        """Trained parameters by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def join(self, world: World) -> None:
        """Lie in parts on all processes, before anything is learned; the model is whole and on the
        CPU."""
        if world.size > 1:
            self.world = shard(self.model, self.model.network, world)
            self.optimiser = self._optimiser()

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
        sums = np.zeros(2)
        self.optimiser.zero_grad(set_to_none=True)

        def of(part: Sequence[int]) -> tuple[Tensor, float]:
            logit_B = self._token_rewards([samples[i] for i in part]).sum(-1)
            target_B = torch.as_tensor(right_B[part], dtype=logit_B.dtype, device=logit_B.device)
            term = binary_cross_entropy_with_logits(logit_B, target_B, reduction="sum")
            return term / len(chosen), float(((logit_B > 0) == (target_B > 0.5)).sum())

        parts, idle = passes(samples, chosen, micro_tokens, self.world)
        for i, part in enumerate(parts):
            term, hits = self.world.run(partial(of, part))
            counts = i < len(parts) - idle
            (term if counts else term * 0.0).backward()  # type: ignore[no-untyped-call]
            if counts:
                sums += [float(term.detach()), hits]
        clip_gradients(parameters_of(self.optimiser), self.clip)
        self.optimiser.step()
        loss, right = self.world.summed(torch.from_numpy(sums)).tolist()
        return {"prime/loss": loss, "prime/accuracy": right / len(chosen)}

    def _token_rewards(self, samples: Sequence[Sample]) -> Tensor:
        # All of several processes run the layers as often.
        tokens = 8192 if self.world.size == 1 else 1 << 30
        encoded = [_encoded(sample) for sample in samples]
        return self.model.token_rewards(encoded, micro_tokens=tokens)[0]

    def rewards(self, samples: Sequence[Sample], width: int, micro_tokens: int) -> Array:
        """(B, width) the reward of each token, 0 after the last."""
        found_B_T = np.zeros((len(samples), width))
        parts, idle = passes(samples, np.arange(len(samples)), micro_tokens, self.world)

        def of(part: Sequence[int]) -> Array:
            values_B_R = self._token_rewards([samples[i] for i in part])
            return self.weight * values_B_R.double().cpu().numpy()

        with torch.no_grad():
            read = [(part, self.world.run(partial(of, part))) for part in parts]
        for part, values_B_R in chain(*self.world.everybodys(read[: len(read) - idle])):
            found_B_T[part, : values_B_R.shape[1]] = values_B_R
        return found_B_T

    def state(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {
            "network": self.model.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        with torch.no_grad():
            for name, parameter in self.model.network.named_parameters():
                parameter.copy_(like(parameter, state["network"][name]))
        put_whole(self.optimiser, state["optimiser"])


def _encoded(sample: Sample) -> Encoded:
    ids = (*sample.prefix_ids, *sample.ids)
    return Encoded(ids, len(sample.prefix_ids), (len(ids) - 1,))
