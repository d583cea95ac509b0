"""What an evaluation says: numbers with intervals, the baselines beside them, and the data of the
plots."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.runs.settings import finite
from assay.stats import Bin, Covered, CurvePoint, Estimate, McNemar
from assay.stats.intervals import Array

__all__ = ["Histogram", "Options", "Report", "histograms"]


@dataclass(frozen=True)
class Histogram:
    """Counts of scores; histograms drawn together share their edges."""

    edges: tuple[float, ...]
    """One more than there are counts."""
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One scorer on one set of records."""

    kind: str
    """preference, ranking, outcome or process."""
    metrics: Mapping[str, Estimate]
    baselines: Mapping[str, Estimate]
    """What needs no model: "accuracy/longer" is the accuracy of choosing the longer response."""
    tests: Mapping[str, McNemar] = field(default_factory=dict)
    curves: Mapping[str, list[CurvePoint]] = field(default_factory=dict)
    """Best-of-n curves by what chooses: "scorer", and its baselines."""
    reliability: list[Bin] = field(default_factory=list)
    selective: list[Covered] = field(default_factory=list)
    """Accuracy of what is accepted where only the surest are, from few to all."""
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What was left out, how ties count, and what the numbers do not say."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; a value that does not exist (NaN) is null."""
        body: dict[str, Any] = finite(dataclasses.asdict(self))
        # A point of a curve is flat, which is what a plot or a table reads.
        body["curves"] = {
            name: [{"n": point["n"], **_without_n(point["estimate"])} for point in points]
            for name, points in body["curves"].items()
        }
        return body


@dataclass(frozen=True, kw_only=True)
class Options:
    """How an evaluation is done."""

    probabilities: bool
    ns: tuple[int, ...] | None
    bins: int
    resamples: int
    seed: int
    temperature: float = 1.0
    """What margins of pairs are divided by to be log-odds."""


def histograms(named: Mapping[str, Array], bins: int = 30) -> dict[str, Histogram]:
    """Histograms of several sets of scores over common edges."""
    values = np.concatenate(list(named.values()))
    if not len(values):
        return {}
    edges = np.histogram_bin_edges(values, bins=bins)
    shared = tuple(float(x) for x in edges)
    return {
        name: Histogram(edges=shared, counts=tuple(int(c) for c in np.histogram(x, bins=edges)[0]))
        for name, x in named.items()
    }


def _without_n(estimate: Mapping[str, Any]) -> dict[str, Any]:
    """An estimate under the names of a curve's point, where n is the number of responses."""
    return {
        **{key: estimate[key] for key in ("value", "low", "high", "unscored")},
        "prompts": estimate["n"],
    }
