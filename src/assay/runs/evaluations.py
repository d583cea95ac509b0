"""Evaluation points of a policy's training: what was measured on held-out prompts, by step.

Read from the rows of a `metrics.jsonl`, which holds each estimate as [value, low, high, n,
unscored].
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.errors import DataError
from assay.stats import Estimate

__all__ = ["Course", "Look", "Row", "apart", "common_gold", "course", "golds", "known", "looks"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Look:
    """What was measured on the held-out prompts at one step; None where nothing was."""

    step: int
    proxy: Estimate | None = None
    gold: Mapping[str, Estimate] | None = None
    """What the proxy stands for, by what measured it."""
    kl: Estimate | None = None
    """To the reference, in nats a response."""
    length: Estimate | None = None
    """Tokens a response."""
    steps: Estimate | None = None
    """Steps a response."""
    entropy: Estimate | None = None
    finished: Estimate | None = None
    duplicates: Estimate | None = None

    def gold_of(self, name: str) -> Estimate | None:
        """The gold of that name where it has a value."""
        return known((self.gold or {}).get(name))


def looks(rows: Sequence[Row]) -> list[Look]:
    """The looks among the rows of a run, by step; of two at one step, as a resumed run has, the
    later counts.

    Raises `DataError` where an estimate is not [value, low, high, n, unscored].
    """
    found: dict[int, Look] = {}
    for number, row in enumerate(rows, start=1):
        if (watch := row.get("watch")) is None:
            continue
        if row.get("step") is None:
            raise DataError(
                f"row {number}: a look at the held-out prompts without a step; give the step it was"
                " made at"
            )
        named = {
            key: _estimate(watch.get(key), f"row {number}: watch.{key}")
            for key in ("proxy", "kl", "length", "steps", "entropy", "finished", "duplicates")
        }
        gold = {
            name: estimate
            for name, value in (watch.get("gold") or {}).items()
            if (estimate := _estimate(value, f"row {number}: watch.gold.{name}")) is not None
        }
        found[row["step"]] = Look(step=row["step"], gold=gold, **named)
    return [found[step] for step in sorted(found)]


@dataclass(frozen=True)
class Course:
    """One gold over a run: the looks where it began, where it was highest, where it ended."""

    gold: str
    first: Look
    top: Look
    last: Look

    def at(self, look: Look) -> Estimate:
        """The gold at one of the three."""
        return (look.gold or {})[self.gold]

    @property
    def fell(self) -> bool:
        """Whether gold ended below its peak, the intervals apart."""
        return apart(self.at(self.top), self.at(self.last)) < 0

    @property
    def climbed(self) -> bool:
        """Whether the proxy rose from gold's peak to the end, the intervals apart."""
        return apart(known(self.top.proxy), known(self.last.proxy)) > 0


def course(seen: Sequence[Look], gold: str, peak: int | None = None) -> Course | None:
    """How a gold went; None where it has no value.

    peak: the step taken for its peak; None = where it is highest. Raises `DataError` for a step
    without that gold.
    """
    there = {look.step: look for look in seen if look.gold_of(gold)}
    if not there:
        return None
    if peak is not None and peak not in there:
        said = ", ".join(map(str, there))
        raise DataError(
            f"step {peak} is said to be the peak of gold ({gold}), which was measured at steps"
            f" {said}"
        )
    top = (
        there[peak]
        if peak is not None
        else max(there.values(), key=lambda look: (look.gold or {})[gold].value)
    )
    ordered = list(there.values())
    return Course(gold, ordered[0], top, ordered[-1])


def apart(before: Estimate | None, after: Estimate | None) -> int:
    """1 where `after` lies above `before`, -1 where below, 0 where intervals touch or one is
    missing."""
    if before is None or after is None:
        return 0
    return int(after.low > before.high) - int(after.high < before.low)


def known(estimate: Estimate | None) -> Estimate | None:
    """An estimate that has a value, or None."""
    return estimate if estimate is not None and math.isfinite(estimate.value) else None


def golds(seen: Iterable[Look]) -> list[str]:
    """The golds that have a value somewhere, in the order they come up."""
    return list(
        dict.fromkeys(name for look in seen for name in look.gold or () if look.gold_of(name))
    )


def common_gold(runs: Iterable[Sequence[Look]]) -> str | None:
    """The gold that most runs have, of equals the one that comes first."""
    counts = Counter(name for seen in runs for name in golds(seen))
    return max(counts, key=lambda name: counts[name], default=None)


def _estimate(value: Any, where: str) -> Estimate | None:
    """An estimate from its JSON; a number that is not there is not a number."""
    if value is None:
        return None
    try:
        number, low, high, n, unscored = value
        number, low, high = (math.nan if x is None else float(x) for x in (number, low, high))
        return Estimate(
            value=number, low=low, high=high, n=int(n or 0), unscored=int(unscored or 0)
        )
    except (TypeError, ValueError):
        raise DataError(
            f"{where} is {str(value)[:80]!r}; an estimate is [value, low, high, n, unscored]"
        ) from None
