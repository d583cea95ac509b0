"""Rows with a right or wrong label: how well scores tell them apart, and whether probabilities are
calibrated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import stats
from assay.errors import DataError
from assay.evaluation.report import Options
from assay.stats import Bin, Estimate
from assay.stats.intervals import Array

__all__ = ["Calibrated", "calibrate"]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A part of a report."""

    metrics: dict[str, Estimate]
    baselines: dict[str, Estimate]
    reliability: list[Bin] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def calibrate(
    x: Array,
    y: Array,
    length: Array | None,
    *,
    clusters: NDArray[np.intp],
    unscored: int,
    options: Options,
    prefix: str = "",
) -> Calibrated:
    """AUROC of scores x (n,) for labels y (n,) in [0, 1] and, where x are probabilities, Brier
    score, ECE and slope.

    `prefix` goes before every name. Raises `DataError` where probabilities are asked for and x is
    outside [0, 1].
    """
    sampling: dict[str, Any] = {
        "clusters": clusters,
        "unscored": unscored,
        "resamples": options.resamples,
        "seed": options.seed,
    }
    metrics = {"auroc": stats.auroc(x, y, **sampling)}
    baselines = {"base_rate": stats.proportion(y, **sampling)}
    if length is not None:
        longest = stats.auroc(length, y, **sampling)
        baselines |= {"auroc/longest": longest, "auroc/shortest": _mirrored(longest)}
    if not options.probabilities:
        note = "scores are not probabilities, so Brier score, ECE and slope are left out"
        return Calibrated(
            metrics=_named(prefix, metrics), baselines=_named(prefix, baselines), notes=[note]
        )
    if len(x) and not ((x >= 0) & (x <= 1)).all():
        outside = x[(x < 0) | (x > 1)]
        raise DataError(
            f"{len(outside)} of {len(x)} scores, such as {outside[0]:g}, are outside [0, 1]: not"
            " probabilities"
        )
    slope = stats.calibration_slope(stats.to_logits(x), y, clusters=clusters, unscored=unscored)
    metrics |= {
        "brier": stats.brier(x, y, **sampling),
        "ece": stats.ece(x, y, bins=options.bins, **sampling),
        "calibration_slope": slope.slope,
        "calibration_intercept": slope.intercept,
    }
    baselines["brier/base_rate"] = stats.brier(
        np.full(len(x), y.mean() if len(y) else 0.5), y, **sampling
    )
    baselines["ece/calibrated"] = stats.ece_if_calibrated(x, bins=options.bins, seed=options.seed)
    note = (
        f"ECE has {options.bins} bins of equal count and is never 0 by chance: ece/calibrated is"
        " what perfect probabilities would show on independent rows"
    )
    bins = stats.reliability(x, y, options.bins)
    return Calibrated(
        metrics=_named(prefix, metrics),
        baselines=_named(prefix, baselines),
        reliability=bins,
        notes=[note],
    )


def _mirrored(estimate: Estimate) -> Estimate:
    """The AUROC of the negated scores."""
    return Estimate(
        value=1 - estimate.value,
        low=1 - estimate.high,
        high=1 - estimate.low,
        n=estimate.n,
        unscored=estimate.unscored,
    )


def _named(prefix: str, estimates: Mapping[str, Estimate]) -> dict[str, Estimate]:
    return {f"{prefix}{name}": estimate for name, estimate in estimates.items()}
