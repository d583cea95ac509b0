"""Score the responses of a group by comparing pairs of them, by a stated number of comparisons.

Where all pairs are affordable, all are compared. Else every response is compared with its
neighbours in a ring, and the k that win most there with all others: N + k (N - k) + k (k - 1) / 2
comparisons at most (arXiv:2607.05391). Each response stands about as often first as second.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from assay.errors import ConfigError
from assay.judges.fencing import response_of
from assay.protocols import Judge
from assay.questions import Comparison
from assay.types import Group, Score, Unscored

__all__ = ["all_pairs", "ring", "strengths", "tournament"]

Pair = tuple[int, int]
How = Literal["bradley-terry", "wins"]
PRIOR: Final = 1.0
"""Tied games that each response is taken to have played against one of strength 0: without them who
wins every game would have no finite strength."""
ROUNDS: Final = 10_000
CLOSE: Final = 1e-12


@dataclass
class _Table:
    """What is known of one group."""

    group: Group
    order: list[int]
    """Its responses, in an order that does not depend on the one given."""
    played: dict[Pair, float | None] = field(default_factory=dict)
    """P(first is better) of the pairs compared, in places of the order; None = unscored."""
    reasons: list[str] = field(default_factory=list)

    def pair(self, pair: Pair) -> Group:
        """The two responses, as a group."""
        a, b = (self.group.responses[self.order[place]] for place in pair)
        return self.group.model_copy(update={"responses": (a, b)})


def tournament(
    judge: Judge,
    groups: Sequence[Group],
    *,
    calls: int,
    how: How = "bradley-terry",
    seed: int = 0,
) -> list[list[Score | Unscored]]:
    """Return one score per response of each group, in order.

    calls: most comparisons per group, each of which a judge of both orders answers twice; a ring,
    or all pairs, must be affordable. how: the logarithms of Bradley-Terry strengths, whose
    differences are log-odds, or the mean share of a response's own comparisons, which depends on
    whom it met. seed: of the ring. A response that no scored comparison connects with most of the
    others is `Unscored`; scores say nothing across groups. Raises `ConfigError` where the calls do
    not suffice.
    """
    tables = [_Table(group, _order(group, seed)) for group in groups]
    _play(judge, [(table, _opening(len(table.order), calls)) for table in tables])
    _play(judge, [(table, _finals(table, calls)) for table in tables])
    return [_scores(table, how) for table in tables]


def ring(n: int) -> list[Pair]:
    """Return n pairs in which each of n stands first once and second once; of two, the one pair."""
    return [(i, (i + 1) % n) for i in range(n if n > 2 else n - 1)]


def all_pairs(n: int) -> list[Pair]:
    """Return all n (n - 1) / 2 pairs; each of n stands first as often as second, or once more or
    less where n is even."""
    pairs = [(i, (i + step) % n) for step in range(1, (n + 1) // 2) for i in range(n)]
    return pairs + ([(i, i + n // 2) for i in range(n // 2)] if n % 2 == 0 else [])


def _order(group: Group, seed: int) -> list[int]:
    def name(place: int) -> str:
        text = f"{seed}\n{response_of(group.responses[place])}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    return sorted(range(len(group.responses)), key=name)


def _opening(n: int, calls: int) -> list[Pair]:
    """The first stage."""
    if n * (n - 1) // 2 <= calls:
        return all_pairs(n)
    if n > calls:
        raise ConfigError(
            f"calls is {calls} for a group of {n} responses; a ring takes {n}, and all pairs"
            f" {n * (n - 1) // 2}"
        )
    return ring(n)


def _finals(table: _Table, calls: int) -> list[Pair]:
    """The pairs of the most pivots that the remaining calls allow, with all others."""
    n = len(table.order)
    left = calls - len(table.played)
    won = _shares(table)
    best = sorted(range(n), key=lambda place: (-won[place], place))
    met = set(map(frozenset, table.played))
    chosen: list[Pair] = []
    for pivot in best:
        others = (other for other in range(n) if other != pivot)
        new = [(pivot, other) for other in others if frozenset((pivot, other)) not in met]
        if len(chosen) + len(new) > left:
            break
        chosen += new
        met.update(map(frozenset, new))
    return _balanced(chosen, table.played)


def _balanced(pairs: Sequence[Pair], played: Iterable[Pair]) -> list[Pair]:
    """The pairs, turned so that each stands first about as often as second."""
    ahead: dict[int, int] = {}

    def count(first: int, second: int) -> None:
        ahead[first] = ahead.get(first, 0) + 1
        ahead[second] = ahead.get(second, 0) - 1

    for pair in played:
        count(*pair)
    turned = []
    for a, b in pairs:
        first, second = (a, b) if ahead.get(a, 0) <= ahead.get(b, 0) else (b, a)
        count(first, second)
        turned.append((first, second))
    return turned


def _play(judge: Judge, plans: Sequence[tuple[_Table, list[Pair]]]) -> None:
    """Compare the pairs of all groups at once."""
    pairs = [(table, pair) for table, plan in plans for pair in plan]
    found = judge.compare([table.pair(pair) for table, pair in pairs]) if pairs else []
    for (table, pair), said in zip(pairs, found, strict=True):
        table.played[pair] = said.prefer if isinstance(said, Comparison) else None
        if isinstance(said, Unscored):
            table.reasons.append(said.reason)


def _shares(table: _Table) -> list[float]:
    """Mean share of each response's scored comparisons; 0 without any."""
    sums, counts = [0.0] * len(table.order), [0] * len(table.order)
    for (a, b), prefer in table.played.items():
        if prefer is not None:
            sums[a] += prefer
            sums[b] += 1.0 - prefer
            counts[a] += 1
            counts[b] += 1
    return [total / max(1, count) for total, count in zip(sums, counts, strict=True)]


def _scores(table: _Table, how: How) -> list[Score | Unscored]:
    n = len(table.order)
    games = [(a, b, p) for (a, b), p in table.played.items() if p is not None]
    together = _connected(n, games)
    values = strengths(n, games).tolist() if how == "bradley-terry" else _shares(table)
    reason = table.reasons[0] if table.reasons else "there is nothing to compare it with"
    found: list[Score | Unscored] = [Unscored(reason=reason)] * n
    for place, response in enumerate(table.order):
        if place in together:
            found[response] = Score(value=values[place])
    return found


def _connected(n: int, games: Sequence[tuple[int, int, float]]) -> set[int]:
    """The most places that comparisons connect with each other; none where each stands alone."""
    parts = [{place} for place in range(n)]
    for a, b, _ in games:
        joined = [part for part in parts if a in part or b in part]
        parts = [part for part in parts if part not in joined] + [set().union(*joined)]
    largest = max(parts, key=len, default=set())
    return largest if len(largest) > 1 else set()


def strengths(
    n: int, games: Sequence[tuple[int, int, float]], prior: float = PRIOR
) -> NDArray[np.float64]:
    """Return the logarithms of Bradley-Terry strengths, (n,), by Hunter's MM iterations (2004).

    games: (i, j, probability that i is better); ties are 1/2. prior: tied games of each against a
    strength of 1, whose logarithm is 0.
    """
    wins, met = np.full(n, prior / 2), np.zeros((n, n))
    for a, b, prefer in games:
        wins[a] += prefer
        wins[b] += 1.0 - prefer
        met[a, b] += 1
        met[b, a] += 1
    strength = np.ones(n)
    for _ in range(ROUNDS):
        spent = (met / (strength[:, None] + strength)).sum(axis=1) + prior / (strength + 1.0)
        new = wins / spent
        done = np.abs(new - strength).max(initial=0.0) <= CLOSE * strength.max(initial=1.0)
        strength = new
        if done:
            break
    return np.log(strength)
