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
from assay.stats import Bin, Covered, Estimate
from assay.stats.intervals import Array

__all__ = ["Calibrated", "calibrate", "further"]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A part of a report."""

    metrics: dict[str, Estimate]
    baselines: dict[str, Estimate]
    reliability: list[Bin] = field(default_factory=list)
    selective: list[Covered] = field(default_factory=list)
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
    more = further(
        stats.to_logits(x), y, x, y, credit=_credit(x, y), options=options, **_clusters(sampling)
    )
    return Calibrated(
        metrics=_named(prefix, metrics | more.metrics),
        baselines=_named(prefix, baselines | more.baselines),
        reliability=stats.reliability(x, y, options.bins),
        selective=more.selective,
        notes=[note, *more.notes],
    )


def further(
    logits: Array,
    labels: Array,
    shown: Array,
    observed: Array,
    *,
    credit: Array,
    clusters: Any,
    unscored: int,
    options: Options,
) -> Calibrated:
    """Measure other calibration errors, log loss, what one temperature would change, and how
    selective the confidence is.

    logits (n,) of labels (n,): their log loss, and that at the temperature of the other prompts.
    shown (n,): the probabilities of which calibration errors are, against observed. credit (n,):
    1 where the likelier side is right; the confidence is how far a logit is from 0.
    """
    how: dict[str, Any] = {"clusters": clusters, "unscored": unscored}
    binned: dict[str, Any] = {"bins": options.bins, **how}
    two = np.column_stack([logits, np.zeros_like(logits)])
    gold = np.column_stack([labels, 1 - labels])
    held_out = logits * stats.cross_fitted(two, gold, clusters=clusters)
    known = bool(np.isfinite(held_out).all())
    absent = Estimate(value=np.nan, low=np.nan, high=np.nan, n=0, unscored=unscored)
    metrics = {
        "ece_equal_width": stats.ece(
            shown,
            observed,
            binning="equal-width",
            resamples=options.resamples,
            seed=options.seed,
            **binned,
        ),
        "squared_ece_debiased": stats.debiased_squared_ece(shown, observed, **binned),
        "nll": stats.mean(_loss(logits, labels), **how),
        "nll_rescaled": stats.mean(_loss(held_out, labels), **how) if known else absent,
        "calibration_slope_rescaled": (
            stats.calibration_slope(held_out, labels, intercept=False, **how).slope
            if known
            else absent
        ),
    }
    found = stats.selective(np.abs(logits), credit, **how)
    metrics |= {"aurc": found.aurc, "aurc_excess": found.excess}
    notes = [
        (
            f"rescaled is by one temperature, fitted on other prompts ({stats.FOLDS} folds): what"
            " `assay models calibrate` would change"
        ),
        (
            "aurc is the mean error over the coverages at which only the surest are accepted;"
            " aurc_excess is what is lost to knowing every error (aurc/oracle)"
        ),
    ]
    return Calibrated(
        metrics=metrics,
        baselines={"aurc/random": found.random, "aurc/oracle": found.oracle},
        selective=found.curve,
        notes=notes,
    )


def _loss(logits: Array, labels: Array) -> Array:
    """-y ln p - (1 - y) ln(1 - p)."""
    return np.asarray(np.logaddexp(0.0, logits) - labels * logits, dtype=np.float64)


def _credit(p: Array, y: Array) -> Array:
    """1 where probability and label are on one side of one half; one half where either is on it."""
    return np.asarray((1 + np.sign(p - 0.5) * np.sign(y - 0.5)) / 2, dtype=np.float64)


def _clusters(sampling: Mapping[str, Any]) -> dict[str, Any]:
    return {key: sampling[key] for key in ("clusters", "unscored")}


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
