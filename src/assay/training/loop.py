"""Train reward models: records are encoded once, optimised (`optimization`), and saved (`fit`).

The loss of a batch is the mean over its terms. Left out on purpose: mixed kinds of records.

A run's folder holds the stock model and `reward_model.json`, `metrics.jsonl` (a row a step, a row
an evaluation), `training.json` (the summary, written last) and, until it is finished,
`checkpoint/`.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from assay.data.records import all_pairs
from assay.errors import ConfigError
from assay.models import checkpoint
from assay.models.fit import unfit
from assay.models.implicit import ImplicitRewardModel, check_loss
from assay.models.parity import tolerance_of
from assay.models.readout import OUTCOME, PREFERENCE, PROCESS, Readout
from assay.models.reward_model import RewardModel, TrainScores
from assay.packing.budget import Budget
from assay.protocols import AuxiliaryHeadLoss, Loss
from assay.runs.metrics import METRICS
from assay.scorers.local import LocalScorer
from assay.training import disentangle
from assay.training import optimization as descent
from assay.training import resume as resuming
from assay.training.accuracy import hits
from assay.training.collate import (
    Example,
    MicroBatch,
    both,
    encode,
    micro_batches,
    nothing_left,
    say_dropped,
)
from assay.training.fit import Run, check_folder, fit, losses_of
from assay.training.optimization import learning_rate
from assay.training.rehearsal import PROBED, rehearse
from assay.training.settings import Settings
from assay.types import Group, Prompt, Record, Response, Score, StepLabels

__all__ = [
    "METRICS",
    "READOUTS",
    "Settings",
    "Trained",
    "accumulate",
    "learning_rate",
    "task_of",
    "train",
    "train_scores",
]

READOUTS: Mapping[Literal["preference", "outcome", "process"], Readout] = {
    "preference": PREFERENCE,
    "outcome": OUTCOME,
    "process": PROCESS,
}
"""The read-out of a model for each kind of loss (`Loss.trains`)."""

SUMMARY = "training.json"
SAMPLE = 256
"""Records on which the scores' mean and spread are taken: more would tell no more, and take much of
a short run."""


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
    places: Mapping[int, str] | None = None,
    about: Mapping[str, Any] | None = None,
    progress: bool = True,
    resume: bool = True,
) -> Trained:
    """Train the model on its device, in place, and save it to `out`.

    With held-out records the weights with the lowest held-out loss are kept. A run that was killed
    goes on where it was, and a finished one is loaded, when `resume` is true and nothing has
    changed; `ConfigError` says what has. Raises `DataError` when no record is left to train on or,
    of those held out, to evaluate on, `RefusedRecords` naming those that the layout refuses,
    `BackendError` when the loss is no longer finite.

    places: where each record stands, by `id(record)`, for what is said of it. about: what
    `training.json` says besides.
    """
    if isinstance(model, ImplicitRewardModel):
        check_loss(loss)
    if READOUTS[loss.trains].link != model.readout.link:
        raise ConfigError(
            f"{type(loss).__name__} trains a model whose link is {READOUTS[loss.trains].link!r},"
            f" and this one's is {model.readout.link!r}; make the model with"
            f" readout=READOUTS[{loss.trains!r}]"
        )
    check_folder(out)
    (examples, dropped), (held, held_dropped) = both(
        lambda side: encode(side, model.encoder, loss, places), records, held_out
    )
    say_dropped("training", len(records), dropped, aloud=progress)
    say_dropped("held-out", len(held_out), held_dropped, aloud=progress)
    if len(examples) == dropped.ties:
        raise nothing_left(len(records), dropped)
    if held_out and not held:
        raise nothing_left(len(held_out), held_dropped, held_out=True)
    run = Run(
        model=model,
        network=model.network,
        tokenizer=model.encoder.tokenizer,
        examples=examples,
        held_out=held,
        summary=SUMMARY,
        prints=lambda: resuming.fingerprint(model, loss, settings, examples, held),
        about={
            "records": len(examples),
            "dropped": dropped.counts,
            "contradicting": dropped.contradicting,
            "identical_ties": dropped.ties,
            "held_out_records": len(held),
            "held_out_dropped": held_dropped.counts,
            **(about or {}),
        },
        task=lambda new: _task(
            model, records, examples, loss, settings, held, out if new else None
        ),
        publish=lambda best: _publish(model, out, records, settings, best),
        reopen=lambda: _reopen(model, out),
    )
    summary = fit(run, out, resume=resume, progress=progress)
    kept = ("steps", "held_out_loss", "held_out_accuracy", "best_step", "records", "parity")
    return Trained(
        model=model.eval(),
        losses=losses_of(out),
        dropped=sum(summary["dropped"].values()),
        dropped_why=summary["dropped"],
        **{name: summary[name] for name in kept},
    )


def _task(
    model: RewardModel,
    records: Sequence[Record],
    examples: Sequence[Example],
    loss: Loss,
    settings: Settings,
    held_out: Sequence[Example],
    rehearsal: Path | None,
) -> descent.Task[MicroBatch]:
    """The task of a run, adapters put into the model. rehearsal: folder to save into beforehand."""
    if rehearsal is not None:
        rehearse(model, _fit(model, records, PROBED), rehearsal)
    if settings.lora:
        from assay.models.lora import add_lora

        torch.manual_seed(settings.seed)
        add_lora(model, settings.lora, 2 * settings.lora)
    return task_of(model, examples, loss, settings, held_out)


def _reopen(model: RewardModel, out: Path) -> None:
    """Put the weights of a finished run into the model."""
    saved = checkpoint.load(out, device=str(next(model.parameters()).device))
    model.load_state_dict(saved.state_dict())
    model.scores = saved.scores


def task_of(
    model: RewardModel,
    examples: Sequence[Example],
    loss: Loss,
    settings: Settings,
    held_out: Sequence[Example] = (),
) -> descent.Task[MicroBatch]:
    """What the run descends on: the mean loss of reward-model examples, as the model stands."""

    heads = None
    if isinstance(loss, AuxiliaryHeadLoss):
        disentangle.check(loss, examples, held_out, settings.batch_size)
        heads = disentangle.TwoHeads(model, settings.seed)

    def figures(parts: Sequence[MicroBatch]) -> dict[str, float | None]:
        if heads is not None:
            assert isinstance(loss, AuxiliaryHeadLoss)
            return disentangle.accumulate(heads, parts, loss, autocast=settings.autocast)
        value, accuracy = accumulate(model, parts, loss, autocast=settings.autocast)
        return {"loss": value, "accuracy": accuracy}

    return descent.Task(
        model=model if heads is None else heads,
        network=model.network,
        examples=examples,
        cut=lambda batch, most: micro_batches(batch, loss, model.pad_id, most, model.engine),
        accumulate=figures,
        settings=settings,
        budget=Budget(settings.micro_tokens),
        checks=micro_batches(
            held_out, loss, model.pad_id, settings.micro_tokens, model.eval().engine
        ),
        held_out=len(held_out),
    )


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


def _publish(
    model: RewardModel,
    out: Path,
    records: Sequence[Record],
    settings: Settings,
    best: resuming.Best,
) -> dict[str, Any]:
    """Save the model among the run's other files; returns its accuracy and the parity measured."""
    if settings.lora:
        from assay.models.lora import merge_lora

        merge_lora(model)
    model.scores = train_scores(model, records)
    staging = out / "model"
    # Rounding grows with the scores: what is small is small beside their spread.
    tolerance = tolerance_of(model) * max(1.0, model.scores.std if model.scores else 1.0)
    parity = checkpoint.save(model, staging, probes=_fit(model, records, 4), tolerance=tolerance)
    (out / checkpoint.MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(out / checkpoint.REFERENCE, ignore_errors=True)
    # The manifest goes last: without it nobody takes the folder for a model.
    for path in sorted(staging.iterdir(), key=lambda p: p.name == checkpoint.MANIFEST):
        path.replace(out / path.name)
    staging.rmdir()
    return {"held_out_accuracy": best.accuracy, "parity": parity}


def train_scores(model: RewardModel, records: Sequence[Record]) -> TrainScores | None:
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


def _fit(
    model: RewardModel, records: Sequence[Record], count: int
) -> list[tuple[Prompt, Response]]:
    """About `count` prompts with responses, evenly over the records, leaving out what does not fit
    the model."""
    found = all_pairs(records[:: max(1, len(records) // count)])[: 2 * count]
    encoded = model.encoder.encode(found)
    return [
        item
        for item, s in zip(found, encoded, strict=True)
        if unfit(model.layout, item[1], s) is None
    ][:count]
