"""Rewards of one's own, as `package.module:name`."""

from collections.abc import Sequence
from typing import Any

from assay.types import Group, Score


def length(
    prompts: list[str], completions: list[str], reference: list[str], **columns: Any
) -> list[float | None]:
    assert len(prompts) == len(completions) == len(reference)
    return [None if not text else float(len(text)) for text in completions]


class Nines:
    def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        return [
            [
                Score(value=0.5, steps=tuple(float(step.endswith("=9")) for step in response.steps))
                for response in group.responses
            ]
            for group in groups
        ]


NUMBER = 3
