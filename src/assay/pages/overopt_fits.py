"""The two forms of gold against KL, fitted to several curves, as a section of a report."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from assay.report.html import Bullets, Paragraph, Section, Table
from assay.stats import Estimate
from assay.stats.numbers import cells, fixed, number

if TYPE_CHECKING:
    from assay.overopt import Fits, Form

__all__ = ["FORM", "cell", "fits_section"]

FORM: Final = {"best_of_n": "d (alpha − beta d)", "rl": "d (alpha − beta ln d)"}
WHOSE: Final = {"best_of_n": "best-of-n", "rl": "RL"}


def fits_section(
    curves: "Mapping[str, Fits | None]", *, start: str, first: "Form" = "best_of_n"
) -> Section:
    """Both forms of every curve, and which fits better. start: what gold is counted from. first:
    which comes first."""
    head = ["curve, form", "alpha", "beta", "R²", "peak at\nKL", "gold at\nthe peak", "AICc"]
    body, sure = [], []
    for name, fits in curves.items():
        if fits is None:
            continue
        both = (fits.best_of_n, fits.rl) if first == "best_of_n" else (fits.rl, fits.best_of_n)
        for fit in both:
            row: list[Any] = [
                f"{name}, {WHOSE[fit.form]}",
                cell(fit.alpha),
                cell(fit.beta),
                _number(fit.r2.value, 3),
            ]
            if fit.peak is None:
                row += ["none", "–"]
            else:
                where = "" if fit.peak.in_range else "\nnot in the data"
                row += [f"{cell(fit.peak.kl)}{where}", cell(fit.peak.value)]
            body.append([*row, _number(fit.aicc, 1)])
        better = {
            "best_of_n": "the form of best-of-n",
            "rl": "the form of RL",
            None: "neither form, surely,",
        }
        if math.isnan(fits.delta_aicc):
            sure.append(f"{name}: too few points to tell which form fits better.")
            continue
        sure.append(
            f"{name}: {better[fits.preferred]} fits better (AICc differs by"
            f" {number(abs(fits.delta_aicc))})."
        )
    if not body:
        return Section("Fits", [Paragraph("No curve has enough points to fit.")])
    caption = (
        f"Gold above {start}: {FORM['best_of_n']} (best-of-n) and {FORM['rl']} (RL), d the root of"
        " KL; 95 % intervals. Neither is guaranteed to hold. A peak that is not in the data is an"
        " extrapolation. Only differences of AICc within a curve mean anything"
    )
    return Section("Fits", [Table(head, body, caption), Bullets(sure)])


def cell(estimate: Estimate | None, sign: bool = False) -> str:
    """A value with its interval below it, for a narrow column."""
    if estimate is None or math.isnan(estimate.value):
        return "–"
    value = fixed(estimate.value, sign=sign)
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return value
    value, low, high = cells(estimate, sign=sign)
    return f"{value}\n[{low}, {high}]"


def _number(value: float, digits: int) -> str:
    return fixed(value, digits) if math.isfinite(value) else "–"
