"""What a killed run needs to go on exactly: written whole or not at all, and refused by a run that
differs.

The order of the records and the dropout are functions of (seed, step), so no random state is kept.
One process writes `state.pt`; several write their parts side by side (`parts`). Either is read by
any number of processes.
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
from assay.errors import BackendError, ConfigError
from assay.files import write_atomic
from assay.models.reward_model import RewardModel
from assay.packing.budget import Budget
from assay.protocols import Loss
from assay.runs.settings import to_json
from assay.training import parts
from assay.training.collate import Example
from assay.training.parallel import ALONE, World
from assay.training.settings import Settings
from assay.training.sharding import gathered, like

__all__ = [
    "Best",
    "State",
    "check",
    "fingerprint",
    "finished",
    "go_on_with_less",
    "keep_best",
    "load",
    "of_examples",
    "of_json",
    "of_settings",
    "remembered",
    "restore_best",
    "save",
    "there",
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


STATE = "state.pt"
TOKENS = "micro_tokens"
"""File that says how many tokens at a time several processes go on with, once memory ran out."""


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training changes, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def save(
    folder: Path,
    state: State,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    of: Mapping[str, str],
    world: World = ALONE,
) -> None:
    """Write a checkpoint in place of the last one."""
    body: dict[str, Any] = {"state": asdict(state), "fingerprint": dict(of)}
    if world.size > 1:
        parts.save(folder, body, trainable(model), [optimiser], world)
        if not world.leader:
            return
        (folder / STATE).unlink(missing_ok=True)
    else:
        body |= {"parameters": trainable(model), "optimiser": optimiser.state_dict()}
        write(folder / STATE, body)
        parts.remove(folder)
    for path in folder.glob("best-*.pt"):
        if state.best is None or path.name != f"best-{state.best.step}.pt":
            path.unlink()


def load(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, of: Mapping[str, str]
) -> State:
    """Put the checkpoint's weights and optimiser back. Raises `ConfigError` where it is of another
    run."""
    if (last := parts.last(folder)) is not None:
        body = parts.body_of(last)
        check(body["fingerprint"], of, folder)
        parts.load(last, trainable(model), [optimiser])
    else:
        body = torch.load(folder / STATE, map_location="cpu", weights_only=True)
        check(body["fingerprint"], of, folder)
        _put(model, body["parameters"])
        parts.put_whole(optimiser, body["optimiser"])
    best = body["state"].pop("best")
    return State(**body["state"], best=Best(**best) if best else None)


def there(folder: Path) -> bool:
    """Return whether there is a checkpoint to go on from."""
    return (folder / STATE).is_file() or parts.last(folder) is not None


def go_on_with_less(folder: Path, budget: Budget, world: World) -> BackendError:
    """Keep how many tokens at a time all processes go on with; the error that ends this run."""
    write_atomic(folder / TOKENS, str(budget.micro_tokens))
    return BackendError(
        f"process {world.rank} is out of memory; the same command again goes on from the last"
        f" checkpoint with micro_tokens={budget.micro_tokens}"
    )


def remembered(folder: Path, budget: Budget, world: World) -> None:
    """Take what was kept, where memory ran out before; the same on all processes."""
    if world.size > 1:
        found = (folder / TOKENS).read_text() if (folder / TOKENS).is_file() else None
        budget.micro_tokens = min(budget.micro_tokens, int(world.told(found) or 1 << 62))


def keep_best(folder: Path, step: int, model: nn.Module, world: World = ALONE) -> None:
    """Keep the present weights as the best of a step; older ones go when the next checkpoint no
    longer needs them."""
    values = trainable(model) if world.size == 1 else gathered(model, world)
    if world.leader:
        write(folder / f"best-{step}.pt", values)


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
    for name in ("checkpoint_every", "offload"):
        del body[name]
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
            parameter.copy_(like(parameter, values[name]))
