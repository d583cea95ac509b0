"""The way down, whatever is learned: AdamW, warm-up and cosine, accumulation, clipping, early
stopping, exact resume.

A step's loss is the mean over its whole batch however that is cut into parts. What happens at a
step is a function of the settings, the examples and the step alone, so a run that is killed and
started again ends the same, bit for bit on one CPU and a given number of threads. Left out on
purpose: more than one process.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from assay.console.progress import progress as progress_bar
from assay.errors import BackendError, ConfigError
from assay.packing.budget import Budget, out_of_memory
from assay.runs.metrics import METRICS, metrics_file
from assay.training import resume as resuming
from assay.training.adamw import AdamW, Memory, memory_of, parameters_of
from assay.training.collate import Example, epoch_order
from assay.training.settings import Settings

__all__ = [
    "CHECKPOINT",
    "Part",
    "Task",
    "checkpointing",
    "descend",
    "learning_rate",
    "optimiser_of",
    "take_step",
]

CHECKPOINT = "checkpoint"
"""Folder, within a run's, of what a killed run needs to go on."""


class Part(Protocol):
    """What one forward pass takes."""

    @property
    def tokens(self) -> int:
        """Tokens of all its sequences."""
        ...

    @property
    def computed(self) -> int:
        """Tokens that go through the model."""
        ...


P = TypeVar("P", bound=Part)


@dataclass(frozen=True, kw_only=True)
class Task(Generic[P]):
    """What is learned from what, and how."""

    model: nn.Module
    """Learns in its parameters that require gradients."""
    network: Any
    """The stock network within."""
    examples: Sequence[Example]
    cut: Callable[[Sequence[Example], int], list[P]]
    """A batch in parts of at most so many tokens, or of one example."""
    accumulate: Callable[[Sequence[P]], Mapping[str, float | None]]
    """Figures over all parts together, "loss" among them, and "accuracy" where there is one. Adds
    the gradient of the loss to the parameters', unless gradients are off."""
    settings: Settings
    budget: Budget
    checks: Sequence[P] = ()
    """The held-out examples."""
    held_out: int = 0
    """How many held-out examples there are."""

    @property
    def memory(self) -> Memory:
        """What training it holds, as the model stands."""
        return memory_of(self.model.parameters(), self.settings.bf16_update)


def descend(
    task: Task[P], *, out: Path, prints: Mapping[str, str], start: Mapping[str, Any], progress: bool
) -> resuming.State:
    """All steps from where the checkpoint in `out` left off; the model ends with the weights to
    keep.

    prints: the run's fingerprint. start: the first row of its metrics.
    """
    model, settings, folder = task.model, task.settings, out / CHECKPOINT
    optimiser = optimiser_of(model, settings)
    if progress:
        print(task.memory.said(), file=sys.stderr)
    state = resuming.State()
    if (folder / "state.pt").is_file():
        state = resuming.load(folder, model, optimiser, prints)
        if progress and state.step:
            print(f"resumed at step {state.step}", file=sys.stderr)
    a_epoch = math.ceil(len(task.examples) / settings.batch_size)
    total = max(1, round(settings.epochs * a_epoch))
    every = settings.eval_every or max(1, total // 10)
    lengths, prompts = (
        np.array(x) for x in zip(*((e.length, e.prompt) for e in task.examples), strict=True)
    )
    order: list[Any] = []
    with (
        checkpointing(task.network, settings.gradient_checkpointing),
        metrics_file(out / METRICS, state.metrics_bytes) as write,
        progress_bar("train", total, start=state.step, on=progress) as show,
    ):
        if not state.step:
            write({**start, **task.memory.row()})
        stop = _done(state, total, settings)
        while not stop:
            began = time.monotonic()
            epoch, index = divmod(state.step, a_epoch)
            if not index or not order:
                order = epoch_order(
                    lengths,
                    settings.batch_size,
                    settings.seed,
                    epoch,
                    settings.bucket,
                    prompts,
                    settings.together,
                )
            row = take_step(
                task, optimiser, [task.examples[i] for i in order[index]], state.step, total
            )
            state.step += 1
            speed = row["tokens"] / (time.monotonic() - began)
            write(
                {"step": state.step, "epoch": state.step / a_epoch}
                | row
                | {"tokens_per_second": round(speed, 1)}
            )
            show(state.step, f"loss {row['loss']:.3f}, {speed:.0f} tokens/s")
            if task.checks and (state.step % every == 0 or state.step == total):
                write(_evaluation(task, state, folder))
            stop = _done(state, total, settings)
            # The last one too: if saving the model fails, nothing has to be trained again.
            if state.step % settings.checkpoint_every == 0 or stop:
                state.metrics_bytes = write({})
                resuming.save(folder, state, model, optimiser, prints)
    if state.best is not None and state.best.step != state.step:
        resuming.restore_best(folder, state.best, model)
    return state


def _done(state: resuming.State, total: int, settings: Settings) -> bool:
    return state.step >= total or (
        settings.patience is not None and state.stale >= settings.patience
    )


def take_step(
    task: Task[P],
    optimiser: torch.optim.Optimizer,
    examples: Sequence[Example],
    step: int,
    total: int,
) -> dict[str, Any]:
    """One optimiser step, counted from 0; what to write about it."""
    settings = task.settings
    task.model.train()
    # Dropout is a function of the step, so that a run that goes on needs no random state.
    torch.manual_seed(settings.seed * 1_000_003 + step)
    rate = learning_rate(step, total, settings)
    for group in optimiser.param_groups:
        group["lr"] = rate
    figures, tokens = _gradients(task, examples)
    trained = parameters_of(optimiser)
    norm = float(torch.nn.utils.clip_grad_norm_(trained, settings.clip))
    loss = figures["loss"]
    if loss is None or not math.isfinite(loss) or not math.isfinite(norm):
        raise BackendError(
            f"step {step + 1}: loss {loss}, gradient norm {norm}; lower the learning rate (now"
            f" {rate:.3g}) or keep the parameters in fp32"
        )
    if step == 0 and norm == 0:
        raise ConfigError(
            f"the first step's gradient is exactly 0 (loss {loss:.6g}), so nothing would ever be"
            " learned: what should be told apart is the same, the head is dead, or it decides"
            " everything already; look at the first records and at the backbone, or draw a new"
            " head"
        )
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return {**figures, "learning_rate": rate, "gradient_norm": norm, "tokens": tokens}


def _gradients(
    task: Task[P], examples: Sequence[Example]
) -> tuple[Mapping[str, float | None], int]:
    """Figures and tokens of a step's examples, whose gradient is added; less at a time when memory
    runs out."""
    while True:
        parts = task.cut(examples, task.budget.micro_tokens)
        try:
            figures = task.accumulate(parts)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(parts) == len(examples):
                raise
            task.model.zero_grad(set_to_none=True)
            task.budget.halve(max(part.computed for part in parts))
        else:
            return figures, sum(part.tokens for part in parts)


def _evaluation(task: Task[P], state: resuming.State, folder: Path) -> dict[str, Any]:
    """Held-out figures; keeps the weights where the loss is the lowest so far."""
    task.model.eval()
    with torch.inference_mode():
        figures = task.accumulate(task.checks)
    loss = figures["loss"]
    assert loss is not None
    if state.best is None or state.best.loss is None or loss < state.best.loss:
        state.best, state.stale = resuming.Best(state.step, loss, figures.get("accuracy")), 0
        resuming.keep_best(folder, state.step, task.model)
    else:
        state.stale += 1
    named = {f"eval_{name}": value for name, value in figures.items()}
    return {"step": state.step, **named, "eval_records": task.held_out}


def learning_rate(step: int, total: int, settings: Settings) -> float:
    """Linear warm-up, then half a cosine down to `final_learning_rate_share` of the peak; `step`
    counts from 0."""
    warm = math.ceil(settings.warmup * total)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    last = settings.final_learning_rate_share
    wave = 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))
    return settings.learning_rate * (last + (1 - last) * wave)


def optimiser_of(model: nn.Module, settings: Settings) -> AdamW:
    """AdamW; vectors (norms, biases) do not decay. Raises `ConfigError` for a precision that it
    cannot train in."""
    trained = resuming.trainable(model).values()
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    given = [g for g in groups if g["params"]]
    return AdamW(
        given, lr=settings.learning_rate, bf16_update=settings.bf16_update, seed=settings.seed
    )


@contextmanager
def checkpointing(network: Any, on: bool) -> Iterator[None]:
    """Gradient checkpointing of a stock network while a run lasts."""
    # The name changed within transformers 5.
    name = "activation" if hasattr(network, "activation_checkpointing_enable") else "gradient"
    if on:
        getattr(network, f"{name}_checkpointing_enable")()
    try:
        yield
    finally:
        if on:
            getattr(network, f"{name}_checkpointing_disable")()
