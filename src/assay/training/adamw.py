"""AdamW for weights in any precision, so that weights in bf16 move.

A bf16 weight has 8 bits of mantissa: an update below about 1/256 of the weight is lost where it is
rounded to the nearest, and at the usual learning rates most updates are that small. So AdamW steps
in fp32 here, and either

* master: an fp32 copy of each bf16 weight takes the updates, and the weight is that copy rounded
(arXiv:1710.03740), or
* stochastic: there is no copy, and the sum is rounded up or down at random, so that its mean is
  what it would have been (arXiv:2010.06192). The randomness is a function of the seed and the step,
  so a resumed run needs no random state; several processes that hold parts of a weight draw for the
  whole of it, so it does not depend on how many they are.

Moments are in fp32 in both. Weights in fp32 or float64 are stepped by PyTorch's own AdamW, as if
this were it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn

from assay.errors import ConfigError
from assay.training.sharding import like, local

__all__ = ["AdamW", "Bf16Update", "Memory", "memory_of", "parameters_of", "round_at_random"]

Bf16Update = Literal["master", "stochastic"]

MOMENTS = 8
"""Bytes of AdamW's two moments per parameter; in fp32 whatever the weights are in, but float64."""


def parameters_of(optimiser: torch.optim.Optimizer) -> list[Any]:
    """Return the parameters of all groups, in order."""
    return list(chain.from_iterable(group["params"] for group in optimiser.param_groups))


class AdamW(torch.optim.AdamW):
    """AdamW (arXiv:1711.05101) on parameters in fp32, float64 or bf16.

    With g the gradient, t the step, η the learning rate and λ the weight decay,

        m = β₁ m + (1 - β₁) g,   v = β₂ v + (1 - β₂) g²,   w = (1 - ηλ) w - η m / (1 - β₁ᵗ) / (√(v /
        (1 - β₂ᵗ)) + ε).

    Raises `ConfigError` for parameters in fp16, whose gradients need a scaled loss, and where
    stochastic rounding is asked for and no parameter is in bf16.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        *,
        lr: float,
        weight_decay: float = 0.0,
        bf16_update: Bf16Update = "master",
        seed: int = 0,
        fused: bool | None = True,
    ) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, fused=fused)
        check(parameters_of(self), bf16_update)
        self.bf16_update, self.seed = bf16_update, seed

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move every parameter that has a gradient."""
        low = []
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.dtype == torch.bfloat16 and p.grad is not None]
            low += [(group, p, p.grad) for p in moved]
        # PyTorch passes over parameters without a gradient.
        for _, p, _ in low:
            p.grad = None
        loss = super().step(closure)
        noise: dict[torch.device, torch.Generator] = {}
        for group, p, gradient in low:
            p.grad = gradient
            self._step(group, p, gradient, noise)
        return loss

    def _step(
        self,
        group: Mapping[str, Any],
        p: Tensor,
        gradient: Tensor,
        noise: dict[torch.device, torch.Generator],
    ) -> None:
        """The step of one parameter in bf16; `noise`: generators of this step, by device."""
        state = self.state[p]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(p, dtype=torch.float32)
            state["exp_avg_sq"] = torch.zeros_like(p, dtype=torch.float32)
            if self.bf16_update == "master":
                state["master"] = p.detach().float()
        state["step"] += 1
        step, rate, (beta1, beta2) = int(state["step"]), float(group["lr"]), group["betas"]
        gradient = local(gradient).float()
        first = local(state["exp_avg"]).lerp_(gradient, 1 - beta1)
        second = (
            local(state["exp_avg_sq"]).mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        )
        weight = local(state["master"]) if "master" in state else local(p).float()
        weight.mul_(1 - rate * group["weight_decay"])
        scale = second.sqrt().div_((1 - beta2**step) ** 0.5).add_(group["eps"])
        weight.addcdiv_(first, scale, value=-rate / (1 - beta1**step))
        if "master" not in state:
            if p.device not in noise:
                # Another stream than dropout's, which is a function of the same two numbers.
                noise[p.device] = torch.Generator(p.device).manual_seed(
                    (self.seed * 1_000_003 + step) ^ 0x5EED
                )
            weight = _round(weight, like(p, _noise(p, noise[p.device])))
        local(p).copy_(weight)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put a saved state back, in the precision that it was saved in."""
        super().load_state_dict(state_dict)
        # PyTorch rounds what it holds of a parameter to the parameter's own precision.
        parameters = parameters_of(self)
        for index, held in state_dict["state"].items():
            p = parameters[index]
            if p.dtype == torch.bfloat16:
                self.state[p] = {
                    k: v.clone() if k == "step" else v.to(p.device, copy=True)
                    for k, v in held.items()
                }


def check(parameters: Iterable[Tensor], bf16_update: Bf16Update) -> None:
    """Raise `ConfigError` for a precision that cannot be trained in, or a choice that changes
    nothing."""
    if bf16_update not in ("master", "stochastic"):
        raise ConfigError(f"bf16_update is {bf16_update!r}; it is master or stochastic")
    precisions = {p.dtype for p in parameters}
    if torch.float16 in precisions:
        raise ConfigError(
            "the parameters are in float16, whose small gradients vanish unless the loss is scaled;"
            " train in float32, with autocast if it is too slow, or in bfloat16"
        )
    if bf16_update == "stochastic" and torch.bfloat16 not in precisions:
        raise ConfigError(
            "bf16_update is stochastic, and no parameter that is trained is in bfloat16 (LoRA"
            " adapters and heads are in float32); leave it out, or train all parameters in bfloat16"
        )


def round_at_random(x: Tensor, generator: torch.Generator) -> Tensor:
    """fp32 values rounded to bf16, up or down with the probability that leaves their mean as it
    is."""
    return _round(x, _noise(x, generator))


def _noise(x: Tensor, generator: torch.Generator) -> Tensor:
    """What is added to the second halves of values of this shape."""
    return torch.randint(1 << 16, x.shape, dtype=torch.int32, device=x.device, generator=generator)


def _round(x: Tensor, noise: Tensor) -> Tensor:
    # A bf16 number is the first half of an fp32 one: noise in the other half carries over as often
    # as that is large.
    bits = (x.contiguous().view(torch.int32) + local(noise)) & -(1 << 16)
    return bits.view(torch.float32).to(torch.bfloat16)


@dataclass(frozen=True)
class Memory:
    """What training holds for as long as it lasts: weights, gradients and AdamW's state, but no
    activations."""

    trained: int
    """Parameters that are trained."""
    precision: str
    """Precision of most of them, and how they are updated."""
    bytes_per_parameter: float
    """For one that is trained, on average."""
    gigabytes: float
    """In all, with the weights that stand still."""

    def row(self) -> dict[str, Any]:
        """The same for a run's files."""
        return {
            "trained_parameters": self.trained,
            "precision": self.precision,
            "bytes_per_parameter": self.bytes_per_parameter,
            "gigabytes_without_activations": self.gigabytes,
        }

    def said(self) -> str:
        """The same in a line."""
        return (
            f"training {self.trained:,} parameters in {self.precision}:"
            f" {self.bytes_per_parameter:g} bytes each, {self.gigabytes:.3g} GB in all without"
            " activations"
        )


def memory_of(parameters: Iterable[nn.Parameter], bf16_update: Bf16Update) -> Memory:
    """What training some parameters holds; those that require no gradient stand still.

    Bytes of a weight, its gradient, its master copy and its moments: 4 + 4 + 0 + 8 = 16 in float32,
    2 + 2 + 4 + 8 = 16 in bfloat16 with master weights, 2 + 2 + 0 + 8 = 12 with stochastic rounding.
    """
    counts: dict[torch.dtype, int] = {}
    trained_bytes, frozen_bytes = 0, 0
    held: set[int] = set()
    for p in parameters:
        if not p.requires_grad:
            # What a reference has in common with the policy is held once.
            frozen_bytes += 0 if p.data_ptr() in held else p.numel() * p.element_size()
            held.add(p.data_ptr())
            continue
        counts[p.dtype] = counts.get(p.dtype, 0) + p.numel()
        master = 4 if p.dtype == torch.bfloat16 and bf16_update == "master" else 0
        moments = max(MOMENTS, 2 * p.element_size())
        trained_bytes += p.numel() * (2 * p.element_size() + master + moments)
    trained = sum(counts.values())
    most = max(counts, key=lambda dtype: counts[dtype], default=torch.float32)
    how = {
        "master": "float32 master weights (stochastic rounding: 12 bytes)",
        "stochastic": "stochastic rounding",
    }
    precision = str(most).removeprefix("torch.")
    if most == torch.bfloat16:
        precision += f" with {how[bf16_update]}"
    return Memory(
        trained,
        precision,
        round(trained_bytes / max(1, trained), 2),
        (trained_bytes + frozen_bytes) / 1e9,
    )
