"""What the tests of several processes run in each of them: tiny policies whose truth is that of
one process."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from assay.errors import BackendError
from assay.models.checkpoint import wrap_implicit
from assay.models.readout import OUTCOME
from assay.rl import loop
from assay.rl.loop import optimise
from assay.rl.policy import Policy
from assay.rl.prime import ImplicitProcess
from assay.rl.rounds import Job
from assay.rl.scoring import Part
from assay.rl.settings import RECIPES, Settings
from assay.rl.transforms import PAR, Standardise
from assay.training.parallel import World, joined
from assay.types import Group, Score, Unscored
from tests.rl import small

HOW: dict[str, Any] = {
    "steps": 2,
    "groups": 8,
    "samples": 4,
    "max_tokens": 7,
    "learning_rate": 1e-3,
    "watch_every": 2,
    "watch_prompts": 5,
    "watch_samples": 2,
    "checkpoint_every": 100,
    "micro_tokens": 150,
    "seed": 3,
}
"""Two rounds of eight groups, in several passes."""
TWICE = {"epochs": 2, "minibatches": 2}
RUNS: dict[str, tuple[Settings, dict[str, Any]]] = {
    # Compared with responses of the untrained policy, and without groups that teach nothing.
    "rloo": (replace(RECIPES["rloo"], **HOW, drop_equal=True, refill=1), {"transforms": (PAR(3),)}),
    "grpo": (replace(RECIPES["grpo"], **HOW, **TWICE), {"transforms": (Standardise(),)}),
    "ppo": (replace(RECIPES["ppo"], **{**HOW, **TWICE}), {}),
    "lora": (replace(RECIPES["pav"], **HOW), {"place": "difference"}),
    # AdamW makes a whole step of the smallest gradient, rounding with it, which processors do in
    # ways of their own; a fault moves weights by steps.
    "prime": (replace(RECIPES["pure"], **{**HOW, "learning_rate": 3e-4}), {}),
}
"""Settings, and how the reward is paid."""


class Stops(small.By):
    """Fails on one process, where it is asked for the so manieth time."""

    def __init__(self, rank: int, world: World, calls: int) -> None:
        super().__init__(small.nines)
        self.here, self.last = rank == world.rank, calls

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        if self.here and self.calls == self.last:
            raise BackendError("stopped on purpose")
        return super().score(groups)


def begun(name: str, layers: int = 2) -> tuple[Policy, ImplicitProcess | None]:
    """The policy of a run, and what learns beside it."""
    policy = small.policy(
        network=small.model(num_hidden_layers=layers),
        critic=name == "ppo",
        adapters=2 if name == "lora" else 0,
    )
    if name != "prime":
        return policy, None
    network = wrap_implicit(
        small.model(num_hidden_layers=layers),
        policy.tokenizer,
        layout=policy.generator.encoder.layout,
        readout=OUTCOME,
        beta=0.05,
    )
    return policy, ImplicitProcess(network, learning_rate=1e-3)


def run(name: str, out: Path, world: World, scorer: Any = None) -> None:
    """One run, whole or going on."""
    settings, more = RUNS[name]
    policy, prime = begun(name)
    optimise(
        policy,
        small.PROMPTS[:20],
        [Part(name="nines", scorer=scorer or small.By(small.nines), **more)],
        settings=settings,
        out=out,
        held_out=small.PROMPTS[40:],
        golds={"gold": small.By(small.nines)},
        prime=prime,
        progress=False,
        world=world,
    )


def asserted(before: Callable[..., Any]) -> Callable[..., Any]:
    """Look whether all that is trained lies in parts."""

    def train(job: Job, *given: Any) -> Any:
        models = [job.policy.model, job.policy.reference.model]
        models += [] if job.prime is None else [job.prime.model]
        assert all(isinstance(p, DTensor) for model in models for p in model.parameters())
        return before(job, *given)

    return train


def main(folder: Path, words: list[str]) -> None:
    """Do what each word says: [FOLDER=]NAME, or NAME@N for one whose scorer fails on process 1 when
    asked for the Nth time."""
    torch.set_num_threads(1)
    os.fsync = lambda _: None
    loop.train = asserted(loop.train)
    with joined("cpu") as world:
        for word in words:
            where, _, name = word.rpartition("=")
            name, _, at = name.partition("@")
            out = folder / (where or name)
            if at:
                with suppress(BackendError):
                    run(name, out, world, Stops(1, world, int(at)))
            else:
                run(name, out, world)
