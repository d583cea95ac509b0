"""A scorer that is asked about responses that say something, and about no others."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from assay.data.records import subset
from assay.fingerprint import ByContent
from assay.protocols import Scorer
from assay.types import Group, Score, Unscored

__all__ = ["Answered"]


@dataclass(frozen=True)
class Answered:
    """The scorer's own scores; an empty response, of which there is nothing to say, is `Unscored`.

    In a study of what a scorer chooses, an empty response is a failure of whatever wrote the pool,
    and not a choice.
    """

    scorer: Scorer
    """Scores responses with a text."""

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order."""
        spoken = [group for group in map(_spoken, groups) if group.responses]
        found = chain.from_iterable(self.scorer.score(spoken))
        silent = Unscored(reason="empty response")
        return [
            [next(found) if response.text else silent for response in group.responses]
            for group in groups
        ]


def _spoken(group: Group) -> Group:
    return subset(group, [i for i, response in enumerate(group.responses) if response.text])
