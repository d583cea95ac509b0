"""Scores that the data holds already, as a scorer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.data.fields import parsed
from assay.fingerprint import ByContent
from assay.types import Group, Response, Score, Unscored

__all__ = ["Column"]


@dataclass(frozen=True)
class Column:
    """The number under a name in each response's `meta`, or in the prompt's.

    In the prompt's `meta`, a number is the score of every response, and a list holds one entry a
    response; of one response alone, it may hold one a step. In a response's, a list holds a number
    a step; the score is the least. A text that nobody cut into steps may have any number of them. A
    response without a number there, or with a list of another length, is `Unscored`.
    """

    name: str
    """Key in `meta`: the column of the row that the record was read from."""

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order."""
        return [
            [self._one(group, place, response) for place, response in enumerate(group.responses)]
            for group in groups
        ]

    def _one(self, group: Group, place: int, response: Response) -> Score | Unscored:
        if self.name not in response.meta and self.name not in group.prompt.meta:
            there = ", ".join(sorted(key for key in {*response.meta, *group.prompt.meta} if key))
            return Unscored(reason=f"no column {self.name!r}; there is {there or 'none'}")
        if self.name in response.meta:
            return self._score(parsed(response.meta[self.name]), len(response.steps))
        value, count = parsed(group.prompt.meta[self.name]), len(group.responses)
        if not isinstance(value, (list, tuple)):
            return self._score(value, len(response.steps))
        if len(value) == count:
            return self._score(value[place], len(response.steps))
        if count > 1 or len(value) != len(response.steps):
            return self._unlike(value, count, "response")
        return self._score(value, len(response.steps))

    def _score(self, value: Any, count: int) -> Score | Unscored:
        """The score that a response's own entry is; count: its steps."""
        if value is None:
            return Unscored(reason=f"column {self.name!r} is null")
        steps = value if isinstance(value, (list, tuple)) else (value,)
        if not steps or not all(isinstance(x, (int, float)) and x - x == 0 for x in steps):
            return Unscored(reason=f"column {self.name!r} is no finite number: {value!r:.40}")
        if steps is not value:
            return Score(value=float(value))
        if count > 1 and len(steps) != count:
            return self._unlike(steps, count, "step")
        return Score(value=float(min(steps)), steps=tuple(map(float, steps)))

    def _unlike(self, value: Sequence[Any], count: int, unit: str) -> Unscored:
        entries = "1 number" if len(value) == 1 else f"{len(value)} numbers"
        units = f"1 {unit}" if count == 1 else f"{count} {unit}s"
        return Unscored(reason=f"column {self.name!r} has {entries} for {units}")
