"""One training run, whatever is trained: resume or refuse what is there, optimise, save, summarise.

Reward models (`loop`) and supervised fine-tuning (`sft`) supply what differs: their examples, the
task and how the result is saved.
"""

import copy
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import nn

from assay.errors import ConfigError
from assay.runs.metrics import METRICS, read_rows
from assay.runs.settings import dumps, write_atomic
from assay.training import optimization as descent
from assay.training import resume as resuming
from assay.training.adamw import memory_of
from assay.training.collate import Example
from assay.training.parallel import ALONE, World, check
from assay.training.rehearsal import check_examples, check_trainable
from assay.training.settings import Settings
from assay.training.sharding import at_home, gathered, shard

__all__ = ["Run", "check_folder", "fit", "losses_of"]

P = TypeVar("P", bound=descent.Part)


@dataclass(frozen=True, kw_only=True)
class Run(Generic[P]):
    """A training run, before its first step."""

    model: nn.Module
    """Module whose parameters are trained."""
    network: Any
    """Stock network within the model."""
    tokenizer: Any
    examples: Sequence[Example]
    held_out: Sequence[Example]
    summary: str
    """Name of the file that is written last; with it the run is finished."""
    prints: Callable[[], Mapping[str, str]]
    """Hashes of everything that decides what the run does, by name."""
    about: Mapping[str, Any]
    """First row of the metrics, and part of the summary: counts of the data."""
    prepare: Callable[[bool], None]
    """Puts adapters into the model; True where it should be tried before whether it can be
    saved."""
    task: Callable[[Any], descent.Task[P]]
    """Makes the task of the model, or of a copy that lies in parts."""
    publish: Callable[[resuming.Best], Mapping[str, Any]]
    """Saves the trained model; returns what the summary says besides."""
    reopen: Callable[[], None]
    """Loads the weights of the finished run into the model."""


def fit(
    run: Run[P],
    out: Path,
    settings: Settings,
    *,
    resume: bool,
    progress: bool,
    world: World = ALONE,
) -> dict[str, Any]:
    """Train and save, or load what is finished; returns the summary.

    Raises `ConfigError` where `out` holds another run or processes differ, `DataError` where the
    examples teach nothing, `BackendError` when the loss is no longer finite.
    """
    examples = [*run.examples, *run.held_out]
    check_examples(examples, run.network, run.tokenizer, aloud=world.leader)
    check_trainable(run.model)
    if settings.offload and world.size == 1:
        raise ConfigError("offload is of a model that several processes train; leave it out")
    prints, progress = run.prints(), progress and world.leader
    check(world, prints, out, len(run.examples), settings.batch_size)
    if not resume and world.leader:
        (out / run.summary).unlink(missing_ok=True)
        shutil.rmtree(out / descent.CHECKPOINT, ignore_errors=True)
    summary = world.told(resuming.finished(out / run.summary, prints) if world.leader else None)
    if summary is not None:
        run.reopen()
        return summary
    there = resuming.there(out / descent.CHECKPOINT)
    if progress and resume and not there and (out / METRICS).exists():
        why = "a run that ended before its first checkpoint"
        print(f"{out} holds {why}; it begins anew", file=sys.stderr)
    run.prepare(world.leader and not there)
    task = _task(run, settings, world)
    # Merging adapters changes what is trained, so it is measured before.
    whole = run.model if world.size > 1 else task.model
    memory = memory_of(whole.parameters(), settings.bf16_update)
    if progress:
        print(memory.said(), file=sys.stderr)
    start = {**run.about, **memory.row()}
    state = descent.descend(task, out=out, prints=prints, start=start, progress=progress)
    best = state.best or resuming.Best(state.step, None, None)
    if world.size > 1:
        values = gathered(task.model, world)
        del task
        if world.leader:
            at_home(run.model, values, world)
    summary = {
        **start,
        "steps": state.step,
        "best_step": best.step,
        "held_out_loss": best.loss,
        **(run.publish(best) if world.leader else {}),
        "fingerprint": prints,
    }
    if world.leader:
        write_atomic(out / run.summary, dumps(summary, indent=2) + "\n")
        shutil.rmtree(out / descent.CHECKPOINT, ignore_errors=True)
    return world.told(summary)


def _task(run: Run[P], settings: Settings, world: World) -> descent.Task[P]:
    """The task of the model; in a world it lies in parts, and the leader keeps a whole one, to be
    saved in the end."""
    if world.size == 1:
        return run.task(run.model)
    model: Any = copy.deepcopy(run.model) if world.leader else run.model
    network = model if run.network is run.model else model.network
    with descent.checkpointing(network, settings.gradient_checkpointing):
        how = {"autocast": settings.autocast, "offload": settings.offload}
        world = shard(model.train(), network, world, **how)
    return replace(run.task(model), world=world)


def check_folder(out: Path) -> None:
    """Raise `ConfigError` where a folder holds a model that no training run made."""
    if (out / "config.json").exists() and not (out / METRICS).exists():
        raise ConfigError(f"{out} holds a model that no training run made; give another folder")


def losses_of(out: Path) -> tuple[float, ...]:
    """Training loss of every step of a run."""
    return tuple(row["loss"] for row in read_rows(out / METRICS) if "loss" in row)
