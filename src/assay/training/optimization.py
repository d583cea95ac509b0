"""The way down, whatever is learned: AdamW, warm-up and cosine, accumulation, clipping, early
stopping, exact resume.

A step's loss is the mean over its whole batch however that is cut into parts. What happens at a
step is a function of the settings, the examples and the step alone, so a run that is killed and
started again ends the same, bit for bit on one CPU and a given number of threads. Several processes
(`parallel`) take the same steps as one, up to rounding.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from assay.console.progress import progress as progress_bar
from assay.errors import BackendError, ConfigError
from assay.packing.budget import Budget, out_of_memory
from assay.runs.metrics import METRICS, metrics_file
from assay.training import resume as resuming
from assay.training.adamw import AdamW, Memory, memory_of, parameters_of
from assay.training.collate import Example, epoch_order
from assay.training.parallel import ALONE, World, split
from assay.training.settings import Settings

__all__ = [
    "CHECKPOINT",
    "Part",
    "Task",
    "checkpointing",
    "clip",
    "descend",
    "leaders_file",
    "learning_rate",
    "optimiser_of",
    "recomputing",
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
    accumulate: Callable[[Sequence[P], World, int], Mapping[str, float | None]]
    """Figures over all parts of all processes together, "loss" among them, and "accuracy" where
    there is one; so many of the parts, the last ones, are idle and weigh nothing. Adds the gradient
    of the loss to the parameters', unless gradients are off."""
    settings: Settings
    budget: Budget
    checks: Sequence[P] = ()
    """The held-out examples."""
    held_out: int = 0
    """How many held-out examples there are."""
    world: World = ALONE
    """The processes that train the model."""

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
    model, settings, folder, world = task.model, task.settings, out / CHECKPOINT, task.world
    optimiser = optimiser_of(model, settings)
    state = resuming.State()
    a_epoch = math.ceil(len(task.examples) / settings.batch_size)
    total = max(1, round(settings.epochs * a_epoch))
    every = settings.eval_every or max(1, total // 10)
    # A short run is as annoying to lose as a long one is costly.
    save_every = settings.checkpoint_every or max(1, min(100, total // 10))
    if resuming.there(folder):
        state = resuming.load(folder, model, optimiser, prints)
        if progress and state.step:
            print(f"resumed at step {state.step} of {total}", file=sys.stderr)
    lengths, prompts = (
        np.array(x) for x in zip(*((e.length, e.prompt) for e in task.examples), strict=True)
    )
    order: list[Any] = []
    resuming.remembered(folder, task.budget, world)
    with (
        checkpointing(task.network, settings.gradient_checkpointing),
        leaders_file(out / METRICS, state.metrics_bytes, world) as write,
        progress_bar("train", total, start=state.step, on=progress) as show,
    ):
        if not state.step:
            write(start)
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
            examples = [task.examples[i] for i in order[index]]
            try:
                row = take_step(task, optimiser, examples, state.step, total)
            except _Less as error:
                raise resuming.go_on_with_less(folder, task.budget, world) from error
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
            if state.step % save_every == 0 or stop:
                state.metrics_bytes = write({})
                resuming.save(folder, state, model, optimiser, prints, world)
    if state.best is not None and state.best.step != state.step:
        resuming.restore_best(folder, state.best, model)
    return state


def leaders_file(
    path: Path, size: int, world: World
) -> AbstractContextManager[Callable[[Mapping[str, Any]], int]]:
    """A file of rows (`metrics_file`), which the leader writes and others do not."""
    return metrics_file(path, size) if world.leader else nullcontext(lambda row: 0)


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
    torch.manual_seed(settings.seed * 1_000_003 + step + (task.world.rank << 40))
    rate = learning_rate(step, total, settings)
    for group in optimiser.param_groups:
        group["lr"] = rate
    figures, tokens = _gradients(task, examples)
    trained = parameters_of(optimiser)
    norm = clip(trained, settings.clip)
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
    world = task.world
    own = examples if world.size == 1 else split(examples, world.size)[world.rank]
    shortest = min(examples, key=lambda e: e.length)
    while True:
        parts = task.cut(own, task.budget.micro_tokens) if own else []
        passes, idle = world.even(parts, lambda: task.cut([shortest], 1)[0])
        try:
            figures = task.accumulate(passes, world, idle)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if len(parts) == len(own):
                raise BackendError(
                    f"out of memory with one record at a time ({max(e.length for e in own)} tokens"
                    " in the longest): fewer --micro-tokens do not help; give"
                    " --gradient-checkpointing, --lora RANK, a smaller --max-length or more"
                    " processes, and ask `assay plan train` what takes how much"
                ) from error
            task.budget.halve(max(part.computed for part in parts))
            if world.size > 1:
                # The others are within a pass, which this process can no longer take part in.
                raise _Less from error
            task.model.zero_grad(set_to_none=True)
        else:
            return figures, world.total(sum(part.tokens for part in parts))


class _Less(Exception):
    """Memory ran out on one of several processes, and less at a time may do."""


def clip(parameters: Sequence[nn.Parameter], most: float) -> float:
    """Scale the gradients down to a norm of `most`, wherever their parts are; returns the norm that
    they had."""
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
    torch.nn.utils.clip_grads_with_norm_(parameters, most, norm)
    return float(norm)


def _evaluation(task: Task[P], state: resuming.State, folder: Path) -> dict[str, Any]:
    """Held-out figures; keeps the weights where the loss is the lowest so far."""
    task.model.eval()
    world, checks = task.world, task.checks
    parts, idle = world.even(checks[world.rank :: world.size], lambda: checks[0])
    # Weights that were gathered in inference mode could not learn afterwards.
    with torch.inference_mode() if world.size == 1 else torch.no_grad():
        figures = task.accumulate(parts, world, idle)
    loss = figures["loss"]
    assert loss is not None
    if state.best is None or state.best.loss is None or loss < state.best.loss:
        state.best, state.stale = resuming.Best(state.step, loss, figures.get("accuracy")), 0
        resuming.keep_best(folder, state.step, task.model, world)
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


@contextmanager
def recomputing(network: Any, on: bool) -> Iterator[None]:
    """Gradient checkpointing of a stock network in evaluation mode, which it is left in otherwise:
    dropout stays off.

    Raises `ConfigError` where the network cannot, or its layers would drop something.
    """
    if not on:
        yield
        return
    layers = [m for m in network.modules() if isinstance(m, GradientCheckpointingLayer)]
    # Layers recompute, and the engine leaves their cache alone, where they are told to train.
    told = [network.base_model, *layers]
    values = (pair for module in told for pair in vars(module).items())
    dropped = any("drop" in name and isinstance(value, float) and value for name, value in values)
    if not layers or dropped:
        why = "drop states while they are told to train" if layers else "have no checkpoints"
        raise ConfigError(
            f"gradient_checkpointing: the layers of {type(network).__name__} {why}; leave it out,"
            " and lower micro_tokens"
        )
    with checkpointing(network, True):
        for module in told:
            module.training = True
        try:
            yield
        finally:
            for module in told:
                module.training = False
