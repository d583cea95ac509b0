"""An answer without its work."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.steps import rebuilt, steps_of

__all__ = ["AnswerOnly"]


@dataclass(frozen=True, kw_only=True)
class AnswerOnly:
    """Keep a response's last step alone, or put it behind the steps of another problem."""

    area: ClassVar[Area] = "steps"
    expects: ClassVar[Expects] = "last"
    meaning: ClassVar[str] = "the last step without its work, or behind another problem's"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the last step alone, and behind the steps of another; of one step, neither."""
        steps = steps_of(subject.response)
        if len(steps) < 2:
            return
        alone = rebuilt(subject.response, [steps[-1].lstrip()])
        yield Variant(response=alone, text="the last step alone")
        others = (steps_of(one)[:-1] for one in subject.strangers)
        if other := next((steps for steps in others if steps), None):
            behind = rebuilt(subject.response, [*other, steps[-1]])
            yield Variant(response=behind, text="another problem's steps")
