"""What a killed run needs to go on exactly: written whole or not at all, and refused by a run that
differs.

The order of the records and the dropout are functions of (seed, step), so no random state is kept.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from assay import fingerprint as content
from assay.errors import ConfigError
from assay.models.reward_model import RewardModel
from assay.protocols import Loss
from assay.runs.settings import to_json
from assay.training.collate import Example
from assay.training.settings import Settings

__all__ = [
    "Best",
    "State",
    "check",
    "fingerprint",
    "finished",
    "keep_best",
    "load",
    "of_examples",
    "of_json",
    "of_settings",
    "restore_best",
    "save",
    "trainable",
]


@dataclass(frozen=True)
class Best:
    """The lowest held-out loss so far."""

    step: int
    loss: float | None
    accuracy: float | None


@dataclass
class State:
    """Where a run stands."""

    step: int = 0
    """Optimiser steps done."""
    best: Best | None = None
    stale: int = 0
    """Evaluations since the best one."""
    metrics_bytes: int = 0
    """Length of metrics.jsonl at this step."""


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training changes, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def save(
    folder: Path,
    state: State,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    of: Mapping[str, str],
) -> None:
    """Write a checkpoint in place of the last one."""
    body = {
        "state": asdict(state),
        "parameters": trainable(model),
        "optimiser": optimiser.state_dict(),
        "fingerprint": dict(of),
    }
    write(folder / "state.pt", body)
    for path in folder.glob("best-*.pt"):
        if state.best is None or path.name != f"best-{state.best.step}.pt":
            path.unlink()


def load(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, of: Mapping[str, str]
) -> State:
    """Put the checkpoint's weights and optimiser back. Raises `ConfigError` where it is of another
    run."""
    body = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    check(body["fingerprint"], of, folder)
    _put(model, body["parameters"])
    optimiser.load_state_dict(body["optimiser"])
    best = body["state"].pop("best")
    return State(**body["state"], best=Best(**best) if best else None)


def keep_best(folder: Path, step: int, model: nn.Module) -> None:
    """Keep the present weights as the best of a step; older ones go when the next checkpoint no
    longer needs them."""
    write(folder / f"best-{step}.pt", trainable(model))


def restore_best(folder: Path, best: Best, model: nn.Module) -> None:
    """Put the best weights back."""
    _put(model, torch.load(folder / f"best-{best.step}.pt", map_location="cpu", weights_only=True))


def fingerprint(
    model: RewardModel,
    loss: Loss,
    settings: Settings,
    examples: Sequence[Example],
    held_out: Sequence[Example],
) -> dict[str, str]:
    """Hashes of all that decides how a run goes and what it saves."""
    return {
        "settings": of_settings(settings),
        "loss": content.fingerprint(loss),
        "model": model.fingerprint,
        "records": of_examples(examples),
        "held-out records": of_examples(held_out),
    }


def of_settings(settings: Settings) -> str:
    """Hash of the settings, but for those that change nothing that is learned."""
    body = to_json(settings)
    del body["checkpoint_every"]
    return of_json(body)


def of_json(body: Any) -> str:
    """Hash of plain JSON data."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def of_examples(examples: Sequence[Example]) -> str:
    """Hash of examples, in their order."""
    digest = hashlib.sha256()
    for example in examples:
        for array in (*example.ids, *example.reads, example.target):
            digest.update(len(array).to_bytes(4, "little") + array.tobytes())
        if example.spans:
            digest.update(json.dumps(example.spans).encode())
    return digest.hexdigest()


def check(found: Mapping[str, str], expected: Mapping[str, str], folder: Path) -> None:
    """Raise `ConfigError` naming what differs between the run that is there and this one."""
    different = [name for name, value in expected.items() if found.get(name) != value]
    if different:
        raise ConfigError(
            f"{folder} is of a run with other {', '.join(different)}; "
            "give the same again to go on with it, another folder, or start afresh without resuming"
        )


def finished(summary: Path, prints: Mapping[str, str]) -> dict[str, Any] | None:
    """The summary of a run that is there and complete. Raises `ConfigError` where it is another
    run's."""
    if not summary.is_file():
        return None
    found: dict[str, Any] = json.loads(summary.read_text())
    check(found["fingerprint"], prints, summary.parent)
    return found


def write(path: Path, body: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        torch.save(body, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _put(model: nn.Module, values: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in trainable(model).items():
            parameter.copy_(values[name])
