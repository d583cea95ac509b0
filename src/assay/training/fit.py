"""One training run, whatever is trained: resume or refuse what is there, optimise, save, summarise.

Reward models (`loop`) and supervised fine-tuning (`sft`) supply what differs: their examples, the
task and how the result is saved.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import nn

from assay.errors import ConfigError
from assay.runs.metrics import METRICS, read_rows
from assay.runs.settings import dumps, write_atomic
from assay.training import optimization as descent
from assay.training import resume as resuming
from assay.training.collate import Example
from assay.training.rehearsal import check_examples, check_trainable

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
    task: Callable[[bool], descent.Task[P]]
    """Makes the task, adapters put into the model; True where no checkpoint is resumed."""
    publish: Callable[[resuming.Best], Mapping[str, Any]]
    """Saves the trained model; returns what the summary says besides."""
    reopen: Callable[[], None]
    """Loads the weights of the finished run into the model."""


def fit(run: Run[P], out: Path, *, resume: bool, progress: bool) -> dict[str, Any]:
    """Train and save, or load what is finished; returns the summary.

    Raises `ConfigError` where `out` holds another run, `DataError` where the examples teach
    nothing, `BackendError` when the loss is no longer finite.
    """
    check_examples([*run.examples, *run.held_out], run.network, run.tokenizer)
    check_trainable(run.model)
    prints = run.prints()
    if not resume:
        (out / run.summary).unlink(missing_ok=True)
        shutil.rmtree(out / descent.CHECKPOINT, ignore_errors=True)
    summary = resuming.finished(out / run.summary, prints)
    if summary is not None:
        run.reopen()
        return summary
    task = run.task(not (out / descent.CHECKPOINT / "state.pt").is_file())
    # Merging adapters changes what is trained, so it is measured before.
    memory = task.memory.row()
    state = descent.descend(task, out=out, prints=prints, start=run.about, progress=progress)
    best = state.best or resuming.Best(state.step, None, None)
    summary = {
        **run.about,
        **memory,
        "steps": state.step,
        "best_step": best.step,
        "held_out_loss": best.loss,
        **run.publish(best),
        "fingerprint": prints,
    }
    write_atomic(out / run.summary, dumps(summary, indent=2) + "\n")
    shutil.rmtree(out / descent.CHECKPOINT, ignore_errors=True)
    return summary


def check_folder(out: Path) -> None:
    """Raise `ConfigError` where a folder holds a model that no training run made."""
    if (out / "config.json").exists() and not (out / METRICS).exists():
        raise ConfigError(f"{out} holds a model that no training run made; give another folder")


def losses_of(out: Path) -> tuple[float, ...]:
    """Training loss of every step of a run."""
    return tuple(row["loss"] for row in read_rows(out / METRICS) if "loss" in row)
