"""A judge's yes or no on what people labelled."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.audit.human import Case, Label
from assay.errors import ConfigError, DataError
from assay.judges.adapters import as_judge
from assay.protocols import Judge, Scorer
from assay.questions import CLOSE
from assay.types import Group, Score, Unscored

__all__ = ["Reading", "reading_of", "values_of"]


@dataclass(frozen=True)
class Reading:
    """How a number becomes a verdict."""

    pairs: bool
    least: float
    """Least score that means yes; of pairs, 0.5 of a probability, which itself is a tie."""

    def verdict(self, value: float | None) -> bool | None:
        """Return yes or no; None where there is no number, and for a tie."""
        if value is None or (self.pairs and abs(value - 0.5) < CLOSE):
            return None
        return value >= self.least


def values_of(
    judge: Judge | Scorer,
    groups: Sequence[Group],
    labels: Sequence[Sequence[Label]],
    *,
    pairs: bool,
) -> list[list[float | None]]:
    """Return what a judge says of each label's item: the probability that a pair's first is better,
    a score, or a criterion's credit; None where it says nothing.

    A scorer prefers the higher score of a pair. Raises `ConfigError` for a judge of pairs that is
    given single responses, `DataError` for a criterion that it does not have.
    """
    if pairs:
        compares = judge if isinstance(judge, Judge) else as_judge(judge, how="strict")
        found = compares.compare(groups)
        return [[None if isinstance(one, Unscored) else one.prefer] for one in found]
    if not isinstance(judge, Scorer):
        raise ConfigError(
            "the judge compares two responses, and the labels are of single ones; give labels of"
            " pairs, or a judge of responses"
        )
    rows = judge.score(groups)
    return [
        [_value(row[label.place], label.criterion) for label in some]
        for row, some in zip(rows, labels, strict=True)
    ]


def _value(score: object, criterion: str) -> float | None:
    if not isinstance(score, Score):
        return None
    if criterion and criterion not in score.parts:
        there = ", ".join(score.parts) or "none"
        raise DataError(f"the judge has no criterion {criterion!r}; it has {there}")
    return score.parts[criterion] if criterion else score.value


def reading_of(
    cases: Sequence[Case], values: Sequence[Sequence[float | None]], threshold: float | None
) -> Reading:
    """Return how a judge's numbers become verdicts. Raises `ConfigError` where a threshold is
    needed or of no use, `DataError` where there is no number at all."""
    known = [value for row in values for value in row if value is not None]
    if not known:
        raise DataError("the judge has no verdict on any labelled item")
    pairs = cases[0].pair
    if threshold is not None and pairs:
        raise ConfigError("threshold is of scores of responses, and the labels are of pairs")
    if threshold is None and not all(0 <= value <= 1 for value in known):
        raise ConfigError(
            f"scores lie between {min(known):g} and {max(known):g}; say from which on one means"
            " yes: --threshold"
        )
    return Reading(pairs, 0.5 if threshold is None else threshold)
