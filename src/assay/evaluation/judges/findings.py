"""What an audit says of a judge: one row per bias, with what it could have found."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from assay.runs.settings import finite
from assay.stats import Estimate
from assay.stats.discovery import benjamini_hochberg
from assay.stats.regression import Coefficient

__all__ = ["LEVEL", "Bias", "JudgeAudit", "BiasVerdict", "bias", "corrected", "estimates"]

LEVEL: Final = 0.05
"""Expected share of false findings among those called biased."""
BiasVerdict = Literal["biased", "none found", "underpowered"]
"""none found: none as large as the smallest that matters would have been missed four times of five
by this data; underpowered: it may well have been."""


@dataclass(frozen=True, kw_only=True)
class Bias:
    """One bias, measured and tested against none."""

    name: str
    """Its family and itself, such as "position/first_slot"."""
    meaning: str
    """What the effect is the size of; 0 is none."""
    effect: Estimate
    p_value: float
    """Two-sided; NaN where it could not be tested."""
    detectable: float
    """Smallest effect that this data finds 80 % of the time."""
    smallest: float
    """Smallest effect that matters."""
    q_value: float = math.nan
    """p after Benjamini and Hochberg, over all rows of the audit."""
    verdict: BiasVerdict = "underpowered"


@dataclass(frozen=True, kw_only=True)
class JudgeAudit:
    """One judge on one set of records."""

    rows: tuple[Bias, ...]
    metrics: Mapping[str, Estimate]
    """What describes it and is not tested."""
    baselines: Mapping[str, Estimate]
    """What labels, a constant and chance show in place of a metric, under the metric's name."""
    notes: tuple[str, ...] = field(default=())
    """What could not be told, and why."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; a value that does not exist (NaN) is null."""
        body: dict[str, Any] = finite(dataclasses.asdict(self))
        return body


def bias(
    name: str, meaning: str, found: Coefficient, smallest: float, *, within: float = math.inf
) -> Bias:
    """Return a row from a coefficient whose null is 0. within: its largest size, 1 for a difference
    of shares."""
    ends = (found.estimate.low, found.estimate.high)
    low, high = (min(max(end, -within), within) for end in ends)
    return Bias(
        name=name,
        meaning=meaning,
        effect=replace(found.estimate, low=low, high=high),
        p_value=found.p_value,
        detectable=found.detectable,
        smallest=smallest,
    )


def corrected(rows: Sequence[Bias]) -> tuple[Bias, ...]:
    """Return the rows with q-values over all of them, and their verdicts."""
    qs = benjamini_hochberg([row.p_value for row in rows])
    return tuple(
        replace(row, q_value=float(q), verdict=_verdict(row, float(q)))
        for row, q in zip(rows, qs, strict=True)
    )


def _verdict(row: Bias, q: float) -> BiasVerdict:
    if q <= LEVEL:
        return "biased"
    return "none found" if row.detectable <= row.smallest else "underpowered"


def estimates(audit: JudgeAudit) -> dict[str, Estimate]:
    """Return every number of an audit by name, as `metrics.jsonl` and conditions want them."""
    return {
        **audit.metrics,
        **{f"{name}/baseline": e for name, e in audit.baselines.items()},
        **{row.name: row.effect for row in audit.rows},
    }
