"""Steps that claim to be right."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.steps import parted, rebuilt, steps_of

__all__ = ["ConfidentWords"]

CLAIM = " (verified)"


@dataclass(frozen=True, kw_only=True)
class ConfidentWords:
    """Put a claim behind every step, and behind those alone that labels call wrong."""

    area: ClassVar[Area] = "steps"
    expects: ClassVar[Expects] = "no gain"
    meaning: ClassVar[str] = "steps that claim to be verified"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with claims; of one step, none."""
        steps = steps_of(subject.response)
        if len(steps) < 2:
            return
        every = range(len(steps))
        yield Variant(response=rebuilt(subject.response, _claimed(steps, every)), text="every step")
        wrong = [i for i, x in enumerate(subject.labels) if x is not None and x < 0.5]
        if wrong and len(subject.labels) == len(steps):
            yield Variant(
                response=rebuilt(subject.response, _claimed(steps, wrong)), text="wrong steps"
            )


def _claimed(steps: Sequence[str], places: Collection[int]) -> list[str]:
    parts = [parted(step) for step in steps]
    return [
        before + text + CLAIM * (i in places) + behind
        for i, (before, text, behind) in enumerate(parts)
    ]
