"""The divergence of whole responses in closed form: L tokens, each a softmax of its own, every
sequence summed up."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assay.rl.kl import estimate
from assay.rl.settings import Settings
from assay.rl.update import token_losses

WORDS = 3
BASE = Settings(kl=1.0, minibatches=2)
NAMES = {
    ("k1", "reward"): {"reverse": 1},
    ("k2", "reward"): {"square": 1, "reverse": -1},
    ("k3", "reward"): {"reverse": 1, "forward": -1},
    ("k2", "loss"): {"reverse": 1},
    ("k3", "loss"): {"forward": 1},
    ("exact", "loss"): {"reverse": 1},
    ("k1", "loss_with_ratio"): {"reverse": 1},
    ("k2", "loss_with_ratio"): {"square": 1},
    ("k3", "loss_with_ratio"): {"reverse": 1},
    ("exact", "loss_with_ratio"): {"reverse": 1},
}
"""The table of `docs/explain/rl.md`."""


class World:
    """Logits (L, V) of the policy, and log-probabilities of the reference and of the policy that
    sampled."""

    def __init__(self, length: int, moved: float) -> None:
        generator = torch.Generator().manual_seed(length)
        draw = torch.randn(3, length, WORDS, dtype=torch.float64, generator=generator)
        self.logits = draw[0].clone().requires_grad_()
        self.reference = draw[1].log_softmax(-1)
        self.log = self.logits.log_softmax(-1)
        self.old = (draw[0] + moved * draw[2]).log_softmax(-1)
        self.tokens = torch.tensor([*itertools.product(range(WORDS), repeat=length)])
        self.length = length

    def of_tokens(self, log_T_V: Tensor) -> Tensor:
        return log_T_V[torch.arange(self.length), self.tokens]

    def gradient(self, value: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(value, self.logits, retain_graph=True)
        return found

    def expected(self, signs: dict[str, int]) -> Tensor:
        """Of the mean over tokens of what the table names, by autograd of the exact quantity."""
        log, reference = self.log, self.reference
        of = {
            "reverse": (log.exp() * (log - reference)).sum(),
            "forward": (reference.exp() * (reference - log)).sum(),
            "square": (log.exp() * (log - reference).square() / 2).sum(),
        }
        return sum(
            (sign * self.gradient(of[name] / self.length) for name, sign in signs.items()),
            torch.zeros(()),
        )

    def charged(self, settings: Settings) -> Tensor:
        """Gradient of the expected loss over samples of the old policy, each token weighing 1 /
        L."""
        log, old, reference = map(self.of_tokens, (self.log, self.old, self.reference))
        advantages, exact = (
            torch.zeros_like(log),
            (self.log.exp() * (self.log - self.reference)).sum(-1),
        )
        if settings.kl_place == "reward":
            k = estimate(settings.kl_estimator, (old - reference)).sum(-1, keepdim=True)  # type: ignore[arg-type]
            advantages = -k.expand_as(log)
        mask = torch.ones_like(log, dtype=torch.bool)
        term, charge, _ = token_losses(
            settings, log, old, reference, exact.expand_as(log), advantages, mask
        )
        whole = term if charge is None else term + charge
        return self.gradient((old.sum(-1).exp() * whole.mean(-1)).sum())


@pytest.mark.owed
@pytest.mark.parametrize("length", [1, 2, 4])
@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize(("estimator", "place"), [*NAMES])
def test_every_cell_of_the_table_at_either_level(
    estimator: Any, place: Any, level: Any, length: int
) -> None:
    world = World(length, moved=0.0)
    settings = replace(BASE, kl_estimator=estimator, kl_place=place, importance=level)
    expected = world.expected(NAMES[estimator, place])
    torch.testing.assert_close(world.charged(settings), expected, rtol=0, atol=1e-10)
    assert float(expected.abs().max()) > 1e-3


@pytest.mark.owed
@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_off_policy_a_token_is_charged_by_its_own_ratio(estimator: Any, level: Any) -> None:
    """E_old[ρ k] is E_π[k], gradients too, whatever the ratio that weighs advantages."""
    world = World(3, moved=0.7)
    settings = replace(BASE, kl_estimator=estimator, kl_place="loss_with_ratio", importance=level)
    expected = world.expected(NAMES[estimator, "loss_with_ratio"])
    torch.testing.assert_close(world.charged(settings), expected, rtol=0, atol=1e-10)


def test_nothing_is_charged_outside_the_mask_or_in_the_reward() -> None:
    log = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, True, False], [True, False, False]])
    wild = torch.where(mask, 0.0, torch.nan)
    settings = replace(BASE, kl_estimator="k3", kl_place="loss_with_ratio", importance="sequence")
    term, charge, _ = token_losses(
        settings, log + wild, log, log - 0.5, None, torch.ones_like(log), mask
    )
    assert charge is not None
    assert (term[~mask] == 0).all()
    assert (charge[~mask] == 0).all()
    assert (charge[mask] > 0).all()
    assert token_losses(BASE, log, None, None, None, torch.ones_like(log), mask)[1] is None
