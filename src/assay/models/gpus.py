"""GPUs as values: what their makers' data sheets say, dense, without sparsity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["GPUS", "Gpu"]


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    memory: float
    """Bytes."""
    bf16: float
    """Operations per second in matrix products of bf16."""
    fp32: float
    """Operations per second in fp32 without TF32, which PyTorch does not use unless told to."""
    bandwidth: float
    """Bytes per second between the memory and the cores."""


GPUS: Final[Mapping[str, Gpu]] = {
    "a100-80": Gpu(80e9, 312e12, 19.5e12, 2.04e12),
    "h100": Gpu(80e9, 989e12, 67e12, 3.35e12),
    "h200": Gpu(141e9, 989e12, 67e12, 4.8e12),
    "b200": Gpu(180e9, 2250e12, 80e12, 7.7e12),
    "l40s": Gpu(48e9, 362e12, 91.6e12, 0.864e12),
    "4090": Gpu(24e9, 165e12, 82.6e12, 1.01e12),
}
"""Those with SXM sockets where there are several of a name."""
