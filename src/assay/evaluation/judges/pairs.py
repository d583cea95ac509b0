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

__all__ = ["Pairs", "pairs_of"]


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
    verdicts: NDArray[np.intp]
    """(n, 2, 3) In each order, games in which the first response won, neither, and the second."""
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
        verdicts=np.array([_counts(said.games) for _, said in kept], dtype=np.intp).reshape(
            -1, 2, 3
        ),
        features={name: first[name] - second[name] for name in first},
        clusters=ids,
        unscored=len(records) - len(kept),
    )


def _sides(games: Sequence[Game]) -> tuple[float, float]:
    """Mean preference unswapped and swapped."""
    values = [(game.swapped, game.prefer) for game in games if game.prefer is not None]
    given = [[p for swapped, p in values if swapped == side] for side in (False, True)]
    unswapped, swapped = (sum(ps) / len(ps) if ps else float("nan") for ps in given)
    return unswapped, swapped


def _counts(games: Sequence[Game]) -> list[list[int]]:
    """Games won by the first response, by neither and by the second, in each order."""
    counts = [[0, 0, 0], [0, 0, 0]]
    for game in games:
        if game.first is None:
            continue
        second = 1 - game.first - game.tie
        won = 1 if game.tie >= max(game.first, second) or abs(game.first - second) < 1e-9 else 2
        if won == 2 and game.first > second:
            won = 0
        counts[game.swapped][won] += 1
    return counts
