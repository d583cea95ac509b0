"""The same text in fewer or in more steps."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.steps import parted, rebuilt, steps_of
from assay.data.splitting import Sentence

__all__ = ["SplitMerge"]

SENTENCES = Sentence()


@dataclass(frozen=True, kw_only=True)
class SplitMerge:
    """Join every two steps into one, or cut steps after their first sentence."""

    area: ClassVar[Area] = "steps"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "the same text in fewer or more steps"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response merged and split, where there is what to merge or to split."""
        steps = steps_of(subject.response)
        if len(steps) < 2:
            return
        merged = [
            " ".join([a.rstrip(), *(text.lstrip() for text in b)])
            for a, b in ((steps[i], steps[i + 1 : i + 2]) for i in range(0, len(steps), 2))
        ]
        yield Variant(response=rebuilt(subject.response, merged), text="merged")
        between = parted(steps[0])[2] or parted(steps[1])[0]
        split = [part for step in steps for part in _cut(step, between)]
        if len(split) > len(steps):
            yield Variant(response=rebuilt(subject.response, split), text="split")


def _cut(step: str, between: str) -> list[str]:
    """A step in two, after its first sentence."""
    parts = SENTENCES(step)
    return [parts[0].rstrip() + between, "".join(parts[1:])] if len(parts) > 1 else [step]
