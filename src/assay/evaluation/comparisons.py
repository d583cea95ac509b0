"""A judge of pairs against labels: how often it is right, in one order and in both, and how often
its orders contradict each other."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from assay import stats
from assay.data.records import cluster_key
from assay.evaluation.report import Report
from assay.questions import Comparison, Game
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Group, Preference, Unscored

__all__ = ["evaluate", "orders", "side"]

CLOSE: Final = 1e-9
HALF: Final = 0.5

NOTES: Final = (
    "accuracy is over pairs whose label prefers a side; a verdict that prefers neither counts one"
    " half",
    "a pair is right in both orders where the better response wins whichever is shown first, and"
    " flips where the winner is the other one",
)


def side(prefer: float) -> int:
    """Return 1 where the first is preferred, -1 where the second is, 0 where neither."""
    return 0 if abs(prefer - HALF) < CLOSE else (1 if prefer > HALF else -1)


def evaluate(
    records: Sequence[Group], comparisons: Sequence[Comparison | Unscored], *, seed: int = 0
) -> Report:
    """Measure comparisons of pairs: accuracy where records are preferences, and what they say of
    the judge without labels.

    * accuracy: the mean of (s l + 1) / 2 over the sides s of the verdict and l of the label;
    * accuracy_both_orders: the share of pairs right in each order, of those judged in both;
    * consistent, flips: the shares of pairs whose two orders say the same, and name two winners;
    * ties: the mean probability of a tie; first_slot_share: of preferring what is shown first, over
      both orders of each pair.

    Pairs without a verdict are counted and left out. Baselines are the accuracy of the longer, the
    shorter and the first response, and of a coin.
    """
    judged = [
        (record, said)
        for record, said in zip(records, comparisons, strict=True)
        if isinstance(said, Comparison)
    ]
    missing = len(records) - len(judged)
    decided = [pair for pair in judged if _label(pair[0]) != 0]
    metrics: dict[str, Estimate] = {}
    baselines: dict[str, Estimate] = {}
    if any(_label(record) for record in records):
        metrics, baselines = _accuracy(decided, _unscored(records, comparisons), seed)
    both = [pair for pair in judged if len(orders(pair[1])) == 2]

    def share(values: Sequence[float], of: Sequence[tuple[Group, Comparison]]) -> Estimate:
        clusters = [cluster_key(record) for record, _ in of]
        return stats.proportion(values, clusters=clusters, unscored=missing, seed=seed)

    if both:
        sides = [orders(said) for _, said in both]
        metrics["consistent"] = share([float(a == b) for a, b in sides], both)
        metrics["flips"] = share([float(a * b < 0) for a, b in sides], both)
        metrics["first_slot_share"] = share([_first_slot(said) for _, said in both], both)
        baselines["first_slot_share/unbiased"] = _fixed(HALF, len(both))
    metrics["ties"] = share([said.tie for _, said in judged], judged)
    return Report(
        kind="comparison",
        metrics=metrics,
        baselines=baselines,
        notes=[f"{len(records)} pairs, {missing} without a verdict", *NOTES],
    )


def _accuracy(
    pairs: Sequence[tuple[Group, Comparison]], missing: int, seed: int
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    clusters = [cluster_key(record) for record, _ in pairs]
    labels = np.array([_label(record) for record, _ in pairs], dtype=np.float64)
    longer = [_longer(record) for record, _ in pairs]

    def right(sides: Sequence[int]) -> Array:
        return (np.array(sides, dtype=np.float64) * labels + 1) / 2

    sampling: dict[str, Any] = {"clusters": clusters, "unscored": missing, "seed": seed}
    metrics = {
        "accuracy": stats.proportion(right([side(said.prefer) for _, said in pairs]), **sampling)
    }
    if both := [i for i, (_, said) in enumerate(pairs) if len(orders(said)) == 2]:
        wins = [float(all(s == labels[i] for s in orders(pairs[i][1]))) for i in both]
        metrics["accuracy_both_orders"] = stats.proportion(
            wins, clusters=[clusters[i] for i in both], unscored=missing, seed=seed
        )
    baselines = {
        "accuracy/random": _fixed(HALF, len(pairs)),
        "accuracy/longer": stats.proportion(right(longer), **sampling),
        "accuracy/shorter": stats.proportion(right([-one for one in longer]), **sampling),
        "accuracy/first": stats.proportion(right([1] * len(pairs)), **sampling),
    }
    return metrics, baselines


def _unscored(records: Sequence[Group], comparisons: Sequence[Comparison | Unscored]) -> int:
    """Pairs with a label and no verdict."""
    pairs = zip(records, comparisons, strict=True)
    return sum(isinstance(said, Unscored) and _label(record) != 0 for record, said in pairs)


def _label(record: Group) -> int:
    return side(record.prefer) if isinstance(record, Preference) else 0


def _longer(record: Group) -> int:
    first, second = (len(response.text) for response in record.responses)
    return (first > second) - (first < second)


def orders(said: Comparison) -> tuple[int, ...]:
    """Return the preferred side in each order that was played, the given one first."""
    return tuple(map(side, _mean_of_orders(said, lambda game: game.prefer)))


def _first_slot(said: Comparison) -> float:
    """Probability of preferring what is shown first, the mean over the orders."""

    def shown(game: Game) -> float | None:
        return None if game.prefer is None else 1 - game.prefer if game.swapped else game.prefer

    values = _mean_of_orders(said, shown)
    return sum(values) / len(values)


def _mean_of_orders(said: Comparison, value: Callable[[Game], float | None]) -> list[float]:
    means = []
    for swapped in (False, True):
        games = [game for game in said.games if game.swapped == swapped]
        known = [one for one in map(value, games) if one is not None]
        means += [sum(known) / len(known)] if known else []
    return means


def _fixed(value: float, n: int) -> Estimate:
    return Estimate(value=value, low=value, high=value, n=n)
