"""A scorer whose every score is known: of a step, and of a text."""

from collections.abc import Sequence

from assay.types import Group, Response, Score, Unscored


def worth(step: str) -> float:
    """A step's planted score: how many x it has, less its length in hundredths."""
    return step.count("x") - len(step) / 100


class Planted:
    """Scores steps by `worth`, the text by their least; what says "?" it cannot score."""

    fingerprint = "planted"

    def __init__(self) -> None:
        self.groups: list[Group] = []

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        self.groups += groups
        return [[self._one(group, one) for one in group.responses] for group in groups]

    def _one(self, group: Group, response: Response) -> Score | Unscored:
        if "?" in response.text:
            return Unscored(reason="it asks")
        right = (
            100.0
            * (group.prompt.reference is not None)
            * (response.answer.strip() == group.prompt.reference)
        )
        steps = tuple(worth(step) + right for step in response.steps)
        return Score(value=min(steps, default=0.0), steps=steps)
