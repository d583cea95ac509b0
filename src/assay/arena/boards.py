"""Leaderboards as rows: one of our own, and those of AlpacaEval and Arena-Hard."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

import numpy as np
from scipy.special import expit

from assay.arena.protocols.alpaca_eval import length_controlled, win_rate
from assay.arena.ratings import Ratings
from assay.arena.standing import Standing
from assay.arena.votes import Votes
from assay.errors import ConfigError, DataError
from assay.stats.intervals import Array
from assay.types import Unscored

__all__ = ["alpaca_eval", "arena_hard", "as_csv", "leaderboard"]

Row = dict[str, Any]
UNREGULARISED: Final = (
    "length_controlled_winrate is not AlpacaEval's published number: without its gamed baselines"
    " and difficulties (`arena.protocols.alpaca_eval`) a model that games length is overrated"
)


def leaderboard(standings: Mapping[str, Standing]) -> list[Row]:
    """Return a row per judge and player, the best first; who has no rating has the reason."""
    rows = []
    for name, each in standings.items():
        for line in [] if each.ratings is None else each.ratings.lines:
            given = line.rating
            rating = None if isinstance(given, Unscored) else given
            rows.append(
                {
                    "judge": name,
                    "player": line.player,
                    "rank": line.rank,
                    "rank_low": line.ranks and line.ranks[0],
                    "rank_high": line.ranks and line.ranks[1],
                    "rating": rating and rating.value,
                    "low": rating and rating.low,
                    "high": rating and rating.high,
                    "share": line.share,
                    "votes": line.votes,
                    "clusters": rating and rating.n,
                    "not_scoreable": given.reason if isinstance(given, Unscored) else "",
                }
            )
    return rows


def alpaca_eval(votes: Votes, baseline: str) -> tuple[list[Row], list[str]]:
    """Return AlpacaEval's rows, in percent, and what is to be said of them.

    A preference is a prompt's: the share of points of a player's votes there against the baseline.
    Where lengths are known there is the win rate at equal lengths as well, with its 95 % interval.
    Players who never met the baseline have no row. Raises `ConfigError` where the baseline is no
    player.
    """
    at = _code(votes.players, baseline)
    rows, said = [], []
    lengths = _lengths(votes)
    for code, player in enumerate(votes.players):
        first = (votes.first == code) & (votes.second == at)
        met = first | ((votes.second == code) & (votes.first == at))
        if code == at or not met.any():
            continue
        by_prompt = partial(_by_prompt, votes.where(met))
        preference = by_prompt(np.where(first, votes.points, 1 - votes.points)[met])
        found = win_rate(preference)
        row: Row = {
            "": player,
            "win_rate": found.win_rate.value,
            "standard_error": found.standard_error if len(preference) > 1 else None,
            "n_wins": found.n_wins,
            "n_wins_base": found.n_wins_base,
            "n_draws": found.n_draws,
            "n_total": len(preference),
            "discrete_win_rate": found.discrete_win_rate,
            "mode": "community",
            "avg_length": lengths.get(code),
            **dict.fromkeys(("length_controlled_winrate", "lc_low", "lc_high")),
        }
        if lengths:
            size = votes.measures[met][:, votes.measure_names.index("length")]  # type: ignore[index]
            delta = by_prompt(
                np.where(first[met], size[:, 1] - size[:, 0], size[:, 0] - size[:, 1])
            )
            try:
                equal = length_controlled(preference, delta)
            except DataError as error:
                said.append(f"{player} has no length_controlled_winrate: {error}")
            else:
                share = equal.win_rate
                row |= {"length_controlled_winrate": share.value}
                row |= {"lc_low": share.low, "lc_high": share.high}
                said += [f"{player}: {equal.warning}"] if equal.warning else []
        rows.append(row)
    if any(row["length_controlled_winrate"] is not None for row in rows):
        said.append(UNREGULARISED)
    return sorted(rows, key=lambda row: -row["win_rate"]), said


def _by_prompt(votes: Votes, values: Array) -> Array:
    """The mean of the votes' values on each prompt, by their weights."""
    clusters = np.arange(len(votes)) if votes.cluster is None else votes.cluster
    _, ids = np.unique(clusters, return_inverse=True)
    total = np.bincount(ids, weights=votes.weights)
    return np.asarray(np.bincount(ids, weights=values * votes.weights) / total)


def arena_hard(votes: Votes, ratings: Ratings, baseline: str) -> list[Row]:
    """Return Arena-Hard's rows: the win rate against the baseline in percent that the ratings
    predict, 100 sigmoid(r - r_baseline), with its interval, by cluster.

    Raises `ConfigError` where the baseline has no rating.
    """
    _code(ratings.fit.players, baseline)
    lengths = _lengths(votes)
    rows = []
    for player in ratings.fit.players:
        value = low = high = 50.0
        if player != baseline:
            gap = ratings.difference(player, baseline)
            value, low, high = (100 * float(expit(x)) for x in (gap.value, gap.low, gap.high))
        rows.append(
            {
                "model": player,
                "score": round(value, 2),
                "rating_q025": round(low, 2),
                "rating_q975": round(high, 2),
                "CI": f"(-{value - low:.2f}, +{high - value:.2f})",
                "avg_tokens": lengths.get(votes.players.index(player)),
                "date": date.today().isoformat(),
            }
        )
    return sorted(rows, key=lambda row: -row["score"])


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows as a table with a head."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["player"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _code(players: Sequence[str], baseline: str) -> int:
    if baseline not in players:
        raise ConfigError(
            f"the baseline {baseline!r} is no player with a rating; there is"
            f" {', '.join(players[:20])}"
        )
    return players.index(baseline)


def _lengths(votes: Votes) -> dict[int, float]:
    """Mean length of each player's responses, over votes; none where it was not measured."""
    if votes.measures is None or "length" not in votes.measure_names:
        return {}
    sizes = votes.measures[:, votes.measure_names.index("length")]
    return {
        code: float(
            np.concatenate([sizes[votes.first == code, 0], sizes[votes.second == code, 1]]).mean()
        )
        for code in np.unique(np.concatenate([votes.first, votes.second])).tolist()
    }
