"""Train reward models: records are encoded once, optimised (`optimization`), and saved (`fit`).

The loss of a batch is the mean over its terms. Left out on purpose: mixed kinds of records.

A run's folder holds the stock model and `reward_model.json`, `metrics.jsonl` (a row a step, a row
an evaluation), `training.json` (the summary, written last) and, until it is finished,
`checkpoint/`.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

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
from assay.training.parallel import ALONE, World
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
    held_out_records: int = 0
    """Held-out records that the loss is over: those that were not dropped."""


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
    world: World = ALONE,
) -> Trained:
    """Train the model on its device, in place, and save it to `out`.

    With held-out records the weights with the lowest held-out loss are kept. A run that was killed
    goes on where it was, and a finished one is loaded, when `resume` is true and nothing has
    changed; `ConfigError` says what has. Raises `DataError` when no record is left to train on or,
    of those held out, to evaluate on, `RefusedRecords` naming those that the layout refuses,
    `BackendError` when the loss is no longer finite.

    places: where each record stands, by `id(record)`, for what is said of it. about: what
    `training.json` says besides. world: the processes that train together, each of which calls this
    with the same, the model whole on the CPU; it is the leader's model that has learned in the end.
    """
    if isinstance(model, ImplicitRewardModel):
        check_loss(loss)
    if READOUTS[loss.trains].link != model.readout.link:
        raise ConfigError(
            f"{type(loss).__name__} trains a model whose link is {READOUTS[loss.trains].link!r},"
            f" and this one's is {model.readout.link!r}; make the model with"
            f" readout=READOUTS[{loss.trains!r}]"
        )
    if world.size > 1 and isinstance(loss, AuxiliaryHeadLoss):
        raise ConfigError(
            f"{type(loss).__name__} looks at a whole step at once; train it in one process"
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
        prepare=lambda new: _prepare(model, records, settings, out if new else None),
        task=lambda trained: task_of(trained, examples, loss, settings, held),
        publish=lambda best: _publish(model, out, records, settings, best),
        reopen=lambda: _reopen(model, out),
    )
    summary = fit(run, out, settings, resume=resume, progress=progress, world=world)
    kept = (
        "steps",
        "held_out_loss",
        "held_out_accuracy",
        "best_step",
        "records",
        "parity",
        "held_out_records",
    )
    return Trained(
        model=model.eval(),
        losses=losses_of(out),
        dropped=sum(summary["dropped"].values()),
        dropped_why=summary["dropped"],
        **{name: summary[name] for name in kept},
    )


def _prepare(
    model: RewardModel, records: Sequence[Record], settings: Settings, rehearsal: Path | None
) -> None:
    """Put adapters into the model. rehearsal: folder to save into beforehand."""
    if rehearsal is not None:
        rehearse(model, _fit(model, records, PROBED), rehearsal)
    if settings.lora:
        from assay.models.lora import add_lora

        torch.manual_seed(settings.seed)
        add_lora(model, settings.lora, 2 * settings.lora)


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

    def figures(parts: Sequence[MicroBatch], world: World, idle: int) -> dict[str, float | None]:
        autocast = settings.autocast
        if heads is not None:
            assert isinstance(loss, AuxiliaryHeadLoss)
            return disentangle.accumulate(heads, parts, loss, autocast=autocast)
        value, accuracy = accumulate(model, parts, loss, autocast=autocast, world=world, idle=idle)
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
    model: RewardModel,
    parts: Sequence[MicroBatch],
    loss: Loss,
    *,
    autocast: bool = False,
    world: World = ALONE,
    idle: int = 0,
) -> tuple[float, float | None]:
    """The mean loss over all parts of all processes together, and the accuracy where there is
    anything to decide.

    Adds this process's share of the gradient of that mean to the parameters', unless gradients are
    off. idle: how many of the parts, the last ones, weigh nothing.
    """
    device = next(model.parameters()).device
    counted = len(parts) - idle
    total = max(1, world.total(sum(part.terms for part in parts[:counted])))
    sums = torch.zeros(3, device=device)

    def of(part: MicroBatch, weight: float) -> tuple[Tensor, Tensor]:
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            values = part.values(model(part.batch))
        share = loss(values, part.targets, part.mask_G_R_S) * weight
        return share, hits(loss, values.detach(), part.targets, part.mask_G_R_S)

    for i, part in enumerate(parts):
        weight = part.terms / total if i < counted else 0.0
        share, right = world.run(partial(of, part.to(device), weight))
        if torch.is_grad_enabled():
            share.backward()  # type: ignore[no-untyped-call]
        if i < counted:
            sums += torch.cat([share.detach()[None], right])
    value, right, decided = world.summed(sums)
    return float(value), float(right / decided) if decided else None


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
