"""Pairs and their games as arrays."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.data.records import cluster_key
from assay.errors import DataError
from assay.evaluation.judges import features
from assay.questions import Comparison, Game
from assay.stats.intervals import Array, cluster_ids
from assay.types import Group, Preference, Unscored

__all__ = ["Pairs", "outcome", "pairs_of"]

CLOSE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The n pairs that have a comparison.

    A preference is the probability that the pair's first response is better, whichever was shown
    first, half of a tie's included.
    """

    prefer: Array
    """(n,) What the judge says in the end."""
    tie: Array
    """(n,) Its probability of a tie."""
    label: Array
    """(n,) What the record says; NaN where it says nothing."""
    sides: Array
    """(n, 2) Mean preference with the first response shown first, and shown second; NaN where that
    order was not asked, or is not known."""
    verdicts: Array
    """(n, 2, 3) In each order, verdicts for the first response, for neither, and the second."""
    features: Mapping[str, Array]
    """(n,) By name, what the first response has more than the second."""
    clusters: NDArray[np.intp]
    """(n,) The prompt, numbered."""
    unscored: int
    """Pairs without a comparison, which are left out."""

    @property
    def both(self) -> NDArray[np.bool_]:
        """(n,) Whether both orders were asked."""
        return np.asarray(~np.isnan(self.sides).any(axis=1))


def pairs_of(
    records: Sequence[Group],
    comparisons: Sequence[Comparison | Unscored],
    own: Collection[str] = (),
) -> Pairs:
    """Return what was compared as arrays.

    Raises `DataError` where there is nothing, or a record is no pair.
    """
    if len(records) != len(comparisons) or not records:
        raise DataError(
            f"{len(comparisons)} comparisons of {len(records)} pairs; give one of each, and some"
        )
    if other := [len(record.responses) for record in records if len(record.responses) != 2]:
        raise DataError(f"a record of {other[0]} responses is no pair")
    kept = [
        (record, said)
        for record, said in zip(records, comparisons, strict=True)
        if isinstance(said, Comparison)
    ]
    first, second = (
        features.columns([record.responses[side] for record, _ in kept], own) for side in (0, 1)
    )
    ids, _ = cluster_ids([cluster_key(record) for record, _ in kept], len(kept))
    labels = [r.prefer if isinstance(r, Preference) else np.nan for r, _ in kept]
    return Pairs(
        prefer=np.array([said.prefer for _, said in kept], dtype=np.float64),
        tie=np.array([said.tie for _, said in kept], dtype=np.float64),
        label=np.array(labels, dtype=np.float64),
        sides=np.array([_sides(said.games) for _, said in kept]).reshape(-1, 2),
        verdicts=np.array([_counts(said.games) for _, said in kept]).reshape(-1, 2, 3),
        features={name: first[name] - second[name] for name in first},
        clusters=ids,
        unscored=len(records) - len(kept),
    )


def outcome(prefer: Array) -> Array:
    """Return 1 where the first is preferred, -1 where the second is, 0 where neither: a tie's half
    need not be exact."""
    ahead = prefer - 0.5
    return np.where(abs(ahead) < CLOSE, 0.0, np.sign(ahead))


def _sides(games: Sequence[Game]) -> tuple[float, float]:
    """Mean preference unswapped and swapped, games by their weights."""
    values = [(g.swapped, g.weight, g.prefer) for g in games if g.prefer is not None]
    given = [[(w, p) for swapped, w, p in values if swapped == side] for side in (False, True)]
    unswapped, swapped = (
        sum(w * p for w, p in side) / sum(w for w, _ in side) if side else float("nan")
        for side in given
    )
    return unswapped, swapped


def _counts(games: Sequence[Game]) -> list[list[float]]:
    """Verdicts for the first response, for neither and for the second, in each order; none of a
    panel, whose members do not repeat each other."""
    counts = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    if len({game.judge for game in games}) > 1:
        return counts
    for game in games:
        if game.first is None:
            continue
        shares = (game.first, game.tie, max(0.0, 1 - game.first - game.tie))
        if game.verdicts is None:
            # One verdict, or probabilities that were read: the likeliest, neither where two are.
            best = [i for i in range(3) if shares[i] >= max(shares) - CLOSE]
            counts[game.swapped][best[0] if len(best) == 1 else 1] += 1
        else:
            for i in range(3):
                counts[game.swapped][i] += shares[i] * game.verdicts
    return counts
