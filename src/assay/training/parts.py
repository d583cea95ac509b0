"""Checkpoints in parts: every process writes what it holds (`torch.distributed.checkpoint`), and
any number of processes, or one, reads them back.

`parts-STEP/` is whole or not there: all write into a folder beside it, which the leader renames
when everybody is done. `state.json` in it says where the run stands.
"""

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from assay.errors import BackendError, ConfigError
from assay.runs.settings import dumps, write_atomic
from assay.training.adamw import parameters_of
from assay.training.parallel import World
from assay.training.sharding import like

__all__ = ["body_of", "last", "load", "put_whole", "remove", "save"]

BODY: Final = "state.json"
PREFIX: Final = "parts-"


def last(folder: Path) -> Path | None:
    """The folder of the last whole checkpoint; None without any."""
    found = [path for path in folder.glob(f"{PREFIX}*") if (path / BODY).is_file()]
    return max(found, key=lambda path: int(path.name.removeprefix(PREFIX)), default=None)


def remove(folder: Path, keep: Path | None = None) -> None:
    """Remove all checkpoints but one, and what killed runs left."""
    for path in [*folder.glob(f"{PREFIX}*"), *folder.glob(f".{PREFIX}*")]:
        if path != keep:
            shutil.rmtree(path)


def body_of(checkpoint: Path) -> dict[str, Any]:
    """Where the run stood."""
    body: dict[str, Any] = json.loads((checkpoint / BODY).read_text())
    return body


def save(
    folder: Path,
    body: Mapping[str, Any],
    parameters: Mapping[str, nn.Parameter],
    optimisers: Sequence[torch.optim.Optimizer],
    world: World,
) -> None:
    """Write a checkpoint in place of the last one; all processes together.

    optimisers: each of some of the parameters; their names are the optimisers' state's, too.
    """
    from torch.distributed.checkpoint.state_dict_saver import save as write

    name = f"{PREFIX}{body['state']['step']}"
    staging, final = folder / f".{name}", folder / name
    if world.leader:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
    world.told(None)
    tensors = {f"parameters.{k}": p.detach() for k, p in parameters.items()}
    owners = _owners(optimisers)
    for key, parameter in parameters.items():
        held = owners[parameter].state.get(parameter, {}) if parameter in owners else {}
        tensors |= {f"optimiser.{key}.{kind}": value for kind, value in held.items()}
    try:
        with _explained(staging, "written; is the disk full?"):
            write(tensors, checkpoint_id=staging)
    except (OSError, BackendError):
        if world.leader:
            shutil.rmtree(staging, ignore_errors=True)
        raise
    # Nothing is renamed before everybody's part is there.
    world.everybodys(None)
    if world.leader:
        write_atomic(staging / BODY, dumps(body))
        shutil.rmtree(final, ignore_errors=True)
        staging.rename(final)
        remove(folder, final)
    world.told(None)


def load(
    checkpoint: Path,
    parameters: Mapping[str, nn.Parameter],
    optimisers: Sequence[torch.optim.Optimizer],
) -> None:
    """Put weights and optimisers back, split as the parameters are now. Raises `ConfigError` where
    a part is missing."""
    import torch.distributed as dist
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata
    from torch.distributed.checkpoint.state_dict_loader import load as read

    metadata = FileSystemReader(checkpoint).read_metadata()
    needed = {info.relative_path for info in metadata.storage_data.values()}
    if missing := sorted(name for name in needed if not (checkpoint / name).is_file()):
        raise ConfigError(
            f"{checkpoint} lacks {', '.join(missing)}, a part that another process wrote; copy it"
            " there, or start afresh without resuming"
        )
    tensors: dict[str, Any] = {f"parameters.{k}": p.detach() for k, p in parameters.items()}
    owners = _owners(optimisers)
    for name, parameter in parameters.items():
        start = f"optimiser.{name}."
        state: dict[str, Tensor] = {}
        for key, saved in metadata.state_dict_metadata.items():
            kind = key.removeprefix(start)
            if key.startswith(start) and "." not in kind:
                assert isinstance(saved, TensorStorageMetadata)
                state[kind] = _empty(parameter, kind, saved.properties.dtype)
                tensors[key] = state[kind]
        if state:
            owners[parameter].state[parameter] = state
    with warnings.catch_warnings():
        # That one process reads alone is meant.
        warnings.simplefilter("ignore", UserWarning)
        with _explained(checkpoint, "read; start afresh without resuming"):
            read(tensors, checkpoint_id=checkpoint, no_dist=not dist.is_initialized())


@contextmanager
def _explained(place: Path, what: str) -> Iterator[None]:
    """Raise the system's own `OSError`, or `BackendError`, for what torch raises where a process
    fails, which is no `Exception`."""
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        yield
    except CheckpointException as error:
        rank, (why, _) = next(iter(error.failures.items()))
        if isinstance(why, OSError) and why.errno is not None:
            raise OSError(why.errno, why.strerror, str(place)) from error
        line = next(iter(str(why).splitlines()), "")
        raise BackendError(
            f"{place}: process {rank} failed ({type(why).__name__}: {line}), so that it cannot be"
            f" {what}"
        ) from error


def _owners(
    optimisers: Sequence[torch.optim.Optimizer],
) -> dict[nn.Parameter, torch.optim.Optimizer]:
    """The optimiser of each parameter that has one."""
    return {p: optimiser for optimiser in optimisers for p in parameters_of(optimiser)}


def _empty(parameter: nn.Parameter, kind: str, dtype: torch.dtype) -> Tensor:
    """A tensor to read a part of the optimiser's state of a parameter into."""
    if kind != "step":
        return torch.zeros_like(parameter, dtype=dtype, requires_grad=False)
    # PyTorch's fused AdamW counts where the parameter is, ours for bf16 on the CPU.
    where = torch.device("cpu") if parameter.dtype == torch.bfloat16 else parameter.device
    return torch.zeros((), dtype=dtype, device=where)


def put_whole(optimiser: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Put back what one process saved (`Optimizer.state_dict`), split as the parameters are now."""
    given = [p for group in optimiser.param_groups for p in group["params"]]
    for index, held in saved["state"].items():
        for kind, value in held.items():
            held[kind] = value if kind == "step" else like(given[index], value)
    optimiser.load_state_dict(saved)
