"""Whether a judge of pairs contradicts itself: A over B over C over A."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import stats
from assay.stats import Estimate
from assay.stats.intervals import Array, cluster_ids

__all__ = ["cycles"]


def cycles(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    prefer: Array,
    clusters: Sequence[Hashable] | NDArray[Any],
) -> Estimate | None:
    """Share of cycles among the triples of one prompt whose three pairs all have a winner.

    first, second: what was compared, (n,), within its cluster; prefer: the probability that the
    first is better, averaged where a pair stands twice. Of fair coins 1/4 are cycles. None where
    no triple was compared in full.
    """
    ids, k = cluster_ids(clusters, len(prefer))
    counts = [_triples([first[i] for i in rows], [second[i] for i in rows], prefer[rows])
              for rows in _members(ids, k)]  # fmt: skip
    if not sum(of for _, of in counts):
        return None
    credit = np.concatenate([np.repeat([1.0, 0.0], [c, of - c]) for c, of in counts])
    return stats.proportion(credit, clusters=np.repeat(np.arange(k), [of for _, of in counts]))


def _members(ids: NDArray[np.intp], k: int) -> list[NDArray[np.intp]]:
    order = np.argsort(ids, kind="stable")
    return np.split(order, np.cumsum(np.bincount(ids, minlength=k))[:-1])


def _triples(
    first: Sequence[Hashable], second: Sequence[Hashable], prefer: Array
) -> tuple[int, int]:
    """Cycles and triples in full, of one prompt."""
    codes, n = cluster_ids([*first, *second], 2 * len(first))
    a, b = codes[: len(first)], codes[len(first) :]
    margin = np.zeros((n, n))
    np.add.at(margin, (a, b), prefer - 0.5)
    np.add.at(margin, (b, a), 0.5 - prefer)
    beats = (margin > 1e-12).astype(np.float64)
    played = beats + beats.T
    # Closed walks of three steps: each cycle is counted from its three places, each triple from
    # those and both ways round.
    return round(np.trace(beats @ beats @ beats) / 3), round(np.trace(played @ played @ played) / 6)
