"""Policies trained against a proxy: where gold is highest, what is left of it at the end, and what
each variant buys.

A run is its evaluations on held-out prompts; an `Arm` (a variant) is runs that differ in nothing
but their seed. Over several runs an interval is Student's, over one it is the evaluation's own, by
prompt.

Two conventions keep luck out of the comparison. The peak is taken at the step where the mean over
a variant's runs is highest, not at each run's own luckiest evaluation. The end is the mean of the
last evaluations (a quarter of them, five at most), for a policy that nothing holds swings from one
to the next by more than an evaluation's error.

KL grows with the steps, but compares variants only where both were reached: `Arm.at_kl`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from assay.errors import DataError
from assay.overopt import words
from assay.overopt._resample import Array
from assay.overopt.fit import Fits, fit_forms
from assay.overopt.stop import Stop, recommend_stop
from assay.overopt.study import plain
from assay.overopt.sweep import Point
from assay.runs.evaluations import MEASURES, EvalPoint, common_gold, eval_points, known
from assay.runs.metrics import METRICS, read_rows
from assay.runs.settings import write_atomic
from assay.stats import Estimate, student
from assay.stats.numbers import number

__all__ = ["Arm", "Run", "arm", "read_run", "run_of", "run_points", "write_arms"]

LAST: Final = 5
"""Evaluations at the end that are averaged, at most."""


@dataclass(frozen=True)
class Run:
    """One policy's training: its evaluations, all with a proxy, the gold asked for, and a KL."""

    points: tuple[EvalPoint, ...]
    gold: str
    left_out: tuple[int, ...] = ()
    """Rounds whose evaluation has no gold, proxy or KL that is a number."""

    @property
    def steps_L(self) -> tuple[int, ...]:
        """Rounds after which it was evaluated."""
        return tuple(point.step for point in self.points)

    def values_L(self, what: str) -> Array:
        """The means of "gold", "proxy", "kl" or another measurement; NaN where there is none."""
        estimates = [
            point.gold_of(self.gold) if what == "gold" else getattr(point, what)
            for point in self.points
        ]
        return np.array([math.nan if e is None else e.value for e in estimates])

    def end(self, what: str) -> float:
        """The mean of a measurement over the last evaluations."""
        values_L = self.values_L(what)
        return float(values_L[-max(1, min(LAST, len(values_L) // 4)) :].mean())

    def gold_L(self) -> list[Estimate]:
        """Gold with each evaluation's own interval."""
        golds = (point.gold_of(self.gold) for point in self.points)
        return [estimate for estimate in golds if estimate is not None]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """The runs of one variant; gold is as measured, rises are over the first evaluation."""

    name: str
    runs: tuple[Run, ...]
    peak_step: int
    """Where the mean of gold over the runs is highest."""
    start: Estimate
    peak: Estimate
    end: Estimate
    """Mean of the last evaluations."""
    fall: Estimate
    """Peak less end, run by run; of one run without an interval."""
    rise: Estimate
    """End less start, run by run."""
    kl_at_peak: Estimate
    kl_at_end: Estimate
    proxy_rise: Estimate
    """Rise of the proxy from gold's peak to the end: positive while gold falls is
    over-optimization."""
    fits: Fits | None
    """Fits of gold over the start; None where there are too few evaluations."""
    stop: Stop | None
    notes: tuple[str, ...] = ()

    @property
    def fell(self) -> bool:
        """True where gold surely falls from some evaluation to a later one, luck in choosing them
        paid for (`Stop.sure`)."""
        return self.stop is not None and self.stop.sure

    @property
    def over_optimized(self) -> bool:
        """True where gold surely fell while the proxy rose: for certain over several runs, in value
        in one."""
        climbed = self.proxy_rise.low > 0 if len(self.runs) > 1 else self.proxy_rise.value > 0
        return bool(self.fell and climbed)

    @property
    def verdict(self) -> str:
        """The result in a sentence or two."""
        return words.arm_verdict(self)

    def ends_less(self, other: "Arm") -> Estimate:
        """Gold at the end less that of another variant: run by run where both have as many, in
        order, else the means.

        Runs that go together should share their seed. Without pairs, Welch's interval.
        """
        a, b = (np.array([run.end("gold") for run in which.runs]) for which in (self, other))
        if len(a) == len(b):
            return student(a - b)
        from scipy.stats import ttest_ind

        low, high = (
            ttest_ind(a, b, equal_var=False).confidence_interval()
            if min(len(a), len(b)) > 1
            else (math.nan, math.nan)
        )
        return Estimate(
            value=float(a.mean() - b.mean()),
            low=float(low),
            high=float(high),
            n=min(len(a), len(b)),
        )

    def at_kl(self, kl: float) -> Estimate:
        """Rise of gold where each run's KL first passes a value, on straight lines between
        evaluations.

        A run that never gets there is left out, and counted as unscored.
        """
        rises = []
        for run in self.runs:
            ks, golds = run.values_L("kl"), run.values_L("gold")
            value = math.nan
            for k in range(1, len(ks)):
                if ks[k] >= kl > ks[k - 1]:
                    value = float(np.interp(kl, ks[k - 1 : k + 1], golds[k - 1 : k + 1])) - float(
                        golds[0]
                    )
                    break
            rises.append(value)
        return student(rises)

    @property
    def points(self) -> tuple[EvalPoint, ...]:
        """Evaluations of the variant as if of one run: every measurement's mean over the runs, with
        its interval."""
        return tuple(self._point(k, step) for k, step in enumerate(self.runs[0].steps_L))

    def rows(self) -> list[dict[str, Any]]:
        """`points` as rows of a run's metrics."""
        return [point.row() for point in self.points]

    def _point(self, k: int, step: int) -> EvalPoint:
        means: dict[str, Any] = {}
        for what in MEASURES:
            own = [getattr(run.points[k], what) for run in self.runs]
            # Where responses are not cut into steps there is nothing to compare.
            uncut = what == "steps" and all(e is not None and e.value == 1 for e in own)
            if all(e is not None for e in own) and not uncut:
                means[what] = _estimate(np.array([e.value for e in own]), self.runs, k, what)
        gold = _estimate(np.array([run.values_L("gold")[k] for run in self.runs]), self.runs, k)
        return EvalPoint(step=step, gold={self.runs[0].gold: gold}, **means)


def read_run(folder: Path, gold: str | None = None) -> Run:
    """Read the evaluations of a folder that `assay rl` wrote.

    gold: which one; None = the first that there is. Raises `DataError` where nothing was evaluated,
    or no gold.
    """
    path = folder / METRICS
    try:
        rows = read_rows(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read: {error}; give a folder that `assay rl` wrote"
        ) from None
    return run_of(rows, gold, str(folder))


def run_of(
    rows: Sequence[Mapping[str, Any]], gold: str | None = None, where: str = "the run"
) -> Run:
    """Collect the evaluations among the rows of a run. Raises `DataError` where nothing was
    evaluated, or no gold."""
    points = eval_points(rows)
    name = gold if gold is not None else common_gold([points])
    if not points or name is None:
        raise DataError(
            f"{where} has no evaluation with a gold; train it with --gold SCORER and prompts held"
            " out"
        )
    there = [p for p in points if p.gold_of(name) and known(p.kl) and p.proxy]
    if not there:
        if any(point.gold_of(name) for point in points):
            raise DataError(
                f"{where} has gold {name!r}, but no evaluation that also has a proxy and a KL"
            )
        names = dict.fromkeys(n for point in points for n in point.gold or {})
        others = ", ".join(names) or "none"
        raise DataError(f"{where} has no gold {name!r}; there is {others}")
    return Run(tuple(there), name, tuple(p.step for p in points if p not in there))


def arm(
    name: str,
    runs: Sequence[Run],
    *,
    epsilon: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Arm:
    """Summarise the runs of one variant. Steps that not all of them reached are left out, which a
    note reports.

    epsilon: gold that may be lost at the stop that is recommended, in its units; None = a twentieth
    of the highest rise. Raises `DataError` where the runs share no evaluation.
    """
    if not runs:
        raise DataError(f"{name} has no run")
    shared = sorted(set.intersection(*(set(run.steps_L) for run in runs)))
    if not shared:
        raise DataError(f"the runs of {name} were not evaluated after the same rounds")
    notes = []
    if any(len(run.points) > len(shared) for run in runs):
        notes.append(
            f"{name}: only the {len(shared)} evaluations that all {len(runs)} runs have are used,"
            f" to {shared[-1]}"
        )
    if lacking := sorted({step for run in runs for step in run.left_out}):
        steps = ", ".join(f"{step:,}" for step in lacking[:5])
        if len(lacking) > 5:
            steps += ", ..."
        notes.append(
            f"{name}: evaluations without a gold, proxy or KL that is a number are left out, at"
            f" {steps}"
        )
    kept = tuple(Run(tuple(p for p in run.points if p.step in shared), run.gold) for run in runs)
    gold_S_L, kl_S_L, proxy_S_L = (
        np.stack([run.values_L(what) for run in kept]) for what in ("gold", "kl", "proxy")
    )
    top = int(gold_S_L.mean(axis=0).argmax())
    end_S = np.array([run.end("gold") for run in kept])
    fits = stop = None
    kl_S_L = np.maximum(kl_S_L, 0.0)
    try:
        fits = fit_forms(
            kl_S_L, gold_S_L[:, None], origin=gold_S_L[:, :1], resamples=resamples, seed=seed
        )
    except DataError as error:
        notes.append(f"{name}: no fit: {error}")
    rise = float(gold_S_L.mean(axis=0)[top] - gold_S_L[:, 0].mean())
    how: dict[str, Any] = {"resamples": resamples, "seed": seed}
    named = [
        f"round {step:,} (KL {number(kl)} nats)"
        for step, kl in zip(shared, kl_S_L.mean(axis=0), strict=True)
    ]
    try:
        golds: Any = gold_S_L if len(kept) > 1 else kept[0].gold_L()
        may = max(rise / 20, 0.0) if epsilon is None else epsilon
        stop = recommend_stop(
            kl_S_L.mean(axis=0), golds, epsilon=may, names_K=named, unit="runs", **how
        )
    except DataError as error:
        notes.append(f"{name}: no stop: {error}")
    return Arm(
        name=name,
        runs=kept,
        peak_step=shared[top],
        start=_estimate(gold_S_L[:, 0], kept, 0),
        peak=_estimate(gold_S_L[:, top], kept, top),
        end=_estimate(end_S, kept, -1),
        fall=student(gold_S_L[:, top] - end_S),
        rise=student(end_S - gold_S_L[:, 0]),
        kl_at_peak=student(kl_S_L[:, top]),
        kl_at_end=student([run.end("kl") for run in kept]),
        proxy_rise=student([run.end("proxy") for run in kept] - proxy_S_L[:, top]),
        fits=fits,
        stop=stop,
        notes=tuple(notes),
    )


def run_points(which: Arm) -> list[Point]:
    """One point per evaluation: means over the runs."""
    name = which.runs[0].gold
    points = []
    for k, point in enumerate(which.points):
        gold = point.gold_of(name)
        assert gold is not None
        assert point.proxy is not None
        assert point.kl is not None
        kl_se = _standard_error([run.points[k].kl for run in which.runs])
        points.append(
            Point(
                method="rl",
                proxy=which.name,
                gold=name,
                step=point.step,
                kl=point.kl.value,
                kl_se=None if math.isnan(kl_se) else kl_se,
                proxy_mean=point.proxy,
                proxy_se=_standard_error([run.points[k].proxy for run in which.runs]),
                gold_mean=gold,
                gold_se=_standard_error([run.points[k].gold_of(run.gold) for run in which.runs]),
                length=None if point.length is None else point.length.value,
                dup_rate=None if point.duplicates is None else point.duplicates.value,
                unscored=point.proxy.unscored,
            )
        )
    return points


def write_arms(path: Path, arms: Sequence[Arm]) -> None:
    """Arms as JSON, all but their runs; numbers that are not finite become "inf", "-inf" and
    "nan"."""
    rows = []
    for one in arms:
        row: dict[str, Any] = {"name": one.name, "verdict": one.verdict, "runs": len(one.runs)}
        for key in (
            "peak_step",
            "start",
            "peak",
            "end",
            "fall",
            "fell",
            "rise",
            "kl_at_peak",
            "kl_at_end",
            "proxy_rise",
        ):
            row[key] = getattr(one, key)
        row["ends"] = [run.end("gold") for run in one.runs]
        row["fits"] = (
            None
            if one.fits is None
            else {fit.form: fit.row() for fit in (one.fits.best_of_n, one.fits.rl)}
        )
        rows.append({**row, "stop": one.stop, "notes": one.notes})
    write_atomic(
        path,
        json.dumps(plain({"arms": rows}), indent=1, allow_nan=False, ensure_ascii=False) + "\n",
    )


def _standard_error(estimates: Sequence[Estimate | None]) -> float:
    """Standard error of the mean over runs; of one run from its own interval, taken as normal; NaN
    where there is none."""
    values = [e for e in estimates if e is not None]
    if len(values) > 1:
        return float(np.std([e.value for e in values], ddof=1) / len(values) ** 0.5)
    return (values[0].high - values[0].low) / 3.92 if values else math.nan


def _estimate(values_S: Array, runs: Sequence[Run], k: int, what: str = "gold") -> Estimate:
    """An estimate over several runs by Student; of one run by prompt, at evaluation k."""
    if len(values_S) > 1:
        return student(values_S)
    point = runs[0].points[k]
    own = point.gold_of(runs[0].gold) if what == "gold" else getattr(point, what)
    assert own is not None
    # The mean of the last evaluations is as sure as one of them at least.
    moved = float(values_S[0]) - own.value
    return Estimate(
        value=own.value + moved,
        low=own.low + moved,
        high=own.high + moved,
        n=own.n,
        unscored=own.unscored,
    )
