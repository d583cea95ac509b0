"""Answers to typed questions against the distributions that they should have."""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from assay import stats
from assay.data.decisions import Decisions
from assay.data.records import cluster_key
from assay.errors import DataError
from assay.evaluation.report import Report
from assay.questions import Confidence, Distribution, Question, confidence
from assay.stats import Covered, Estimate
from assay.types import Unscored

__all__ = ["brier", "coverage", "divergence", "evaluate"]

CLIP: Final = 1e-9
THRESHOLDS: Final = tuple(i / 10 for i in range(10))
Answers = Sequence[Sequence[Distribution | Unscored]]


def divergence(gold: Distribution, found: Distribution) -> float:
    """Return KL(gold || found) = Σ g ln(g / p) in nats, probabilities at least 1e-9."""
    pairs = zip(gold.probabilities, found.probabilities, strict=True)
    return math.fsum(g * math.log(max(g, CLIP) / max(p, CLIP)) for g, p in pairs)


def brier(gold: Distribution, found: Distribution) -> float:
    """Return Σ (p - g)² over the options: from 0 to 2."""
    pairs = zip(gold.probabilities, found.probabilities, strict=True)
    return math.fsum((p - g) ** 2 for g, p in pairs)


def credit(gold: Distribution, found: Distribution) -> float:
    """Return 1 where the likeliest option is gold's (the first of gold's equals); of k that are
    equally likely each counts 1/k, so that a uniform answer has 1/n."""
    best = max(found.probabilities)
    tops = [i for i, p in enumerate(found.probabilities) if p == best]
    return (gold.top in tops) / len(tops)


@dataclass(frozen=True)
class _Row:
    """A question whose gold is known."""

    record: int
    question: Question
    gold: Distribution
    found: Distribution | Unscored


def evaluate(
    records: Sequence[Decisions],
    answers: Answers,
    *,
    bins: int = 10,
    train: Sequence[Decisions] = (),
) -> Report:
    """Measure answers to the questions of records, clustered by state.

    Metrics: accuracy, kl, brier, ece of the top probability against being right, and ece_soft of
    it against gold's own probability for that option, which is the calibration that soft gold asks
    for; bins are of equal width, and of equal counts in ece_equal_count. These are of all questions
    and, after a slash, of each kind; exact is of states whose questions are all right. Baselines:
    uniform answers and, with records to train on, the mean gold of the same question there. Raises
    `DataError` where shapes disagree, or no gold is known.
    """
    rows = list(_rows(records, answers))
    if not rows:
        raise DataError("no question has a gold answer; there is nothing to evaluate")
    ids = [cluster_key(record.prompt) for record in records]
    prior = _prior(train)
    metrics = {**_metrics(rows, ids, bins), "exact": _exact(rows, ids)}
    for kind in ("predicate", "choice", "score"):
        if some := [row for row in rows if row.question.kind == kind]:
            of_kind = _metrics(some, ids, bins)
            metrics |= {f"{name}/{kind}": estimate for name, estimate in of_kind.items()}
    baselines = _measured([_instead(row, _uniform(row.question)) for row in rows], ids, "uniform")
    if train:
        means = [_instead(row, prior.get(_key(row.question))) for row in rows]
        baselines |= _measured(means, ids, "prior")
    notes = [
        f"ECE has {bins} bins of equal width on the top probability, pooled over all questions;"
        " published numbers differ in this",
        "accuracy counts the likeliest option of gold as the right one, however likely it is",
    ]
    good = _scored(rows)
    tops = [max(found.probabilities) for _, found in good]
    right = [credit(row.gold, found) for row, found in good]
    chosen = stats.selective(
        tops,
        right,
        clusters=[ids[row.record] for row, _ in good],
        unscored=len(rows) - len(good),
    )
    return Report(
        kind="decisions",
        metrics=metrics | {"aurc": chosen.aurc, "aurc_excess": chosen.excess},
        baselines=baselines | {"aurc/random": chosen.random, "aurc/oracle": chosen.oracle},
        reliability=stats.reliability(tops, right, bins, binning="equal-width"),
        selective=chosen.curve,
        notes=notes,
    )


def _rows(records: Sequence[Decisions], answers: Answers) -> Iterator[_Row]:
    if len(records) != len(answers):
        raise DataError(f"{len(answers)} lists of answers for {len(records)} records")
    for i, (record, found) in enumerate(zip(records, answers, strict=True)):
        if len(found) != len(record.questions):
            raise DataError(
                f"record {i}: {len(found)} answers to {len(record.questions)} questions"
            )
        for question, gold, one in zip(record.questions, record.gold, found, strict=True):
            if gold is not None:
                yield _Row(i, question, gold, one)


def _scored(rows: Sequence[_Row]) -> list[tuple[_Row, Distribution]]:
    return [(row, row.found) for row in rows if isinstance(row.found, Distribution)]


def _mean(
    rows: Sequence[_Row],
    ids: Sequence[Hashable],
    measure: Callable[[Distribution, Distribution], float],
) -> Estimate:
    """The mean of a measure over the rows that have an answer."""
    good = _scored(rows)
    values = [measure(row.gold, found) for row, found in good]
    how: dict[str, Any] = {
        "clusters": [ids[row.record] for row, _ in good],
        "unscored": len(rows) - len(good),
    }
    if measure is credit:
        return stats.proportion(values, **how)
    return stats.mean(values, within=(0.0, math.inf if measure is divergence else 2.0), **how)


def _measured(rows: Sequence[_Row], ids: Sequence[Hashable], name: str) -> dict[str, Estimate]:
    measures = {"accuracy": credit, "kl": divergence, "brier": brier}
    suffix = f"/{name}" if name else ""
    return {f"{key}{suffix}": _mean(rows, ids, measure) for key, measure in measures.items()}


def _metrics(rows: Sequence[_Row], ids: Sequence[Hashable], bins: int) -> dict[str, Estimate]:
    good = _scored(rows)
    tops = [max(found.probabilities) for _, found in good]
    how: dict[str, Any] = {
        "clusters": [ids[row.record] for row, _ in good],
        "unscored": len(rows) - len(good),
        "bins": bins,
    }
    right = [credit(row.gold, found) for row, found in good]
    soft = [row.gold.probabilities[found.top] for row, found in good]
    return {
        **_measured(rows, ids, ""),
        "ece": stats.ece(tops, right, binning="equal-width", **how),
        "ece_equal_count": stats.ece(tops, right, binning="equal-count", **how),
        "ece_soft": stats.ece(tops, soft, binning="equal-width", **how),
    }


def _exact(rows: Sequence[_Row], ids: Sequence[Hashable]) -> Estimate:
    """The share of states whose questions are all right; one without an answer leaves it out."""
    each: dict[int, list[_Row]] = {}
    for row in rows:
        each.setdefault(row.record, []).append(row)
    whole = {i: _scored(some) for i, some in each.items()}
    whole = {i: good for i, good in whole.items() if len(good) == len(each[i])}
    right = [
        float(all(credit(row.gold, found) == 1 for row, found in good)) for good in whole.values()
    ]
    clusters = [ids[i] for i in whole]
    return stats.proportion(right, clusters=clusters, unscored=len(each) - len(whole))


def _uniform(question: Question) -> Distribution:
    n = len(question.options)
    return Distribution(probabilities=(1 / n,) * n)


def _instead(row: _Row, found: Distribution | None) -> _Row:
    """The row with a baseline's answer; uniform where it has none."""
    return _Row(row.record, row.question, row.gold, found or _uniform(row.question))


def _key(question: Question) -> Hashable:
    return question.kind, question.text, tuple(option.text for option in question.options)


def _prior(train: Sequence[Decisions]) -> Mapping[Hashable, Distribution]:
    """The mean gold of each question that the records ask."""
    golds: dict[Hashable, list[Distribution]] = {}
    for record in train:
        for question, gold in zip(record.questions, record.gold, strict=True):
            if gold is not None:
                golds.setdefault(_key(question), []).append(gold)
    return {key: _mixed(some) for key, some in golds.items()}


def _mixed(some: Sequence[Distribution]) -> Distribution:
    sums = [math.fsum(ps) for ps in zip(*(one.probabilities for one in some), strict=True)]
    return Distribution(probabilities=tuple(p / math.fsum(sums) for p in sums))


def coverage(
    records: Sequence[Decisions],
    answers: Answers,
    formula: Confidence,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[Covered]:
    """Return how many answers are accepted and how many of them are right, by a least confidence.

    Curves of two formulas must not be compared by their thresholds. Raises `ConfigError` for the
    formula "mass" where a label mass is not known.
    """
    ids = [cluster_key(record.prompt) for record in records]
    rows = list(_rows(records, answers))
    sure = [
        confidence(row.found, row.question, formula)
        if isinstance(row.found, Distribution)
        else -math.inf
        for row in rows
    ]
    points = []
    for threshold in thresholds:
        kept = [row for row, c in zip(rows, sure, strict=True) if c >= threshold]
        taken = [float(c >= threshold) for c in sure]
        share = stats.proportion(taken, clusters=[ids[row.record] for row in rows])
        points.append(Covered(threshold=threshold, share=share, accuracy=_mean(kept, ids, credit)))
    return points
