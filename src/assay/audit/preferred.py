"""A judge of pairs as the reward that probes ask: how probably a response is preferred."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from assay.fingerprint import ByContent
from assay.protocols import Judge, Scorer
from assay.types import Group, Response, Score, Unscored

__all__ = ["Preferred", "scorer_of"]


@dataclass(frozen=True)
class Preferred:
    """Score a response by how probably it is preferred to the first one of its group.

    The first response itself has one half and is not asked about. Of an audit's groups it is a
    right one, so that a wrong one of one half or more is preferred to what is right.

    Which of the two is shown first is drawn by the first response's text: a judge that likes a
    place gains nothing by it on average, and a response is shown in the same place after a change.
    """

    judge: Judge

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Return one score per response of each group, in order."""
        pairs = [
            Group(prompt=group.prompt, responses=_placed(response, group.responses[0]))
            for group in groups
            for response in group.responses[1:]
        ]
        said = iter(self.judge.compare(pairs))
        found: list[list[Score | Unscored]] = []
        for group in groups:
            row: list[Score | Unscored] = [Score(value=0.5)] if group.responses else []
            for _ in group.responses[1:]:
                one = next(said)
                if isinstance(one, Unscored):
                    row.append(one)
                else:
                    ahead = 1 - one.prefer if _second(group.responses[0]) else one.prefer
                    row.append(Score(value=ahead))
            found.append(row)
        return found


def scorer_of(reward: Scorer | Judge) -> Scorer:
    """Return a reward as a scorer."""
    return reward if isinstance(reward, Scorer) else Preferred(reward)


def _second(first: Response) -> bool:
    """Whether responses stand second when they are compared with a group's first one."""
    return zlib.crc32(first.text.encode("utf-8", "surrogatepass")) % 2 == 1


def _placed(response: Response, first: Response) -> tuple[Response, Response]:
    return (first, response) if _second(first) else (response, first)
