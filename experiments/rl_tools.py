"""What a policy that may call a calculator learns from its answers, and from its turns.

In the calculator's world a policy of about 100k parameters calls a tool half of the time and is
right about a quarter of the time. It is trained for thirty rounds against a verifier of the answer,
or against what the environment gives for each turn. Each run resumes.

    python -m experiments.rl_tools --json
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from assay.runs.settings import write_atomic
from assay.studies.calculator import make
from assay.workflows.rl import rl

# What pays, and by which recipe.
ARMS: Mapping[str, Mapping[str, Any]] = {
    "answer": {"reward": "math", "recipe": "grpo"},
    "turns": {"reward": "environment,place=every_step", "recipe": "reinforce++"},
}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Train what is missing, and print the shares of held-out problems solved."""

    out: Path = Path("runs/rl_tools")
    """Where everything goes."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each is another policy, other problems and samples."""
    arms: tuple[str, ...] = tuple(ARMS)
    """Ways to pay."""
    steps: int = 30
    """Rounds of each run."""
    learning_rate: float = 5e-4
    """Learning rate of AdamW."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Worlds first, then the arms."""
        rows = []
        for seed in self.seeds:
            world = self.out / f"seed{seed}"
            if not (world / "policy").is_dir():
                make(world, seed=seed)
            rows += [self.row(arm, seed, world) for arm in self.arms]
        write_atomic(self.out / "result.json", json.dumps(rows, indent=1))
        print(json.dumps(rows, indent=1) if self.json else "\n".join(map(shown, rows)))

    def row(self, arm: str, seed: int, world: Path) -> dict[str, Any]:
        done = rl(
            str(world / "problems.jsonl"),
            policy=str(world / "policy"),
            out=world / arm,
            gold="solved=math",
            held_out=str(world / "held_out.jsonl"),
            environment="calculator",
            turns=4,
            max_length=128,
            threads=1,
            device="cpu",
            steps=self.steps,
            learning_rate=self.learning_rate,
            max_tokens=80,
            watch_every=10,
            watch_prompts=200,
            watch_samples=2,
            seed=seed,
            **ARMS[arm],
        )
        points = [
            {
                "step": point.step,
                "solved": (point.gold or {})["solved"].to_json(),
                "turns": point.steps and round(point.steps.value, 2),
                "kl": point.kl and round(point.kl.value, 2),
            }
            for point in done.evaluations
        ]
        return {"arm": arm, "seed": seed, "points": points}


def shown(row: Mapping[str, Any]) -> str:
    shares = " ".join(f"{point['step']}: {point['solved'][0]:.3f}" for point in row["points"])
    return f"{row['arm']} seed {row['seed']}: {shares}"


if __name__ == "__main__":
    tyro.cli(Bench)()
