"""The stages of a quickstart in order."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from assay.console.progress import progress as progress_bar
from assay.data import io
from assay.errors import DataError
from assay.protocols import Prefix, Sampling
from assay.runs.settings import write_atomic
from assay.studies.arithmetic import records, report
from assay.studies.arithmetic.models import start_server, train_and_score
from assay.studies.arithmetic.overoptimization import overoptimization
from assay.studies.arithmetic.scored import read_scored
from assay.studies.arithmetic.sizes import quickstart
from assay.studies.arithmetic.stages import Stages
from assay.studies.arithmetic.summary import Summary, summarise
from assay.studies.arithmetic.world import World
from assay.types import Prompt
from assay.worlds.threads import threads

__all__ = ["run"]

CHUNK = 64
"""Prompts sampled between two updates of the progress bar."""


def run(out: Path, *, seed: int = 0, world: World | None = None, progress: bool = True) -> Summary:
    """Run the whole job in a folder, or resume it; of a finished one only the results are remade.

    world: by default `quickstart(seed)`. Raises `ConfigError` where the folder holds a run with
    other settings.
    """
    world = world or quickstart(seed)
    train, test = world.prompts()
    if shared := {p.text for p in train} & {p.text for p in test}:
        raise DataError(
            f"{len(shared)} problems are both in training and in test; draw them without"
            " replacement"
        )
    stages = Stages(out)
    stages.open(world)
    policy, data = out / "policy", out / "data"
    learned = [data / f"{kind}.jsonl" for kind in world.kinds]
    scores = [out / "scores" / f"{kind}.json" for kind in world.kinds]
    if "models" not in stages.seconds:
        start_server(world)
    with threads(world.threads):
        stages.run("policy", [policy], lambda: _policy(world, policy, progress))
        for name, prompts, n in (
            ("train_pool", train, world.samples),
            ("test_pool", test, world.pool),
        ):
            target = data / f"{name}.jsonl"
            stages.run(
                name, [target], partial(_sample, world, policy, prompts, n, target, progress)
            )
        stages.run("data", learned, lambda: records.write(world, data))
        stages.run("models", scores, lambda: train_and_score(world, out, progress))
        with progress_bar("results", 3, on=progress) as show:
            scored = read_scored(world, out)
            summary = summarise(world, scored, stages.seconds)
            write_atomic(out / "summary.json", summary.to_json())
            show(1, "best-of-n")
            studies = overoptimization(world, scored, out)
            show(2, "over-optimization")
            report.write(world, scored, out, summary, studies)
            show(3, "report.html")
    return summary


def _policy(world: World, folder: Path, progress: bool) -> None:
    with progress_bar("policy", world.policy_steps, on=progress) as show:
        world.make_policy(folder, show)


def _sample(
    world: World, policy: Path, prompts: Sequence[Prompt], n: int, path: Path, progress: bool
) -> None:
    """Write responses to each prompt, graded 1 for a right answer and 0 for a wrong one."""
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
