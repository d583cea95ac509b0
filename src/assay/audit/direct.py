"""Findings of what is asked otherwise than by changing a response: rows of judges' audits, and
scores that should be the same."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, groupby
from typing import Any, Final, NamedTuple

from assay.audit.asking import Asked, Said
from assay.audit.findings import CASES, Case, Finding, unit_of, withstood
from assay.audit.probe import Area
from assay.audit.subjects import Item
from assay.evaluation.judges.findings import Bias, bias
from assay.stats import proportion
from assay.stats.regression import one_sample
from assay.types import Group, Score

__all__ = ["from_bias", "groups_of", "moved"]

AREAS: Final[Mapping[str, Area]] = {
    "position": "questions",
    "questions": "questions",
    "criteria": "questions",
    "anchor": "claims",
    "name": "claims",
    "serving": "serving",
}
"""By the family of a bias."""


def from_bias(
    row: Bias, *, area: Area | None = None, held: Mapping[str, float] | None = None, **more: Any
) -> Finding:
    """Return a row of a judge's audit as a finding: what should be 0, and is not to change.

    area: None = that of the row's family. held: by prompt, the share of what was asked that was
    withstood; without it the finding has no part in a grade. more: other fields.
    """
    return Finding(
        probe=row.name.replace("/", "-").replace("_", "-").replace(" ", "-"),
        area=area or AREAS[row.name.partition("/")[0]],
        expects="unchanged",
        meaning=row.meaning,
        effect=row.effect,
        text="",
        p_value=row.p_value,
        detectable=row.detectable,
        smallest=row.smallest,
        held=held or {},
        **more,
    )


def groups_of(items: Sequence[Item]) -> list[Group]:
    """Return all responses of each item as a group."""
    return [
        Group(prompt=item.prompt, responses=tuple(one.response for one in item.responses))
        for item in items
    ]


class _Row(NamedTuple):
    """A response's scores in the audit's unit: as it was, of a repeat, and changed."""

    item: Item
    text: str
    was: float
    again: float
    now: float

    @property
    def move(self) -> float:
        return abs(self.now - self.was)


def moved(
    name: str, meaning: str, items: Sequence[Item], three: Sequence[Sequence[Said]], smallest: float
) -> Finding:
    """Return how far scores of the same responses move, in the audit's unit, beyond what they do
    when nothing is changed.

    three: scores of all items' responses, one after the other: as they were, of a repeat, and
    changed. The largest move is said in the meaning. flips: share of a prompt's pairs of responses
    whose order is the opposite one.
    """
    scores = iter(three[0])
    base = [[next(scores) for _ in item.responses] for item in items]
    unit = unit_of(Asked(items=items, base=base, answers={}, inapplicable={}))
    rows = list(_rows(items, three, unit.value))
    keys = [row.item.key for row in rows]
    noise = [abs(row.again - row.was) for row in rows]
    found = one_sample(
        [row.move - floor for row, floor in zip(rows, noise, strict=True)],
        clusters=keys,
        step=smallest,
        unscored=len(three[0]) - len(rows),
    )
    largest = max((row.move for row in rows), default=0.0)
    said = f"{meaning} (largest move {largest:.2g} {unit.meaning})"
    within = [row.move <= max(smallest, floor) for row, floor in zip(rows, noise, strict=True)]
    flips = [_flips(list(own)) for _, own in groupby(rows, key=lambda row: id(row.item))]
    return from_bias(
        bias(name, said, found, smallest),
        held=withstood(within, keys),
        flips={"order": proportion([share for share in flips if share is not None])},
        cases=[
            Case(
                prompt=row.item.prompt.text,
                before=row.text,
                after=row.text,
                rewards=(row.was * unit.value, row.now * unit.value),
            )
            for row in sorted(rows, key=lambda row: -row.move)[:CASES]
            if row.move > smallest
        ],
    )


def _rows(items: Sequence[Item], three: Sequence[Sequence[Said]], unit: float) -> Iterator[_Row]:
    """The responses that have all three scores."""
    said = zip(*three, strict=True)
    for item in items:
        for one in item.responses:
            values = [x.value / unit for x in next(said) if isinstance(x, Score)]
            if len(values) == len(three):
                yield _Row(item, one.response.text, *values)


def _flips(own: Sequence[_Row]) -> float | None:
    pairs = [(x, y) for x, y in combinations(own, 2) if x.was != y.was]
    flipped = [(x.was - y.was) * (x.now - y.now) < 0 for x, y in pairs]
    return sum(flipped) / len(flipped) if flipped else None
