"""A user's own verifier and rewards, named on the command line as `golden_own:NAME`."""

import re
from collections.abc import Sequence
from typing import Any

from assay.types import Group, Score, Unscored

DIGIT = re.compile(r"=([0-9])$")


class LastDigit:
    """The answer is the digit after the last equals sign, at the end."""

    def extract(self, text: str) -> str | None:
        found = DIGIT.search(text)
        return found[1] if found else None

    def canonical(self, answer: str) -> str:
        return answer

    def verify(self, text: str, reference: str) -> Score | Unscored:
        return Score(value=float(self.extract(text) == reference))


class Nines:
    """Steps that end in a nine."""

    def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        return [[nines(response.steps) for response in group.responses] for group in groups]


def nines(steps: Sequence[str]) -> Score:
    return Score(value=0.5, steps=tuple(float(step.endswith("=9")) for step in steps))


def length(prompts: list[str], completions: list[str], **columns: Any) -> list[float]:
    return [float(len(text)) for text in completions]
