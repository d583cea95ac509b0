"""A model over several devices: layers on GPUs as they fit, then in the CPU's memory, then on the
disk, from where each is read when its turn comes (accelerate's `device_map`).

Only for reading: nothing is trained so, and shared prompts are read anew for every response, for
the packed path moves layers' tensors by itself. Tried on a CPU and a disk only.
"""

import importlib.util
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final, TypeVar

import torch

from assay.errors import ConfigError, MissingExtra
from assay.models import room
from assay.models.parts import PARTS
from assay.packing.engine import Engine, pin

__all__ = ["MAP", "mapped", "settle", "settled"]

M = TypeVar("M", bound=torch.nn.Module)

MAP: Final = "map"
"""The word for a device that stands for all of them."""
SHARE: Final = 0.8
"""Share of what is free that weights may take; passes take the rest."""


def mapped() -> dict[str, Any]:
    """Return settings by which transformers puts a model's layers where there is room.

    Raises `MissingExtra` without accelerate, `ConfigError` where nothing says how much is free.
    """
    if importlib.util.find_spec("accelerate") is None:
        raise MissingExtra("a model over several devices (accelerate)", "lowbit")
    found = room.room()
    if found is None:
        raise ConfigError("this system does not say how much memory is free; name one device")
    most: dict[int | str, int] = {
        i: int(SHARE * torch.cuda.mem_get_info(i)[0]) for i in range(torch.cuda.device_count())
    }
    most["cpu"] = int(SHARE * found[1])
    return {
        "device_map": "auto",
        "max_memory": most,
        # What safetensors hold is read from there; only what is no safetensors is written here.
        "offload_folder": str(Path(tempfile.gettempdir()) / "assay-offload"),
    }


def settle(folder: Path, network: Any) -> str:
    """Make a network whose layers lie on several devices give its states where its tokens are, and
    return what lies where.

    Raises `ConfigError` where not even the table of tokens has room.
    """
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module

    table = network.get_input_embeddings().weight
    if table.is_meta:
        raise ConfigError(
            f"{folder}: not even the table of tokens ({table.numel() * table.element_size():,}"
            " bytes) has room in memory; free some, or ask a server that holds the model"
        )
    backbone = network.base_model
    same = AlignDevicesHook(execution_device=table.device, io_same_device=True)
    add_hook_to_module(backbone, same, append=True)
    pin(backbone, Engine("plain", "weights lie on several devices", 0.0))
    sizes: Counter[str] = Counter()
    for parameter in network.parameters():
        where = "a disk or moved from the CPU" if parameter.is_meta else str(parameter.device)
        sizes[where] += parameter.numel() * parameter.element_size()
    return ", ".join(f"{size / 1e9:,.2f} GB on {where}" for where, size in sizes.items())


def settled(module: M, device: str) -> M:
    """Move a module to a device; one over several stays where it is, its head where its parts
    are."""
    if device == MAP:
        return module
    return module.to(next(module.parameters()).device if device == PARTS else device)
