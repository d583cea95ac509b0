"""Copies to the device that do not wait for it."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["to_device"]


def to_device(values: Tensor | NDArray[Any], device: torch.device | str) -> Tensor:
    """Return the values on a device: to a GPU from page-locked memory, while the program goes on.

    torch keeps the locked memory until it was read.
    """
    tensor = torch.from_numpy(values) if isinstance(values, np.ndarray) else values
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
