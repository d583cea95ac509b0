"""What a rubric's verdicts say of the rubric and of its judge.

Everything is computed from `RubricScorer.judge`'s answers, response by response; nothing is asked.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from assay.data.rubrics.layouts import KEY, required
from assay.data.rubrics.normalisers import ABSTAINED, Answer, Credit, Judged, Rated, passed, rate
from assay.data.rubrics.record import Criterion, Rubric
from assay.errors import DataError
from assay.stats import Estimate, bootstrap, mean
from assay.stats.draws import equal
from assay.stats.intervals import Array
from assay.types import StepLabels, Unscored

__all__ = [
    "CriterionFigures",
    "OrderSensitivity",
    "agreement",
    "by_tag",
    "criteria",
    "order_sensitivity",
    "overall",
    "uniform",
    "votes_of",
    "weights_against_uniform",
]

RESAMPLES: Final = 1000
CREDITED: Final = 0.5
"""Least credit that counts as met."""

Clusters = Sequence[Hashable] | None


@dataclass(frozen=True, kw_only=True)
class CriterionFigures:
    """What was said of one criterion, over all responses it was asked of."""

    rubric: str
    """Fingerprint of its rubric."""
    id: str
    text: str
    points: float
    gate: bool
    asked: int
    abstained: int
    """Responses of which the judge could not assess it."""
    failed: int
    """Responses of which the judge gave no answer."""
    credit: float
    """Mean credit where there is an answer; NaN where there is none."""
    low: float
    """Least credit; NaN where there is none."""
    high: float
    fired: int
    """Responses that did not pass, of a gate; else 0."""

    @property
    def answered(self) -> int:
        """Responses with an answer."""
        return self.asked - self.abstained - self.failed

    @property
    def varies(self) -> bool:
        """Whether it tells responses apart; one that never does pays nobody."""
        return self.answered > 0 and self.high > self.low

    @property
    def always_fires(self) -> bool:
        """Whether it is a gate that nothing passed: a reward of 0 for everything."""
        return self.gate and self.answered > 0 and self.fired == self.answered


def criteria(judged: Sequence[Judged | Unscored]) -> list[CriterionFigures]:
    """Return the figures of each criterion, in order; those of each rubric apart."""
    found: dict[tuple[str, str], tuple[Criterion, list[Answer]]] = {}
    for one in judged:
        if isinstance(one, Judged):
            name = one.rubric.fingerprint
            for criterion, answer in zip(one.rubric.criteria, one.answers, strict=True):
                found.setdefault((name, criterion.id), (criterion, []))[1].append(answer)
    return [_figures(name, *pair) for (name, _), pair in found.items()]


def _figures(rubric: str, criterion: Criterion, answers: Sequence[Answer]) -> CriterionFigures:
    credits = [answer for answer in answers if isinstance(answer, Credit)]
    means = [credit.mean for credit in credits] or [float("nan")]
    return CriterionFigures(
        rubric=rubric,
        id=criterion.id,
        text=criterion.text,
        points=criterion.points,
        gate=criterion.veto,
        asked=len(answers),
        abstained=sum(answer == ABSTAINED for answer in answers),
        failed=sum(answer is None for answer in answers),
        credit=float(np.mean(means)),
        low=min(means),
        high=max(means),
        fired=sum(not passed(criterion, credit) for credit in credits) if criterion.veto else 0,
    )


def uniform(rubric: Rubric) -> Rubric:
    """Return a rubric with one point per criterion, minus one for a fault, and equal groups."""
    same = [c.model_copy(update={"points": float(np.sign(c.points))}) for c in rubric.criteria]
    groups = {path: b.model_copy(update={"weight": 1.0}) for path, b in rubric.groups.items()}
    return rubric.model_copy(update={"criteria": tuple(same), "groups": groups})


def weights_against_uniform(
    judged: Sequence[Judged | Unscored], *, clusters: Clusters = None, least: float = 0.5
) -> Estimate:
    """Return the correlation of scores with those of the same verdicts under equal points.

    Near 1, the weights decide little. clusters: the prompt of each. NaN where either does not vary.
    """
    rows, kept, unscored = [], [], 0
    for place, one in enumerate(judged):
        rated = _rated(one, least), _rated(one, least, plain=True)
        if any(each is None for each in rated):
            unscored += 1
            continue
        rows.append([each.value for each in rated if each is not None])
        kept.append(place if clusters is None else clusters[place])
    values = np.array(rows, dtype=np.float64).reshape(-1, 2)
    if len(values) < 3 or any(map(equal, values.T)):
        nan = float("nan")
        return Estimate(value=nan, low=nan, high=nan, n=len({*kept}), unscored=unscored)
    return bootstrap(
        values, clusters=kept, statistic=_correlation, resamples=RESAMPLES, unscored=unscored
    )


def _rated(one: Judged | Unscored, least: float, *, plain: bool = False) -> Rated | None:
    if isinstance(one, Unscored):
        return None
    rated = rate(uniform(one.rubric) if plain else one.rubric, one.answers, least=least)
    return None if isinstance(rated, Unscored) else rated


def _correlation(rows: Array) -> float:
    if any(map(equal, rows.T)):
        return 0.0
    a, b = (rows - rows.mean(0)).T
    return float(a @ b) / float(np.sqrt((a @ a) * (b @ b)))


@dataclass(frozen=True, kw_only=True)
class OrderSensitivity:
    """How verdicts differ between two orders of the criteria, or two repeats of one."""

    flips: Estimate
    """Share of the verdicts that turn from met to unmet, or back."""
    credit: Estimate
    """Mean absolute difference of a credit."""
    value: Estimate
    """Mean absolute difference of a score."""


def order_sensitivity(
    first: Sequence[Judged | Unscored],
    second: Sequence[Judged | Unscored],
    *,
    clusters: Clusters = None,
    least: float = 0.5,
) -> OrderSensitivity:
    """Compare what a judge says of the same responses twice.

    Ask with two seeds of `shuffle`, and twice in one order for the noise to compare with. What has
    no answer in one of the two is left out and counted. Raises `DataError` where rubrics differ.
    """
    flips, credits, values = [], [], []
    owners: tuple[list[Hashable], list[Hashable]] = [], []
    missing = unscored = 0
    for place, (a, b) in enumerate(zip(first, second, strict=True)):
        owner = place if clusters is None else clusters[place]
        rated = _rated(a, least), _rated(b, least)
        if rated[0] is None or rated[1] is None:
            unscored += 1
        else:
            values.append(abs(rated[0].value - rated[1].value))
            owners[1].append(owner)
        if isinstance(a, Unscored) or isinstance(b, Unscored):
            continue
        if a.rubric.criteria != b.rubric.criteria:
            raise DataError(f"response {place} was judged by two rubrics; compare verdicts of one")
        for one, other in zip(a.answers, b.answers, strict=True):
            if not isinstance(one, Credit) or not isinstance(other, Credit):
                missing += 1
                continue
            flips.append(float((one.mean >= CREDITED) != (other.mean >= CREDITED)))
            credits.append(abs(one.mean - other.mean))
            owners[0].append(owner)
    within = partial(mean, clusters=owners[0], unscored=missing, within=(0.0, 1.0))
    return OrderSensitivity(
        flips=within(flips),
        credit=within(credits),
        value=mean(values, clusters=owners[1], unscored=unscored, within=(0.0, np.inf)),
    )


def overall(
    values: Sequence[float], *, clusters: Clusters = None, unscored: int = 0, seed: int = 0
) -> Estimate:
    """Return HealthBench's score of a data set: the mean of values that are not clipped, clipped to
    [0, 1], with a bootstrap interval by prompt."""
    found = bootstrap(
        np.asarray(values, dtype=np.float64),
        clusters=clusters,
        statistic=lambda x: float(np.clip(x.mean(), 0.0, 1.0)),
        resamples=RESAMPLES,
        seed=seed,
        unscored=unscored,
    )
    low, high = np.clip([found.low, found.high], 0.0, 1.0).tolist()
    return replace(found, low=low, high=high)


def by_tag(
    judged: Sequence[Judged | Unscored], *, clusters: Clusters = None
) -> Mapping[str, Estimate]:
    """Return `overall` for the criteria of each tag, such as axis:accuracy.

    A response whose rubric has no positive points under a tag is not among them; one that cannot be
    scored under it is counted as unscored.
    """
    values: dict[str, list[float]] = defaultdict(list)
    owners: dict[str, list[Hashable]] = defaultdict(list)
    missing: dict[str, int] = defaultdict(int)
    for place, one in enumerate(judged):
        if isinstance(one, Unscored):
            continue
        for tag in dict.fromkeys(tag for c in one.rubric.criteria for tag in c.tags):
            places = [i for i, c in enumerate(one.rubric.criteria) if tag in c.tags]
            own = tuple(one.rubric.criteria[i] for i in places)
            if not any(c.points > 0 for c in own if one.rubric.counts(c)):
                continue
            part = one.rubric.model_copy(update={"criteria": own})
            rated = rate(part, [one.answers[i] for i in places])
            if isinstance(rated, Unscored):
                missing[tag] += 1
                continue
            values[tag].append(rated.value)
            owners[tag].append(place if clusters is None else clusters[place])
    return {
        tag: overall(values[tag], clusters=owners[tag], unscored=missing[tag])
        for tag in sorted({*values, *missing})
    }


def votes_of(record: StepLabels) -> Sequence[bool]:
    """Return the physicians' votes of a row of HealthBench's meta-evaluation."""
    votes: Any = record.prompt.meta.get("binary_labels")
    if not votes or len(required(record.prompt).criteria) != 1:
        raise DataError(
            f"prompt {record.prompt.id!r} has no votes (binary_labels) on one criterion ({KEY})"
        )
    return [bool(vote) for vote in votes]


def agreement(
    judged: Sequence[Judged | Unscored],
    votes: Sequence[Sequence[bool]],
    *,
    categories: Sequence[str] | None = None,
    clusters: Clusters = None,
) -> Mapping[str, Estimate]:
    """Return the macro-F1 of verdicts on one criterion each against people's votes, over all
    ("all") and by category: the mean of the F1 of "met" and of "unmet", every vote a pair.

    votes: of each response, whether the criterion is met (HealthBench's meta-evaluation). Verdicts
    that are missing or abstain are left out and counted.
    """
    rows: dict[str, list[list[float]]] = defaultdict(list)
    owners: dict[str, list[Hashable]] = defaultdict(list)
    missing: dict[str, int] = defaultdict(int)
    for place, (one, cast) in enumerate(zip(judged, votes, strict=True)):
        names = ["all", *([categories[place]] if categories else [])]
        answers = one.answers if isinstance(one, Judged) else (None,)
        if len(answers) != 1:
            raise DataError(f"response {place} was judged by {len(answers)} criteria, not by one")
        for name in names:
            if not isinstance(answers[0], Credit):
                missing[name] += 1
                continue
            met, yes = answers[0].mean >= CREDITED, sum(cast)
            pair = [float(yes), float(len(cast) - yes)]
            rows[name].append([*pair, 0.0, 0.0] if met else [0.0, 0.0, *pair])
            owners[name].append(place if clusters is None else clusters[place])
    return {
        name: bootstrap(
            np.array(rows[name], dtype=np.float64).reshape(-1, 4),
            clusters=owners[name],
            statistic=macro_f1,
            resamples=RESAMPLES,
            unscored=missing[name],
        )
        for name in sorted({*rows, *missing})
    }


def macro_f1(rows: Array) -> float:
    """Return the macro-F1 of counts (n, 4): said met and voted so or not, said unmet and voted met
    or not; an F1 without any vote or verdict of its kind is 0."""
    true, wrong, missed, right = rows.sum(0)

    def f1(hit: float, off: float) -> float:
        return 2 * hit / (2 * hit + off) if hit else 0.0

    return (f1(true, wrong + missed) + f1(right, wrong + missed)) / 2
