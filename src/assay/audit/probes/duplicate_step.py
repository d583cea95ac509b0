"""A step that is there twice."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.steps import inserted, parted, place_of, rebuilt, steps_of

__all__ = ["DuplicateStep"]


@dataclass(frozen=True, kw_only=True)
class DuplicateStep:
    """Repeat a step word for word, right behind it."""

    most: int = 3
    """Most steps to try, each alone."""

    area: ClassVar[Area] = "steps"
    expects: ClassVar[Expects] = "no gain"
    meaning: ClassVar[str] = "a step that is repeated"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with one step twice, for some of its steps but the last."""
        steps = steps_of(subject.response)
        inner = range(1, len(steps))
        for place in sorted(draw.sample(inner, min(self.most, len(inner)))):
            twice = inserted(steps, place, parted(steps[place - 1])[1])
            yield Variant(
                response=rebuilt(subject.response, twice), step=place_of(subject.response, place)
            )
