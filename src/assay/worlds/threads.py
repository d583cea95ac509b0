"""CPU threads for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["threads"]


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many CPU threads while it lasts; None changes nothing.

    One is often several times faster for models of under a million parameters: handing the work out
    costs more than the work.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
