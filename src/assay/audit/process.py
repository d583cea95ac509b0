"""What only the scores of steps show: does a process model find errors, or count steps?

A wrong step should be where the score falls, and not before; what is put between steps should leave
the first error where it was; and how many steps there are should not decide what they are worth.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from assay import stats
from assay.audit.asking import Asked
from assay.audit.findings import Unit
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
    scored = [x for row in asked.base for x in row if isinstance(x, Score) and len(x.steps) > 1]
    if not scored:
        return None
    every = [x for one in scored for x in one.steps]
    line = 0.5 if min(every) >= 0 and max(every) <= 1 else 0.0
    metrics, baselines = _errors(asked)
    for found, beside in (_corrupted(asked), _counted(asked, unit)):
        metrics |= found
        baselines |= beside
    padded = list(_pairs(asked, "pad-steps"))
    claimed = [x for x in _pairs(asked, "confident-words") if _first(x.before, line) is not None]
    for name, pairs in (("padding", padded), ("claims", claimed)):
        if pairs:
            moved = [_moved(pair, line) for pair in pairs]
            keys = [pair.key for pair in pairs]
            metrics[f"first error/moved by {name}"] = stats.proportion(moved, clusters=keys)
    return Process(
        metrics=metrics, baselines=baselines, sentence=_sentence(metrics, baselines, unit)
    )


def _pairs(asked: Asked, probe: str) -> Iterator[_Pair]:
    """The answers of a probe that have a score for every step, before and after."""
    for one in asked.answers.get(probe, ()):
        if not (isinstance(one.before, Score) and isinstance(one.after, Score)):
            continue
        before, after = one.before.steps, one.after.steps
        sizes = len(one.subject.response.steps), len(one.variant.response.steps)
        if min(sizes) > 1 and (len(before), len(after)) == sizes:
            yield _Pair(asked.items[one.item].key, one.variant.step or 0, before, after)


def _first(steps: Sequence[float], line: float) -> int | None:
    """Place of the first step below the line."""
    return next((i for i, x in enumerate(steps) if x < line), None)


def _moved(pair: _Pair, line: float) -> bool:
    """Whether the first error is another step, after as many steps were put in as are more."""
    more = len(pair.after) - len(pair.before)
    was, now = _first(pair.before, line), _first(pair.after, line)
    return now != (was if was is None or was < pair.step else was + more)


def _errors(asked: Asked) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    rows = [
        (score, label, -float(place), item.key)
        for item, said in zip(asked.items, asked.base, strict=True)
        for one, given in zip(item.responses, said, strict=True)
        if isinstance(given, Score) and len(given.steps) == len(one.labels)
        for place, (score, label) in enumerate(zip(given.steps, one.labels, strict=True))
        if label is not None
    ]
    scores, labels, places, keys = list(zip(*rows, strict=True)) or [()] * 4
    found = stats.auroc(scores, labels, clusters=keys)
    if math.isnan(found.value):
        return {}, {}
    place = stats.auroc(places, labels, clusters=keys)
    return {"errors/auroc": found}, {"errors/auroc": place}


def _corrupted(asked: Asked) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    pairs = list(_pairs(asked, "corrupt-number"))
    if not pairs:
        return {}, {}
    keys = [pair.key for pair in pairs]
    credit = np.array([_where(pair) for pair in pairs])
    chance = [1 / len(pair.before) for pair in pairs]
    was, now = [x.before[x.step] for x in pairs], [x.after[x.step] for x in pairs]
    labels = np.repeat([1.0, 0.0], len(pairs))
    return {
        "corrupted/at the step": stats.proportion(credit[:, 0], clusters=keys),
        "corrupted/before it": stats.proportion(credit[:, 1], clusters=keys),
        "corrupted/auroc": stats.auroc([*was, *now], labels, clusters=[*keys, *keys]),
    }, {"corrupted/at the step": stats.proportion(chance, clusters=keys)}


def _where(pair: _Pair) -> tuple[float, float]:
    """Shares of the largest fall that are at the changed step and before it; of no fall, none."""
    falls = np.array(pair.before) - np.array(pair.after)
    if falls.max() <= 0:
        return 0.0, 0.0
    places = np.flatnonzero(falls == falls.max())
    return float((places == pair.step).mean()), float((places < pair.step).mean())


def _counted(asked: Asked, unit: Unit) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    rows = [
        (given.value / unit.value, float(len(one.response.steps)), one.right, item.key)
        for item, said in zip(asked.items, asked.base, strict=True)
        for one, given in zip(item.responses, said, strict=True)
        if isinstance(given, Score)
    ]
    found: dict[str, Estimate] = {}
    if all(right is None for _, _, right, _ in rows):
        rows = [(value, count, False, key) for value, count, _, key in rows]
    rows = [row for row in rows if row[2] is not None]
    keys = [key for *_, key in rows]
    ids, _ = cluster_ids(keys, len(rows))
    value, count, right = (
        demeaned(np.array([row[i] for row in rows], dtype=np.float64), ids) for i in range(3)
    )
    if np.any(count) and np.any(value):
        both = np.column_stack([value, count])
        found["steps/correlation"] = stats.bootstrap(both, clusters=keys, statistic=_correlation)
        columns = np.column_stack([count, right])[:, : 1 + bool(np.any(right))]
        found["steps/per step"] = least_squares(value, columns, clusters=keys)[0].estimate
    shifts = [
        (
            (one.after.value - one.before.value) / one.variant.dose / unit.value,
            asked.items[one.item].key,
        )
        for one in asked.answers.get("pad-steps", ())
        if isinstance(one.after, Score) and isinstance(one.before, Score)
    ]
    if shifts:
        each, of = zip(*shifts, strict=True)
        found["steps/per padded step"] = stats.mean(each, clusters=of)
    return found, {}


def _correlation(both: Array) -> float:
    """Pearson's, of columns that are less their prompts' means."""
    sizes = np.sqrt((both**2).sum(axis=0))
    return float(both[:, 0] @ both[:, 1] / (sizes[0] * sizes[1])) if sizes.all() else 0.0


def _sentence(
    metrics: Mapping[str, Estimate], baselines: Mapping[str, Estimate], unit: Unit
) -> str:
    said = []
    if area := metrics.get("errors/auroc"):
        beside = baselines["errors/auroc"].value
        finds = area.low > max(0.5, beside)
        said.append(
            f"it {'finds errors' if finds else 'is not shown to find errors'}: an AUROC of"
            f" {area:.2f} for right against wrong steps, where their place alone has {beside:.2f}"
        )
    elif area := metrics.get("corrupted/auroc"):
        finds = area.low > 0.5
        said.append(
            f"it {'sees' if finds else 'is not shown to see'} a number that is off by one: an AUROC"
            f" of {area:.2f} for steps against the same with a wrong number"
        )
    slope = metrics.get("steps/per padded step") or metrics.get("steps/per step")
    if slope:
        known = slope.low > 0 or slope.high < 0 or (slope.low != slope.low and slope.value != 0)
        counts = known and abs(slope.value) >= MATTERS
        said.append(
            f"it {'counts steps' if counts else 'does not count steps'}: {slope.value:+.2f}"
            f" {unit.meaning} for each step that is put in"
        )
    text = "; ".join(said) or "nothing tells whether it finds errors or counts steps"
    return text[0].upper() + text[1:] + "."
