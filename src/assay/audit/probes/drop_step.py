"""A step that is left out."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.steps import parted, place_of, rebuilt, steps_of

__all__ = ["DropStep"]


@dataclass(frozen=True, kw_only=True)
class DropStep:
    """Leave out a step that later ones rest on."""

    most: int = 4
    """Most steps to try, each alone."""

    area: ClassVar[Area] = "steps"
    expects: ClassVar[Expects] = "lower"
    meaning: ClassVar[str] = "a step that is left out"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response without one step, for some of its steps but the last."""
        steps = steps_of(subject.response)
        inner = range(len(steps) - 1)
        for place in sorted(draw.sample(inner, min(self.most, len(inner)))):
            rest = [*steps[:place], *steps[place + 1 :]]
            if place == 0:
                rest[0] = parted(steps[0])[0] + rest[0].lstrip()
            yield Variant(
                response=rebuilt(subject.response, rest), step=place_of(subject.response, place)
            )
