"""Training with a second head on the same states, which takes up what a feature explains
(`protocols.AuxiliaryHeadLoss`).

What such a loss says of the whole step cannot be split into parts that go through the model one
after another. Its gradient can: a first pass without gradients finds every reward, the loss of
these gives each reward's gradient, and a second pass carries that into the weights. So a step is
the same however it is cut.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from assay.errors import ConfigError
from assay.losses import last, pearson
from assay.models.reward_model import RewardModel
from assay.protocols import AuxiliaryHeadLoss
from assay.training.accuracy import hits
from assay.training.collate import Example, MicroBatch

__all__ = ["TwoHeads", "accumulate", "check"]


class TwoHeads(nn.Module):
    """A reward model as it is, and a second head beside it that nobody saves but a checkpoint."""

    def __init__(self, model: RewardModel, seed: int) -> None:
        super().__init__()
        self.model = model
        like = model.network.score.weight
        self.nuisance = nn.Linear(like.shape[-1], 1, bias=False)
        # Another draw than the first head's own, which may be of the same seed; of the same spread.
        drawn = torch.randn((1, like.shape[-1]), generator=torch.Generator().manual_seed(seed + 1))
        self.nuisance.weight = nn.Parameter((drawn / math.sqrt(like.shape[-1] + 1)).to(like))

    def forward(self, part: MicroBatch) -> Tensor:
        """(2, G, R, S): each head's values."""
        states = self.model.states(part.batch)
        with torch.autocast(states.device.type, enabled=False):
            beside = self.nuisance(states.to(self.nuisance.weight.dtype)).squeeze(-1)
        return torch.stack([part.values(self.model.read(states)), part.values(beside)])

    @property
    def heads(self) -> Tensor:
        """(2, D): the weights of each."""
        own = self.model.network.score.weight
        return torch.cat([(self.model.readout_weights.to(own) @ own)[None], self.nuisance.weight])


def check(
    loss: AuxiliaryHeadLoss,
    examples: Sequence[Example],
    held_out: Sequence[Example],
    batch_size: int,
) -> None:
    """Raise `ConfigError` where a step or the held-out records are too few, or the feature is the
    same everywhere."""
    step = len(examples) // math.ceil(len(examples) / batch_size)
    if step < loss.min_batch or 0 < len(held_out) < loss.min_batch:
        raise ConfigError(
            f"{type(loss).__name__} needs {loss.min_batch} records per step and as many held out,"
            f" or none; a step has {step} (batch_size {batch_size}, {len(examples)} records), and"
            f" {len(held_out)} are held out"
        )
    if len({float(x) for example in examples for x in example.target[2:]}) < 2:
        raise ConfigError(
            "every response has the same feature, and no reward can go with it; choose one that"
            " varies"
        )


def accumulate(
    heads: TwoHeads, parts: Sequence[MicroBatch], loss: AuxiliaryHeadLoss, *, autocast: bool = False
) -> dict[str, float | None]:
    """The loss over all parts together; the first head's accuracy, and each head's correlation with
    the feature.

    Adds the gradient of that loss to the parameters', unless gradients are off.
    """
    device = next(heads.parameters()).device
    learning = torch.is_grad_enabled()
    # One part, or no gradient: the first pass is all there is.
    once = len(parts) == 1 or not learning
    moved = [part.to(device) for part in parts]
    devices = [device] if device.type == "cuda" else []

    def run(part: MicroBatch) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            values: Tensor = heads(part)
            return values

    # Dropout must be the same in both passes.
    with (
        torch.random.fork_rng(devices, enabled=not once),
        torch.set_grad_enabled(learning and once),
    ):
        found = [run(part) for part in moved]
    rewards = torch.cat(
        [last(v, p.mask_G_R_S.expand_as(v)) for v, p in zip(found, moved, strict=True)], dim=1
    )
    rewards = rewards.detach().requires_grad_(learning)
    features = torch.cat([part.targets[:, 2:] for part in moved])
    value = loss.regularizer(rewards, features, heads.heads)
    if learning:
        value.backward()  # type: ignore[no-untyped-call]
    value, right, start = value.detach(), torch.zeros(2, device=device), 0
    total = max(1, sum(part.terms for part in parts))
    for part, seen in zip(moved, found, strict=True):
        values = seen if once else run(part)
        share = loss(values.sum(0), part.targets, part.mask_G_R_S) * (part.terms / total)
        value = value + share.detach()
        if learning:
            assert rewards.grad is not None
            gradient = rewards.grad[:, start : start + len(part.targets)]
            share = share + (last(values, part.mask_G_R_S.expand_as(values)) * gradient).sum()
            share.backward()  # type: ignore[no-untyped-call]
        right += hits(loss, values[0].detach(), part.targets, part.mask_G_R_S)
        start += len(part.targets)
    return {
        "loss": float(value),
        "accuracy": float(right[0] / right[1]) if right[1] else None,
        "feature_correlation": float(pearson(rewards[0].detach(), features)),
        "nuisance_correlation": float(pearson(rewards[1].detach(), features)),
    }
