"""How a policy is trained: values. PPO, GRPO and the others are settings of one loop, listed in `RECIPES`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from assay.errors import ConfigError
from assay.rl.kl import Estimator, KLPlace, check
from assay.rl.objectives import Reduction

__all__ = ["RECIPES", "Advantage", "Settings"]

Advantage = Literal["rloo", "grpo", "dr_grpo", "reinforce_plus_plus", "gae", "grpo_process", "token_rloo", "progress"]

PROCESS: Final[frozenset[Advantage]] = frozenset({"grpo_process", "token_rloo", "progress"})
"""These treat step rewards by themselves; what whole responses earn is added by leave-one-out."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the policy is trained."""

    steps: int = 100
    """Rounds of sampling, scoring and learning."""

    groups: int = 16
    """Prompts a step."""

    samples: int = 8
    """Responses to each: a group."""

    max_tokens: int = 256
    """Longest response, in tokens."""

    temperature: float = 1.0
    """Of the samples; log-probabilities are taken at the same one."""

    top_p: float = 1.0
    """Below 1, samples no longer come from the distribution that is trained: the run warns."""

    learning_rate: float = 1e-6
    """Of AdamW; models of under a million parameters want about 4e-4, LoRA about 1e-5 to 1e-4."""

    warmup: int = 0
    """Steps over which the learning rate rises."""

    weight_decay: float = 0.0
    """Decoupled weight decay."""

    clip: float = 1.0
    """Largest norm of the gradient."""

    bf16_update: Literal["master", "stochastic"] = "master"
    """How parameters in bfloat16 are updated, whose 8 bits would lose most updates: master = in a float32 copy (16
    bytes per parameter with gradient and AdamW's moments, as for parameters in float32), stochastic = without a copy,
    rounded up or down at random (12 bytes)."""

    advantage: Advantage = "rloo"
    """How much better a token was than expected (see `rl.advantages`)."""

    whiten: Literal["no", "scale", "full"] = "no"
    """Divide advantages by their standard deviation over the batch (scale), their mean taken off first (full)."""

    discount: float = 1.0
    """γ of returns from a token on."""

    gae_decay: float = 0.95
    """λ of GAE: 1 trusts the rewards, 0 the value head."""

    reduction: Reduction = "token"
    """How tokens weigh in the loss (see `rl.objectives`)."""

    importance: Literal["token", "sequence"] = "token"
    """Whether ratios are of tokens or of whole responses (GSPO)."""

    clip_low: float = 0.2
    """Ratios below 1 minus this gain nothing."""

    clip_high: float = 0.2
    """Ratios above 1 plus this gain nothing."""

    dual_clip: float | None = None
    """Bound on the loss of bad tokens that became likelier, such as 3."""

    epochs: int = 1
    """Passes over each step's samples."""

    minibatches: int = 1
    """Updates a pass."""

    kl: float = 0.0
    """β, the price of a nat of divergence from the policy as it was."""

    kl_estimator: Estimator = "k1"
    """How the divergence is estimated; with its place it decides the gradient (see `rl.kl`)."""

    kl_place: KLPlace = "reward"
    """Where it is charged."""

    kl_target: float | None = None
    """Nats a response to hold, by adapting β; none holds β."""

    kl_horizon: float = 10_000
    """Responses over which β may change by about a fifth."""

    kl_budget: float | None = None
    """Stop once the divergence a response passes this many nats."""

    chi2: float = 0.0
    """Price of √χ² between whole responses: it holds back rare responses that became very likely, which KL hardly sees
    (arXiv:2403.03185); about 1e-3 to 1 times the reward's standard deviation."""

    drop_equal: bool = False
    """Leave out groups whose responses all earn the same: they teach nothing (DAPO)."""

    refill: int = 0
    """Where groups were left out, sample other prompts in their place, so many times at most."""

    value_coefficient: float = 0.1
    """Weight of the value head's loss."""

    value_clip: float | None = 0.2
    """How far a value may move in an update."""

    watch_every: int = 10
    """Steps between looks at the held-out prompts, where gold scorers are asked."""

    watch_prompts: int = 128
    """Held-out prompts looked at."""

    watch_samples: int = 4
    """Responses to each."""

    checkpoint_every: int = 20
    """Steps between checkpoints, from which a killed run goes on exactly."""

    micro_tokens: int = 16_384
    """Most tokens in a forward pass; changes memory and speed, not the result."""

    score_timeout: float | None = 600.0
    """Seconds a scorer may take for a step's responses."""

    seed: int = 0
    """Decides the order of the prompts and the samples."""

    def __post_init__(self) -> None:
        sizes = ("steps", "groups", "samples", "max_tokens", "epochs", "minibatches", "micro_tokens")
        looks = ("watch_every", "watch_prompts", "watch_samples", "checkpoint_every")
        for name in (*sizes, *looks, "temperature", "learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("kl", "chi2", "clip_low", "clip_high", "weight_decay", "warmup", "refill", "value_coefficient"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        for name in ("kl_target", "kl_horizon", "kl_budget", "score_timeout", "dual_clip", "value_clip"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is {value}; it must be above 0, or none")
        if not 0 < self.top_p <= 1 or not 0 <= self.gae_decay <= 1 or not 0 < self.discount <= 1:
            raise ConfigError("top_p and discount are in (0, 1], gae_decay in [0, 1]")
        if self.minibatches > self.groups:
            raise ConfigError(f"{self.minibatches} minibatches of {self.groups} groups; a group is not cut in two")
        if self.kl:
            check(self.kl_estimator, self.kl_place)
        if self.kl and self.kl_place == "reward" and self.advantage in PROCESS:
            raise ConfigError(
                f"{self.advantage} normalises step rewards by themselves, and a charge a token would be one of them; "
                "put the divergence into the loss: kl_place loss with kl_estimator k2 or exact"
            )
        if self.advantage not in ("gae", "reinforce_plus_plus") and self.samples < 2:
            raise ConfigError(f"{self.advantage} compares the responses to one prompt; samples must be at least 2")

    @property
    def normalised(self) -> bool:
        """Whether advantages are divided by a standard deviation."""
        return self.whiten != "no" or self.advantage in ("grpo", "grpo_process", "reinforce_plus_plus")

    @property
    def updates(self) -> int:
        """Optimiser steps a round."""
        return self.epochs * self.minibatches


_BASE = Settings()

RECIPES: Final[Mapping[str, Settings]] = {
    "rloo": replace(_BASE, reduction="sum", kl=0.05),
    "grpo": replace(
        _BASE, advantage="grpo", reduction="sequence", kl=0.04, kl_estimator="k3", kl_place="loss_with_ratio"
    ),
    "dr-grpo": replace(_BASE, advantage="dr_grpo", reduction="constant"),
    "dapo": replace(_BASE, advantage="grpo", clip_high=0.28, drop_equal=True, refill=2, minibatches=2),
    "ppo": replace(
        _BASE, advantage="gae", whiten="full", kl=0.05, kl_target=6.0, epochs=4, minibatches=4, samples=2, groups=64
    ),
    "reinforce++": replace(_BASE, advantage="reinforce_plus_plus", kl=0.01),
    "grpo-process": replace(
        _BASE, advantage="grpo_process", reduction="sequence", kl=0.04, kl_estimator="exact", kl_place="loss"
    ),
    "pure": replace(_BASE, advantage="token_rloo", kl=0.01, kl_estimator="exact", kl_place="loss"),
    "pav": replace(_BASE, advantage="progress", kl=0.01, kl_estimator="exact", kl_place="loss"),
}
"""What the field's names mean here, each with its usual settings; what they leave open is the default."""
