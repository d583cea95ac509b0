"""Rewards that an environment gave, as a scorer."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.fingerprint import ByContent
from assay.types import Group, Response, Score, Unscored

__all__ = ["EnvironmentRewards"]


@dataclass(frozen=True)
class EnvironmentRewards:
    """The sum of a trajectory's rewards, and the reward of each turn.

    A turn that was given none adds nothing and is paid nothing; a response that holds no reward at
    all is `Unscored`.
    """

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order."""
        return [[_of(response) for response in group.responses] for group in groups]


def _of(response: Response) -> Score | Unscored:
    given = [reward for reward in response.rewards if reward is not None]
    if not given:
        why = f", which ended by {response.stop}" if response.stop not in (None, "done") else ""
        return Unscored(reason=f"no reward of an environment stands in the response{why}")
    return Score(value=sum(given), steps=tuple(reward or 0.0 for reward in response.rewards))
