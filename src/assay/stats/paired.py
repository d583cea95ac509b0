"""Two scorers on the same items: their paired difference, and McNemar's exact test."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.estimate import Estimate
from assay.stats.intervals import Array
from assay.stats.means import mean

__all__ = ["McNemar", "mcnemar", "paired_bootstrap", "paired_difference"]


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """McNemar's exact test of two scorers on the same items."""

    only_a: int
    """Items that a gets right and b does not."""
    only_b: int
    """Items that b gets right and a does not."""
    n: int
    """Items in all; those on which both do equally well carry no information."""
    p_value: float
    """Two-sided exact binomial p of so uneven a split, were both equally good."""


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    unscored: int = 0,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """Mean of a - b over the same items (n,), with the interval of `mean`, by cluster.

    within: the range that differences cannot leave, [-1, 1] for shares. `resamples` and `seed` are
    taken so that one set of options serves every estimator; nothing is resampled here.
    """
    x, y = _pair(a, b)
    return mean(x - y, clusters=clusters, confidence=confidence, unscored=unscored, within=within)


paired_bootstrap = paired_difference
"""The earlier name of `paired_difference`."""


def mcnemar(a_correct: ArrayLike, b_correct: ArrayLike) -> McNemar:
    """Exact test of the discordant items (n,); a credit of one half (a tie) is discordant with both
    0 and 1.

    Items are taken as independent: where several share a prompt, use `paired_difference`
    instead.
    """
    x, y = _pair(a_correct, b_correct)
    only_a, only_b = int((x > y).sum()), int((y > x).sum())
    discordant = only_a + only_b
    # Fair-coin binomial, both tails: by symmetry twice the smaller one.
    p = (
        min(1.0, 2 * float(scipy.special.bdtr(min(only_a, only_b), discordant, 0.5)))
        if discordant
        else 1.0
    )
    return McNemar(only_a=only_a, only_b=only_b, n=len(x), p_value=p)


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(
            f"paired values must be two lists of one length, got {x.shape} and {y.shape}"
        )
    return x, y
