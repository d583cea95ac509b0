"""Ensembles of reward models; the maths is `assay.stats.ensembles`."""

from assay.stats.ensembles import (
    ErrorCorrelation,
    How,
    Pair,
    disagreement,
    error_correlation,
    mean,
    standardise,
    together,
    uncertainty_weighted,
    worst_case,
)

__all__ = [
    "ErrorCorrelation",
    "How",
    "Pair",
    "disagreement",
    "error_correlation",
    "mean",
    "standardise",
    "together",
    "uncertainty_weighted",
    "worst_case",
]
