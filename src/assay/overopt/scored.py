"""Pools as the numbers that a sweep is made of: scores of proxies and golds, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["ScoredPool"]

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ScoredPool:
    """Scores of P prompts' responses, up to N each: (P, N) arrays by name, NaN where there is no
    score."""

    proxies: Mapping[str, Array]
    golds: Mapping[str, Array]
    keys: Sequence[Sequence[str]] | None = None
    """Texts of the responses, where they are known."""
    lengths: Array | None = None
    """(P, N), characters of each response."""
    axes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Numbers that proxies differ in, such as parameters: by name of the number, and of the
    proxy."""
    notes: Sequence[str] = ()
    """What a reader has to know of the pool."""
