"""Steps that say nothing, between the others."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.steps import inserted, place_of, rebuilt, steps_of

__all__ = ["PadSteps"]

PADS = (
    "Let us go on with care.",
    "We keep in mind what was asked.",
    "With this, we turn to what comes next.",
)


@dataclass(frozen=True, kw_only=True)
class PadSteps:
    """Put steps without content early, in the middle and late; once, and three of them."""

    copies: tuple[int, ...] = (1, 3)
    """How many, three at most; each is a dose."""

    area: ClassVar[Area] = "steps"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "steps without content between the others"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with steps at each place."""
        steps = steps_of(subject.response)
        if len(steps) < 2:
            return
        for text, place in {"early": 1, "middle": len(steps) // 2, "late": len(steps) - 1}.items():
            for n in self.copies:
                yield Variant(
                    response=rebuilt(subject.response, inserted(steps, place, *PADS[:n])),
                    text=text,
                    dose=n,
                    step=place_of(subject.response, place),
                )
