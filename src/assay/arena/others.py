"""Other scores of the same votes, by evalica: Elo, eigenvector, PageRank, counting, mean win rate.

They stand beside Bradley-Terry as what others print. None has an interval here. Elo (K = 4) depends
on the order of the votes; the eigenvector and PageRank are shares without a unit.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from assay.arena.votes import Outcome, Votes
from assay.errors import MissingExtra

__all__ = ["METHODS", "Method", "score"]

Method = Literal["elo", "eigen", "pagerank", "counting", "average_win_rate"]
METHODS: Final[Mapping[Method, str]] = MappingProxyType(
    {
        "elo": "Elo's rating after all votes in their order, K = 4",
        "eigen": "eigenvector of the matrix of wins",
        "pagerank": "PageRank of who lost to whom, damping 0.85",
        "counting": "points, ties half",
        "average_win_rate": "mean over opponents of the share of points",
    }
)
"""What each method computes."""


def score(votes: Votes, method: Method) -> dict[str, float]:
    """Return every player's score, ties half a win. Raises `MissingExtra` without evalica."""
    try:
        import evalica
    except ImportError as error:
        raise MissingExtra(f"the {method} score", "arena") from error
    won = {
        Outcome.FIRST: evalica.Winner.X,
        Outcome.SECOND: evalica.Winner.Y,
        Outcome.TIE: evalica.Winner.Draw,
        Outcome.BOTH_BAD: evalica.Winner.Draw,
    }
    winners = [won[Outcome(each)] for each in votes.outcome.tolist()]
    names = votes.players
    settings: dict[str, Any] = {}
    if method in ("eigen", "pagerank"):
        settings = {"tolerance": 1e-9, "limit": 10_000}
    found = getattr(evalica, method)(
        [names[i] for i in votes.first.tolist()],
        [names[i] for i in votes.second.tolist()],
        winners,
        weights=None if votes.weight is None else votes.weight.tolist(),
        **settings,
    )
    return {str(name): float(value) for name, value in found.scores.items()}
