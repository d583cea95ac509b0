"""Reward models without a head: what a language model says, against what it said before it learned.

With π the policy that is trained, π₀ the reference it started from, and y the tokens of a response,

    r(y) = β log π(y | x) / π₀(y | x)
    q_t = β Σ_{i <= t} log π(y_i | x, y_{<i}) / π₀(y_i | x, y_{<i}).

r is trained from outcomes alone, by cross-entropy on σ(r), or from preferences, which is DPO
(arXiv:2305.18290). Then q_t is the soft value β log E_{π₀} exp(r / β) of going on from token t, so
that a step's q less that of the step before is its process reward, which no label was given for
(arXiv:2412.01981), and every token has one (PRIME, arXiv:2502.01456). q depends on the tokens, not
on where steps are cut. Of a trajectory y are the assistant's tokens: what a tool answers is given.

The value is of going on as π₀ does. So the reference should be the policy that wrote the responses,
or one fine-tuned on such: with another r may be learnt as well, and yet a wrong step be paid for
anywhere after it. And E_{π₀} exp(r / β) is 1, whatever is learnt: with a share p of right
responses, their mean r is at most β log 1/p. So where log-ratios are small, as of short responses,
β must be large.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.errors import ConfigError
from assay.models.layout import Encoded, Encoder
from assay.models.log_probabilities import log_probabilities
from assay.models.reward_model import Batch, RewardModel, Shared, TrainScores, own_tokens
from assay.packing.engine import Engine
from assay.protocols import AuxiliaryHeadLoss, Loss

__all__ = ["ImplicitRewardModel", "check_loss"]

Ints = NDArray[np.integer[Any]]

PADDED = Engine("plain", "a padded batch", 0.0)


class ImplicitRewardModel(RewardModel):
    """Two stock causal language models; the logit at a read position is q there.

    `network` is the policy, and learns; `reference` stands still. Both run the same path, so that
    where they are equal every value is exactly 0.
    """

    def __init__(
        self,
        network: Any,
        reference: Any,
        encoder: Encoder,
        *,
        beta: float,
        pad_id: int,
        scores: TrainScores | None = None,
    ) -> None:
        if not 0 < beta < math.inf:
            raise ConfigError(f"beta is {beta}; an implicit reward needs one above 0, such as 0.05")
        readout = encoder.readout
        if readout.at != "last_token" or readout.weights != (1.0,) or readout.tokens:
            raise ConfigError(
                "an implicit model is read at each step's last token and has one output; use such a"
                " read-out"
            )
        super().__init__(network, encoder, pad_id=pad_id, scores=scores)
        self.reference = reference.requires_grad_(False).eval()
        self.beta = beta

    def _prepare(self) -> None:
        """Check the network."""
        if getattr(self.network, "get_output_embeddings", lambda: None)() is None:
            raise ConfigError(
                f"{type(self.network).__name__} is no language model; an implicit reward needs one"
            )
        # The token that pads may be the one that ends a text, and is then learnt as any other.
        self.network.get_input_embeddings().padding_idx = None

    def _parts(self) -> dict[str, object]:
        return {**super()._parts(), "reference": self.reference, "beta": self.beta}

    def train(self, mode: bool = True) -> Self:
        """Let the policy train; the reference never does."""
        super().train(mode)
        self.reference.eval()
        return self

    def forward(self, batch: Batch | Shared, *, micro_tokens: int = 1 << 30) -> Tensor:
        """q (B, S) at the read positions, in fp32 or better; 0 before a response, without meaning
        where not `valid`.

        A batch of more than `micro_tokens` tokens goes through each network in parts, if no
        gradient is asked.
        """
        if not len(batch.starts_B):
            raise ConfigError(
                "the batch does not say where its responses start; give `starts` to pad, share or"
                " arrange"
            )
        # Who made the batch has weighed what sharing costs.
        engine = (
            replace(self.engine, token_cost=1.0, piece_cost=0.0)
            if isinstance(batch, Shared)
            else PADDED
        )
        rows, positions_B_S = _unpacked(batch)
        rewards_B_R = self._rewards(rows, batch.starts_B.tolist(), engine, micro_tokens)
        if len(batch.own_B_R):
            rewards_B_R = rewards_B_R * batch.own_B_R[:, : rewards_B_R.shape[1]]
        sums_B_R = torch.nn.functional.pad(rewards_B_R.cumsum(-1), (1, 0))
        counts_B_S = (positions_B_S - batch.starts_B[:, None] + 1).clamp(0, sums_B_R.shape[1] - 1)
        return sums_B_R.gather(1, counts_B_S)

    def token_rewards(
        self, sequences: Sequence[Encoded], *, micro_tokens: int = 8192
    ) -> tuple[Tensor, Tensor]:
        """β log π/π₀ of every response token, (B, R) from the left, 0 outside; and the mask (B, R)
        of those there are. Of a trajectory only the assistant's tokens are the response's.

        Differentiable in the policy where gradients are on. Raises `ConfigError` where no token
        stands before a response.
        """
        rows, starts = [np.array(s.ids) for s in sequences], [s.start for s in sequences]
        rewards_B_R = self._rewards(rows, starts, self.engine, micro_tokens)
        own_B_R = own_tokens([len(row) for row in rows], starts, [s.spans for s in sequences])
        mask_B_R = torch.from_numpy(own_B_R).to(rewards_B_R.device)
        return rewards_B_R * mask_B_R, mask_B_R

    def _rewards(
        self, rows: Sequence[Ints], starts: Sequence[int], engine: Engine, micro_tokens: int
    ) -> Tensor:
        """β log π/π₀ of every response token, (B, R); a response without any has none."""
        some = [
            i for i, (row, start) in enumerate(zip(rows, starts, strict=True)) if start < len(row)
        ]
        if not some:
            return torch.zeros(len(rows), 0, device=next(self.parameters()).device)

        def values(policy: Any) -> Tensor:
            there = [rows[i] for i in some], [starts[i] for i in some]
            return log_probabilities(
                policy, *there, micro_tokens=micro_tokens, engine=engine
            ).values_B_R

        with torch.no_grad():
            reference_B_R = values(self.reference)
        rewards_B_R = self.beta * (values(self.network) - reference_B_R)
        if len(some) == len(rows):
            return rewards_B_R
        index = torch.tensor(some, device=rewards_B_R.device)
        return rewards_B_R.new_zeros(len(rows), rewards_B_R.shape[1]).index_copy(
            0, index, rewards_B_R
        )

    def tie(self) -> None:
        """Hold once what both networks have in common; only while the policy's own weights stand
        still (LoRA)."""
        # Adapters put what they adapt a level down.
        policy = {name.replace(".base_layer", ""): p for name, p in self.network.named_parameters()}
        for name, parameter in self.reference.named_parameters():
            if torch.equal(parameter, policy[name]):
                parameter.data = policy[name].data

    def untie(self) -> None:
        """Give the reference its own weights, before the policy's change."""
        for parameter in self.reference.parameters():
            parameter.data = parameter.data.clone()


def check_loss(loss: Loss) -> None:
    """Raise `ConfigError` where a loss trains more than the reward of a whole response."""
    if isinstance(loss, AuxiliaryHeadLoss):
        raise ConfigError(
            f"{type(loss).__name__} trains a second head, and an implicit model has none; train a"
            " head"
        )
    if loss.trains == "process" or loss.reads != "steps":
        raise ConfigError(
            f"{type(loss).__name__} trains values along the response, and an implicit model learns"
            " from its end alone; use outcome (without every-token), bradley-terry or"
            " plackett-luce, or train a head"
        )


def _unpacked(batch: Batch | Shared) -> tuple[list[Ints], Tensor]:
    """Token ids of each sequence, and the read positions (B, S) in it."""
    if isinstance(batch, Shared):
        return batch.rows()
    positions_B_T = batch.mask_B_T.long().cumsum(-1) - 1
    there = zip(batch.ids_B_T.cpu().numpy(), batch.mask_B_T.cpu().numpy(), strict=True)
    return [ids[mask] for ids, mask in there], positions_B_T.gather(1, batch.reads_B_S)
