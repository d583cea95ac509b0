"""Votes that no rating can tell apart, counted: the table that ratings are fitted to."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assay.arena.votes import Codes, Outcome, Votes
from assay.stats.intervals import Array

__all__ = ["Table", "outcomes", "tabulate", "win_matrix"]

BLOCK: Final = 2**20
"""Votes counted at once, so that little memory is taken on the way."""
DENSE: Final = 4000
"""Most players whose pairs are counted in a matrix of all pairs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """m kinds of meetings, and how often each ended how."""

    players: int
    first: Codes
    """(m,)"""
    second: Codes
    """(m,)"""
    wins: Array
    """Weight of the first player's wins, (m,)."""
    losses: Array
    """Weight of the second player's wins, (m,)."""
    ties: Array
    """Weight of ties of either kind, (m,)."""
    covariates: Array | None = None
    """First less second, (m, c)."""

    @property
    def total(self) -> Array:
        """Weight of all votes of a kind, (m,)."""
        return self.wins + self.losses + self.ties


def outcomes(votes: Votes) -> NDArray[np.int8]:
    """Return 0 where the first player won, 1 where the second did and 2 for any tie, (n,)."""
    return np.minimum(votes.outcome, np.int8(Outcome.TIE))


def tabulate(votes: Votes, weight: Array | None = None) -> Table:
    """Count votes by pair of players, in whatever order they were shown, and by covariates.

    weight: (n,) instead of the votes' own, such as a bootstrap's.
    """
    w = votes.weight if weight is None else weight
    if votes.covariates is not None:
        return _by_covariates(votes, w)
    k = len(votes.players)
    if k > DENSE:
        return _sparse(votes, w)
    counts = np.zeros(3 * k * k, dtype=np.int64 if w is None else np.float64)
    for start in range(0, len(votes), BLOCK):
        part = slice(start, start + BLOCK)
        code = votes.first[part].astype(np.intp)
        code *= k
        code += votes.second[part]
        code *= 3
        code += np.minimum(votes.outcome[part], Outcome.TIE)
        counts += np.bincount(code, weights=None if w is None else w[part], minlength=3 * k * k)
    shown = counts.reshape(k, k, 3).astype(np.float64)
    # A win of the first here is one of the second where the pair was shown the other way round.
    both = shown + shown.transpose(1, 0, 2)[:, :, [1, 0, 2]]
    first, second = np.nonzero(np.triu(both.sum(axis=2), 1))
    wins, losses, ties = both[first, second].T
    return Table(
        players=k,
        first=first.astype(np.int32),
        second=second.astype(np.int32),
        wins=wins,
        losses=losses,
        ties=ties,
    )


def _sparse(votes: Votes, weight: Array | None) -> Table:
    """Count by sorting, where a matrix of all pairs would be too large."""
    k = len(votes.players)
    low, high = np.minimum(votes.first, votes.second), np.maximum(votes.first, votes.second)
    swapped = votes.first > votes.second
    result = outcomes(votes)
    result = np.where(swapped & (result < Outcome.TIE), 1 - result, result)
    pairs, at = np.unique(low.astype(np.int64) * k + high, return_inverse=True)
    counts = np.bincount(at * 3 + result, weights=weight, minlength=3 * len(pairs))
    wins, losses, ties = counts.astype(np.float64).reshape(-1, 3).T
    return Table(
        players=k,
        first=(pairs // k).astype(np.int32),
        second=(pairs % k).astype(np.int32),
        wins=wins,
        losses=losses,
        ties=ties,
    )


def _by_covariates(votes: Votes, weight: Array | None) -> Table:
    """A kind per vote: votes with the same covariates are rare where those are measured."""
    w = np.ones(len(votes)) if weight is None else weight
    result = outcomes(votes)
    kept = w > 0
    columns = [np.where(result == each, w, 0.0)[kept] for each in (0, 1, 2)]
    return Table(
        players=len(votes.players),
        first=votes.first[kept],
        second=votes.second[kept],
        wins=columns[0],
        losses=columns[1],
        ties=columns[2],
        covariates=None if votes.covariates is None else votes.covariates[kept],
    )


def win_matrix(table: Table) -> Array:
    """Return the weight of wins of each player over each other, (k, k), ties half to either."""
    k = table.players
    code = table.first.astype(np.intp) * k + table.second
    back = table.second.astype(np.intp) * k + table.first
    won = np.bincount(code, weights=table.wins + table.ties / 2, minlength=k * k)
    won += np.bincount(back, weights=table.losses + table.ties / 2, minlength=k * k)
    return np.asarray(won.reshape(k, k), dtype=np.float64)
