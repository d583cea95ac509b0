"""Estimates of the whole pool from items that were chosen because they are unlike it.

Two things are known of a label: with which probability its task got into the pool (`Task.
probability`, π), and with which it was drawn among those left (the rest of `Given.probability`,
q). A pool's sample is weighted by 1 / π (Horvitz and Thompson 1952). Draws without replacement, the
m-th of M from a pool of N, each by probabilities that may depend on all labels before, are weighted
by (Farquhar, Gal and Rainforth 2021, arXiv:2101.11665, R_LURE)

    v_m = 1 + (N - M) / (N - m) (1 / ((N - m + 1) q_m) - 1),

whose weighted mean Σ v x / M is unbiased for the pool's, whatever chose; with even draws v is 1.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from assay.annotate.records import Given, Project
from assay.annotate.tasks import Task
from assay.data.records import cluster_key
from assay.errors import DataError
from assay.stats import Estimate, proportion
from assay.stats.intervals import Array, cluster_ids, student_quantile
from assay.stats.means import spread_by_cluster

__all__ = ["Weights", "draw_weights", "hajek", "weights_of"]


@dataclass(frozen=True)
class Weights:
    """How much each labelled task counts."""

    tasks: tuple[str, ...]
    """In the order of their first labels."""
    weights: Array
    clusters: tuple[str, ...]
    """Prompt of each."""
    caveat: str = ""
    """Why they are near the right ones only; empty = they are right."""

    @property
    def effective(self) -> float:
        """Evenly chosen tasks that are worth as much: (Σ w)² / Σ w² (Kish)."""
        w = self.weights
        return float(w.sum() ** 2 / (w**2).sum()) if len(w) else 0.0

    def mean(self, values: Mapping[str, float], *, share: bool = False) -> Estimate:
        """Estimate the mean of a value per task over all that could have been chosen.

        values: by task; labelled tasks without one count as unscored. share: whether they are in
        [0, 1]; the interval is then that of a share.
        """
        rows = [i for i, task in enumerate(self.tasks) if task in values]
        return hajek(
            [values[self.tasks[i]] for i in rows],
            self.weights[rows],
            clusters=[self.clusters[i] for i in rows],
            share=share,
            unscored=len(self.tasks) - len(rows),
        )


def draw_weights(probabilities: ArrayLike, pool: int) -> Array:
    """Weights v (M,) of draws without replacement from a pool of this size, in the order drawn.

    probabilities: (M,) of each draw among those left. Raises `DataError` for ones outside (0, 1],
    and for more draws than the pool has.
    """
    q = np.asarray(probabilities, dtype=np.float64)
    if len(q) > pool or not ((q > 0) & (q <= 1)).all():
        raise DataError(f"{len(q)} draws from a pool of {pool}; give no more than that, each with a"
                        " probability above 0, to 1")  # fmt: skip
    m = np.arange(1, len(q) + 1)
    # The last of all has nobody beside it; its share is 0 / 0, its term 0.
    share = (pool - len(q)) / np.maximum(pool - m, 1)
    return np.asarray(1 + share * (1 / ((pool - m + 1) * q) - 1))


def hajek(
    values: ArrayLike, weights: ArrayLike, *, clusters: Sequence[Hashable] | None = None,
    share: bool = False, unscored: int = 0,
) -> Estimate:  # fmt: skip
    """Estimate a mean as Σ w x / Σ w (Hájek 1971): biased by the order of 1 / n, and mostly nearer.

    The interval is by cluster, `proportion`'s of a share, else Student's; n is the number of
    clusters.
    """
    x, w = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if len(x) != len(w) or not (w >= 0).all():
        raise DataError(f"{len(x)} values and {len(w)} weights; give one weight of 0 or more each")
    if share:
        return proportion(x, clusters=clusters, weights=w, unscored=unscored)
    ids, k = cluster_ids(clusters, len(x))
    low = high = float("nan")
    if k < 2:
        value = float(np.average(x, weights=w)) if k else float("nan")
        return Estimate(value=value, low=low, high=high, n=k, unscored=unscored)
    spread = spread_by_cluster(x, ids, k, w)
    if spread.error > 0:
        half = student_quantile(spread.df, 0.95) * spread.error
        low, high = spread.value - half, spread.value + half
    return Estimate(value=spread.value, low=low, high=high, n=k, unscored=unscored)


def weights_of(project: Project, tasks: Sequence[Task], given: Sequence[Given]) -> Weights:
    """Weigh each labelled task, by when it was first labelled.

    tasks: the whole pool; what comes in order is taken to come in an order without meaning. Gold
    items were not chosen and are left out, and so is what an adjudicator was given. Saves stand for
    draws: of annotators who work side by side the order of the two may differ a little.
    """
    pool = {task.id: task for task in tasks if task.gold is None}
    first: dict[str, Given] = {}
    several = False
    for one in sorted(given, key=lambda one: one.time):
        if one.purpose == "label" and one.task in pool:
            several |= one.task in first
            first.setdefault(one.task, one)
    into = np.array([pool[id].probability for id in first], dtype=np.float64)
    drawn = np.array([one.probability for one in first.values()], dtype=np.float64) / into
    even = project.choose in ("order", "random")
    caveat = ""
    if several and not even:
        caveat = ("items have several labels, so draws were among labelled ones, too, and the"
                  " weights of first labels are approximate")  # fmt: skip
    chosen = np.ones(len(first)) if even else draw_weights(np.minimum(drawn, 1.0), len(pool))
    keys = tuple(cluster_key(pool[id]) for id in first)
    return Weights(tuple(first), chosen / into, keys, caveat)
