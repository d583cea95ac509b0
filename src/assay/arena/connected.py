"""Who can be compared with whom: strongly connected components of who won against whom.

A finite Bradley-Terry rating exists for all players if and only if, however they are split in two,
somebody of each side has won against (or tied with) somebody of the other (Ford 1957, Amer. Math.
Monthly 64:28). Otherwise the best rating of some is infinite, and of two groups that never met the
difference is whatever one likes. A ridge hides that; here it is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from assay.arena.aggregate import Table
from assay.arena.votes import Votes
from assay.errors import DataError

__all__ = ["REGULARISED", "Connected", "connected", "rateable"]

REGULARISED: Final = "ask for a regularised rating by its lambda (regularised=0.5)"
"""The one way to a number for those who have no finite rating."""
SHOWN: Final = 6
"""Names listed of a component."""


@dataclass(frozen=True, kw_only=True)
class Connected:
    """Components of comparable players, the largest first, and why the others have no rating."""

    components: tuple[tuple[int, ...], ...]
    """Codes of players who can be rated together, two or more in each."""
    not_scoreable: Mapping[int, str]
    """Why a player has no finite rating: only wins, only losses, no votes, or on no cycle."""

    @property
    def whole(self) -> bool:
        """Whether all players can be rated together."""
        return len(self.components) == 1 and not self.not_scoreable


def connected(table: Table) -> Connected:
    """Return who can be compared, by who won against whom; a tie counts both ways."""
    k = table.players
    won, lost = table.wins + table.ties > 0, table.losses + table.ties > 0
    above = np.concatenate([table.first[won], table.second[lost]])
    below = np.concatenate([table.second[won], table.first[lost]])
    graph = coo_array((np.ones(len(above), dtype=np.int8), (above, below)), shape=(k, k))
    _, label = connected_components(graph.tocsr(), directed=True, connection="strong")
    sizes = np.bincount(label)
    order = sorted(np.flatnonzero(sizes > 1), key=lambda c: (-sizes[c], c))
    wins, losses = np.bincount(above, minlength=k), np.bincount(below, minlength=k)
    return Connected(
        components=tuple(tuple(np.flatnonzero(label == c).tolist()) for c in order),
        not_scoreable={
            int(i): _why(int(wins[i]), int(losses[i])) for i in np.flatnonzero(sizes[label] == 1)
        },
    )


def _why(wins: int, losses: int) -> str:
    if not wins and not losses:
        return "no votes"
    if not losses:
        return "only wins: no finite rating"
    if not wins:
        return "only losses: no finite rating"
    return "lost only to players above and won only against players below: no finite rating"


def rateable(votes: Votes, found: Connected, regularised: float = 0.0) -> NDArray[np.intp]:
    """Return the codes of those who can be rated together.

    Raises `DataError` that names the components where there are several, or none. regularised: what
    was tried already, and is no advice then.
    """
    if len(found.components) == 1:
        return np.asarray(found.components[0], dtype=np.intp)
    advice = "" if regularised else f", or {REGULARISED}"
    if not found.components:
        raise DataError(
            f"none of {len(votes.players)} players has a finite rating, for no votes go round:"
            f" collect more{advice}"
        )
    parts = "; ".join(_names(votes, each) for each in found.components)
    raise DataError(
        f"the players fall into {len(found.components)} groups that cannot be compared, so there is"
        f" no joint table: {parts}; collect votes between them, rate each alone (`votes.among`)"
        f"{advice}"
    )


def _names(votes: Votes, codes: tuple[int, ...]) -> str:
    names = ", ".join(votes.players[i] for i in codes[:SHOWN])
    more = f" and {len(codes) - SHOWN} more" if len(codes) > SHOWN else ""
    return f"[{names}{more}]"
