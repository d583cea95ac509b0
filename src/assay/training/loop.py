"""The training loop: AdamW, warm-up and cosine, accumulation, clipping, early stopping, exact resume.

A step's loss is the mean over its whole batch however that is cut into micro-batches. What happens at a step is a
function of the settings, the records and the step alone, so a run that is killed and started again ends the same, bit
for bit on one CPU and a given number of threads. Left out on purpose: more than one process, mixed kinds of records.

A run's folder holds the stock model and `reward_model.json`, `metrics.jsonl` (a row a step, a row an evaluation),
`training.json` (the summary, written last) and, until it is finished, `checkpoint/`.
"""

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from assay.config import write_atomic
from assay.errors import BackendError, ConfigError, DataError
from assay.models import checkpoint
from assay.models.fit import unfit
from assay.models.implicit import ImplicitRewardModel, check_loss
from assay.models.readout import OUTCOME, PREFERENCE, PROCESS, Readout
from assay.models.reward_model import RewardModel, TrainScores
from assay.packing.budget import Budget, out_of_memory
from assay.protocols import Loss
from assay.scorers.local import LocalScorer
from assay.training import resume as resuming
from assay.training.accuracy import hits
from assay.training.collate import Example, MicroBatch, encode, epoch_order, items, micro_batches
from assay.training.progress import progress as progress_bar
from assay.training.settings import Settings
from assay.types import Group, Prompt, Record, Response, Score, StepLabels

__all__ = ["READOUTS", "Settings", "Trained", "accumulate", "learning_rate", "train"]

READOUTS: Mapping[Literal["preference", "outcome", "process"], Readout] = {
    "preference": PREFERENCE,
    "outcome": OUTCOME,
    "process": PROCESS,
}
"""The read-out of a model for each kind of loss (`Loss.trains`)."""

METRICS = "metrics.jsonl"
SUMMARY = "training.json"
SAMPLE = 256
"""Records on which the scores' mean and spread are taken: more would tell no more, and take much of a short run."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished run."""

    model: RewardModel
    steps: int
    """Optimiser steps taken."""
    losses: tuple[float, ...]
    """Training loss of every step."""
    held_out_loss: float | None
    """Of the weights kept; None without held-out records."""
    held_out_accuracy: float | None
    best_step: int
    """The step whose weights are kept."""
    records: int
    """Records trained on."""
    dropped: int
    """Training records left out."""
    dropped_why: Mapping[str, int]
    parity: float
    """Largest difference between the model's scores and its saved copy's."""


def train(
    model: RewardModel,
    records: Sequence[Record],
    *,
    loss: Loss,
    settings: Settings,
    out: Path,
    held_out: Sequence[Record] = (),
    progress: bool = True,
    resume: bool = True,
) -> Trained:
    """Train the model on its device, in place, and save it to `out`.

    With held-out records the weights with the lowest held-out loss are kept. A run that was killed goes on where it
    was, and a finished one is loaded, when `resume` is true and nothing has changed; `ConfigError` says what has.
    Raises `DataError` when no record is left to train on, `BackendError` when the loss is no longer finite.
    """
    if isinstance(model, ImplicitRewardModel):
        check_loss(loss)
    if READOUTS[loss.trains].link != model.readout.link:
        raise ConfigError(
            f"{type(loss).__name__} trains a model whose link is {READOUTS[loss.trains].link!r}, and this one's is "
            f"{model.readout.link!r}; make the model with readout=READOUTS[{loss.trains!r}]"
        )
    if (out / "config.json").exists() and not (out / METRICS).exists():
        raise ConfigError(f"{out} holds a model that no training run made; give another folder")
    examples, dropped = encode(records, model.encoder, loss)
    held, held_dropped = encode(held_out, model.encoder, loss)
    _say("training", len(records), dropped, progress)
    _say("held-out", len(held_out), held_dropped, progress)
    prints = resuming.fingerprint(model, loss, settings, examples, held)
    if not resume:
        (out / SUMMARY).unlink(missing_ok=True)
        shutil.rmtree(out / "checkpoint", ignore_errors=True)
    summary = _finished(out, prints)
    if summary is not None:
        saved = checkpoint.load(out, device=str(next(model.parameters()).device))
        model.load_state_dict(saved.state_dict())
        model.scores = saved.scores
    else:
        start: dict[str, Any] = {"records": len(examples), "dropped": dropped, "held_out_records": len(held)}
        start |= {"held_out_dropped": held_dropped}
        budget = Budget(settings.micro_tokens)
        job = _Job(model, examples, held, loss, settings, out, prints, start, progress, budget)
        state = _run(job)
        model.scores = _train_scores(model, records)
        best = state.best or resuming.Best(state.step, None, None)
        summary = start | {
            "steps": state.step,
            "best_step": best.step,
            "held_out_loss": best.loss,
            "held_out_accuracy": best.accuracy,
            "parity": _publish(model, out, records),
            "fingerprint": prints,
        }
        write_atomic(out / SUMMARY, json.dumps(summary, indent=2) + "\n")
        shutil.rmtree(out / "checkpoint", ignore_errors=True)
    rows = map(json.loads, (out / METRICS).read_text().splitlines())
    return Trained(
        model=model.eval(),
        losses=tuple(row["loss"] for row in rows if "loss" in row),
        dropped=sum(summary["dropped"].values()),
        dropped_why=summary["dropped"],
        **{k: summary[k] for k in ("steps", "held_out_loss", "held_out_accuracy", "best_step", "records", "parity")},
    )


@dataclass(frozen=True)
class _Job:
    """All that a run is made of."""

    model: RewardModel
    examples: Sequence[Example]
    held: Sequence[Example]
    loss: Loss
    settings: Settings
    out: Path
    prints: Mapping[str, str]
    start: Mapping[str, Any]
    progress: bool
    budget: Budget


def _run(job: _Job) -> resuming.State:
    """All steps from where the checkpoint left off; the model ends with the weights to keep."""
    model, settings, folder = job.model, job.settings, job.out / "checkpoint"
    if settings.lora:
        from assay.models.lora import add_lora

        torch.manual_seed(settings.seed)
        add_lora(model, settings.lora, 2 * settings.lora)
    optimiser = _optimiser(model, settings)
    state = resuming.State()
    if (folder / "state.pt").is_file():
        state = resuming.load(folder, model, optimiser, job.prints)
    a_epoch = math.ceil(len(job.examples) / settings.batch_size)
    total = max(1, round(settings.epochs * a_epoch))
    every = settings.eval_every or max(1, total // 10)
    lengths, prompts = (np.array(x) for x in zip(*((e.length, e.prompt) for e in job.examples), strict=True))
    checks = micro_batches(job.held, job.loss, model.pad_id, settings.micro_tokens, model.eval().engine)
    order: list[Any] = []
    with (
        _checkpointing(model, settings.gradient_checkpointing),
        _metrics(job.out / METRICS, state.metrics_bytes) as write,
        progress_bar("train", total, start=state.step, on=job.progress) as show,
    ):
        if not state.step:
            write(job.start)
        stop = _done(state, total, settings)
        while not stop:
            began = time.monotonic()
            epoch, index = divmod(state.step, a_epoch)
            if not index or not order:
                order = epoch_order(
                    lengths, settings.batch_size, settings.seed, epoch, settings.bucket, prompts, settings.together
                )
            row = _step(job, optimiser, [job.examples[i] for i in order[index]], state.step, total)
            state.step += 1
            speed = row["tokens"] / (time.monotonic() - began)
            write({"step": state.step, "epoch": state.step / a_epoch} | row | {"tokens_per_second": round(speed, 1)})
            show(state.step, f"loss {row['loss']:.3f}, {speed:.0f} tokens/s")
            if checks and (state.step % every == 0 or state.step == total):
                write(_evaluation(job, checks, state))
            stop = _done(state, total, settings)
            # The last one too: if saving the model fails, nothing has to be trained again.
            if state.step % settings.checkpoint_every == 0 or stop:
                state.metrics_bytes = write({})
                resuming.save(folder, state, model, optimiser, job.prints)
    if state.best is not None and state.best.step != state.step:
        resuming.restore_best(folder, state.best, model)
    if settings.lora:
        from assay.models.lora import merge_lora

        merge_lora(model)
    return state


def _done(state: resuming.State, total: int, settings: Settings) -> bool:
    return state.step >= total or (settings.patience is not None and state.stale >= settings.patience)


def _step(
    job: _Job, optimiser: torch.optim.Optimizer, examples: Sequence[Example], step: int, total: int
) -> dict[str, Any]:
    """One optimiser step; what to write about it."""
    settings = job.settings
    job.model.train()
    # Dropout is a function of the step, so that a run that goes on needs no random state.
    torch.manual_seed(settings.seed * 1_000_003 + step)
    rate = learning_rate(step, total, settings)
    for group in optimiser.param_groups:
        group["lr"] = rate
    loss, accuracy, tokens = _gradients(job, examples)
    trained = [p for group in optimiser.param_groups for p in group["params"]]
    norm = float(torch.nn.utils.clip_grad_norm_(trained, settings.clip))
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise BackendError(
            f"step {step + 1}: loss {loss}, gradient norm {norm}; lower the learning rate (now {rate:.3g}) "
            "or keep the parameters in fp32"
        )
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return {"loss": loss, "accuracy": accuracy, "learning_rate": rate, "gradient_norm": norm, "tokens": tokens}


def _gradients(job: _Job, examples: Sequence[Example]) -> tuple[float, float | None, int]:
    """Loss, accuracy and tokens of a step's records, whose gradient is added; less at a time when memory runs out."""
    model = job.model
    while True:
        parts = micro_batches(examples, job.loss, model.pad_id, job.budget.micro_tokens, model.engine)
        try:
            loss, accuracy = accumulate(model, parts, job.loss, autocast=job.settings.autocast)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(parts) == len(examples):
                raise
            model.zero_grad(set_to_none=True)
            job.budget.halve(max(part.batch.computed for part in parts))
        else:
            return loss, accuracy, sum(part.batch.tokens for part in parts)


def accumulate(
    model: RewardModel, parts: Sequence[MicroBatch], loss: Loss, *, autocast: bool = False
) -> tuple[float, float | None]:
    """The mean loss over all parts together, and the accuracy where there is anything to decide.

    Adds the gradient of that mean to the parameters', unless gradients are off.
    """
    device = next(model.parameters()).device
    total = max(1, sum(part.terms for part in parts))
    value, right = torch.zeros((), device=device), torch.zeros(2, device=device)
    for part in parts:
        part = part.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            values = part.values(model(part.batch))
        share = loss(values, part.targets, part.mask_G_R_S) * (part.terms / total)
        if torch.is_grad_enabled():
            share.backward()  # type: ignore[no-untyped-call]
        value += share.detach()
        right += hits(loss, values.detach(), part.targets, part.mask_G_R_S)
    return float(value), float(right[0] / right[1]) if right[1] else None


def learning_rate(step: int, total: int, settings: Settings) -> float:
    """Linear warm-up, then half a cosine down to `final_learning_rate_share` of the peak; `step` counts from 0."""
    warm = math.ceil(settings.warmup * total)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    last = settings.final_learning_rate_share
    wave = 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))
    return settings.learning_rate * (last + (1 - last) * wave)


def _optimiser(model: RewardModel, settings: Settings) -> torch.optim.AdamW:
    """AdamW; vectors (norms, biases) do not decay."""
    trained = resuming.trainable(model).values()
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=settings.learning_rate, fused=True)


@contextmanager
def _checkpointing(model: RewardModel, on: bool) -> Iterator[None]:
    """Gradient checkpointing while a run lasts."""
    # The name changed within transformers 5.
    name = "activation" if hasattr(model.network, "activation_checkpointing_enable") else "gradient"
    if on:
        getattr(model.network, f"{name}_checkpointing_enable")()
    try:
        yield
    finally:
        if on:
            getattr(model.network, f"{name}_checkpointing_disable")()


def _evaluation(job: _Job, checks: Sequence[MicroBatch], state: resuming.State) -> dict[str, Any]:
    """Held-out loss and accuracy; keeps the weights where the loss is the lowest so far."""
    job.model.eval()
    with torch.inference_mode():
        loss, accuracy = accumulate(job.model, checks, job.loss, autocast=job.settings.autocast)
    if state.best is None or state.best.loss is None or loss < state.best.loss:
        state.best, state.stale = resuming.Best(state.step, loss, accuracy), 0
        resuming.keep_best(job.out / "checkpoint", state.step, job.model)
    else:
        state.stale += 1
    return {"step": state.step, "eval_loss": loss, "eval_accuracy": accuracy, "eval_records": len(job.held)}


@contextmanager
def _metrics(path: Path, size: int) -> Iterator[Callable[[Mapping[str, Any]], int]]:
    """A function that appends a row and returns the file's length; what a killed run wrote beyond `size` goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.truncate(size)

        def write(row: Mapping[str, Any]) -> int:
            if row:
                file.write(json.dumps(row).encode() + b"\n")
            file.flush()
            return file.tell()

        yield write


def _finished(out: Path, prints: Mapping[str, str]) -> dict[str, Any] | None:
    """The summary of a run that is there and complete. Raises `ConfigError` where it is another run's."""
    if not (out / SUMMARY).is_file():
        return None
    summary: dict[str, Any] = json.loads((out / SUMMARY).read_text())
    resuming.check(summary["fingerprint"], prints, out)
    return summary


def _publish(model: RewardModel, out: Path, records: Sequence[Record]) -> float:
    """Save the model among the run's other files; returns the parity that saving measured."""
    staging = out / "model"
    # Rounding grows with the scores: what is small is small beside their spread.
    tolerance = checkpoint.tolerance_of(model) * max(1.0, model.scores.std if model.scores else 1.0)
    parity = checkpoint.save(model, staging, probes=_fit(model, records, 4), tolerance=tolerance)
    (out / checkpoint.MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(out / checkpoint.REFERENCE, ignore_errors=True)
    # The manifest goes last: without it nobody takes the folder for a model.
    for path in sorted(staging.iterdir(), key=lambda p: p.name == checkpoint.MANIFEST):
        path.replace(out / path.name)
    staging.rmdir()
    return parity


def _train_scores(model: RewardModel, records: Sequence[Record]) -> TrainScores | None:
    """The scores' mean and spread on the training records, or an even sample of them."""
    groups = [Group(prompt=p, responses=(r,)) for p, r in _fit(model, records, SAMPLE)]
    values = [s.value for (s,) in LocalScorer(model).score(groups) if isinstance(s, Score)]
    if not values:
        return None
    labels = {record.meaning for record in records if isinstance(record, StepLabels)}
    return TrainScores(
        mean=float(np.mean(values)),
        std=float(np.std(values)),
        n=len(values),
        labels="monte_carlo" if "monte_carlo" in labels else "correctness",
    )


def _fit(model: RewardModel, records: Sequence[Record], count: int) -> list[tuple[Prompt, Response]]:
    """About `count` prompts with responses, evenly over the records, leaving out what does not fit the model."""
    found = [item for record in records[:: max(1, len(records) // count)] for item in items(record)][: 2 * count]
    encoded = model.encoder.encode(found)
    return [item for item, s in zip(found, encoded, strict=True) if unfit(model.layout, item[1], s) is None][:count]


def _say(what: str, of: int, dropped: Mapping[str, int], aloud: bool) -> None:
    """Say how many records are left out and why; nobody should find out by chance."""
    count = sum(dropped.values())
    why = ", ".join(f"{n} {reason}" for reason, n in dropped.items())
    if what == "training" and count == of:
        raise DataError(f"no record is left to train on: of {of}, {why or 'none was given'}")
    if count and aloud:
        print(f"{count} of {of} {what} records are dropped: {why}", file=sys.stderr)
