"""How a model is trained: values shared by every loss."""

import math
from dataclasses import dataclass
from typing import Literal

from assay.errors import ConfigError

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the model is trained."""

    epochs: float = 1.0
    """Passes over the records; fractions are fine."""

    batch_size: int = 32
    """Records per optimiser step."""

    micro_tokens: int = 8192
    """Maximum tokens per forward pass, padding included and a shared prompt counted once. Changes
    memory and speed, not the result; halved when memory runs out."""

    bucket: int = 1
    """Batches among which records are sorted by length. Micro-batches always hold records of like
    length; above 1 whole steps do too, which saves padding where a step is one micro-batch, but
    biases single steps where labels correlate with length."""

    together: int = 1
    """Maximum records of one prompt placed side by side in a batch, where they share the prompt's
    computation; above 1 a step sees fewer prompts. A preference or a ranking is one record and
    always shares its prompt."""

    learning_rate: float = 2e-5
    """Peak learning rate of AdamW; models of under a million parameters want about 1e-3, LoRA about
    1e-4."""

    final_learning_rate_share: float = 0.1
    """Share of the peak at which the cosine schedule ends."""

    warmup: float = 0.03
    """Share of the steps over which the learning rate rises."""

    weight_decay: float = 0.0
    """Decoupled weight decay of matrices; norms and biases have none."""

    clip: float = 1.0
    """Maximum norm of the gradient."""

    autocast: bool = False
    """Matrix products in bf16 while parameters stay as they are."""

    bf16_update: Literal["master", "stochastic"] = "master"
    """Update rule of parameters in bfloat16, whose 8 bits would lose most updates: master = in a
    float32 copy (16 bytes per parameter with gradient and AdamW's moments, as for parameters in
    float32), stochastic = without a copy, rounded up or down at random (12 bytes)."""

    gradient_checkpointing: bool = False
    """Recomputation of activations in the backward pass: less memory, about a third slower."""

    offload: bool = False
    """Weights, gradients and optimiser's state of several processes in the CPUs' memory: less on
    the GPUs, and slower."""

    lora: int = 0
    """Rank of LoRA adapters (alpha is twice that), merged when saved; 0 trains every parameter."""

    eval_every: int | None = None
    """Steps between evaluations on held-out records; none = ten per run."""

    patience: int | None = None
    """Evaluations without a lower held-out loss after which training stops; none = never. The best
    weights are kept."""

    checkpoint_every: int | None = None
    """Steps between checkpoints, from which a killed run resumes exactly; none = 100, or a tenth of
    the run where that is less."""

    seed: int = 0
    """Seed of the order of the records and of dropout."""

    def __post_init__(self) -> None:
        positive = (
            "epochs",
            "batch_size",
            "micro_tokens",
            "bucket",
            "together",
            "learning_rate",
            "clip",
        )
        for name in positive:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0")
        if math.inf in (self.epochs, self.learning_rate):
            raise ConfigError("epochs and learning_rate must be finite")
        for name in ("eval_every", "patience", "checkpoint_every"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more, or none")
        if not (0 <= self.warmup <= 1 and 0 <= self.final_learning_rate_share <= 1):
            raise ConfigError("warmup and final_learning_rate_share are shares, from 0 to 1")
        for name in ("lora", "weight_decay", "seed"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 0 or more")
