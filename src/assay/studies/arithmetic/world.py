"""What the quickstart's stages need of a world: a policy, problems, the truth, and a backbone for
reward models."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch

from assay.console.progress import Show
from assay.engines.hf import HuggingFace
from assay.models.checkpoint import publish, wrap
from assay.models.layout import Layout
from assay.models.loading import load_network, load_tokenizer, quiet
from assay.models.reward_model import RewardModel
from assay.protocols import Generator, Verifier
from assay.training.loop import READOUTS
from assay.training.settings import Settings
from assay.types import Prompt, Response, StepLabels
from assay.worlds.arithmetic import policy
from assay.worlds.arithmetic.checker import Checker
from assay.worlds.arithmetic.grammar import Grammar
from assay.worlds.arithmetic.task import Digits, all_problems, prompts_of, split_steps
from assay.worlds.arithmetic.tokenizer import make_tokenizer

__all__ = ["Arithmetic", "Kind", "World"]

Kind = Literal["preference", "outcome", "process"]


class World(Protocol):
    """A frozen dataclass of settings; it is sent to other processes as it is."""

    @property
    def seed(self) -> int:
        """Of everything random."""
        ...

    @property
    def kinds(self) -> Sequence[Kind]:
        """Reward models to train; a process model needs a world that knows the truth of each
        step."""
        ...

    @property
    def samples(self) -> int:
        """Responses to each training problem."""
        ...

    @property
    def pairs(self) -> int:
        """At most so many preferences are made of each training problem's responses."""
        ...

    @property
    def pool(self) -> int:
        """Responses to each test problem."""
        ...

    @property
    def temperature(self) -> float:
        """Of the policy's samples."""
        ...

    @property
    def max_tokens(self) -> int:
        """Longest response."""
        ...

    @property
    def workers(self) -> int:
        """Reward models trained at once."""
        ...

    @property
    def threads(self) -> int | None:
        """CPU threads of each process; None leaves that to torch."""
        ...

    @property
    def verifier(self) -> Verifier:
        """Checks answers."""
        ...

    def prompts(self) -> tuple[Sequence[Prompt], Sequence[Prompt]]:
        """Training problems and test problems."""
        ...

    def make_policy(self, folder: Path, show: Show) -> None:
        """Leave whatever `policy` loads in the folder."""
        ...

    def policy(self, folder: Path) -> Generator:
        """The policy that `make_policy` left."""
        ...

    def label(self, prompt: Prompt, response: Response) -> StepLabels:
        """The truth of each step; asked only for a process model."""
        ...

    def reward_model(self, kind: Kind) -> RewardModel:
        """A fresh reward model with the read-out of its kind."""
        ...

    def settings(self, kind: Kind, records: int) -> Settings:
        """How a reward model of a kind is trained on so many records."""
        ...


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
    policy_steps: int = 800
    steps: int = 1200
    """Optimiser steps of each reward model."""
    batch_size: int = 128
    """Responses a step."""
    temperature: float = 1.0
    max_tokens: int = 25
    """Twelve steps of two tokens, and the end."""
    workers: int = 3
    threads: int | None = 1

    @property
    def verifier(self) -> Checker:
        """Exact."""
        return Checker()

    def prompts(self) -> tuple[Sequence[Prompt], Sequence[Prompt]]:
        """Training and test problems, drawn without replacement from all there are."""
        test, rest = self._problems()
        return prompts_of(rest[: self.train_problems]), prompts_of(test)

    def make_policy(self, folder: Path, show: Show) -> None:
        """Train on demonstrations of problems that are not test problems."""
        _, rest = self._problems()
        model = policy.train_policy(rest, seed=self.seed, steps=self.policy_steps, show=show)
        staging = folder.with_name(f".{folder.name}.new")
        with quiet():
            model.save_pretrained(staging)
        make_tokenizer().save_pretrained(staging)
        publish(staging, folder)

    def policy(self, folder: Path) -> Generator:
        """The trained policy; its grammar makes every step parse."""
        from transformers import AutoModelForCausalLM

        model, tokenizer = (
            load_network(AutoModelForCausalLM, folder, dtype=torch.float32),
            load_tokenizer(folder),
        )
        return HuggingFace(model, tokenizer, layout=_layout(), split=split_steps, grammar=Grammar())

    def label(self, prompt: Prompt, response: Response) -> StepLabels:
        """Exact; each step is judged against the state written before it."""
        return Checker().label(prompt, response)

    def reward_model(self, kind: Kind) -> RewardModel:
        """As large as the policy, from scratch."""
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
        """`steps` batches of `batch_size` responses."""
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
        """Test problems and all others, in random order."""
        every = np.random.default_rng(self.seed).permutation(all_problems())
        return every[: self.test_problems], every[self.test_problems :]


def _layout(*, close: bool = True) -> Layout:
    return Layout(join="", close=close, max_length=64)
