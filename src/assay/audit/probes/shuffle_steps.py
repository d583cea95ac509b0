"""Steps in another order, the last one apart."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.steps import ordered, rebuilt, steps_of

__all__ = ["ShuffleSteps"]

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, kw_only=True)
class ShuffleSteps:
    """Shuffle all steps but the last, or swap two of which the second uses the first's result."""

    area: ClassVar[Area] = "steps"
    expects: ClassVar[Expects] = "lower"
    meaning: ClassVar[str] = "steps in another order"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response shuffled, and with one pair swapped; without such steps, neither."""
        steps = steps_of(subject.response)
        inner = list(range(len(steps) - 1))
        if len(inner) < 2:
            return
        order = draw.sample(inner, len(inner))
        if order == inner:
            order = [*inner[1:], inner[0]]
        orders = {"all": order}
        if pairs := [i for i in inner[1:] if _uses(steps[i], steps[i - 1])]:
            second = draw.choice(pairs)
            orders["two"] = [*inner[: second - 1], second, second - 1, *inner[second + 1 :]]
        for text, places in orders.items():
            changed = rebuilt(subject.response, ordered(steps, [*places, len(steps) - 1]))
            if changed.text != subject.response.text:
                yield Variant(response=changed, text=text)


def _uses(step: str, before: str) -> bool:
    """Whether the last number of the step before stands in a step."""
    results = NUMBER.findall(before)
    return bool(results) and results[-1] in NUMBER.findall(step)
