"""The world of essays to run: a policy, gold, preferences, and proxies trained on them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from assay.components import load
from assay.console.progress import Show
from assay.data.records import all_responses
from assay.engines.hf import HuggingFace
from assay.errors import ConfigError
from assay.models.checkpoint import publish, wrap
from assay.models.layout import Layout
from assay.models.loading import load_network, load_tokenizer, quiet
from assay.models.readout import PREFERENCE
from assay.protocols import Generator, Prefix, Sampling
from assay.rl.policy import Policy
from assay.training.loop import Trained, train
from assay.training.settings import Settings
from assay.types import Group, Preference, Prompt
from assay.worlds.essays import proxies
from assay.worlds.essays.gold import Gold
from assay.worlds.essays.grammar import Grammar
from assay.worlds.essays.policy import train_policy
from assay.worlds.essays.task import MAX_WORDS, all_prompts, read, topic_of
from assay.worlds.essays.tokenizer import make_tokenizer

__all__ = ["Essays"]

GOLD = "gold.json"


@dataclass(frozen=True, kw_only=True)
class Essays:
    """Essays of 16 words with a gold reward; everything is trained from scratch, and equal settings
    give equal runs."""

    seed: int = 0
    """Seed of the policy, of what it writes and of the proxies."""
    rules: int = 0
    """Seed of the language and of its gold."""
    policy_width: int = 56
    """Width of the policy's layers, a multiple of 8; 56 is about 60k parameters."""
    policy_steps: int = 600
    steps: int = 600
    """Most optimiser steps per proxy."""
    most_epochs: int = 25
    """Most passes over few preferences."""
    batch_size: int = 64
    """Preferences per step."""
    standard: int = 1024
    """Essays per topic whose mean and standard deviation are gold's unit."""

    def __post_init__(self) -> None:
        if self.policy_width < 8 or self.policy_width % 8:
            raise ConfigError(f"policy_width is {self.policy_width}; it must be a multiple of 8")

    @property
    def max_tokens(self) -> int:
        """Most tokens of an essay: its words, and the end."""
        return MAX_WORDS + 1

    def prompts(self) -> Sequence[Prompt]:
        """Return one prompt per topic."""
        return all_prompts()

    def make_policy(self, folder: Path, show: Show = lambda done, note: None) -> None:
        """Train on ordinary essays; write to the folder what `policy`, `open` and `gold` load."""
        model = train_policy(
            seed=self.seed,
            rules=self.rules,
            width=self.policy_width,
            steps=self.policy_steps,
            show=show,
        )
        tokenizer = make_tokenizer()
        staging = folder.with_name(f".{folder.name}.new")
        with quiet():
            model.save_pretrained(staging)
        tokenizer.save_pretrained(staging)
        writer = HuggingFace(model, tokenizer, layout=_layout(), grammar=Grammar())
        groups = self.sample(writer, self.standard, stream=0)
        ids_N_T, _ = read([response.text for response in all_responses(groups)])
        topics_N = np.repeat([topic_of(group.prompt) for group in groups], self.standard)
        gold = Gold.of(topics_N, ids_N_T, self.rules)
        (staging / GOLD).write_text(json.dumps({"mean": gold.mean, "std": gold.std}) + "\n")
        publish(staging, folder)

    def policy(self, folder: Path) -> HuggingFace:
        """Load the policy that `make_policy` wrote; its grammar makes every text an essay."""
        return HuggingFace(*_loaded(folder), layout=_layout(), grammar=Grammar())

    def open(self, folder: Path) -> Policy:
        """Load the policy, to be trained further."""
        return Policy(*_loaded(folder), layout=_layout(), grammar=Grammar())

    def gold(self, folder: Path) -> Gold:
        """Load gold, in standard deviations of what the policy in the folder writes."""
        return Gold(self.rules, **json.loads((folder / GOLD).read_text()))

    def sample(self, policy: Generator, count: int, *, stream: int) -> list[Group]:
        """Sample so many essays on every topic; another stream gives others."""
        sampling = Sampling(n=count, max_tokens=self.max_tokens, seed=self.seed * 1000 + stream)
        prompts = self.prompts()
        written = policy.generate([Prefix(prompt) for prompt in prompts], sampling)
        return [
            Group(prompt=p, responses=tuple(rs)) for p, rs in zip(prompts, written, strict=True)
        ]

    def pairs(
        self, policy: Generator, gold: Gold, count: int, *, noise: float = 0.0, stream: int = 1
    ) -> list[Preference]:
        """Sample pairs of essays, topics in turn, labelled by gold; equals are ties.

        noise: share of the labels that are flipped. A shorter list is the beginning of a
        longer one.
        """
        if not 0 <= noise <= 1:
            raise ConfigError(f"noise is {noise}; it is a share, from 0 to 1")
        groups = self.sample(policy, 2 * -(-count // len(self.prompts())), stream=stream)
        scores = gold.score(groups)
        flip = np.random.default_rng([self.seed, stream]).random(count) < noise
        made = []
        for i in range(count):
            group, row = groups[i % len(groups)], scores[i % len(groups)]
            first = 2 * (i // len(groups))
            a, b = (getattr(score, "value", 0.0) for score in row[first : first + 2])
            prefer = 0.5 if a == b else float((a > b) != flip[i])
            made.append(
                Preference(
                    prompt=group.prompt, responses=group.responses[first : first + 2], prefer=prefer
                )
            )
        return made

    def proxy(
        self,
        size: str,
        records: Sequence[Preference],
        folder: Path,
        *,
        member: int = 0,
        progress: bool = False,
    ) -> Trained:
        """Train and save a Bradley-Terry reward model of one of the `proxies.SIZES`.

        One that is there already is loaded. member: which of several that differ in initial weights
        and in the order of the records.
        """
        if size not in proxies.SIZES:
            raise ConfigError(f"there is no size {size!r}; there are {', '.join(proxies.SIZES)}")
        seed = self.seed * 100 + member
        network = proxies.network(size, seed)
        model = wrap(network, make_tokenizer(), layout=_layout(), readout=PREFERENCE, seed=seed)
        return train(
            model,
            records,
            loss=load("losses", "bradley-terry")(),
            settings=self.settings(size, len(records), seed),
            out=folder,
            progress=progress,
        )

    def settings(self, size: str, records: int, seed: int = 0) -> Settings:
        """Return how a proxy of a size is trained on so many records."""
        return Settings(
            epochs=min(float(self.most_epochs), self.steps * self.batch_size / records),
            batch_size=self.batch_size,
            learning_rate=proxies.SIZES[size].learning_rate,
            final_learning_rate_share=0.0,
            warmup=0.05,
            weight_decay=0.01,
            checkpoint_every=1000,
            seed=seed,
        )


def _loaded(folder: Path) -> tuple[object, object]:
    from transformers import AutoModelForCausalLM

    return load_network(AutoModelForCausalLM, folder, dtype=torch.float32), load_tokenizer(folder)


def _layout() -> Layout:
    return Layout(join="", max_length=64)
