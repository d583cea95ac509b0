"""One number of one step, off by one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.steps import place_of, rebuilt, steps_of

__all__ = ["CorruptNumber"]

NUMBER = re.compile(r"(?<![\w.,/])\d+(?:\.\d+)?(?![\w/]|[.,]\d)")
HEADING = re.compile(r"\s*(?:[#*]*\s*step\s+)?\d+\s*[.):]", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class CorruptNumber:
    """Add one to a step's result, or take one off, and leave all other steps as they are."""

    most: int = 3
    """Most steps to try, each alone."""

    area: ClassVar[Area] = "steps"
    expects: ClassVar[Expects] = "lower"
    meaning: ClassVar[str] = "a number that is off by one in one step"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with one wrong number, for some of its steps but the last."""
        steps = steps_of(subject.response)
        found = [(place, _result(step)) for place, step in enumerate(steps[:-1])]
        there = [(place, number) for place, number in found if number is not None]
        chosen = draw.sample(there, min(self.most, len(there)))
        for place, number in sorted(chosen, key=itemgetter(0)):
            whole, _, rest = number.group().partition(".")
            off = int(whole) + (draw.choice((-1, 1)) if int(whole) else 1)
            wrong = f"{off}.{rest}" if rest else str(off)
            step = steps[place][: number.start()] + wrong + steps[place][number.end() :]
            yield Variant(
                response=rebuilt(subject.response, [*steps[:place], step, *steps[place + 1 :]]),
                step=place_of(subject.response, place),
            )


def _result(step: str) -> re.Match[str] | None:
    """The number behind the last sign of equality, or else the last one; no step's own number."""
    heading = HEADING.match(step)
    numbers = list(NUMBER.finditer(step, heading.end() if heading else 0))
    equal = [one for one in numbers if step[: one.start()].rstrip("$€\\( {").endswith("=")]
    return next(reversed(equal or numbers), None)
