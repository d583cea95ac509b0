"""The table: every player's rating, its interval and rank, or why it has none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.arena.aggregate import tabulate
from assay.arena.bradley_terry import ELO, Fit, fit, with_prior
from assay.arena.connected import REGULARISED, connected, rateable
from assay.arena.intervals import (
    Covariance,
    Kind,
    covariance,
    difference,
    estimates,
    rank_intervals,
    rough,
)
from assay.arena.ties import Model
from assay.arena.votes import Votes, summary
from assay.errors import ConfigError
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Unscored

__all__ = ["Rated", "Ratings", "rate"]


@dataclass(frozen=True, kw_only=True)
class Rated:
    """One player's line."""

    player: str
    rating: Estimate | Unscored
    """On the table's scale, or why there is none."""
    rank: int | None
    """Place by rating, 1 the best; None without a rating."""
    ranks: tuple[int, int] | None
    """Ends of the rank's 95 % interval; None without one."""
    share: float
    """Share of points, ties half, over all votes: the count that a rating should improve on."""
    votes: float
    """Weight of the player's votes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ratings:
    """All players, the best first and those without a rating last."""

    lines: tuple[Rated, ...]
    coefficients: Mapping[str, Estimate]
    """Log-odds per unit of each covariate."""
    fit: Fit
    """Of the players who have a rating."""
    spread: Covariance
    scale: str
    """What a rating is, in words."""
    summary: str
    """What the votes are, and what was left out."""

    @property
    def rough(self) -> str:
        """Why ranks and intervals are rough; "" where they are not (`intervals.rough`)."""
        return rough(self.fit, self.spread)

    def difference(self, one: str, other: str) -> Estimate:
        """Return one rating less another, in natural log-odds, with the interval of their
        difference.

        Raises `ConfigError` for a player without a rating.
        """
        return difference(self.fit, self.spread, self._code(one), self._code(other))

    def _code(self, player: str) -> int:
        if player not in self.fit.players:
            raise ConfigError(
                f"{player!r} has no rating; there is {', '.join(self.fit.players[:20])}"
            )
        return self.fit.players.index(player)

    def to_json(self) -> dict[str, Any]:
        """Return the table as JSON writes it; an estimate is [value, low, high, n, unscored]."""
        fit = self.fit
        return {
            "summary": self.summary,
            "scale": self.scale,
            "model": fit.model,
            "intervals": self.spread.kind,
            "clusters": self.spread.n,
            "rough": self.rough,
            "regularised": fit.regularised,
            "ridge": fit.ridge,
            "tie": None if np.isnan(fit.tie) else fit.tie,
            "coefficients": {name: each.to_json() for name, each in self.coefficients.items()},
            "players": [_json(line) for line in self.lines],
        }


def _json(line: Rated) -> dict[str, Any]:
    if isinstance(line.rating, Unscored):
        return {**vars(line), "rating": None, "not_scoreable": line.rating.reason}
    return {**vars(line), "rating": line.rating.to_json()}


def rate(
    votes: Votes,
    *,
    model: Model = "bradley_terry",
    kind: Kind = "cluster",
    ridge: float = 0.0,
    regularised: float = 0.0,
    anchor: tuple[str, float] | None = None,
    seed: int = 0,
) -> Ratings:
    """Return the table of votes, on the scale on which 400 points are odds of ten to one.

    kind: what is taken to be independent (`intervals`). regularised: lambda of prior wins, half
    of it each way on pairs that met, with which a player who only wins has a number, but no
    interval. anchor: a player and the rating it is given, from which all others are differences;
    None puts the mean at 1000. Players without a finite rating are set below the others with the
    reason. Raises `DataError` where the players fall into groups that cannot be compared.
    """
    share, weight = _shares(votes)
    found = connected(with_prior(tabulate(votes), regularised))
    among, missing = rateable(votes, found, regularised), found.not_scoreable
    inside = votes.among(among) if missing else votes
    made = fit(inside, model=model, ridge=ridge, regularised=regularised)
    spread = covariance(made, inside, kind)
    ratings, scale = _scaled(made, spread, anchor)
    ranks = None if regularised else rank_intervals(made, spread, seed=seed)
    lines: list[tuple[int, Estimate | Unscored, int | None, tuple[int, int] | None]] = []
    for place, i in enumerate(np.argsort(-made.strength, kind="stable"), 1):
        ends = None if ranks is None else (int(ranks[i, 0]), int(ranks[i, 1]))
        lines.append((int(among[i]), ratings[i], place, ends))
    for code, why in missing.items():
        advice = "" if why.startswith("no votes") else f"; {REGULARISED}"
        lines.append((code, Unscored(reason=why + advice), None, None))
    if regularised:
        scale += f"; regularised, lambda {regularised:g}: no intervals"
    both = estimates(made, spread)[len(made.players) :]
    return Ratings(
        lines=tuple(
            Rated(
                player=votes.players[code],
                rating=rating,
                rank=place,
                ranks=ends,
                share=float(share[code]),
                votes=float(weight[code]),
            )
            for code, rating, place, ends in lines
        ),
        coefficients=dict(zip(made.covariate_names, both, strict=True)),
        fit=made,
        spread=spread,
        scale=scale,
        summary=_said(votes, made, spread),
    )


def _said(votes: Votes, made: Fit, spread: Covariance) -> str:
    """The votes in words, and whether their clusters are few."""
    few = rough(made, spread)
    return summary(votes) + (
        f"; ranks and intervals are {few}: collect votes on more" if few else ""
    )


def _shares(votes: Votes) -> tuple[Array, NDArray[Any]]:
    """Share of points and weight of votes of each player; NaN without votes."""
    k, w, points = len(votes.players), votes.weights, votes.points
    weight = np.bincount(votes.first, weights=w, minlength=k)
    weight += np.bincount(votes.second, weights=w, minlength=k)
    won = np.bincount(votes.first, weights=w * points, minlength=k)
    won += np.bincount(votes.second, weights=w * (1 - points), minlength=k)
    return np.where(weight > 0, won / np.maximum(weight, 1e-300), np.nan), weight


def _scaled(
    made: Fit, spread: Covariance, anchor: tuple[str, float] | None
) -> tuple[list[Estimate], str]:
    k = len(made.players)
    if anchor is None:
        raw, offset = estimates(made, spread)[:k], 1000.0
        scale = "400 points are odds of ten to one, the mean is 1000"
    else:
        name, offset = anchor
        if name not in made.players:
            raise ConfigError(
                f"the anchor {name!r} has no rating; there is {', '.join(made.players[:20])}"
            )
        at = made.players.index(name)
        raw = [difference(made, spread, i, at) for i in range(k)]
        scale = f"400 points are odds of ten to one, {name} is {offset:g}"
    return [
        Estimate(
            value=offset + ELO * each.value,
            low=offset + ELO * each.low,
            high=offset + ELO * each.high,
            n=each.n,
        )
        for each in raw
    ], scale
