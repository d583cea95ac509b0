"""Several judges as one: their mean or majority, and how far they disagree.

A member without a verdict is left out and named; where too few are left there is none. Members of
one kind disagree less than they err: a bias that all of them share survives any panel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev
from typing import Final, Literal

from assay.errors import ConfigError
from assay.fingerprint import ByContent
from assay.protocols import Judge, Scorer
from assay.questions import Comparison, Game
from assay.types import Group, Score, Unscored

__all__ = ["JudgePanel", "ScorerPanel"]

CLOSE: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class JudgePanel:
    """A `Judge` of several judges of pairs.

    The games of all members stand in a comparison under their names; a member without a verdict
    has one that says why.
    """

    members: Mapping[str, Judge]
    """Two or more, by name."""
    how: Literal["mean", "majority"] = "mean"
    """The mean of the preferences; or what most members prefer, and a tie where as many prefer
    another outcome."""
    least: int | None = None
    """Members that must have a verdict; None = more than half."""

    fingerprint = ByContent()

    def __post_init__(self) -> None:
        _checked(self.members, self.least)

    def compare(self, pairs: Sequence[Group]) -> list[Comparison | Unscored]:
        """Compare the two responses of each group, in order."""
        rows = [member.compare(pairs) for member in self.members.values()]
        return [
            self._together(dict(zip(self.members, said, strict=True)))
            for said in zip(*rows, strict=True)
        ]

    def _together(self, said: Mapping[str, Comparison | Unscored]) -> Comparison | Unscored:
        known = [one for one in said.values() if isinstance(one, Comparison)]
        if len(known) < _least(said, self.least):
            return _too_few(said)
        games = [game for name, one in said.items() for game in _games(name, one)]
        if self.how == "mean":
            prefer, tie = fmean(one.prefer for one in known), fmean(one.tie for one in known)
            return Comparison(prefer=prefer, tie=tie, games=tuple(games))
        votes = [_vote(one.prefer) for one in known]
        most = max(map(votes.count, votes))
        winners = {vote for vote in votes if votes.count(vote) == most}
        vote = winners.pop() if len(winners) == 1 else 0
        return Comparison(prefer=(1 + vote) / 2, tie=float(vote == 0), games=tuple(games))


@dataclass(frozen=True, kw_only=True)
class ScorerPanel:
    """A `Scorer` of several scorers on one scale, such as judges that rate from 1 to 10.

    A score's parts are the members' values (None = unscored), and its std their standard deviation
    (ddof 0). Members on scales of their own belong in `assay.scorers.ensemble.Ensemble`.
    """

    members: Mapping[str, Scorer]
    """Two or more, by name."""
    how: Literal["mean", "median"] = "mean"
    least: int | None = None
    """Members that must have a score; None = more than half."""

    fingerprint = ByContent()

    def __post_init__(self) -> None:
        _checked(self.members, self.least)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Return one score per response of each group, in order."""
        scored = [member.score(groups) for member in self.members.values()]
        return [
            [
                self._together(dict(zip(self.members, said, strict=True)))
                for said in zip(*rows, strict=True)
            ]
            for rows in zip(*scored, strict=True)
        ]

    def _together(self, said: Mapping[str, Score | Unscored]) -> Score | Unscored:
        parts = {name: one.value if isinstance(one, Score) else None for name, one in said.items()}
        known = [value for value in parts.values() if value is not None]
        if len(known) < _least(said, self.least):
            return _too_few(said)
        value = fmean(known) if self.how == "mean" else median(known)
        return Score(value=value, std=pstdev(known), parts=parts)


def _vote(prefer: float) -> int:
    """1 for the first, -1 for the second, 0 for neither."""
    return (prefer > 0.5 + CLOSE) - (prefer < 0.5 - CLOSE)


def _checked(members: Mapping[str, object], least: int | None) -> None:
    if len(members) < 2:
        raise ConfigError(f"a panel of {len(members)} cannot disagree; give two or more members")
    if least is not None and not 1 <= least <= len(members):
        raise ConfigError(f"least is {least} of {len(members)} members; it must be among them")


def _least(said: Mapping[str, object], least: int | None) -> int:
    return least if least is not None else len(said) // 2 + 1


def _too_few(said: Mapping[str, object]) -> Unscored:
    """Say who has no verdict, and why."""
    why = [f"{name}: {one.reason}" for name, one in said.items() if isinstance(one, Unscored)]
    return Unscored(reason=f"{len(why)} of {len(said)} members have no verdict: {'; '.join(why)}")


def _games(name: str, said: Comparison | Unscored) -> list[Game]:
    """A member's games under its name."""
    if isinstance(said, Unscored):
        return [Game(judge=name, unscored=said.reason)]
    alone = Game(first=max(0.0, said.prefer - said.tie / 2), tie=said.tie)
    return [game.model_copy(update={"judge": name}) for game in said.games or [alone]]
