"""Make one number of several rewards, as pure functions.

B responses of which `group_B` (B,) says to which prompt each is; K parts, values (B, K) without
their weights, NaN where a response has none; weights (K,), or (B, K) where prompts differ. What is
missing of one part takes nothing from the others.

| how        | advantage of a response                                                          |
|------------|----------------------------------------------------------------------------------|
| `gdpo`     | Σ w_k (r_k - mean_k) / sd_k, mean and sd (ddof 1) of the group (arXiv:2601.05242) |
| `whitened` | w · Σ^(-1/2) (r - mean), Σ the covariance within groups (arXiv:2605.13641)        |

Beside them a sum, which the advantages of `rl.advantages` are of: there a part of large scores
speaks for all, and two parts that agree are paid twice. Of 2605.13641 the normalisation by
quantiles is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from assay.errors import ConfigError
from assay.rl.advantages import Ints
from assay.rl.rewards import Array
from assay.rl.transforms import LEAST_SPREAD

__all__ = [
    "FLOOR",
    "SHRINKAGE",
    "Combine",
    "Combined",
    "Missing",
    "combine",
    "filled",
    "gdpo",
    "whitened",
]

Combine = Literal["sum", "gdpo", "whitened"]
Missing = Literal["drop", "partial"]
"""What becomes of a response that a part could not score: it is left out, or learned from by the
parts that it has."""

FLOOR: Final = 0.1
"""Least spread that is divided by, as a share of the usual one."""
SHRINKAGE: Final = 0.1
"""Share of the covariances that is taken off."""
RANK: Final = 1e-9
"""Eigenvalue, as a share of the largest, below which a direction does not vary."""


@dataclass(frozen=True)
class Combined:
    """Advantages of B responses, made of K parts."""

    values_B: Array
    spread_K: Array
    """Standard deviation of each part within groups."""
    influence_K: Array
    """What a unit of each part is worth in the end; its weight where parts stay apart."""
    figures: Mapping[str, float] = field(default_factory=dict)


def combine(
    how: Combine,
    values_B_K: Array,
    weights_K: Sequence[float] | Array,
    group_B: Ints,
    *,
    floor: float = FLOOR,
    shrinkage: float = SHRINKAGE,
) -> Combined:
    """Combine in the way of that name, which is none of a sum."""
    if how == "gdpo":
        return gdpo(values_B_K, weights_K, group_B, floor=floor)
    if how == "whitened":
        return whitened(values_B_K, weights_K, group_B, shrinkage=shrinkage)
    raise ConfigError(f"{how} is no way to combine advantages; there is gdpo, whitened")


def gdpo(
    values_B_K: Array, weights_K: Sequence[float] | Array, group_B: Ints, *, floor: float = FLOOR
) -> Combined:
    """Normalise each part within its group, then add up.

    A part that hardly varies in a group is not blown up to full weight: it is divided by no less
    than `floor` times its usual spread (root mean square over groups), nor than `LEAST_SPREAD`.
    A part that is the same for all responses of a group is worth 0 there.
    """
    centred_B_K, count_G_K = _centred(values_B_K, group_B)
    square_G_K = _sums(centred_B_K**2, group_B)
    sd_G_K = np.sqrt(square_G_K / np.maximum(count_G_K - 1, 1))
    spread_K = _usual(square_G_K, count_G_K)
    least_K = np.maximum(floor * spread_K, LEAST_SPREAD)
    scaled_B_K = centred_B_K / np.maximum(sd_G_K, least_K)[group_B]
    weight_B_K = np.broadcast_to(np.asarray(weights_K, dtype=np.float64), values_B_K.shape)
    varies_G_K = sd_G_K > 0
    floored = float((varies_G_K & (sd_G_K < least_K)).sum() / max(varies_G_K.sum(), 1))
    influence_K = weight_B_K.mean(0)
    return Combined((scaled_B_K * weight_B_K).sum(1), spread_K, influence_K, {"floored": floored})


def whitened(
    values_B_K: Array,
    weights_K: Sequence[float] | Array,
    group_B: Ints,
    *,
    shrinkage: float = SHRINKAGE,
) -> Combined:
    """Whiten the parts, so that what two of them both say counts once, then add up.

    The covariance is that of deviations from the group's mean (ddof 1 per group), over all groups;
    covariances are shrunk towards 0 by `shrinkage`. Parts that hardly vary (`LEAST_SPREAD`) are
    left out. A part's influence, W w, may differ in sign from its weight where parts go together.
    """
    centred_B_K, count_G_K = _centred(values_B_K, group_B)
    spread_K = _usual(_sums(centred_B_K**2, group_B), count_G_K)
    active_K = spread_K > LEAST_SPREAD
    weight_B_K = np.broadcast_to(np.asarray(weights_K, dtype=np.float64), values_B_K.shape)
    root_K_K = np.zeros((len(active_K), len(active_K)))
    if active_K.any():
        there_B_K = (~np.isnan(values_B_K)).astype(np.float64)[:, active_K]
        here_G_K = (count_G_K > 0).astype(np.float64)[:, active_K]
        free_K_K = np.maximum(there_B_K.T @ there_B_K - here_G_K.T @ here_G_K, 1)
        covariance_K_K = centred_B_K[:, active_K].T @ centred_B_K[:, active_K] / free_K_K
        own_K_K = np.diag(np.diag(covariance_K_K))
        shrunk_K_K = (1 - shrinkage) * covariance_K_K + shrinkage * own_K_K
        root_K_K[np.ix_(active_K, active_K)] = _inverse_root(shrunk_K_K)
    values_B = (centred_B_K @ root_K_K * weight_B_K).sum(1)
    return Combined(values_B, spread_K, root_K_K @ weight_B_K.mean(0))


def filled(values_B_K: Array, group_B: Ints) -> Array:
    """Put the mean of the group's other responses in the place of what is missing, and 0 where none
    has it: neither a gain nor a loss beside them."""
    centred_B_K, _ = _centred(values_B_K, group_B)
    there_B_K = ~np.isnan(values_B_K)
    counts_G_K = np.maximum(_sums(there_B_K.astype(np.float64), group_B), 1)
    means_G_K = _sums(np.where(there_B_K, values_B_K, 0.0), group_B) / counts_G_K
    return centred_B_K + means_G_K[group_B]


def _centred(values_B_K: Array, group_B: Ints) -> tuple[Array, Array]:
    """Deviations from the group's mean, 0 where there is no value; and how many values there
    are, (G, K)."""
    there_B_K = ~np.isnan(values_B_K)
    count_G_K = _sums(there_B_K.astype(np.float64), group_B)
    mean_G_K = _sums(np.where(there_B_K, values_B_K, 0.0), group_B) / np.maximum(count_G_K, 1)
    return np.where(there_B_K, values_B_K - mean_G_K[group_B], 0.0), count_G_K


def _sums(values_B_K: Array, group_B: Ints) -> Array:
    sums_G_K = np.zeros((int(group_B.max(initial=-1)) + 1, values_B_K.shape[1]))
    np.add.at(sums_G_K, group_B, values_B_K)
    return sums_G_K


def _usual(square_G_K: Array, count_G_K: Array) -> Array:
    """Root mean square of the groups' standard deviations, each weighing as its freedom."""
    free_K = np.maximum(count_G_K - 1, 0).sum(0)
    return np.asarray(np.sqrt(square_G_K.sum(0) / np.maximum(free_K, 1)))


def _inverse_root(matrix_K_K: Array) -> Array:
    """The symmetric inverse root; directions that do not vary are left out."""
    values_K, vectors_K_K = np.linalg.eigh(matrix_K_K)
    kept_K = values_K > RANK * values_K.max()
    root_K = np.where(kept_K, 1 / np.sqrt(np.where(kept_K, values_K, 1.0)), 0.0)
    return np.asarray((vectors_K_K * root_K) @ vectors_K_K.T)
