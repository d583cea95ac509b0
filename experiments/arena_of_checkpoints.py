"""An arena of the checkpoints of an RL run: whose order of them is over-optimized?

In the arithmetic world a policy of about 100k parameters is trained against a process model, paid
by the score of the last step or by the weakest step (`experiments.rl_worlds`). What it writes to
held-out problems at every tenth round is kept, and the checkpoints meet in pairs before judges:
gold (the exact verifier), the process model read in either way, and one that prefers the longer
response. In a first arena ways to choose are the players: each picks from eight samples.

    python -m experiments.arena_of_checkpoints --json
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import tyro
from experiments.rl_worlds import ARMS, BASE, policy_of, prepare, world_of

from assay.aggregation import Aggregation
from assay.data import io
from assay.models import checkpoint
from assay.protocols import Prefix, Sampling, Scorer
from assay.rl.loop import optimise
from assay.rl.scoring import Part
from assay.scorers.baselines import Longest, Random, Shortest
from assay.scorers.local import LocalScorer
from assay.scorers.reaggregate import Aggregated
from assay.scorers.verifier import Verified
from assay.types import Group, Score, Unscored
from assay.workflows.arena import Arena, arena
from assay.worlds.threads import threads

EVERY = 10
"""Rounds from one checkpoint to the next."""
READ: Final[tuple[Aggregation, ...]] = ("last", "mean", "product", "min")
"""Ways to read a process model."""


@dataclass
class Kept:
    """Gold that writes down what it is shown: the responses of every evaluation, by round."""

    gold: Scorer
    folder: Path
    seen: int = 0
    fingerprint: str = field(default="exact verifier, kept", init=False)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        self.folder.mkdir(parents=True, exist_ok=True)
        io.write(groups, self.folder / f"{self.seen * EVERY:03d}.jsonl")
        self.seen += 1
        return self.gold.score(groups)


def train(out: Path, seed: int, arm: str, rounds: int, prompts: int) -> Path:
    """Train one arm, unless it is there; return the folder of its responses, a file per round."""
    prepare(out, seed)
    folder, world = out / f"seed{seed}", world_of(seed)
    target = folder / f"arena {arm}"
    kept = Kept(Verified(world.verifier), target / "responses")
    if (target / "rl.json").is_file():
        return kept.folder
    with threads(1):
        prm = LocalScorer(checkpoint.load(folder / "prm"))
        parts, changes = ARMS[arm]
        train_prompts, test_prompts = world.prompts()
        optimise(
            policy_of(folder / "policy"),
            train_prompts,
            [Part(name="process model", scorer=prm, **part) for part in parts],
            settings=replace(
                BASE,
                seed=seed,
                steps=rounds,
                watch_every=EVERY,
                watch_prompts=prompts,
                **changes,
            ),
            out=target,
            held_out=test_prompts,
            golds={"truth": kept},
            progress=False,
            # The rounds of files are counted from the first.
            resume=False,
        )
    return kept.folder


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Train what is missing, play, and print what came of it."""

    out: Path = Path("runs/arena")
    """Where everything goes."""
    seed: int = 0
    arms: tuple[str, ...] = ("last step", "min")
    """Ways to pay, of `experiments.rl_worlds`."""
    rounds: int = 80
    prompts: int = 200
    """Held-out problems."""
    budget: int = 3000
    """Meetings of each arena."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        found = {"rewards as players": self.rewards()}
        for arm in self.arms:
            folder = train(self.out, self.seed, arm, self.rounds, self.prompts)
            found[arm] = self.arena(arm, folder)
        if self.json:
            print(json.dumps({arm: one.to_json() for arm, one in found.items()}, indent=1))
            return
        print("\n\n".join(f"## {arm}\n{one}" for arm, one in found.items()))

    def rewards(self) -> Arena:
        """Ways to choose as players: each picks from eight samples of the untrained policy, and
        gold compares what they picked."""
        prepare(self.out, self.seed)
        folder, world = self.out / f"seed{self.seed}", world_of(self.seed)
        prm = LocalScorer(checkpoint.load(folder / "prm"))
        prompts = world.prompts()[1][: self.prompts]
        sampling = Sampling(n=8, max_tokens=world.max_tokens, seed=self.seed)
        with threads(1):
            policy = world.policy(folder / "policy")
            drawn = policy.generate([Prefix(p) for p in prompts], sampling)
            players = {f"PRM, {how}": Aggregated(prm, how) for how in READ}
            return arena(
                players | {"the longer": Longest(), "the shorter": Shortest(), "any": Random()},
                [Group(prompt=p, responses=tuple(r)) for p, r in zip(prompts, drawn, strict=True)],
                judges={},
                gold=Verified(world.verifier),
                budget=self.budget,
                seed=self.seed,
                out=self.out / "page rewards",
                overwrite=True,
            )

    def arena(self, arm: str, folder: Path) -> Arena:
        """All checkpoints before the three judges."""
        players = {f"round@{int(x.stem)}": str(x) for x in sorted(folder.glob("*.jsonl"))}
        prm = LocalScorer(checkpoint.load(self.out / f"seed{self.seed}" / "prm"))
        _, held_out = world_of(self.seed).prompts()
        with threads(1):
            return arena(
                players,
                held_out,
                judges={
                    "PRM, last step": Aggregated(prm, "last"),
                    "PRM, weakest step": Aggregated(prm, "min"),
                    "the longer": Longest(),
                },
                gold=Verified(world_of(self.seed).verifier),
                budget=self.budget,
                seed=self.seed,
                out=self.out / f"page {arm}",
                overwrite=True,
            )


if __name__ == "__main__":
    tyro.cli(Experiment)()
