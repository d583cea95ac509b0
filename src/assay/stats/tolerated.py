"""A share of faults tested against what is tolerated."""

import math
from collections.abc import Hashable, Sequence

import numpy as np
import scipy
from numpy.typing import ArrayLike

from assay.stats.discovery import detectable
from assay.stats.intervals import cluster_ids
from assay.stats.regression import Coefficient
from assay.stats.shares import proportion

__all__ = ["share_beyond"]


def share_beyond(
    credit: ArrayLike,
    tolerated: float,
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    unscored: int = 0,
) -> Coefficient:
    """Return the mean of credits (n,) in [0, 1] as `proportion` does, and the exact binomial
    p-value of so many where the true share is `tolerated`.

    A cluster counts as one trial with the mean of its credits, and credits of one half as one fault
    for two. The smallest share that is found 80 % of the time is by the normal approximation.
    """
    values = np.asarray(credit, dtype=np.float64)
    estimate = proportion(values, clusters=clusters, confidence=confidence, unscored=unscored)
    n = estimate.n
    if n == 0:
        return Coefficient(estimate=estimate, p_value=math.nan, detectable=math.inf)
    ids, k = cluster_ids(clusters, len(values))
    each = np.bincount(ids, weights=values, minlength=k) / np.bincount(ids, minlength=k)
    faults = math.floor(each.sum() + 1e-9)
    error = math.sqrt(tolerated * (1 - tolerated) / n)
    return Coefficient(
        estimate=estimate,
        p_value=float(scipy.special.bdtrc(faults - 1, k, tolerated)) if faults else 1.0,
        detectable=tolerated + detectable(error, max(n - 1, 1), confidence=confidence),
    )
