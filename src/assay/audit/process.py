"""What only the scores of steps show: does a process model find errors, or count steps?

A wrong step should be where the score falls, and not before; what is put between steps should leave
the first error where it was; and how many steps there are should not decide what they are worth.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from assay import stats
from assay.audit.asking import Asked
from assay.audit.findings import Unit
from assay.audit.probe import Labelled
from assay.evaluation.judges.points import demeaned
from assay.stats import Estimate
from assay.stats.intervals import Array, cluster_ids
from assay.stats.regression import least_squares
from assay.types import Score

__all__ = ["Process", "process"]

MATTERS: Final = 0.1
"""Smallest change of the score per step that counts as counting, in the audit's unit."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """What an audit's step scores show."""

    metrics: Mapping[str, Estimate]
    baselines: Mapping[str, Estimate]
    """What chance, or a step's place alone, has in a metric's stead."""
    sentence: str
    """The answer in words."""


class _Pair(NamedTuple):
    """Step scores of a response as it was and as a probe changed it."""

    key: str
    step: int
    before: tuple[float, ...]
    after: tuple[float, ...]


def process(asked: Asked, unit: Unit) -> Process | None:
    """Return what step scores show; None where the reward has none.

    Metrics, each absent where the probe that it rests on was not tried:

    * errors/auroc: of labelled steps, the right against the wrong ones; its baseline is the place;
    * corrupted/at the step, /before it: share of responses with a wrong number whose step scores
      fall most at that step, or at an earlier one; equal falls share. corrupted/auroc: steps as
      they were against the same steps with a wrong number;
    * first error/moved by padding, /moved by claims: share of responses whose first step below
      the line is another one, padding itself included. Of claims those with such a step count. The
      line is 1/2, or 0 where scores are no probabilities;
    * steps/correlation, /per step: of the reward with the number of steps, within prompts; per
      step in the audit's unit, at the same label. steps/per padded step: shift for each step of
      padding.
    """
    base = asked.all_scored()
    every = list(chain.from_iterable(one.steps for *_, one in base if len(one.steps) > 1))
    if not every:
        return None
    line = 0.5 if min(every) >= 0 and max(every) <= 1 else 0.0
    metrics = _corrupted(asked) | _counted(asked, base, unit)
    for name, probe in (("padding", "pad-steps"), ("claims", "confident-words")):
        pairs, lost = _pairs(asked, probe)
        if name == "claims":
            pairs = [pair for pair in pairs if _first(pair.before, line) is not None]
        if pairs:
            moved, keys = [_moved(pair, line) for pair in pairs], [pair.key for pair in pairs]
            metrics[f"first error/moved by {name}"] = stats.proportion(
                moved, clusters=keys, unscored=lost
            )
    baselines = {}
    if errors := _errors(base):
        metrics["errors/auroc"], baselines["errors/auroc"] = errors
    if at := metrics.get("corrupted/at the step"):
        chance = [1 / len(pair.before) for pair in _pairs(asked, "corrupt-number")[0]]
        mean = float(np.mean(chance))
        baselines["corrupted/at the step"] = Estimate(value=mean, low=mean, high=mean, n=at.n)
    sentence = _sentence(metrics, baselines, unit)
    return Process(metrics=metrics, baselines=baselines, sentence=sentence)


def _pairs(asked: Asked, probe: str) -> tuple[list[_Pair], int]:
    """The answers of a probe with a score for every step, before and after; how many have none."""
    found, answers = [], asked.answers.get(probe, ())
    for one in answers:
        if isinstance(one.before, Score) and isinstance(one.after, Score):
            before, after = one.before.steps, one.after.steps
            sizes = len(one.subject.response.steps), len(one.variant.response.steps)
            if min(sizes) > 1 and (len(before), len(after)) == sizes:
                step = one.variant.step or 0
                found.append(_Pair(asked.items[one.item].key, step, before, after))
    return found, len(answers) - len(found)


def _first(steps: Sequence[float], line: float) -> int | None:
    """Place of the first step below the line."""
    return next((i for i, x in enumerate(steps) if x < line), None)


def _moved(pair: _Pair, line: float) -> bool:
    """Whether the first error is another step, after as many steps were put in as are more."""
    more = len(pair.after) - len(pair.before)
    was, now = _first(pair.before, line), _first(pair.after, line)
    return now != (was if was is None or was < pair.step else was + more)


def _errors(base: Sequence[tuple[str, Labelled, Score]]) -> tuple[Estimate, Estimate] | None:
    """AUROC of right against wrong steps, and that of their places, later ones being wrong."""
    rows = []
    for key, one, score in base:
        if len(score.steps) == len(one.labels):
            for place, (x, label) in enumerate(zip(score.steps, one.labels, strict=True)):
                rows += [] if label is None else [(x, -float(place), label, key)]
    scores, places, labels, keys = ([row[i] for row in rows] for i in range(4))
    found = stats.auroc(scores, labels, clusters=keys)
    return None if math.isnan(found.value) else (found, stats.auroc(places, labels, clusters=keys))


def _corrupted(asked: Asked) -> dict[str, Estimate]:
    pairs, lost = _pairs(asked, "corrupt-number")
    if not pairs:
        return {}
    keys = [pair.key for pair in pairs]
    at, before = zip(*map(_where, pairs), strict=True)
    was, now = [x.before[x.step] for x in pairs], [x.after[x.step] for x in pairs]
    labels = np.repeat([1.0, 0.0], len(pairs))
    return {
        "corrupted/at the step": stats.proportion(at, clusters=keys, unscored=lost),
        "corrupted/before it": stats.proportion(before, clusters=keys, unscored=lost),
        "corrupted/auroc": stats.auroc([*was, *now], labels, clusters=keys * 2, unscored=lost),
    }


def _where(pair: _Pair) -> tuple[float, float]:
    """Shares of the largest fall that are at the changed step and before it; of no fall, none."""
    falls = np.array(pair.before) - np.array(pair.after)
    if falls.max() <= 0:
        return 0.0, 0.0
    places = np.flatnonzero(falls == falls.max())
    return float((places == pair.step).mean()), float((places < pair.step).mean())


def _counted(
    asked: Asked, base: Sequence[tuple[str, Labelled, Score]], unit: Unit
) -> dict[str, Estimate]:
    """How the reward goes with the number of steps, within prompts and when steps are put in."""
    found: dict[str, Estimate] = {}
    known = [row for row in base if row[1].right is not None] or base
    keys = [key for key, *_ in known]
    ids, _ = cluster_ids(keys, len(known))
    value, count, right = (
        demeaned(np.array(column, dtype=np.float64), ids)
        for column in (
            [score.value / unit.value for *_, score in known],
            [len(one.response.steps) for _, one, _ in known],
            [bool(one.right) for _, one, _ in known],
        )
    )
    if np.any(count) and np.any(value):
        both = np.column_stack([value, count])
        found["steps/correlation"] = stats.bootstrap(both, clusters=keys, statistic=_correlation)
        columns = np.column_stack([count, right])
        found["steps/per step"] = least_squares(value, columns, clusters=keys)[0].estimate
    shifts = []
    for one in asked.answers.get("pad-steps", ()):
        if isinstance(one.after, Score) and isinstance(one.before, Score):
            shift = (one.after.value - one.before.value) / one.variant.dose / unit.value
            shifts.append((shift, asked.items[one.item].key))
    if shifts:
        each, of = zip(*shifts, strict=True)
        found["steps/per padded step"] = stats.mean(each, clusters=of)
    return found


def _correlation(both: Array) -> float:
    """Pearson's, of columns that are less their prompts' means."""
    sizes = np.sqrt((both**2).sum(axis=0))
    return float(both[:, 0] @ both[:, 1] / (sizes[0] * sizes[1])) if sizes.all() else 0.0


def _sentence(
    metrics: Mapping[str, Estimate], baselines: Mapping[str, Estimate], unit: Unit
) -> str:
    said = []
    if area := metrics.get("errors/auroc"):
        place = baselines["errors/auroc"].value
        finds = "finds errors" if area.low > max(0.5, place) else "is not shown to find errors"
        said.append(
            f"it {finds}: an AUROC of {area:.2f} for right against wrong steps, where their place"
            f" alone has {place:.2f}"
        )
    elif area := metrics.get("corrupted/auroc"):
        sees = "sees" if area.low > 0.5 else "is not shown to see"
        said.append(
            f"it {sees} a number that is off by one: an AUROC of {area:.2f} for steps against the"
            " same with a wrong number"
        )
    padded = metrics.get("steps/per padded step")
    if slope := padded or metrics.get("steps/per step"):
        more = "step without content" if padded else "step"
        said.append(f"it {_counts(slope)}: {slope:+.2f} {unit.meaning} for each {more} more")
    text = "; ".join(said) or "nothing tells whether it finds errors or counts steps"
    return text[0].upper() + text[1:] + "."


def _counts(slope: Estimate) -> str:
    """What a slope says; where all responses agree there is no interval, and its value counts."""
    alike = math.isnan(slope.low) and slope.n > 1
    low, high = (slope.value, slope.value) if alike else (slope.low, slope.high)
    if math.isnan(low):
        return "is not shown to count steps or not to"
    if max(abs(low), abs(high)) < MATTERS:
        return "does not count steps"
    if abs(slope.value) >= MATTERS and (low > 0 or high < 0):
        return "counts steps"
    return "is not shown to count steps or not to"
