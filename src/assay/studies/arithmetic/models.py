"""Train the reward models, reload them, and score the test pool; small ones each in a process."""

import json
import math
import multiprocessing.forkserver
import sys
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing.context import BaseContext
from pathlib import Path

from assay import components
from assay.console.progress import progress as progress_bar
from assay.data import io
from assay.models import checkpoint
from assay.runs.metrics import METRICS
from assay.runs.settings import write_atomic
from assay.scorers.local import LocalScorer
from assay.studies.arithmetic.records import read_pools
from assay.studies.arithmetic.world import Kind, World
from assay.training.loop import train
from assay.worlds.threads import threads

__all__ = ["LOSSES", "start_server", "train_and_score"]

LOSSES: Mapping[Kind, str] = {
    "preference": "bradley-terry",
    "outcome": "outcome",
    "process": "step-bce",
}
PROBES = 32
"""Test prompts whose first response measures parity."""


def train_and_score(world: World, out: Path, progress: bool) -> None:
    """Write `models/KIND` and `scores/KIND.json` for each of the world's kinds."""
    if world.workers == 1:
        for kind in world.kinds:
            _one(world, kind, out, progress)
        return
    workers = min(world.workers, len(world.kinds))
    with ProcessPoolExecutor(workers, mp_context=_processes()) as pool:
        jobs = {pool.submit(_one, world, kind, out, False) for kind in world.kinds}
        metrics = [out / "models" / kind / METRICS for kind in world.kinds]
        total = sum(_steps(world, kind, out) for kind in world.kinds)
        with progress_bar("models", total, on=progress) as show:
            while jobs:
                done, jobs = wait(jobs, timeout=1.0, return_when=FIRST_COMPLETED)
                for job in done:
                    job.result()
                steps = min(sum(_rows(path) for path in metrics), total)
                doing = "training" if steps < total else "checking and scoring"
                show(steps, f"steps of {len(world.kinds)} models, {len(jobs)} {doing}")


def start_server(world: World) -> None:
    """Let the server of processes import torch while the policy, which takes one core, is made."""
    if world.workers > 1 and _processes().get_start_method() == "forkserver":
        multiprocessing.forkserver.ensure_running()


def _processes() -> BaseContext:
    """Return how processes are started: not forked from this one, for torch may hang in a fork.

    On Linux a server that has imported torch and transformers once forks them: to import them takes
    a process as long as a hundred steps of a small model.
    """
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "transformers.models.llama.modeling_llama"])
    return context


def _steps(world: World, kind: Kind, out: Path) -> int:
    """Return the optimiser steps of one model, if no record is left out."""
    records = _lines(out / "data" / f"{kind}.jsonl")
    settings = world.settings(kind, records)
    return max(1, round(settings.epochs * math.ceil(records / settings.batch_size)))


def _rows(path: Path) -> int:
    """Count the steps in a metrics file, whose first row is none."""
    return max(0, _lines(path) - 1) if path.is_file() else 0


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _one(world: World, kind: Kind, out: Path, progress: bool) -> None:
    """Train one model, check its saved copy against it, and score the test pool with the copy."""
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
