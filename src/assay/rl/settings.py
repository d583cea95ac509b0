"""Settings of a policy's training. PPO, GRPO and the others are settings of one loop, listed in
`RECIPES`."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from assay.errors import ConfigError
from assay.rl.combining import FLOOR, SHRINKAGE, Combine, Missing
from assay.rl.kl import Estimator, KLPlace, check
from assay.rl.objectives import Reduction

__all__ = ["RECIPES", "Advantage", "Settings"]

Advantage = Literal[
    "rloo",
    "grpo",
    "dr_grpo",
    "reinforce_plus_plus",
    "gae",
    "grpo_process",
    "token_rloo",
    "progress",
]

PROCESS: Final[frozenset[Advantage]] = frozenset({"grpo_process", "token_rloo", "progress"})
"""These treat step rewards by themselves; what whole responses earn is added by leave-one-out."""

DISCOUNTED: Final[frozenset[Advantage]] = frozenset({"gae", "reinforce_plus_plus", "token_rloo"})
"""These sum up what is still to come at a token."""

GRPO: Final[Mapping[str, Any]] = {
    "advantage": "grpo",
    "reduction": "sequence",
    "kl": 0.04,
    "kl_estimator": "k3",
    "kl_place": "loss_with_ratio",
}

CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "rloo": {"reduction": "sum", "kl": 0.05},
    "grpo": GRPO,
    "gdpo": {**GRPO, "combine": "gdpo", "whiten": "full"},
    "dr-grpo": {"advantage": "dr_grpo", "reduction": "constant"},
    "dapo": {
        "advantage": "grpo",
        "clip_high": 0.28,
        "drop_equal": True,
        "refill": 2,
        "minibatches": 2,
    },
    "ppo": {
        "advantage": "gae",
        "whiten": "full",
        "kl": 0.05,
        "kl_target": 6.0,
        "epochs": 4,
        "minibatches": 4,
        "samples": 2,
        "groups": 64,
    },
    "reinforce++": {"advantage": "reinforce_plus_plus", "kl": 0.01},
    "grpo-process": {
        "advantage": "grpo_process",
        "reduction": "sequence",
        "kl": 0.04,
        "kl_estimator": "exact",
        "kl_place": "loss",
    },
    "pure": {"advantage": "token_rloo", "kl": 0.01, "kl_estimator": "exact", "kl_place": "loss"},
    "pav": {"advantage": "progress", "kl": 0.01, "kl_estimator": "exact", "kl_place": "loss"},
}
"""What each recipe sets; what it leaves open is the default."""

LEAST: Final[Sequence[tuple[str, Callable[[float, float], bool], str]]] = (
    (
        "steps groups samples max_tokens epochs minibatches micro_tokens"
        " watch_every watch_prompts watch_samples checkpoint_every temperature learning_rate clip",
        operator.gt,
        "above 0",
    ),
    ("kl chi2 clip_low clip_high weight_decay warmup refill seed", operator.ge, "0 or more"),
    ("spread_floor shrinkage", operator.ge, "0 or more"),
    (
        "kl_target kl_horizon kl_budget score_timeout dual_clip value_clip",
        operator.gt,
        "above 0, or none",
    ),
)
"""Settings, and how they must compare with 0."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of the loop."""

    steps: int = 100
    """Rounds of sampling, scoring and learning."""

    groups: int = 16
    """Prompts per optimiser step."""

    samples: int = 8
    """Responses per prompt (the group size)."""

    max_tokens: int = 256
    """Length limit of a response, in tokens; of a trajectory with the environment's answers."""

    temperature: float = 1.0
    """Sampling temperature; log-probabilities are taken at the same one."""

    top_p: float = 1.0
    """Nucleus sampling threshold. Below 1, samples no longer come from the distribution that is
    trained: the run warns."""

    learning_rate: float = 1e-6
    """AdamW learning rate; models of under a million parameters want about 4e-4, LoRA about 1e-5 to
    1e-4."""

    warmup: int = 0
    """Warm-up steps of the learning rate."""

    weight_decay: float = 0.0
    """Decoupled weight decay of AdamW."""

    clip: float = 1.0
    """Gradient norm limit."""

    bf16_update: Literal["master", "stochastic"] = "master"
    """Update of parameters in bfloat16, whose 8 bits would lose most updates: master = in a
    float32 copy (16 bytes per parameter with gradient and AdamW's moments, as for parameters in
    float32), stochastic = without a copy, rounded up or down at random (12 bytes)."""

    gradient_checkpointing: bool = False
    """Recomputation of activations in the backward pass: less memory, about a third slower; the
    result is the same."""

    advantage: Advantage = "rloo"
    """Advantage estimator (see `rl.advantages`)."""

    whiten: Literal["no", "scale", "full"] = "no"
    """Whitening of advantages over the batch: scale = divided by their standard deviation, full =
    their mean subtracted first."""

    combine: Combine = "sum"
    """Combination of the reward's parts: sum, gdpo = each normalised within its group first
    (arXiv:2601.05242), whitened = what two parts both say counts once (arXiv:2605.13641)."""

    spread_floor: float = FLOOR
    """Least spread that gdpo divides a part by, as a share of its usual one within groups."""

    shrinkage: float = SHRINKAGE
    """Share of the parts' covariances that whitening does not believe, from 0 to 1."""

    missing: Missing = "drop"
    """Treatment of responses that a part could not score: drop = left out and counted, partial =
    compared by the parts that they have. Without a gate's score they are left out."""

    discount: float = 1.0
    """Discount factor γ of the returns."""

    gae_decay: float = 0.95
    """GAE decay λ: 1 trusts the rewards, 0 the value head."""

    reduction: Reduction = "token"
    """Weights of tokens in the loss (see `rl.objectives`)."""

    importance: Literal["token", "sequence"] = "token"
    """Level of the importance ratios: tokens, or whole responses (GSPO)."""

    clip_low: float = 0.2
    """Lower clip range: ratios below 1 minus this gain nothing."""

    clip_high: float = 0.2
    """Upper clip range: ratios above 1 plus this gain nothing."""

    dual_clip: float | None = None
    """Bound on the loss of bad tokens that became likelier, such as 3."""

    epochs: int = 1
    """Passes over each step's samples."""

    minibatches: int = 1
    """Optimiser steps per pass."""

    kl: float = 0.0
    """KL coefficient β: price per nat of divergence from the reference policy."""

    kl_estimator: Estimator = "k1"
    """KL estimator; with its place it decides the gradient (see `rl.kl`)."""

    kl_place: KLPlace = "reward"
    """Place of the KL charge: reward or loss."""

    kl_target: float | None = None
    """Target KL in nats per response, held by adapting β; none = β is constant."""

    kl_horizon: float = 10_000
    """Responses over which β may change by about a fifth."""

    kl_budget: float | None = None
    """KL budget: the run stops once the divergence passes this many nats per response."""

    chi2: float = 0.0
    """χ² coefficient: price of √χ² between whole responses. It holds back rare responses that
    became very likely, which KL hardly sees (arXiv:2403.03185); about 1e-3 to 1 times the reward's
    standard deviation."""

    drop_equal: bool = False
    """Filter for groups whose responses all have the same raw score, before any transform: they
    teach nothing (DAPO)."""

    refill: int = 0
    """Attempts at replacing groups that were left out by other prompts."""

    critic_learning_rate: float = 0.5
    """Learning rate of the value head, whatever the size of rewards and model: the share of a
    token's error that one update takes away, about; below 1."""

    value_clip: float | None = None
    """Clip range of values in an update, in units of the reward; none = no clipping."""

    watch_every: int = 10
    """Steps between evaluations of the held-out prompts by proxy and gold scorers."""

    watch_prompts: int = 128
    """Held-out prompts per evaluation."""

    watch_samples: int = 4
    """Responses per held-out prompt."""

    checkpoint_every: int = 20
    """Steps between checkpoints, from which a killed run resumes exactly."""

    micro_tokens: int = 16_384
    """Token limit of a forward pass; it changes memory and speed, not the result."""

    score_timeout: float | None = 600.0
    """Time limit in seconds for a scorer's answer to a step's responses."""

    seed: int = 0
    """Seed of the order of prompts and of sampling."""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"{one.name} is {value}; give a number")
        for names, enough, least in LEAST:
            for name in names.split():
                value = getattr(self, name)
                if value is not None and not enough(value, 0):
                    raise ConfigError(f"{name} is {value}; it must be {least}")
        if not 0 < self.top_p <= 1 or not 0 < self.discount <= 1:
            raise ConfigError("top_p and discount are in (0, 1]")
        if not 0 <= self.gae_decay <= 1 or self.shrinkage > 1:
            raise ConfigError("gae_decay and shrinkage are in [0, 1]")
        if not 0 < self.critic_learning_rate < 1:
            raise ConfigError(
                f"critic_learning_rate is {self.critic_learning_rate}; it must be above 0 and"
                " below 1"
            )
        if self.dual_clip is not None and not self.dual_clip > 1:
            raise ConfigError(f"dual_clip is {self.dual_clip}; it must be above 1, such as 3")
        self._check_together()
        if idle := self._idle():
            raise ConfigError("; ".join(idle))

    def _check_together(self) -> None:
        """Refuse settings that do not go with each other."""
        if self.minibatches > self.groups:
            raise ConfigError(
                f"{self.minibatches} minibatches of {self.groups} groups; a group is not cut in two"
            )
        if self.kl:
            check(self.kl_estimator, self.kl_place)
        if self.kl and self.kl_place == "reward" and self.advantage in PROCESS:
            raise ConfigError(
                f"{self.advantage} normalises step rewards by themselves, and a charge a token"
                " would be one of them; put the divergence into the loss: kl_place loss with"
                " kl_estimator k2 or exact"
            )
        self._check_parts()
        alone = self.advantage not in ("gae", "reinforce_plus_plus") or self.drop_equal
        if alone and self.samples < 2:
            what = "drop_equal" if self.drop_equal else self.advantage
            raise ConfigError(
                f"{what} compares the responses to one prompt; samples must be at least 2"
            )

    def _check_parts(self) -> None:
        """Refuse what cannot be done with several parts of a reward."""
        charged = self.kl and self.kl_place == "reward"
        if self.combine != "sum" and (self.advantage != "grpo" or charged or self.chi2):
            raise ConfigError(
                f"combine {self.combine} compares whole responses part by part: it needs advantage"
                " grpo, the divergence in the loss (kl_place loss or loss_with_ratio), and no chi2"
            )
        if self.missing == "partial" and self.stepwise:
            raise ConfigError(
                f"missing partial compares whole responses, and {self.advantage} pays steps; use"
                " rloo, grpo or dr_grpo, or missing drop"
            )

    def _idle(self) -> list[str]:
        """Settings that would do nothing, each as a sentence.

        A value that the recipe has is not taken for one that somebody asked for: `ppo` without a
        price on divergence need not give up its target, too. Settings do not know their recipe; the
        ones with their advantage and filter are taken for it.
        """
        kin = [
            c
            for c in CHANGES.values()
            if (c.get("advantage", "rloo"), c.get("drop_equal", False)) == self._kind
        ]
        idle = []
        for names, why in self._without_use():
            for name in names:
                default = type(self).__dataclass_fields__[name].default
                value = getattr(self, name)
                if value not in {default, *(c.get(name, default) for c in kin)}:
                    idle.append(
                        f"{name} {value} does nothing for {self.advantage} {why}; leave it at"
                        f" {default}"
                    )
        return idle

    @property
    def _valued(self) -> bool:
        return self.advantage == "gae"

    @property
    def _kind(self) -> tuple[Advantage, bool]:
        return self.advantage, self.drop_equal

    def _without_use(self) -> list[tuple[tuple[str, ...], str]]:
        """Settings without use beside the others, with the reason."""
        idle: list[tuple[tuple[str, ...], str]] = []
        if not self.kl:
            idle.append(
                (("kl_target", "kl_estimator", "kl_place"), "where kl is 0: nothing is charged")
            )
        if self.kl_target is None or not self.kl:
            idle.append((("kl_horizon",), "where no kl_target is held"))
        if self.advantage not in DISCOUNTED:
            idle.append(
                (("discount",), f"(only {', '.join(sorted(DISCOUNTED))} sum up what is to come)")
            )
        if not self._valued:
            idle.append(
                (("gae_decay", "critic_learning_rate", "value_clip"), "(only gae has a value head)")
            )
        if self.advantage == "reinforce_plus_plus":
            idle.append((("whiten",), "(it whitens its returns already)"))
        if self.combine != "gdpo":
            idle.append((("spread_floor",), f"where combine is {self.combine}"))
        if self.combine != "whitened":
            idle.append((("shrinkage",), f"where combine is {self.combine}"))
        if not self.drop_equal:
            idle.append((("refill",), "without drop_equal: no group is left out"))
        if self.updates == 1:
            why = "with one update a round (epochs 1, minibatches 1): every ratio is 1"
            idle.append(
                (
                    (
                        "clip_low",
                        "clip_high",
                        "dual_clip",
                        *(["value_clip"] if self._valued else []),
                    ),
                    why,
                )
            )
        return idle

    @property
    def normalised(self) -> bool:
        """True where advantages are divided by a standard deviation."""
        return self.whiten != "no" or self.advantage in (
            "grpo",
            "grpo_process",
            "reinforce_plus_plus",
        )

    @property
    def stepwise(self) -> bool:
        """True where advantages depend on when in a response a reward is earned."""
        return self.advantage in PROCESS or self.advantage in DISCOUNTED

    @property
    def updates(self) -> int:
        """Optimiser steps per round."""
        return self.epochs * self.minibatches


RECIPES: Final[Mapping[str, Settings]] = {
    name: Settings(**changes) for name, changes in CHANGES.items()
}
"""What the field's names mean here, each with its usual settings; what they leave open is the
default."""
