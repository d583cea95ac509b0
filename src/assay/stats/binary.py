"""A judge's yes and no against a person's: the two-by-two table and what is made of it.

Items may be weighted, by one over the probability that each was selected: of items that were chosen
because judge and person may differ there, the plain share says nothing of all others.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assay.errors import DataError
from assay.stats.agreement import over_items
from assay.stats.estimate import Estimate
from assay.stats.intervals import Array, student_quantile
from assay.stats.shares import proportion

__all__ = ["agreement_of", "neyman_allocation", "stratified_mean"]


def agreement_of(
    truth: ArrayLike,
    said: ArrayLike,
    *,
    clusters: Sequence[Hashable],
    weights: ArrayLike | None = None,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Measure yes-or-no verdicts against labels.

    truth: (n,) 0 or 1. said: (n,) 0, 1, or NaN where there is no verdict. clusters: n ids.

    * agreement: share of items with the label's verdict; no verdict does not agree;
    * decided: the same over items with a verdict, as are all below but the last two;
    * sensitivity, specificity: shares of the true yes and no that are judged so;
    * balanced_accuracy: their mean; kappa: Cohen's, (o - e) / (1 - e);
    * abstention: share without a verdict; constant: agreement of the commonest label.

    What lacks a row to be measured on has n = 0 and no value. Shares have `proportion`'s intervals,
    kappa and balanced accuracy those of a bootstrap of the clusters.
    """
    y, f = (np.asarray(x, dtype=np.float64) for x in (truth, said))
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    ids, there = np.asarray(clusters, dtype=object), ~np.isnan(f)

    def share(credit: Array, rows: Array) -> Estimate:
        given = None if weights is None else w[rows]
        return proportion(credit[rows], clusters=[*ids[rows]], weights=given)

    def of_table(value: Callable[[Array], Array]) -> Estimate:
        cells = np.zeros((int(there.sum()), 4))
        cells[np.arange(len(cells)), (2 * y[there] + f[there]).astype(int)] = w[there]
        return over_items(cells, value, clusters=[*ids[there]], seed=seed)

    right, every = (y == f).astype(np.float64), np.ones(len(y), dtype=bool)
    often = float(np.sum(w * y) >= np.sum(w * (1 - y)))
    return {
        "agreement": share(right, every),
        "decided": share(right, there),
        "kappa": of_table(_kappa),
        "balanced_accuracy": of_table(_balanced),
        "sensitivity": share(right, there & (y == 1)),
        "specificity": share(right, there & (y == 0)),
        "abstention": share((~there).astype(np.float64), every),
        "constant": share((y == often).astype(np.float64), every),
    }


def _kappa(sums: Array) -> Array:
    """Cohen's kappa of (..., 4) sums: true no judged no and yes, true yes judged no and yes."""
    t = sums / sums.sum(axis=-1, keepdims=True)
    yes, judged = t[..., 2] + t[..., 3], t[..., 1] + t[..., 3]
    chance = yes * judged + (1 - yes) * (1 - judged)
    return np.asarray((t[..., 0] + t[..., 3] - chance) / (1 - chance))


def _balanced(sums: Array) -> Array:
    no, yes = sums[..., 0] + sums[..., 1], sums[..., 2] + sums[..., 3]
    return np.asarray((sums[..., 0] / no + sums[..., 3] / yes) / 2)


def stratified_mean(
    values: ArrayLike, strata: Sequence[Hashable], shares: dict[Any, float]
) -> Estimate:
    """Mean of all items from some of each stratum: Σ W_h mean_h, with variance Σ W_h² S_h² / n_h.

    values: (n,). strata: of each value, such as the judge's verdict. shares: W_h, of each stratum
    among all items. The interval is Student's with Satterthwaite's degrees of freedom. Raises
    `DataError` for shares that do not sum to 1, and for a stratum of fewer than two values.
    """
    x, names = np.asarray(values, dtype=np.float64), np.asarray([*strata, None], dtype=object)[:-1]
    parts = [(share, x[names == name]) for name, share in shares.items()]
    if abs(sum(shares.values()) - 1) > 1e-6 or sum(len(part) for _, part in parts) != len(x):
        raise DataError(f"strata have shares {shares}; give one to each, which sum to 1")
    if min(len(part) for _, part in parts) < 2:
        raise DataError("a stratum has fewer than two values, whose spread is not known")
    terms = np.array([share**2 * part.var(ddof=1) / len(part) for share, part in parts])
    value, variance = sum(share * part.mean() for share, part in parts), terms.sum()
    below = sum(t**2 / (len(part) - 1) for t, (_, part) in zip(terms, parts, strict=True))
    half = student_quantile(variance**2 / below, 0.95) * variance**0.5 if below > 0 else np.nan
    return Estimate(value=value, low=value - half, high=value + half, n=len(x))


def neyman_allocation(shares: Sequence[float], deviations: Sequence[float], n: int) -> list[float]:
    """Labels for each stratum that make its estimate's variance least: n W_h S_h / Σ W S."""
    worth = np.asarray(shares, dtype=np.float64) * np.asarray(deviations, dtype=np.float64)
    return [float(one) for one in n * worth / worth.sum()]
