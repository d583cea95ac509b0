"""Train the reward models, reload them, and score the test pool: small ones side by side, each in
its process."""

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path

from assay import components
from assay.console.progress import progress as progress_bar
from assay.data import io
from assay.models import checkpoint
from assay.runs.settings import write_atomic
from assay.scorers.local import LocalScorer
from assay.studies.arithmetic.records import read_pools
from assay.studies.arithmetic.world import Kind, World
from assay.training.loop import train
from assay.types import Score, Unscored
from assay.worlds.threads import threads

__all__ = ["LOSSES", "read_scores", "train_and_score"]

LOSSES: Mapping[Kind, str] = {
    "preference": "bradley-terry",
    "outcome": "outcome",
    "process": "step-bce",
}
PROBES = 32
"""Test prompts whose first response measures parity."""


def train_and_score(world: World, out: Path, progress: bool) -> None:
    """Leave `models/KIND` and `scores/KIND.json` for each of the world's kinds."""
    if world.workers == 1:
        for kind in world.kinds:
            _one(world, kind, out, progress)
        return
    # Not forked: a process forked from one that has used torch may hang.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(world.workers, len(world.kinds)), mp_context=spawn) as pool:
        jobs = {pool.submit(_one, world, kind, out, False) for kind in world.kinds}
        metrics = [out / "models" / kind / "metrics.jsonl" for kind in world.kinds]
        with progress_bar("models", None, on=progress) as show:
            while jobs:
                done, jobs = wait(jobs, timeout=1.0, return_when=FIRST_COMPLETED)
                for job in done:
                    job.result()
                steps = [path.read_bytes().count(b"\n") for path in metrics if path.is_file()]
                show(sum(steps), f"steps of {len(world.kinds)} models, {len(jobs)} unfinished")


def _one(world: World, kind: Kind, out: Path, progress: bool) -> None:
    """Train one model, compare it with its saved copy on test responses, and score the test pool
    with the copy."""
    folder, target = out / "models" / kind, out / "scores" / f"{kind}.json"
    with threads(world.threads):
        records = list(io.read(out / "data" / f"{kind}.jsonl", format="assay"))
        settings = world.settings(kind, len(records))
        model, loss = world.reward_model(kind), components.load("losses", LOSSES[kind])()
        trained = train(model, records, loss=loss, settings=settings, out=folder, progress=progress)
        pools = read_pools(out / "data" / "test_pool.jsonl")
        probes = [(pool.prompt, pool.responses[0]) for pool in pools[:PROBES]]
        parity = max(trained.parity, checkpoint.parity(trained.model, folder, probes))
        scores = LocalScorer(folder).score(pools)
    body = {
        "parity": parity,
        "scores": [
            [score.model_dump(exclude_defaults=True) for score in group] for group in scores
        ],
    }
    write_atomic(target, json.dumps(body) + "\n")


def read_scores(path: Path) -> tuple[list[list[Score | Unscored]], float]:
    """The scores of each pool, and the parity of the model that gave them."""
    body = json.loads(path.read_text())
    return [[_score(row) for row in group] for group in body["scores"]], float(body["parity"])


def _score(row: Mapping[str, Sequence[float] | float | str]) -> Score | Unscored:
    return Unscored.model_validate(row) if "reason" in row else Score.model_validate(row)
