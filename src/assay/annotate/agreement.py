"""How far annotators agree, and how each of them does: with the others, with gold, over time."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any, Final

import numpy as np
from scipy.stats import kendalltau

from assay.annotate.dawid_skene import DawidSkene, dawid_skene
from assay.annotate.decisions import (
    FIRST_ERROR,
    Decision,
    decisions,
    known,
    said,
    same,
    word_of,
)
from assay.annotate.labels import Label, Pair, Ranks
from assay.annotate.records import Given
from assay.annotate.tasks import Task
from assay.data.records import cluster_key
from assay.stats import Estimate, proportion, wilson
from assay.stats.agreement import alpha, cohen_kappa, gwet_ac1, pairwise_agreement
from assay.stats.means import mean

__all__ = [
    "Quality", "Standing", "agreements", "difference", "hard_items", "quality", "tau",
]  # fmt: skip

SMOOTHING: Final = 0.1
"""Pseudo-count of a cell of an annotator's confusion matrix."""
FEW: Final = 10
"""Labels below which an annotator's halves are not compared."""


@dataclass(frozen=True)
class Standing:
    """How one annotator does."""

    pseudonym: str
    labels: int
    skipped: int
    seconds: float
    """Median time per label; NaN without any."""
    gold: Estimate
    """Share of gold items that are right, attention checks left out."""
    attention: Estimate
    """Share of attention checks passed."""
    majority: Estimate
    """Agreement with what most of the others say, where most say one thing."""
    accuracy: Estimate
    """By Dawid-Skene, of the decision with most of their labels; absent where it is not
    identified."""
    drift: Estimate
    """Agreement with the majority, or gold where there is more of it, in the second half of the
    work less that in the first."""
    shown_first: Estimate
    """Share of pairs with a better one where that is the one shown first."""
    streak: int
    """Longest run of one answer as it is shown."""
    chance: float
    """Bound on the chance of such a run of this annotator's commonest answer, n p^length."""


@dataclass(frozen=True)
class Quality:
    """All that labels say of labels."""

    agreement: Mapping[str, Mapping[str, Estimate]]
    """By decision and coefficient."""
    standings: tuple[Standing, ...]
    fits: Mapping[str, DawidSkene]
    decisions: Mapping[str, Decision]
    """What each fit is of."""


def quality(
    tasks: Sequence[Task],
    given: Sequence[Given],
    skips: Sequence[Mapping[str, Any]] = (),
    *,
    resamples: int = 200,
) -> Quality:
    """Measure labels by labels. Gold items and adjudicators' labels count as known truths, and not
    as agreement."""
    plain = decisions(tasks, [one for one in given if one.purpose == "label"])
    every = decisions(tasks, [one for one in given if one.purpose != "adjudicate"])
    fits = {
        name: dawid_skene(
            decision.codes_I_A, len(decision.levels), known=known(tasks, given, decision),
            smoothing=SMOOTHING, tolerance=1e-5, clusters=decision.clusters, resamples=resamples,
        )
        for name, decision in every.items()
        # A place among as many as a solution has steps is no category that annotators confuse.
        if name != FIRST_ERROR and len(decision.levels) > 1
    }  # fmt: skip
    found = {name: agreements(decision) for name, decision in plain.items()}
    taus = tau(tasks, given)
    if taus.n:
        found.setdefault("ranking", {})["Kendall's tau"] = taus
    names = sorted({one.pseudonym for one in given} | {str(one["pseudonym"]) for one in skips})
    majority = _majorities(plain)
    return Quality(
        found,
        tuple(_standing(name, tasks, given, skips, every, fits, majority) for name in names),
        fits,
        every,
    )


def agreements(decision: Decision) -> dict[str, Estimate]:
    """Agreement of annotators on units that two or more labelled, resampled by prompt.

    agreement: mean share of a unit's pairs of labels that agree; alpha: Krippendorff's, ordinal for
    step marks; AC1: Gwet's, which rare categories do not upset; kappa: Cohen's, of two annotators.
    """
    ratings, clusters = decision.ratings, decision.clusters
    rows = [i for i, row in enumerate(ratings) if sum(x is not None for x in row) > 1]
    levels = [*decision.levels]
    some, of = [ratings[i] for i in rows], [clusters[i] for i in rows]
    alone = len(ratings) - len(rows)
    found = {"agreement": pairwise_agreement(some, clusters=of, unscored=alone)}
    if not some:
        return found
    found["alpha"] = alpha(some, decision.metric, levels=levels, clusters=of, unscored=alone)
    found["AC1"] = gwet_ac1(some, levels=levels, clusters=of, unscored=alone)
    if len(decision.raters) == 2:
        codes = decision.codes_I_A[rows]
        found["kappa"] = cohen_kappa(codes[:, 0], codes[:, 1], clusters=of, unscored=alone)
    return found


def tau(tasks: Sequence[Task], given: Iterable[Given]) -> Estimate:
    """Kendall's tau-b between two annotators' rankings of one task, the mean over tasks; where all
    are tied there is none, and they count as unscored."""
    by_task: dict[str, list[Ranks]] = {}
    for one in given:
        if isinstance(one.label, Ranks) and one.purpose == "label":
            by_task.setdefault(one.task, []).append(one.label)
    values, keys, unscored = [], [], 0
    for task in tasks:
        labels = by_task.get(task.id, [])
        pairs = [
            kendalltau(a.ranks, b.ranks).statistic
            for a, b in combinations(labels, 2)
            if len(set(a.ranks)) > 1 and len(set(b.ranks)) > 1
        ]
        if pairs:
            values.append(float(np.mean(pairs)))
            keys.append(cluster_key(task))
        unscored += len(labels) > 1 and not pairs
    return mean(values, clusters=keys, within=(-1, 1), unscored=unscored)


def hard_items(measured: Quality, most: int = 12) -> list[tuple[str, str, str, str, float]]:
    """Return what labels are most divided on: decision, task, unit, labels, and the probability of
    the likeliest category, the least sure first."""
    found = []
    for name, fit in measured.fits.items():
        decision = measured.decisions[name]
        counts = decision.counts_I_C
        for i in np.flatnonzero((counts > 0).sum(axis=1) > 1).tolist():
            votes = ", ".join(
                f"{word_of(name, level)}: {int(n)}"
                for level, n in zip(decision.levels, counts[i].tolist(), strict=True)
                if n
            )
            found.append((name, *decision.units[i], votes, float(fit.soft_I_C[i].max())))
    return sorted(found, key=lambda row: row[-1])[:most]


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Return second - first of two independent shares, with Newcombe's interval of their own ones
    (1998, Stat. Med. 17:873, method 10)."""
    value = second.value - first.value
    low = value - np.hypot(second.value - second.low, first.high - first.value)
    high = value + np.hypot(second.high - second.value, first.value - first.low)
    return Estimate(value=value, low=float(low), high=float(high), n=first.n + second.n)


def _majorities(plain: Mapping[str, Decision]) -> dict[tuple[str, str, str], Counter[Any]]:
    """Labels of each unit, by category."""
    found: dict[tuple[str, str, str], Counter[Any]] = {}
    for name, decision in plain.items():
        for unit, _, level in decision.rows_n_3.tolist():
            votes = found.setdefault((name, *decision.units[unit]), Counter())
            votes[decision.levels[level]] += 1
    return found


def _standing(
    name: str, tasks: Sequence[Task], given: Sequence[Given], skips: Sequence[Mapping[str, Any]],
    every: Mapping[str, Decision], fits: Mapping[str, DawidSkene],
    majority: Mapping[tuple[str, str, str], Counter[Any]],
) -> Standing:  # fmt: skip
    by_id = {task.id: task for task in tasks}
    mine = sorted(
        (one for one in given if one.pseudonym == name and one.task in by_id),
        key=lambda one: one.time,
    )
    checked = [
        (by_id[one.task].attention, float(same(one.label, gold)))
        for one in mine
        if (gold := by_id[one.task].gold) is not None
    ]
    golden = [right for attention, right in checked if not attention]
    passed = [right for attention, right in checked if attention]
    agreed = [*_with_others(mine, by_id, majority)]
    credit = [right for _, right in agreed]
    first = [
        float(one.label.choice == ("first", "second")[one.order[0]])
        for one in mine
        if isinstance(one.label, Pair) and one.order and one.label.choice in ("first", "second")
    ]
    streak, chance = _streak([_as_shown(one) for one in mine if one.purpose == "label"])
    own = [
        (fit.accuracy[every[key].raters.index(name)])
        for key, fit in fits.items()
        if name in every[key].raters
    ]
    seconds = [one.seconds for one in mine if one.seconds > 0]
    return Standing(
        pseudonym=name,
        labels=len(mine),
        skipped=sum(one["pseudonym"] == name for one in skips),
        seconds=float(np.median(seconds)) if seconds else float("nan"),
        gold=wilson(sum(golden), len(golden)),
        attention=wilson(sum(passed), len(passed)),
        majority=proportion(credit, clusters=[key for key, _ in agreed]),
        accuracy=max(own, key=lambda one: one.n, default=proportion([])),
        drift=_drift(golden if len(golden) > len(credit) else credit),
        shown_first=wilson(sum(first), len(first)),
        streak=streak,
        chance=chance,
    )


def _with_others(
    mine: Sequence[Given], by_id: Mapping[str, Task],
    majority: Mapping[tuple[str, str, str], Counter[Any]],
) -> Iterator[tuple[str, float]]:  # fmt: skip
    """Prompt, and share of a label's units on which it says what most of the others do."""
    for one in mine:
        if one.purpose != "label":
            continue
        right = []
        for name, unit, level in said(by_id[one.task], one.label):
            others = majority.get((name, one.task, unit), Counter()) - Counter([level])
            top = others.most_common(2)
            if top and (len(top) < 2 or top[0][1] > top[1][1]):
                right.append(float(top[0][0] == level))
        if right:
            yield cluster_key(by_id[one.task]), float(np.mean(right))


def _drift(credit: Sequence[float]) -> Estimate:
    half = len(credit) // 2
    if half < FEW:
        nan = float("nan")
        return Estimate(value=nan, low=nan, high=nan, n=len(credit))
    parts = [credit[:half], credit[-half:]]
    early, late = (wilson(sum(part), len(part)) for part in parts)
    return difference(early, late)


def _as_shown(one: Given) -> object:
    """A label by places on the page: who hits one key says the same of every task."""
    label: Label = one.label
    if isinstance(label, Pair):
        if label.choice not in ("first", "second") or not one.order:
            return label.choice
        return one.order.index(("first", "second").index(label.choice))
    if isinstance(label, Ranks):
        return tuple(label.ranks[place] for place in one.order)
    # Solutions differ in length: all right, all wrong, all neutral.
    return (*{*label.marks},) if label.kind == "steps" else label.answers


def _streak(answers: Sequence[object]) -> tuple[int, float]:
    """Longest run of one answer, and a bound on its chance if each answer were drawn anew."""
    if not answers:
        return 0, 1.0
    longest = max(len([*run]) for _, run in groupby(answers))
    top = Counter(answers).most_common(1)[0][1] / len(answers)
    return longest, min(1.0, len(answers) * float(top) ** longest)
