"""Jobs that can be planned, in numbers: what is run on what, and how much of it."""

from dataclasses import dataclass
from typing import Literal

from assay.models.lowbit import Weights

__all__ = ["Job", "Label", "Rl", "Score", "Train", "Training"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all jobs say: a model, and what it runs on."""

    model: str = "8b"
    """Folder of a model, or a shape: 135m, 0.5b, 1b, 3b, 8b, 32b, 70b."""
    gpu: str = "h100"
    """GPU: a100-80, h100, h200, b200, l40s, 4090."""
    gpus: int = 1
    """GPUs in all."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Precision of the parameters."""
    utilisation: float = 0.4
    """Share of the GPU's peak that passes reach: an assumption, above 0 and up to 1."""
    price: float | None = None
    """Price of a GPU for an hour."""


@dataclass(frozen=True, kw_only=True)
class Training(Job):
    """What all trainings say; weights are cut among the GPUs."""

    records: int = 100_000
    """Records: pairs, groups or labelled solutions."""
    prompt: int = 512
    """Tokens of a prompt, which the responses share."""
    response: int = 512
    """Tokens of a response."""
    responses: int = 2
    """Responses per record."""
    epochs: float = 1.0
    """Passes over the records."""
    micro_tokens: int = 8192
    """Most tokens of a pass."""
    bf16_update: Literal["master", "stochastic"] = "master"
    """Update rule of parameters in bfloat16."""
    gradient_checkpointing: bool = False
    """Recomputation of activations in the backward pass."""
    lora: int = 0
    """Rank of adapters; 0 trains every parameter."""
    tokens_per_second: float | None = None
    """Measured tokens per second and GPU of training, in place of the share of a peak: what a
    run's metrics.jsonl has, over its number of GPUs."""


@dataclass(frozen=True, kw_only=True)
class Train(Training):
    """Plan the training of a reward model on groups of responses, weights cut among the GPUs."""

    autocast: bool = False
    """Matrix products in bf16 while parameters stay as they are."""


@dataclass(frozen=True, kw_only=True)
class Score(Job):
    """Plan the scoring of responses, those to one prompt together, by copies of a model."""

    records: int = 1_000_000
    """Groups of responses to one prompt."""
    prompt: int = 512
    """Tokens of a prompt."""
    response: int = 512
    """Tokens of a response."""
    responses: int = 1
    """Responses per prompt."""
    micro_tokens: int = 8192
    """Most tokens of a pass."""
    weights: Weights = "saved"
    """Form of the matrices' numbers: saved, int8, int4 or nf4."""
    tokens_per_second: float | None = None
    """Measured tokens per second and GPU, in place of the share of a peak."""


@dataclass(frozen=True, kw_only=True)
class Label(Job):
    """Plan step labels by rollouts: continuations from after every step but the last."""

    records: int = 10_000
    """Solutions."""
    prompt: int = 256
    """Tokens of a prompt."""
    response: int = 512
    """Tokens of a solution; a rollout from its middle writes half as many on average."""
    steps: int = 8
    """Steps of a solution."""
    weights: Weights = "saved"
    """Form of the matrices' numbers: saved, int8, int4 or nf4."""
    rollouts: float = 8.0
    """Rollouts per step, on average over steps (fewer where they are adaptive)."""
    bandwidth: float = 0.6
    """Share of the memory's bandwidth that writing reaches: an assumption."""


@dataclass(frozen=True, kw_only=True)
class Rl(Training):
    """Plan the training of a policy: writing, rewards and steps."""

    reward: str | None = None
    """Folder or shape of the reward model; none = a verifier, which no GPU runs."""
    records: int = 16
    """Prompts per step."""
    responses: int = 8
    """Responses per prompt and step."""
    rl_steps: int = 200
    """Steps."""
    micro_tokens: int = 16_384
    """Most tokens of a pass."""
    bandwidth: float = 0.6
    """Share of the memory's bandwidth that writing reaches: an assumption."""
