"""Rewards that an environment gave, as a scorer."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.fingerprint import ByContent
from assay.types import Group, Response, Score, Unscored

__all__ = ["EnvironmentRewards"]


@dataclass(frozen=True)
class EnvironmentRewards:
    """The sum of a trajectory's rewards, and the reward of each turn.

    A turn that was given none adds nothing and is paid nothing. A trajectory that was cut off
    before any was given earned nothing, 0; any other without a reward is `Unscored`.
    """

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order."""
        return [[_of(response) for response in group.responses] for group in groups]


def _of(response: Response) -> Score | Unscored:
    if not response.rewards:
        return Unscored(reason="the response holds no rewards of an environment")
    given = [reward for reward in response.rewards if reward is not None]
    if not given and response.finished:
        return Unscored(reason="the environment gave no reward")
    return Score(value=sum(given, 0.0), steps=tuple(reward or 0.0 for reward in response.rewards))
