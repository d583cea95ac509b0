"""The calculator's world on disk: a policy, its problems, and labelled trajectories."""

from pathlib import Path

from assay.console.progress import progress
from assay.data.io import write
from assay.errors import ConfigError
from assay.models.policy import save_policy
from assay.worlds.calculator.demonstrations import trajectories as labelled
from assay.worlds.calculator.policy import train_policy
from assay.worlds.calculator.task import prompts_of, some_problems
from assay.worlds.calculator.tokenizer import make_tokenizer
from assay.worlds.threads import threads

__all__ = ["make"]

DEMONSTRATIONS = 8000


def make(
    out: Path,
    *,
    problems: int = 1000,
    held_out: int = 200,
    trajectories: int = 2000,
    steps: int = 600,
    seed: int = 0,
) -> list[Path]:
    """Write policy/, problems.jsonl, held_out.jsonl and trajectories.jsonl, no problem in two of
    them; return the paths."""
    counts = {"problems": problems, "held_out": held_out, "trajectories": trajectories}
    for name, value in {**counts, "steps": steps}.items():
        if value < 1:
            raise ConfigError(f"{name} is {value}; it must be at least 1")
    every = some_problems(DEMONSTRATIONS + sum(counts.values()), seed)
    shown, rest = every[:DEMONSTRATIONS], every[DEMONSTRATIONS:]
    paths = [out / f"{name}.jsonl" for name in counts]
    write(prompts_of(rest[:problems]), paths[0])
    write(prompts_of(rest[problems : problems + held_out]), paths[1])
    write(labelled(rest[problems + held_out :], seed), paths[2])
    with threads(1), progress("policy", steps) as show:
        model = train_policy(shown, seed=seed, steps=steps, show=show)
    save_policy(model, make_tokenizer(), out / "policy")
    return [out / "policy", *paths]
