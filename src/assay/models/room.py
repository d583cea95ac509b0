"""Whether a machine has room for a model, asked before it is read."""

import ctypes
import math
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from assay.errors import ConfigError
from assay.models.lowbit import bytes_of

__all__ = ["check_room", "give_back", "room", "size_of"]


def size_of(folder: Path, dtype: Any = "auto", weights: str = "saved") -> int | None:
    """Return the bytes of a folder's weights in a precision, matrices of layers in what `weights`
    says, by the headers of its files alone.

    None where it holds no safetensors, which are the only ones with a header. Numbers that are no
    floats stay what they are.
    """
    total = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                part = file.get_slice(name)
                own = str(part.get_dtype())
                # F32, BF16, I64, U8, F8_E4M3: the number is of bits.
                width = int("".join(c for c in own.split("_")[0] if c.isdigit()) or 8) // 8
                if isinstance(dtype, torch.dtype) and own.startswith(("F", "BF")):
                    width = dtype.itemsize
                few = bytes_of(name, part.get_shape(), weights)
                total += round(math.prod(part.get_shape()) * width if few is None else few)
    return total or None


def room() -> tuple[int, int] | None:
    """Return the bytes of memory that a process may have in all, and that are free; None where the
    system does not say."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():
        return None
    lines = (line.split() for line in meminfo.read_text().splitlines())
    has = {words[0]: int(words[1]) * 1024 for words in lines}
    total, free = has["MemTotal:"], has.get("MemAvailable:", has["MemFree:"])
    limit, used = (Path("/sys/fs/cgroup") / f"memory.{what}" for what in ("max", "current"))
    if limit.is_file() and (most := limit.read_text().strip()).isdecimal():
        # A container's.
        total = min(total, int(most))
        free = min(free, total - int(used.read_text()))
    return total, free


def give_back() -> None:
    """Hand freed memory back to the system, where the C library can.

    What quantisation made on its way is freed one matrix at a time, and glibc keeps it: more than
    the quantised model itself takes.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def check_room(folder: Path, dtype: Any = "auto", weights: str = "saved") -> str | None:
    """Return a warning where a folder's weights are larger than the memory that is free.

    Raises `ConfigError` where they are larger than all there is.
    """
    size, memory = size_of(folder, dtype, weights), room()
    if size is None or memory is None:
        return None
    total, free = memory
    takes = f"{folder} takes {size / 1e9:,.1f} GB of memory"
    less = (
        "load it in bfloat16 (--dtype bfloat16) or in fewer bits (--weights int8, --weights nf4),"
        " or ask a server that holds it (remote:URL)"
    )
    if size > total:
        raise ConfigError(f"{takes}, and this machine has {total / 1e9:,.1f}; {less}")
    if size > free:
        return f"{takes}, and {free / 1e9:,.1f} are free: it may be killed; {less}"
    return None
