"""Statistics: pure functions from arrays to `Estimate`s, a number with its interval and what was
left out."""

from assay.stats.best_of_n import (
    CurvePoint,
    best_of_n,
    best_of_n_curve,
    curve,
    oracle_curve,
    pad_pools,
)
from assay.stats.calibration import (
    Bin,
    Calibration,
    brier,
    calibration_slope,
    debiased_squared_ece,
    ece,
    ece_if_calibrated,
    reliability,
    to_logits,
)
from assay.stats.estimate import Estimate, bracket, summarise
from assay.stats.means import bootstrap, mean, student
from assay.stats.paired import McNemar, mcnemar, paired_bootstrap, paired_difference
from assay.stats.ranking import auroc
from assay.stats.selective import Covered, Selective, selective
from assay.stats.shares import proportion, wilson
from assay.stats.temperature import FOLDS, cross_fitted, temperature
from assay.stats.votes import majority_curve, weighted_majority_curve

__all__ = [
    "FOLDS",
    "Bin",
    "Calibration",
    "Covered",
    "CurvePoint",
    "Estimate",
    "McNemar",
    "Selective",
    "auroc",
    "best_of_n",
    "best_of_n_curve",
    "bootstrap",
    "bracket",
    "brier",
    "calibration_slope",
    "cross_fitted",
    "curve",
    "debiased_squared_ece",
    "ece",
    "ece_if_calibrated",
    "majority_curve",
    "mcnemar",
    "mean",
    "oracle_curve",
    "pad_pools",
    "paired_bootstrap",
    "paired_difference",
    "proportion",
    "reliability",
    "selective",
    "student",
    "summarise",
    "temperature",
    "to_logits",
    "weighted_majority_curve",
    "wilson",
]
