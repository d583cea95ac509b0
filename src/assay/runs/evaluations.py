"""Evaluation points of a policy's training: measurements on held-out prompts, by step.

Rows of a `metrics.jsonl` hold them under "eval" ("watch" in runs before that name), each estimate
as [value, low, high, n, unscored]; `eval_points` reads rows, `EvalPoint.row` writes one.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from assay.errors import DataError
from assay.stats import Estimate

__all__ = [
    "MEASURES",
    "Course",
    "EvalPoint",
    "Row",
    "Spread",
    "apart",
    "common_gold",
    "course",
    "eval_of",
    "eval_points",
    "golds",
    "known",
]

Row = Mapping[str, Any]

MEASURES: Final = ("proxy", "kl", "length", "steps", "entropy", "finished", "duplicates")
"""Measurements of an evaluation point beside gold."""
KEY: Final = "eval"
OLD_KEY: Final = "watch"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Standard deviations of proxy and gold over responses, and their correlation."""

    proxy_sd: float
    gold_sd: float
    correlation: float
    prompts: int
    correlation_low: float | None = None
    """Lower end of the correlation's 95 % interval; None where it is not known."""
    gold_share: bool = False
    """Whether the gold is 0 or 1 for every response, so that its mean cannot leave [0, 1]."""

    def row(self) -> dict[str, Any]:
        """The JSON of a row."""
        names = ("proxy_sd", "gold_sd", "correlation", "correlation_low", "prompts")
        share = {"gold_share": True} if self.gold_share else {}
        return {name: getattr(self, name) for name in names} | share


@dataclass(frozen=True)
class EvalPoint:
    """Measurements on the held-out prompts at one step; None where there is none."""

    step: int
    proxy: Estimate | None = None
    gold: Mapping[str, Estimate] | None = None
    """Estimates of what the proxy stands for, by the name of the gold scorer."""
    kl: Estimate | None = None
    """Divergence from the reference, in nats per response."""
    length: Estimate | None = None
    """Tokens per response."""
    steps: Estimate | None = None
    """Steps per response."""
    entropy: Estimate | None = None
    finished: Estimate | None = None
    duplicates: Estimate | None = None
    parts: Mapping[str, Estimate] = field(default_factory=dict)
    """Reward by part."""
    spread: Mapping[str, Spread | None] = field(default_factory=dict)
    """Spread of proxy and gold, by the name of the gold scorer."""
    chi2: float | None = None
    """χ² divergence between whole responses of policy and reference."""
    gold_bound: Mapping[str, float] = field(default_factory=dict)
    """Lower bounds of gold by its correlation with the proxy (`rl.evaluation.gold_bound`)."""

    def gold_of(self, name: str) -> Estimate | None:
        """The gold of that name where it has a value."""
        return known((self.gold or {}).get(name))

    @property
    def first_gold(self) -> Estimate | None:
        """The first gold, which decides where the peak is; None without one."""
        return next(iter((self.gold or {}).values()), None)

    def row(self) -> dict[str, Any]:
        """A row of `metrics.jsonl`."""
        measured: dict[str, Any] = {}
        if self.proxy is not None:
            measured["proxy"] = self.proxy.to_json()
        measured["parts"] = {name: e.to_json() for name, e in self.parts.items()}
        measured["gold"] = {name: e.to_json() for name, e in (self.gold or {}).items()}
        measured["spread"] = {name: s and s.row() for name, s in self.spread.items()}
        if self.chi2 is not None:
            measured["chi2"] = self.chi2
        for name in MEASURES[1:]:
            estimate: Estimate | None = getattr(self, name)
            if estimate is not None:
                measured[name] = estimate.to_json()
        measured["gold_bound"] = dict(self.gold_bound)
        return {"step": self.step, KEY: measured}


def eval_of(row: Row) -> Mapping[str, Any] | None:
    """The measurements that a row of a run holds; None where it is not of an evaluation."""
    measured: Mapping[str, Any] | None = row.get(KEY, row.get(OLD_KEY))
    return measured


def eval_points(rows: Sequence[Row]) -> list[EvalPoint]:
    """The evaluation points among the rows of a run, by step; of two at one step, as a resumed run
    has, the later counts.

    Raises `DataError` where an estimate is not [value, low, high, n, unscored].
    """
    points: dict[int, EvalPoint] = {}
    for number, row in enumerate(rows, start=1):
        measured = eval_of(row)
        if measured is None:
            continue
        if row.get("step") is None:
            raise DataError(
                f"row {number}: an evaluation without a step; give the step it was made at"
            )
        points[row["step"]] = _point(row["step"], measured, number)
    return [points[step] for step in sorted(points)]


def _point(step: int, measured: Mapping[str, Any], number: int) -> EvalPoint:
    def estimates(key: str) -> dict[str, Estimate]:
        named = {
            name: _estimate(value, f"row {number}: {KEY}.{key}.{name}")
            for name, value in (measured.get(key) or {}).items()
        }
        return {name: estimate for name, estimate in named.items() if estimate is not None}

    spread = (measured.get("spread") or {}).items()
    return EvalPoint(
        step=step,
        gold=estimates("gold"),
        parts=estimates("parts"),
        spread={name: None if s is None else Spread(**s) for name, s in spread},
        chi2=measured.get("chi2"),
        gold_bound=dict(measured.get("gold_bound") or {}),
        **{key: _estimate(measured.get(key), f"row {number}: {KEY}.{key}") for key in MEASURES},
    )


@dataclass(frozen=True)
class Course:
    """One gold over a run: the points where it began, where it was highest, where it ended."""

    gold: str
    first: EvalPoint
    top: EvalPoint
    last: EvalPoint

    def at(self, point: EvalPoint) -> Estimate:
        """The gold at one of the three."""
        return (point.gold or {})[self.gold]

    @property
    def fell(self) -> bool:
        """Whether gold ended below its peak, the intervals apart."""
        return apart(self.at(self.top), self.at(self.last)) < 0

    @property
    def climbed(self) -> bool:
        """Whether the proxy rose from gold's peak to the end, the intervals apart."""
        return apart(known(self.top.proxy), known(self.last.proxy)) > 0


def course(points: Sequence[EvalPoint], gold: str, peak: int | None = None) -> Course | None:
    """The course of a gold; None where it has no value.

    peak: the step taken for its peak; None = where it is highest. Raises `DataError` for a step
    without that gold.
    """
    there = {point.step: point for point in points if point.gold_of(gold)}
    if not there:
        return None
    if peak is not None and peak not in there:
        steps = ", ".join(map(str, there))
        raise DataError(
            f"step {peak} is given as the peak of gold ({gold}), which was measured at steps"
            f" {steps}"
        )
    top = (
        there[peak]
        if peak is not None
        else max(there.values(), key=lambda point: (point.gold or {})[gold].value)
    )
    ordered = list(there.values())
    return Course(gold, ordered[0], top, ordered[-1])


def apart(before: Estimate | None, after: Estimate | None) -> int:
    """1 where `after` lies above `before`, -1 where below, 0 where intervals touch or one is
    missing."""
    if before is None or after is None:
        return 0
    return int(after.low > before.high) - int(after.high < before.low)


def known(estimate: Estimate | None) -> Estimate | None:
    """An estimate that has a value, or None."""
    return estimate if estimate is not None and math.isfinite(estimate.value) else None


def golds(points: Iterable[EvalPoint]) -> list[str]:
    """The golds that have a value somewhere, in order of appearance."""
    names = (name for point in points for name in point.gold or () if point.gold_of(name))
    return list(dict.fromkeys(names))


def common_gold(runs: Iterable[Sequence[EvalPoint]]) -> str | None:
    """The gold that most runs have, of equals the one that comes first."""
    counts = Counter(chain.from_iterable(map(golds, runs)))
    return max(counts, key=lambda name: counts[name], default=None)


def _estimate(value: Any, where: str) -> Estimate | None:
    if value is None:
        return None
    try:
        return Estimate.from_json(value)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
