"""Whether the place in which a response is shown decides, apart from the noise of repeats.

Names follow Shi et al. (arXiv:2406.07791): repetition stability, position consistency, preference
fairness.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from assay import stats
from assay.evaluation.judges.findings import Bias, bias
from assay.evaluation.judges.pairs import Pairs, outcome
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.stats.regression import least_squares

__all__ = ["MEANINGS", "metrics", "rows"]

MEANINGS: Final = {
    "position/first_slot": "first slot preferred, less second slot",
    "position/flips_beyond_repeats": (
        "verdicts that differ between orders, less those that differ between repeats"
    ),
}


def rows(pairs: Pairs, smallest: float) -> list[Bias]:
    """Return the biases that pairs judged in both orders show, without any label: which response is
    better cancels within a pair."""
    both = pairs.both
    if not both.any():
        return []
    gap = pairs.sides[:, 0] - pairs.sides[:, 1]
    first_slot = _mean("position/first_slot", gap, pairs, smallest)
    alone = len(np.unique(pairs.clusters[both])) == both.sum()
    if alone and np.isin(gap[both], (-1.0, 0.0, 1.0)).all():
        # One verdict in each order, of independent pairs: the split of those that the slot decides
        # between first and second has an exact test.
        test = stats.mcnemar(gap[both] > 0, gap[both] < 0)
        first_slot = replace(first_slot, p_value=test.p_value)
    flips = _flips(pairs)
    if np.isnan(flips).all():
        return [first_slot]
    return [first_slot, _mean("position/flips_beyond_repeats", flips, pairs, smallest)]


def _mean(name: str, values: Array, pairs: Pairs, smallest: float) -> Bias:
    """A mean over the pairs that have a value; one verdict more or less moves a value by 1."""
    there = ~np.isnan(values)
    (found,) = least_squares(
        values[there],
        np.ones((int(there.sum()), 1)),
        clusters=pairs.clusters[there],
        step=1.0,
        unscored=pairs.unscored + int((~there).sum()),
    )
    return bias(name, MEANINGS[name], found, smallest, within=1.0)


def _flips(pairs: Pairs) -> Array:
    """Chance that verdicts of two orders differ less that two of one order do, (n,).

    All pairs of games are counted, so that it is 0 on average where the order does not matter.
    NaN without two games in each order.
    """
    n = pairs.verdicts.sum(axis=2)
    enough = (n >= 2).all(axis=1)
    of = np.where(enough[:, None], n, 2.0)
    share = pairs.verdicts / of[:, :, None]
    across = 1 - (share[:, 0] * share[:, 1]).sum(axis=1)
    within = (1 - (share**2).sum(axis=2)) * of / (of - 1)
    return np.asarray(np.where(enough, across - within.mean(axis=1), np.nan))


def metrics(pairs: Pairs) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Return what describes the judge's constancy, and what stands beside it.

    consistency: pairs with the same winner in both orders; first_twice, second_twice: pairs in
    which one slot wins both; stability: two games of one order that agree; both_right: right in
    both orders.
    """
    both = pairs.both
    sides, label = pairs.sides[both], pairs.label[both]
    found: dict[str, Estimate] = {}
    if not len(sides):
        return found, {}
    sampling: dict[str, Any] = {"clusters": pairs.clusters[both], "unscored": pairs.unscored}
    winner = outcome(sides)
    found["position/consistency"] = stats.proportion(winner[:, 0] == winner[:, 1], **sampling)
    opposite = winner[:, 0] == -winner[:, 1]
    for name, slot in (("first_twice", 1), ("second_twice", -1)):
        found[f"position/{name}"] = stats.proportion(opposite & (winner[:, 0] == slot), **sampling)
    first = (sides[:, 0] + 1 - sides[:, 1]) / 2
    found["position/first_slot_share"] = stats.proportion(first, **sampling)
    decided = ~np.isnan(label) & (outcome(label) != 0)
    right = winner[decided] == outcome(label[decided])[:, None]
    if decided.any():
        of = {**sampling, "clusters": pairs.clusters[both][decided]}
        found["position/both_right"] = stats.proportion(right.all(axis=1), **of)
    n = pairs.verdicts.sum(axis=2)
    if (repeated := n >= 2).any():
        share = pairs.verdicts / np.maximum(n, 1)[:, :, None]
        same = ((share**2).sum(axis=2) * n - 1) / np.maximum(n - 1, 1)
        ids = np.broadcast_to(pairs.clusters[:, None], n.shape)
        found["position/stability"] = stats.proportion(
            np.clip(same[repeated], 0, 1), clusters=ids[repeated], unscored=pairs.unscored
        )
    half = Estimate(value=0.5, low=0.5, high=0.5, n=len(sides))
    return found, {"position/first_slot_share": half}
