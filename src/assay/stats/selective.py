"""Selective prediction: how wrong the answers are that are accepted, when only the surest are.

Risk at a coverage is the error of so large a share of the surest rows; the area under the curve
(AURC) is its mean over the n coverages i/n (Geifman and El-Yaniv, arXiv:1805.08206). Rows that are
equally sure have no order: every place among them has their mean error, which is the expectation
over all orders.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.estimate import Estimate
from assay.stats.intervals import Array
from assay.stats.means import mean
from assay.stats.shares import proportion

__all__ = ["COVERAGES", "Covered", "Selective", "area_under_risk", "selective"]

COVERAGES: Final = tuple(i / 20 for i in range(1, 21))
"""Shares of the rows that are accepted along a curve."""


@dataclass(frozen=True, kw_only=True)
class Covered:
    """One point of a curve of accuracy against coverage."""

    threshold: float
    """Least confidence that is accepted."""
    share: Estimate
    """Accepted rows among all."""
    accuracy: Estimate
    """Accuracy of the accepted rows; NaN where there is none."""


@dataclass(frozen=True, kw_only=True)
class Selective:
    """Risk against coverage, with the areas that no and perfect confidence would have."""

    aurc: Estimate
    """Area under the risk: 0 is perfect."""
    random: Estimate
    """Area of a confidence that knows nothing: the error of all rows."""
    oracle: Estimate
    """Area where every error comes last."""
    excess: Estimate
    """AURC less the oracle's, of the same rows: what the confidence loses."""
    curve: list[Covered]


def area_under_risk(sureness: ArrayLike, errors: ArrayLike) -> Array:
    """Values (n,) whose mean is the AURC, and whose spread is its: its influence function.

    With R_i the risk of the surest i rows, row i has R_i + Σ_{j >= i} (e_i - R_j) / j, averaged
    over the places that it shares with equals.
    """
    sure, e = np.asarray(sureness, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if sure.shape != e.shape or sure.ndim != 1 or np.isnan(sure).any() or np.isnan(e).any():
        raise DataError(f"sureness {sure.shape} and errors {e.shape} must agree and have no NaN")
    _, block = np.unique(-sure, return_inverse=True)
    sizes = np.bincount(block).astype(np.float64)
    places = np.arange(1, len(e) + 1)
    at = np.repeat(np.arange(len(sizes)), sizes.astype(np.intp))
    risk = np.cumsum((np.bincount(block, weights=e) / sizes)[at]) / places
    later = np.cumsum((risk / places)[::-1])[::-1]
    slopes = np.cumsum((1 / places)[::-1])[::-1]
    fixed = np.bincount(at, weights=risk - later, minlength=len(sizes)) / sizes
    per_error = np.bincount(at, weights=slopes, minlength=len(sizes)) / sizes
    return np.asarray(fixed[block] + e * per_error[block], dtype=np.float64)


def selective(
    sureness: ArrayLike,
    credit: ArrayLike,
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    coverages: Sequence[float] = COVERAGES,
    unscored: int = 0,
) -> Selective:
    """Return risk against coverage of rows with a sureness (n,), any real number, and a credit (n,)
    in [0, 1], by cluster.

    A point of the curve is a threshold, which accepts all rows of its sureness or more: its share
    is at least the coverage asked for. Raises `DataError` where shapes disagree.
    """
    sure, right = np.asarray(sureness, dtype=np.float64), np.asarray(credit, dtype=np.float64)
    errors = 1 - right
    own, best = area_under_risk(sure, errors), area_under_risk(right, errors)
    ids: Any = np.arange(len(sure)) if clusters is None else np.asarray(clusters)
    how: dict[str, Any] = {"clusters": ids, "unscored": unscored}
    places = [max(1, int(np.ceil(c * len(sure) - 1e-9))) for c in coverages] if len(sure) else []
    ranked = np.sort(sure)[::-1]
    thresholds = sorted({float(ranked[place - 1]) for place in places}, reverse=True)
    accepted = [(t, sure >= t) for t in thresholds]
    return Selective(
        aurc=mean(own, within=(0.0, 1.0), **how),
        random=mean(errors, within=(0.0, 1.0), **how),
        oracle=mean(best, within=(0.0, 1.0), **how),
        excess=mean(own - best, within=(0.0, 1.0), **how),
        curve=[
            Covered(
                threshold=t,
                share=proportion(taken.astype(np.float64), **how),
                accuracy=proportion(right[taken], clusters=ids[taken], unscored=unscored),
            )
            for t, taken in accepted
        ],
    )
