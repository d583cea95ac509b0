"""Is each thing called right or wrong rightly? F1 of both classes, and their mean, macro-F1, as
PRMBench and ReasonEval count."""

from typing import Any

import numpy as np

from assay.benchmarks._pooled import Statistic, over
from assay.stats.intervals import Array

__all__ = [
    "ALL",
    "FN",
    "FP",
    "INVALID",
    "MACRO_F1",
    "TN",
    "TP",
    "VALID",
    "count",
    "f1",
    "f1_negative",
]

TP, FP, TN, FN, VALID, INVALID, ALL = range(7)
"""Columns: right and wrong ones, called right and wrong; right ones, wrong ones, rows with any."""


def f1(c: Array) -> Array:
    """Harmonic mean of precision and recall, "right" being the positive class."""
    return over(2 * c[..., TP], 2 * c[..., TP] + c[..., FP] + c[..., FN])


def f1_negative(c: Array) -> Array:
    """The same of "wrong"."""
    return over(2 * c[..., TN], 2 * c[..., TN] + c[..., FP] + c[..., FN])


def _macro_f1(c: Array) -> Array:
    """Mean of both."""
    return (f1(c) + f1_negative(c)) / 2


MACRO_F1 = Statistic(formula=_macro_f1, base=ALL, parts=(VALID, INVALID))


def count(valid: Any, accepted: Any) -> list[float]:
    """Return a row of columns."""
    valid, accepted = np.asarray(valid, dtype=bool), np.asarray(accepted, dtype=bool)
    counts = (
        (valid & accepted).sum(),
        (~valid & accepted).sum(),
        (~valid & ~accepted).sum(),
        (valid & ~accepted).sum(),
        valid.sum(),
        (~valid).sum(),
        valid.size > 0,
    )
    return [float(x) for x in counts]
