"""Running sums modulo ten: a world whose policy and reward models are trained from scratch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from assay.console.progress import Show
from assay.engines.hf import HuggingFace
from assay.models.checkpoint import publish, wrap
from assay.models.layout import Layout
from assay.models.loading import load_network, load_tokenizer, quiet
from assay.models.reward_model import RewardModel
from assay.protocols import Generator
from assay.studies.arithmetic.world import Kind
from assay.training.loop import READOUTS
from assay.training.settings import Settings
from assay.types import Prompt, Response, StepLabels
from assay.worlds.arithmetic import policy
from assay.worlds.arithmetic.checker import Checker
from assay.worlds.arithmetic.grammar import Grammar
from assay.worlds.arithmetic.task import Digits, all_problems, prompts_of, split_steps
from assay.worlds.arithmetic.tokenizer import make_tokenizer

__all__ = ["Arithmetic"]


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """Running sums modulo ten, with everything trained from scratch."""

    seed: int = 0
    kinds: tuple[Kind, ...] = ("preference", "outcome", "process")
    train_problems: int = 2500
    samples: int = 8
    pairs: int = 8
    test_problems: int = 300
    pool: int = 64
    demonstrations: int = 3000
    """Demonstrations that the policy imitates, passed over many times."""
    policy_steps: int = 800
    policy_batch: int = 128
    """Demonstrations per step of the policy."""
    steps: int = 1200
    """Optimiser steps of each reward model."""
    batch_size: int = 128
    """Responses per step."""
    temperature: float = 1.0
    max_tokens: int = 25
    """Twelve steps of two tokens, and the end."""
    workers: int = 3
    threads: int | None = 1

    @property
    def verifier(self) -> Checker:
        """Exact verifier of answers."""
        return Checker()

    def prompts(self) -> tuple[Sequence[Prompt], Sequence[Prompt]]:
        """Draw training and test problems without replacement from all there are."""
        test, rest = self._problems()
        return prompts_of(rest[: self.train_problems]), prompts_of(test)

    def make_policy(self, folder: Path, show: Show) -> None:
        """Train on demonstrations of problems that are not test problems."""
        _, rest = self._problems()
        model = policy.train_policy(
            rest,
            seed=self.seed,
            demonstrations=self.demonstrations,
            steps=self.policy_steps,
            batch=self.policy_batch,
            show=show,
        )
        staging = folder.with_name(f".{folder.name}.new")
        with quiet():
            model.save_pretrained(staging)
        make_tokenizer().save_pretrained(staging)
        publish(staging, folder)

    def policy(self, folder: Path) -> Generator:
        """Load the trained policy, with a grammar that makes every step parse."""
        from transformers import AutoModelForCausalLM

        model, tokenizer = (
            load_network(AutoModelForCausalLM, folder, dtype=torch.float32),
            load_tokenizer(folder),
        )
        return HuggingFace(model, tokenizer, layout=_layout(), split=split_steps, grammar=Grammar())

    def label(self, prompt: Prompt, response: Response) -> StepLabels:
        """Label each step exactly, against the state written before it."""
        return Checker().label(prompt, response)

    def reward_model(self, kind: Kind) -> RewardModel:
        """Make a reward model from scratch, as large as the policy."""
        from transformers import LlamaForSequenceClassification

        torch.manual_seed(self.seed + 1)
        network = LlamaForSequenceClassification(policy.llama_config())
        # A process model reads a step the same whether or not it is the last: nothing closes the
        # response.
        layout = _layout(close=kind != "process")
        return wrap(
            network, make_tokenizer(), layout=layout, readout=READOUTS[kind], seed=self.seed + 1
        )

    def settings(self, kind: Kind, records: int) -> Settings:
        """Train for `steps` batches of `batch_size` responses."""
        batch_size = max(1, self.batch_size // 2) if kind == "preference" else self.batch_size
        a_epoch = -(-records // batch_size)
        return Settings(
            epochs=self.steps / a_epoch,
            batch_size=batch_size,
            bucket=32,
            learning_rate=3e-3,
            final_learning_rate_share=0.0,
            warmup=50 / 1200,
            weight_decay=0.01,
            seed=self.seed,
        )

    def _problems(self) -> tuple[Digits, Digits]:
        """Return test problems and all others, in random order."""
        every = np.random.default_rng(self.seed).permutation(all_problems())
        return every[: self.test_problems], every[self.test_problems :]


def _layout(*, close: bool = True) -> Layout:
    return Layout(join="", close=close, max_length=64)
