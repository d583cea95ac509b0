"""How many tokens fit in memory: a number that is halved when they do not."""

import logging

import torch

__all__ = ["Budget", "out_of_memory"]

log = logging.getLogger(__name__)


SIGNS = ("can't allocate memory", "out of memory", "alloc_failed")
"""What errors say where memory ran out: the CPU's allocator, CUDA and MPS, cuBLAS."""


class Budget:
    """Most tokens of one forward pass. Memory follows tokens, not rows, so this is the one knob."""

    def __init__(self, micro_tokens: int) -> None:
        self.micro_tokens = micro_tokens

    def halve(self, tokens: int) -> None:
        """So many were too many: go on with half of them, or half the budget where that is less."""
        self.micro_tokens = max(1, min(self.micro_tokens, tokens) // 2)
        log.warning("out of memory; going on with micro_tokens=%d", self.micro_tokens)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)
