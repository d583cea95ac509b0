"""Scores that the data holds already, as a scorer."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.data.fields import parsed
from assay.fingerprint import ByContent
from assay.types import Group, Response, Score, Unscored

__all__ = ["Column"]


@dataclass(frozen=True)
class Column:
    """The number under a name in each response's `meta`, or in the prompt's.

    In the prompt's `meta`, a number is the score of every response, and a list as long as the
    group holds one a response. A list of numbers holds those of the steps; the score is the least.
    A response without a number there is `Unscored`.
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
        value = parsed(response.meta.get(self.name))
        if self.name not in response.meta:
            value = parsed(group.prompt.meta.get(self.name))
            if isinstance(value, (list, tuple)) and len(value) == len(group.responses):
                value = value[place]
        if self.name not in response.meta and self.name not in group.prompt.meta:
            there = ", ".join(sorted(key for key in {*response.meta, *group.prompt.meta} if key))
            return Unscored(reason=f"no column {self.name!r}; there is {there or 'none'}")
        if value is None:
            return Unscored(reason=f"column {self.name!r} is null")
        steps = value if isinstance(value, (list, tuple)) else (value,)
        if not steps or not all(isinstance(x, (int, float)) and x - x == 0 for x in steps):
            return Unscored(reason=f"column {self.name!r} is no finite number: {value!r:.40}")
        if steps is not value:
            return Score(value=float(value))
        if len(steps) != len(response.steps) > 1:
            return Unscored(
                reason=f"column {self.name!r} has {len(steps)} numbers for {len(response.steps)}"
                " steps"
            )
        return Score(value=float(min(steps)), steps=tuple(map(float, steps)))
