"""One table with all that says whether to trust it: ties, positions, lengths, pairs, separability.

Nothing here is refused: where there is no joint table, the reason and the groups stand in its
place.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

import numpy as np
from scipy.special import expit

from assay import stats
from assay.arena.aggregate import tabulate, win_matrix
from assay.arena.bradley_terry import fit
from assay.arena.connected import connected, rateable
from assay.arena.intervals import Kind, covariance, estimates
from assay.arena.ratings import Ratings, rate
from assay.arena.style import controlled
from assay.arena.ties import Model
from assay.arena.votes import Outcome, Votes, summary
from assay.errors import ConfigError, DataError
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.stats.numbers import beside

__all__ = ["Standing", "standing", "trust"]

FEW: Final = 20
"""Clusters below which an interval is about few prompts."""
LOST: Final = 0.05
"""Share of votes left out above which it is said first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """A judge's table, and what its votes look like."""

    name: str
    """The judge, or where the votes are from."""
    votes: Votes
    ratings: Ratings | None
    """None where there is no joint table."""
    refused: str
    """Why there is none; "" where there is one."""
    groups: tuple[tuple[str, ...], ...]
    """Players who can be compared with each other, the largest group first."""
    shares: Array
    """Share of points of each player against each other, (k, k); NaN for pairs that never met."""
    met: Array
    """Weight of the votes of each pair, (k, k)."""
    ties: Estimate | None
    """Share of ties; None without votes."""
    position: Estimate | str
    """Share of points of whoever is shown first, the players being equal; or why it cannot be
    told."""
    length: Estimate | None
    """Share of points of the longer response, where lengths are known and differ."""

    @property
    def separable(self) -> tuple[int, int]:
        """Pairs of rated players that are told apart, each by its own 95 % interval, and all."""
        if self.ratings is None:
            return 0, 0
        found = [self.ratings.difference(*pair) for pair in combinations(self._rated, 2)]
        return sum(each.low > 0 or each.high < 0 for each in found), len(found)

    @property
    def _rated(self) -> tuple[str, ...]:
        return () if self.ratings is None else self.ratings.fit.players

    def to_json(self) -> dict[str, Any]:
        """Return the table and the rest as JSON writes it."""
        told, pairs = self.separable
        position = self.position
        return {
            "name": self.name,
            "table": None if self.ratings is None else self.ratings.to_json(),
            "refused": self.refused,
            "groups": self.groups,
            "votes": summary(self.votes),
            "left_out": dict(self.votes.left_out),
            "separable": {"pairs": pairs, "told_apart": told},
            "ties": None if self.ties is None else self.ties.to_json(),
            "shown_first": position if isinstance(position, str) else position.to_json(),
            "longer": None if self.length is None else self.length.to_json(),
            "pairs": [
                {"first": a, "second": b, "share": self.shares[i, j], "votes": self.met[i, j]}
                for (i, a), (j, b) in combinations(enumerate(self.votes.players), 2)
                if self.met[i, j]
            ],
            "trust": trust(self),
        }


def standing(
    name: str,
    votes: Votes,
    *,
    model: Model = "bradley_terry",
    kind: Kind = "cluster",
    style: bool = False,
    ridge: float = 0.0,
    regularised: float = 0.0,
    anchor: tuple[str, float] | None = None,
    orders: bool = True,
    seed: int = 0,
) -> Standing:
    """Return a table and what says whether to trust it.

    style: control for length and markup (`style.controlled`). orders: whether who voted saw the
    players in an order; a scorer does not. The other settings are those of `ratings.rate`. Where
    the players cannot be compared, `refused` says why. Raises `ConfigError` for settings that the
    votes do not fit.
    """
    if anchor is not None and anchor[0] not in votes.players:
        raise ConfigError(
            f"the anchor {anchor[0]!r} is no player; there is {', '.join(votes.players[:20])}"
        )
    used = controlled(votes) if style else votes
    table = tabulate(votes)
    won = win_matrix(table)
    met = won + won.T
    ratings, refused = None, ""
    try:
        ratings = rate(
            used,
            model=model,
            kind=kind,
            ridge=ridge,
            regularised=regularised,
            anchor=anchor,
            seed=seed,
        )
    except DataError as error:
        refused = str(error)
    groups = connected(table).components
    return Standing(
        name=name,
        votes=votes,
        ratings=ratings,
        refused=refused,
        groups=tuple(tuple(votes.players[i] for i in part) for part in groups),
        shares=np.where(met > 0, won / np.maximum(met, 1e-300), np.nan),
        met=met,
        ties=_ties(votes),
        position=_position(votes) if orders else "scores have no order",
        length=_longer(votes),
    )


def _clusters(votes: Votes) -> list[int]:
    return (np.arange(len(votes)) if votes.cluster is None else votes.cluster).tolist()


def _ties(votes: Votes) -> Estimate | None:
    if not len(votes):
        return None
    tied = (votes.outcome >= Outcome.TIE).astype(float)
    return stats.proportion(tied, clusters=_clusters(votes), weights=votes.weights)


def _position(votes: Votes) -> Estimate | str:
    """Share of points of whoever is shown first, between equals: sigmoid of a constant covariate
    beside the strengths, by cluster."""
    plain = replace(votes, covariates=np.ones((len(votes), 1)), covariate_names=("first",))
    try:
        among = rateable(votes, connected(tabulate(votes)))
        inside = plain.among(among)
        made = fit(inside)
        found = estimates(made, covariance(made, inside))[-1]
    except DataError:
        return "cannot be told: no pair is shown in both orders, or the players cannot be compared"
    value, low, high = (float(expit(x)) for x in (found.value, found.low, found.high))
    return Estimate(value=value, low=low, high=high, n=found.n)


def _longer(votes: Votes) -> Estimate | None:
    if votes.measures is None or "length" not in votes.measure_names:
        return None
    first, second = votes.measures[:, votes.measure_names.index("length")].T
    differ = first != second
    if not differ.any():
        return None
    points = np.where(first > second, votes.points, 1 - votes.points)[differ]
    ids = [each for each, there in zip(_clusters(votes), differ, strict=True) if there]
    return stats.proportion(points, clusters=ids, weights=votes.weights[differ])


def trust(of: Standing) -> list[str]:
    """Say what speaks against a table, what speaks for it, and what could not be told; a sentence
    each, the gravest first."""
    votes, said = of.votes, []
    if of.refused:
        said.append(f"There is no joint table: {of.refused}.")
    lost, n = sum(votes.left_out.values()), len(votes)
    for why, count in votes.left_out.items():
        grave = f", {count / (lost + n):.0%} of all" if lost > LOST * (lost + n) else ""
        said.append(f"{count:,} votes are left out{grave}: {why}.")
    if repeats := votes.repeats():
        said.append(
            f"{repeats:,} votes repeat another one; intervals by cluster hold all the same."
        )
    if of.ratings is not None:
        said += _of_ratings(of, of.ratings)
    if isinstance(of.position, str):
        said.append(f"The advantage of being shown first: {of.position}.")
    else:
        said.append(_leaning(of.position, "whoever is shown first", "between equal players"))
    if of.length is not None:
        said.append(_leaning(of.length, "the longer response", "where lengths differ"))
    return said


def _of_ratings(of: Standing, ratings: Ratings) -> list[str]:
    said = []
    if ratings.fit.regularised:
        said.append(
            f"The ratings are regularised (lambda {ratings.fit.regularised:g}) and have no"
            " intervals."
        )
    missing = [line.player for line in ratings.lines if line.rank is None]
    if missing:
        said.append(f"Without a rating: {', '.join(missing[:6])}{' ...' * (len(missing) > 6)}.")
    unit = "clusters (prompts, or who voted)" if of.votes.cluster is not None else "votes"
    if of.votes.cluster is None:
        said.append("No clusters are known; intervals take every vote for independent.")
    if ratings.spread.n < FEW:
        said.append(f"The intervals rest on {ratings.spread.n} {unit} only.")
    told, pairs = of.separable
    if pairs and not ratings.fit.regularised:
        few = f", which are {ratings.rough}" if ratings.rough else ""
        said.append(
            f"{told} of {pairs} pairs of players are told apart by their 95 % intervals{few}."
        )
    return said


def _leaning(share: Estimate, who: str, where: str) -> str:
    ends = f"{beside(share, 2)} of the points {where}"
    lean = share.low > 0.5 or share.high < 0.5
    return f"{who[:1].upper()}{who[1:]} gets {ends}{'' if lean else ', which may be half'}."
