"""The stages in order, and the ledger by which a stopped run goes on."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from assay.console.progress import progress as progress_bar
from assay.data import io
from assay.errors import ConfigError, DataError
from assay.protocols import Prefix, Sampling
from assay.runs.settings import to_json, write_atomic
from assay.studies.arithmetic import pressed, records, report
from assay.studies.arithmetic.models import train_and_score
from assay.studies.arithmetic.summary import Summary, summarise
from assay.studies.arithmetic.world import Arithmetic, World
from assay.types import Prompt
from assay.worlds.threads import threads

__all__ = ["run"]

CHUNK = 64
"""Prompts sampled between two looks at the progress bar."""


def run(out: Path, *, seed: int = 0, world: World | None = None, progress: bool = True) -> Summary:
    """Run the whole job in a folder, or go on with it; of a finished one only the summary is made
    again.

    world: by default `Arithmetic(seed=seed)`. Raises `ConfigError` where the folder holds a run
    with other settings.
    """
    world = world or Arithmetic(seed=seed)
    train, test = world.prompts()
    if shared := {p.text for p in train} & {p.text for p in test}:
        raise DataError(
            f"{len(shared)} problems are both in training and in test; draw them without"
            " replacement"
        )
    ledger = _Ledger(out)
    ledger.open(world)
    policy, data = out / "policy", out / "data"
    learned = [data / f"{kind}.jsonl" for kind in world.kinds]
    scored = [out / "scores" / f"{kind}.json" for kind in world.kinds]
    with threads(world.threads):
        ledger.stage("policy", [policy], lambda: _policy(world, policy, progress))
        for name, prompts, n in (
            ("train_pool", train, world.samples),
            ("test_pool", test, world.pool),
        ):
            target = data / f"{name}.jsonl"
            ledger.stage(
                name, [target], partial(_sample, world, policy, prompts, n, target, progress)
            )
        ledger.stage("data", learned, lambda: records.write(world, data))
        ledger.stage("models", scored, lambda: train_and_score(world, out, progress))
        summary = summarise(world, out, ledger.seconds)
    write_atomic(out / "summary.json", summary.to_json())
    report.write(world, out, summary, pressed.press(world, out))
    return summary


@dataclass
class _Ledger:
    """Which stages are done, and how long each took."""

    out: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def open(self, world: World) -> None:
        """Take up the folder's run. Raises `ConfigError` where it is another one."""
        settings, path = to_json(world), self.out / "world.json"
        # How many processes share the work changes nothing that a stage leaves.
        settings.pop("workers", None)
        if path.is_file() and json.loads(path.read_text()) != settings:
            raise ConfigError(
                f"{self.out} holds a run with other settings; delete it, or give another folder"
            )
        write_atomic(path, json.dumps(settings, indent=2) + "\n")
        if (self.out / "stages.json").is_file():
            self.seconds = json.loads((self.out / "stages.json").read_text())

    def stage(self, name: str, artefacts: Sequence[Path], work: Callable[[], None]) -> None:
        """Do a stage unless it is done; what follows one that is done again is done again."""
        if name in self.seconds and all(path.exists() for path in artefacts):
            return
        names = list(self.seconds)
        if name in names:
            self.seconds = {n: self.seconds[n] for n in names[: names.index(name)]}
        began = time.monotonic()
        work()
        self.seconds[name] = round(time.monotonic() - began, 1)
        write_atomic(self.out / "stages.json", json.dumps(self.seconds, indent=2) + "\n")


def _policy(world: World, folder: Path, progress: bool) -> None:
    with progress_bar("policy", None, on=progress) as show:
        world.make_policy(folder, show)


def _sample(
    world: World, policy: Path, prompts: Sequence[Prompt], n: int, path: Path, progress: bool
) -> None:
    """Responses to each prompt, with 1 for a right answer and 0 for a wrong one."""
    generator = world.policy(policy)
    sampling = Sampling(
        n=n, max_tokens=world.max_tokens, temperature=world.temperature, seed=world.seed
    )
    pools = []
    with progress_bar(path.stem, len(prompts), on=progress) as show:
        for start in range(0, len(prompts), CHUNK):
            chunk = prompts[start : start + CHUNK]
            for prompt, responses in zip(
                chunk, generator.generate([Prefix(p) for p in chunk], sampling), strict=True
            ):
                pools.append(records.graded(prompt, responses, world.verifier))
            show(start + len(chunk), f"{n} responses each")
    io.write(pools, path)
