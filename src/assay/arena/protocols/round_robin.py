"""Round robin: everybody meets everybody on every prompt, in both orders."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from assay import stats
from assay.arena.votes import Outcome, Votes
from assay.errors import ConfigError
from assay.stats import Estimate

__all__ = ["Game", "merged", "pairs", "schedule"]


@dataclass(frozen=True, kw_only=True)
class Game:
    """Two players to show, in this order, on a prompt."""

    first: str
    second: str
    prompt: int


def schedule(
    players: Sequence[str], prompts: int, *, games: int | None = None, seed: int = 0
) -> list[Game]:
    """Return the games of a round robin on prompts 0.., each in both orders.

    games: most games; None is all, k (k - 1) per prompt. A budget is spent evenly: no pair, and no
    prompt, has two orders more than another, as far as it goes. Raises `ConfigError` for
    fewer than two players or names that stand twice.
    """
    if len(set(players)) != len(players) or len(players) < 2:
        raise ConfigError("a round robin needs two players or more, each named once")
    rng = np.random.default_rng(seed)
    every = list(combinations(players, 2))
    found: list[Game] = []
    # Round r gives every pair another prompt; together the rounds go through all prompts.
    shift = rng.permutation(len(every))
    for turn in range(prompts):
        for place in rng.permutation(len(every)):
            one, other = every[place]
            prompt = int(shift[place] + turn) % prompts
            found.append(Game(first=one, second=other, prompt=prompt))
            found.append(Game(first=other, second=one, prompt=prompt))
            if games is not None and len(found) >= games:
                return found[: games - games % 2]
    return found


def merged(votes: Votes) -> tuple[Votes, int]:
    """Return votes in which the two orders of a pair, cluster and judge are one, and how many did
    not agree.

    Orders that contradict each other are a tie, kept: to drop them could take a player's last votes
    and says less than was asked. A vote whose other order is missing stays as it is.
    """
    held: dict[tuple[int, int, int, int], int] = {}
    outcome = votes.outcome.copy()
    kept = np.ones(len(votes), dtype=np.bool_)
    against = {Outcome.FIRST: Outcome.SECOND, Outcome.SECOND: Outcome.FIRST}
    differ = 0
    for i, (a, b, c, j) in enumerate(_keys(votes)):
        if (at := held.pop((b, a, c, j), None)) is None:
            held[a, b, c, j] = i
            continue
        said = Outcome(votes.outcome[i])
        kept[i] = False
        if min(against.get(said, said), Outcome.TIE) != min(votes.outcome[at], Outcome.TIE):
            outcome[at] = Outcome.TIE
            differ += 1
    return replace(votes, outcome=outcome).where(kept), differ


def _keys(votes: Votes) -> Iterator[tuple[int, int, int, int]]:
    n = len(votes)
    cluster = np.arange(n) if votes.cluster is None else votes.cluster
    judge = np.zeros(n, dtype=np.intp) if votes.judge is None else votes.judge
    columns = (votes.first, votes.second, cluster, judge)
    return zip(*(column.tolist() for column in columns), strict=True)


def pairs(votes: Votes) -> dict[tuple[str, str], Estimate]:
    """Return the first player's share of points of every pair that met, by cluster."""
    low, high = np.minimum(votes.first, votes.second), np.maximum(votes.first, votes.second)
    points = np.where(votes.first < votes.second, votes.points, 1 - votes.points)
    clusters = np.arange(len(votes)) if votes.cluster is None else votes.cluster
    found = {}
    for i, j in sorted(set(zip(low.tolist(), high.tolist(), strict=True))):
        met = (low == i) & (high == j)
        found[votes.players[i], votes.players[j]] = stats.proportion(
            points[met], clusters=clusters[met].tolist()
        )
    return found
