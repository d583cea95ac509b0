"""A judge of pairs as the reward that probes ask: how probably a response is preferred."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.fingerprint import ByContent
from assay.protocols import Judge
from assay.types import Group, Score, Unscored

__all__ = ["Preferred"]


@dataclass(frozen=True)
class Preferred:
    """Score a response by how probably it is preferred to the first one of its group.

    The first response itself has one half and is not asked about. Of an audit's groups it is a
    right one, so that a wrong one of one half or more is preferred to what is right.
    """

    judge: Judge

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Return one score per response of each group, in order."""
        pairs = [
            Group(prompt=group.prompt, responses=(response, group.responses[0]))
            for group in groups
            for response in group.responses[1:]
        ]
        said = iter(self.judge.compare(pairs))
        found: list[list[Score | Unscored]] = []
        for group in groups:
            row: list[Score | Unscored] = [Score(value=0.5)] if group.responses else []
            for _ in group.responses[1:]:
                one = next(said)
                row.append(one if isinstance(one, Unscored) else Score(value=one.prefer))
            found.append(row)
        return found
