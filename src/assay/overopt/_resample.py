"""Pools that are checked, and resamples of prompts: shared by the measurements of this package."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats import Estimate, mean
from assay.stats.draws import Scale, ends, equal, estimate
from assay.stats.intervals import Array, resample_weights

__all__ = [
    "Array",
    "Scale",
    "ends",
    "equal",
    "estimate",
    "grid",
    "mean_estimate",
    "pools",
    "prompt_weights",
]


def pools(proxy: ArrayLike, gold: ArrayLike) -> tuple[Array, Array]:
    """Proxy and gold (P, N), NaN in both where either is missing. Raises `DataError` for anything
    that is not that."""
    x, y = np.array(proxy, dtype=np.float64), np.array(gold, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape:
        raise DataError(f"proxy {x.shape} and gold {y.shape} must both be (prompts, responses)")
    for name, values in (("proxy", x), ("gold", y)):
        if np.isinf(values).any():
            raise DataError(
                f"{int(np.isinf(values).sum())} {name} scores are infinite; give numbers, NaN for"
                " unscored"
            )
    missing = np.isnan(x) | np.isnan(y)
    if missing.all():
        raise DataError("no response has both a proxy and a gold score")
    x[missing] = np.nan
    y[missing] = np.nan
    return x, y


def prompt_weights(count: int, resamples: int, seed: int) -> Array:
    """(R, count): how often each prompt was drawn in each resample."""
    return np.concatenate(list(resample_weights(count, resamples, seed)))


def mean_estimate(values_P: Array, weights_R_P: Array, confidence: float) -> Estimate:
    """Mean over prompts, which needs no resamples; one alone has no interval (NaN), nor have equal
    values."""
    return mean(values_P, confidence=confidence)


def grid(most: float, points: int, unit: float = 1.0) -> NDArray[np.float64]:
    """From 0 to `most`: even steps well below `unit`, even ratios well above it."""
    inner = np.expm1(np.linspace(0.0, np.log1p(most / unit), points)) * unit
    inner[-1] = most
    return np.asarray(inner, dtype=np.float64)
