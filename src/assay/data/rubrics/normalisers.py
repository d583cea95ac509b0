"""From what a judge says of each criterion to a score with a variance.

Every formula is linear in the credits s of the criteria that have an answer, value = a + Σ b s, so
that the variance is Σ b² var(s): of a criterion that is met with probability p, b² p (1 - p). With
points w, and the sums over criteria with an answer:

| normaliser      | value                                       | range                        |
|-----------------|---------------------------------------------|------------------------------|
| `healthbench`   | Σ w s / Σ of positive w (arXiv:2505.08775)  | up to 1, below 0 for faults; |
|                 |                                             | the mean over prompts is     |
|                 |                                             | clipped (`reports.overall`)  |
| `autorubric`    | the same clipped to [0, 1]; of faults alone | 0 to 1                       |
|                 | 1 + Σ w s / Σ abs w                         |                              |
| `open-instruct` | Σ w s / Σ abs w                             | -1 to 1                      |
| `rar`           | Σ abs w (s, of faults 1 - s) / Σ abs w      | 0 to 1                       |
|                 | (arXiv:2507.17746)                          |                              |
| `verifiers`     | Σ w s / Σ w; evenly spaced levels           | 0 to 1                       |
| `nemo-finance`  | the same, gates included                    | 0 to 1                       |
| `tree`          | in each group Σ w s / Σ w of criteria and   | 0 to 1                       |
|                 | groups, up to the root (arXiv:2504.01848)   |                              |

A gate (`veto`) is never averaged: where it fires the response earns 0, or less if its sum is below.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from assay.data.rubrics.record import Abstained, Criterion, Normaliser, Rubric
from assay.types import Unscored

__all__ = ["ABSTAINED", "LEAST", "Answer", "Credit", "Judged", "Rated", "passed", "rate"]

ABSTAINED: Final = "abstained"
LEAST: Final = 0.5
"""Least share of the points that must have an answer."""
PASS: Final = 0.5
"""Chance above which a gate is passed; at it and below, it fires."""


@dataclass(frozen=True)
class Credit:
    """What a criterion earns: the expected share of its points."""

    mean: float
    variance: float = 0.0

    @classmethod
    def of(cls, p: float) -> "Credit":
        """A criterion that is met with probability p."""
        return cls(p, p * (1.0 - p))


Answer = Credit | Literal["abstained"] | None
"""What a judge says of a criterion; None = it failed to say anything, which is not abstaining."""


@dataclass(frozen=True)
class Judged:
    """What a judge says of one response by a rubric."""

    rubric: Rubric
    """The criteria that were asked for."""
    answers: tuple[Answer, ...]
    """One per criterion, in order."""
    failures: tuple[str, ...] = ()
    """Why criteria have no answer."""
    critique: str | None = None
    """What was written before the verdicts."""


@dataclass(frozen=True, kw_only=True)
class Rated:
    """A response's score by a rubric."""

    value: float
    variance: float
    """What the judge is unsure of, criteria taken as independent."""
    coverage: float
    """Share of the points that have an answer."""
    fired: tuple[str, ...] = ()
    """Ids of the gates that were not passed."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """What a unit of each criterion's credit adds to the value, by id; 0 where a gate fired."""
    credits: Mapping[str, float] = field(default_factory=dict)
    """Credit of each criterion, by id: what is abstained from has the one that the rubric says."""


def rate(rubric: Rubric, answers: Sequence[Answer], *, least: float = LEAST) -> Rated | Unscored:
    """Return the score of one response. answers: one per criterion, in order.

    `Unscored` where a gate has no answer, or where criteria with less than `least` of the points
    have one. What the judge cannot assess counts as the rubric says (`abstained`); what it failed
    to judge leaves both sums always.
    """
    known = [
        _assessed(criterion, answer, rubric.abstained)
        for criterion, answer in zip(rubric.criteria, answers, strict=True)
    ]
    fired = []
    for criterion, credit, answer in zip(rubric.criteria, known, answers, strict=True):
        if criterion.veto and (credit is None or answer == ABSTAINED):
            return Unscored(reason=f"gate {criterion.id!r} has no verdict")
        if criterion.veto and credit is not None and not passed(criterion, credit):
            fired.append(criterion.id)
    counting = [i for i, criterion in enumerate(rubric.criteria) if rubric.counts(criterion)]
    there = [i for i in counting if known[i] is not None]
    coverage = _covered(rubric, counting, there)
    if coverage < least:
        return Unscored(
            reason=f"criteria with {coverage:.2g} of the points have a verdict, less than {least:g}"
        )
    value, variance, shares = 1.0, 0.0, dict[str, float]()
    if counting:
        form = FORMS[rubric.normaliser](rubric, there)
        if form is None:
            return Unscored(reason="no criterion with positive points has a verdict")
        start, share = form
        shares = {rubric.criteria[i].id: share[i] for i in there}
        credits = [(share[i], credit) for i in there if (credit := known[i]) is not None]
        value = start + math.fsum(b * credit.mean for b, credit in credits)
        variance = math.fsum(b * b * credit.variance for b, credit in credits)
    if rubric.normaliser == "autorubric":
        value = min(1.0, max(0.0, value))
    if fired:
        value, variance, shares = min(0.0, value), 0.0, dict.fromkeys(shares, 0.0)
    each = zip(rubric.criteria, known, strict=True)
    return Rated(
        value=value,
        variance=variance,
        coverage=coverage,
        fired=tuple(fired),
        shares=shares,
        credits={c.id: credit.mean for c, credit in each if credit is not None},
    )


def _covered(rubric: Rubric, counting: Sequence[int], there: Sequence[int]) -> float:
    """Share of the points that have an answer; in a tree, of what they are worth at the root."""
    form = FORMS[rubric.normaliser](rubric, counting)
    if form is None:
        return 1.0
    worth = {i: abs(share) for i, share in form[1].items()}
    return math.fsum(worth[i] for i in there) / math.fsum(worth.values())


def passed(criterion: Criterion, credit: Credit) -> bool:
    """Whether a gate is passed, more likely than not: it is met, or, with negative points, not."""
    return (credit.mean if criterion.points >= 0 else 1.0 - credit.mean) > PASS


def _assessed(criterion: Criterion, answer: Answer, how: Abstained) -> Credit | None:
    """What a criterion earns once abstaining counts as the rubric says."""
    if answer is None or isinstance(answer, Credit):
        return answer
    if how == "skip":
        return None
    values = [level.value for level in criterion.levels if level.value is not None] or [0.0, 1.0]
    if how == "fail":
        return Credit(min(values) if criterion.points >= 0 else max(values))
    return Credit(0.5 if how == "partial" and criterion.points > 0 else 0.0)


Form = tuple[float, Mapping[int, float]] | None
"""a, and b of each criterion that has an answer; None where nothing can be divided by."""


def _over(rubric: Rubric, there: Sequence[int], total: float) -> Mapping[int, float]:
    return {i: rubric.criteria[i].points / total for i in there}


def _sum(rubric: Rubric, there: Sequence[int], sign: int) -> float:
    """Sum of the positive points, or of the negative ones without their sign."""
    return math.fsum(max(0.0, sign * rubric.criteria[i].points) for i in there)


def _healthbench(rubric: Rubric, there: Sequence[int]) -> Form:
    positive = _sum(rubric, there, 1)
    return (0.0, _over(rubric, there, positive)) if positive else None


def _autorubric(rubric: Rubric, there: Sequence[int]) -> Form:
    positive, negative = _sum(rubric, there, 1), _sum(rubric, there, -1)
    if not positive and not negative:
        return None
    return (0.0 if positive else 1.0), _over(rubric, there, positive or negative)


def _open_instruct(rubric: Rubric, there: Sequence[int]) -> Form:
    total = _sum(rubric, there, 1) + _sum(rubric, there, -1)
    return (0.0, _over(rubric, there, total)) if total else None


def _rar(rubric: Rubric, there: Sequence[int]) -> Form:
    """|w| (1 - s) of a fault is |w| + w s."""
    faults = _sum(rubric, there, -1)
    total = _sum(rubric, there, 1) + faults
    return (faults / total, _over(rubric, there, total)) if total else None


def _tree(rubric: Rubric, there: Sequence[int]) -> Form:
    """Each criterion's share of the root: the product of its weights over its siblings'.

    A group without weights inside is worth 0, as there; one whose weights have no answer is left
    out.
    """
    shares = dict.fromkeys(there, 0.0)
    everything = range(len(rubric.criteria))

    def divide(share: float, members: Sequence[int], depth: int) -> None:
        branches: dict[str, list[int]] = {}
        weights: dict[str | int, float] = {}
        for i in members:
            group = rubric.criteria[i].group
            if len(group) == depth:
                weights[i] = rubric.criteria[i].points
            else:
                path = "/".join(group[: depth + 1])
                branches.setdefault(path, []).append(i)
                weights[path] = rubric.groups[path].weight if path in rubric.groups else 1.0
        for path in branches:
            if _weighs(rubric, everything, path) and not _weighs(rubric, there, path):
                weights[path] = 0.0
        total = math.fsum(weights.values())
        for name, weight in weights.items():
            part = share * weight / total if total else 0.0
            if isinstance(name, int):
                shares[name] = part
            else:
                divide(part, branches[name], depth + 1)

    divide(1.0, there, 0)
    return (0.0, shares) if any(shares.values()) else None


def _weighs(rubric: Rubric, members: Sequence[int], path: str) -> bool:
    """Whether any of these criteria has a share of the group at this path."""
    depth = path.count("/") + 1
    inside = (c for c in map(rubric.criteria.__getitem__, members) if len(c.group) >= depth)
    return any("/".join(c.group[:depth]) == path and rubric.weighs(c, depth) for c in inside)


FORMS: Final[Mapping[Normaliser, Callable[[Rubric, Sequence[int]], Form]]] = {
    "healthbench": _healthbench,
    "autorubric": _autorubric,
    "open-instruct": _open_instruct,
    "rar": _rar,
    "verifiers": _healthbench,
    "nemo-finance": _healthbench,
    "tree": _tree,
}
