"""Policies trained against a proxy: where gold is highest, what is left of it at the end, and what
each arm buys.

A run is what its looks at held-out prompts saw; an arm is runs that differ in nothing but their
seed. Over several runs an interval is Student's, over one it is the look's own, by prompt.

Two conventions keep luck out of the comparison. The peak is taken at the step where the mean over
an arm's runs is highest, not at each run's own luckiest look. The end is the mean of the last looks
(a quarter of them, five at most), for a policy that nothing holds swings from look to look by more
than a look's error.

KL grows with the steps, but compares an arm with another only where both were reached: `Arm.at_kl`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from assay.errors import DataError
from assay.overopt._resample import Array
from assay.overopt.fit import Fits, fit_forms
from assay.overopt.stop import Stop, recommend_stop
from assay.overopt.study import plain
from assay.overopt.sweep import Point
from assay.report.numbers import beside, number
from assay.runs.evaluations import Look, common_gold, known, looks
from assay.runs.metrics import METRICS, read_rows
from assay.runs.settings import write_atomic
from assay.stats import Estimate, student

__all__ = ["Arm", "Run", "arm", "read_run", "run_of", "run_points", "write_arms"]

SEEN: Final = ("proxy", "kl", "length", "steps", "entropy", "finished", "duplicates")
"""What a look measures beside gold."""
LAST: Final = 5
"""Looks at the end that are averaged, at most."""


@dataclass(frozen=True)
class Run:
    """One policy's training: its looks, all with a proxy, the gold asked for, and a KL."""

    looks: tuple[Look, ...]
    gold: str
    left_out: tuple[int, ...] = ()
    """Rounds after which it was looked at without the gold, a proxy or a KL that is a number."""

    @property
    def steps_L(self) -> tuple[int, ...]:
        """Rounds after which it was looked at."""
        return tuple(look.step for look in self.looks)

    def values_L(self, what: str) -> Array:
        """The means of "gold", "proxy", "kl" or another measurement; NaN where there is none."""
        found = [
            look.gold_of(self.gold) if what == "gold" else getattr(look, what)
            for look in self.looks
        ]
        return np.array([math.nan if e is None else e.value for e in found])

    def end(self, what: str) -> float:
        """The mean of a measurement over the last looks."""
        values_L = self.values_L(what)
        return float(values_L[-max(1, min(LAST, len(values_L) // 4)) :].mean())

    def gold_L(self) -> list[Estimate]:
        """Gold with each look's own interval."""
        return [e for look in self.looks if (e := look.gold_of(self.gold)) is not None]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What runs of one kind did; gold is as measured, rises are over the first look."""

    name: str
    runs: tuple[Run, ...]
    peak_step: int
    """Where the mean of gold over the runs is highest."""
    start: Estimate
    peak: Estimate
    end: Estimate
    """Mean of the last looks."""
    fall: Estimate
    """Peak less end, run by run; of one run without an interval."""
    rise: Estimate
    """End less start, run by run."""
    kl_at_peak: Estimate
    kl_at_end: Estimate
    proxy_rise: Estimate
    """Of the proxy, from gold's peak to the end: positive while gold falls is over-optimization."""
    fits: Fits | None
    """Of gold over the start; None where there are too few looks."""
    stop: Stop | None
    notes: tuple[str, ...] = ()

    @property
    def fell(self) -> bool:
        """Whether gold surely falls from some look to a later one, luck in choosing them paid for
        (`Stop.sure`)."""
        return self.stop is not None and self.stop.sure

    @property
    def over_optimized(self) -> bool:
        """Whether gold surely fell while the proxy rose: for certain over several runs, in value in
        one."""
        climbed = self.proxy_rise.low > 0 if len(self.runs) > 1 else self.proxy_rise.value > 0
        return bool(self.fell and climbed)

    @property
    def verdict(self) -> str:
        """What a reader is told first."""
        over = f"over {len(self.runs)} runs" if len(self.runs) > 1 else "in one run"
        steps = self.runs[0].steps_L
        if len(steps) < 2:
            return (
                f"{self.name}: gold was measured once, at {_told(self.start)}, so nothing can be"
                " said of its course."
            )
        if np.ptp(np.stack([run.values_L("gold") for run in self.runs]), axis=1).max() == 0:
            return (
                f"{self.name}: gold is the same at every evaluation, {_told(self.start)}: nothing"
                " to measure."
            )
        kl = f"KL {number(self.kl_at_peak.value)} nats"
        top = (
            f"gold is highest after {self.peak_step} rounds ({kl}): {_told(self.peak)}, from"
            f" {_told(self.start)}"
        )
        if self.peak_step == steps[0]:
            top = (
                f"gold is highest before the first round, at {_told(self.start)}: training did not"
                " raise it"
            )
        ends = f"it ends at {_told(self.end)}"
        if self.fell and self.peak_step == steps[0]:
            falls = f"{self.name}: gold falls from the start {over}, and no training pays"
            return f"{falls}. {top[0].upper()}{top[1:]}; {ends}."
        if self.over_optimized:
            return (
                f"{self.name}: over-optimized {over}. {top[0].upper()}{top[1:]}; {ends} while the"
                f" proxy goes on rising (KL {number(self.kl_at_end.value)})."
            )
        if self.peak_step == steps[-1] and self.fell:
            back = f"{self.name}: gold surely fell on the way, and came back, {over}"
            return f"{back}. {top[0].upper()}{top[1:]}, at the end."
        if self.peak_step == steps[-1]:
            return (
                f"{self.name}: no sign of over-optimization {over}. {top[0].upper()}{top[1:]}, at"
                " the end."
            )
        if self.fell:
            how = "gold surely fell, though the proxy is not seen to rise"
        else:
            how = "it is not certain that gold fell" if self.fall.value > 0 else "gold did not fall"
        return f"{self.name}: {how} {over}. {top[0].upper()}{top[1:]}; {ends}."

    def ends_less(self, other: "Arm") -> Estimate:
        """Gold at the end less that of another arm: run by run where both have as many, in order,
        else the means.

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
        """Rise of gold where each run's KL first passes a value, on straight lines between looks.

        A run that never gets there is left out, and counted as unscored.
        """
        found = []
        for run in self.runs:
            ks, golds = run.values_L("kl"), run.values_L("gold")
            value = math.nan
            for k in range(1, len(ks)):
                if ks[k] >= kl > ks[k - 1]:
                    value = float(np.interp(kl, ks[k - 1 : k + 1], golds[k - 1 : k + 1])) - float(
                        golds[0]
                    )
                    break
            found.append(value)
        return student(found)

    @property
    def looks(self) -> tuple[Look, ...]:
        """The looks of the arm as if of one run: every measurement's mean over the runs, with its
        interval."""
        return tuple(self._look(k, step) for k, step in enumerate(self.runs[0].steps_L))

    def rows(self) -> list[dict[str, Any]]:
        """`looks` as rows of a run's metrics."""
        found = []
        for look in self.looks:
            watch: dict[str, Any] = {
                what: _row(e) for what in SEEN if (e := getattr(look, what)) is not None
            }
            gold = {name: _row(e) for name, e in (look.gold or {}).items()}
            found.append({"step": look.step, "watch": {**watch, "gold": gold}})
        return found

    def _look(self, k: int, step: int) -> Look:
        seen = {}
        for what in SEEN:
            told = [getattr(run.looks[k], what) for run in self.runs]
            # Where responses are not cut into steps there is nothing to see.
            uncut = what == "steps" and all(e is not None and e.value == 1 for e in told)
            if all(e is not None for e in told) and not uncut:
                seen[what] = _estimate(np.array([e.value for e in told]), self.runs, k, what)
        gold = _estimate(np.array([run.values_L("gold")[k] for run in self.runs]), self.runs, k)
        return Look(step=step, gold={self.runs[0].gold: gold}, **seen)


def read_run(folder: Path, gold: str | None = None) -> Run:
    """The looks of a folder that `assay rl` wrote.

    gold: which one; None = the first that there is. Raises `DataError` where nothing was looked at,
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
    """The looks among the rows of a run. Raises `DataError` where nothing was looked at, or no
    gold."""
    seen = looks(rows)
    name = gold if gold is not None else common_gold([seen])
    if not seen or name is None:
        raise DataError(
            f"{where} has no look with a gold; train it with --gold SCORER and prompts held out"
        )
    there = [look for look in seen if look.gold_of(name) and known(look.kl) and look.proxy]
    if not there:
        if any(look.gold_of(name) for look in seen):
            raise DataError(
                f"{where} has gold {name!r}, but no evaluation that also has a proxy and a KL"
            )
        others = ", ".join(dict.fromkeys(n for look in seen for n in look.gold or {})) or "none"
        raise DataError(f"{where} has no gold {name!r}; there is {others}")
    return Run(tuple(there), name, tuple(look.step for look in seen if look not in there))


def arm(
    name: str,
    runs: Sequence[Run],
    *,
    epsilon: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Arm:
    """What runs of one kind did. Steps that not all of them reached are left out, which a note
    says.

    epsilon: gold that may be lost at the stop that is recommended, in its units; None = a twentieth
    of the highest rise. Raises `DataError` where the runs share no look.
    """
    if not runs:
        raise DataError(f"{name} has no run")
    shared = sorted(set.intersection(*(set(run.steps_L) for run in runs)))
    if not shared:
        raise DataError(f"the runs of {name} were not looked at after the same rounds")
    notes = []
    if any(len(run.looks) > len(shared) for run in runs):
        notes.append(
            f"{name}: only the {len(shared)} looks that all {len(runs)} runs have are used, to"
            f" {shared[-1]}"
        )
    if lacking := sorted({step for run in runs for step in run.left_out}):
        said = ", ".join(f"{step:,}" for step in lacking[:5]) + (
            ", ..." if len(lacking) > 5 else ""
        )
        notes.append(
            f"{name}: {len(lacking)} looks have no gold, proxy or KL that is a number: left out, at"
            f" {said}"
        )
    kept = tuple(
        Run(tuple(look for look in run.looks if look.step in shared), run.gold) for run in runs
    )
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
    """One point a look: means over the runs."""
    name = which.runs[0].gold
    points = []
    for k, look in enumerate(which.looks):
        gold = look.gold_of(name)
        assert gold is not None
        assert look.proxy is not None
        assert look.kl is not None
        kl_se = _standard_error([run.looks[k].kl for run in which.runs])
        points.append(
            Point(
                method="rl",
                proxy=which.name,
                gold=name,
                step=look.step,
                kl=look.kl.value,
                kl_se=None if math.isnan(kl_se) else kl_se,
                proxy_mean=look.proxy,
                proxy_se=_standard_error([run.looks[k].proxy for run in which.runs]),
                gold_mean=gold,
                gold_se=_standard_error([run.looks[k].gold_of(run.gold) for run in which.runs]),
                length=None if look.length is None else look.length.value,
                dup_rate=None if look.duplicates is None else look.duplicates.value,
                unscored=look.proxy.unscored,
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


def _standard_error(told: Sequence[Estimate | None]) -> float:
    """Of the mean over runs; of one run from its own interval, taken as normal; NaN where there is
    none."""
    values = [e for e in told if e is not None]
    if len(values) > 1:
        return float(np.std([e.value for e in values], ddof=1) / len(values) ** 0.5)
    return (values[0].high - values[0].low) / 3.92 if values else math.nan


def _estimate(values_S: Array, runs: Sequence[Run], k: int, what: str = "gold") -> Estimate:
    """Over several runs by Student; of one run by prompt, at look k."""
    if len(values_S) > 1:
        return student(values_S)
    look = runs[0].looks[k]
    own = look.gold_of(runs[0].gold) if what == "gold" else getattr(look, what)
    assert own is not None
    # The mean of the last looks is as sure as one of them at least.
    moved = float(values_S[0]) - own.value
    return Estimate(
        value=own.value + moved,
        low=own.low + moved,
        high=own.high + moved,
        n=own.n,
        unscored=own.unscored,
    )


def _row(e: Estimate) -> list[Any]:
    return [e.value, e.low, e.high, e.n, e.unscored]


def _told(e: Estimate) -> str:
    return beside(e)
