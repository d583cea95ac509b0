"""How far raters agree beyond chance: kappas, Krippendorff's alpha, Gwet's AC1, and what a
classifier is measured by.

Every coefficient here is a function of sums over items, so a resample of the clusters is one matrix
product: `over_items` bootstraps them all. Ratings are (items, raters), any values; None and NaN are
missing. A coefficient without disagreement to expect, such as a kappa of raters who only ever use
one category, is undefined (NaN), not 1.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from assay.errors import DataError
from assay.stats.draws import Scale, estimate
from assay.stats.estimate import Estimate
from assay.stats.intervals import Array, cluster_ids, resample_weights
from assay.stats.shares import proportion

__all__ = [
    "Sampling",
    "alpha",
    "classification",
    "coded",
    "cohen_kappa",
    "constant_agreement",
    "fleiss_kappa",
    "gwet_ac1",
    "over_items",
    "pairwise_agreement",
]

Ratings = NDArray[Any] | Sequence[Sequence[Any]]
Weights = Literal["none", "linear", "quadratic"]
Metric = Literal["nominal", "ordinal", "interval"]


class Sampling(TypedDict, total=False):
    """How an interval is made; the options of every estimator."""

    clusters: Sequence[Hashable] | NDArray[Any] | None
    """One id per item, such as its prompt; None = every item is its own."""
    resamples: int
    """2000 where it is not given; 0 = no interval."""
    seed: int
    confidence: float
    unscored: int


def over_items(
    parts: Array,
    coefficient: Callable[[Array], Array],
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    unscored: int = 0,
    scale: Scale = "correlation",
) -> Estimate:
    """A function of sums over items, with the interval of its bootstrap by cluster.

    parts: (items, P) what each item adds. coefficient: sums (..., P) to values (...). n is the
    number of clusters.
    """
    ids, k = cluster_ids(clusters, len(parts))
    if not k:
        nan = float("nan")
        return Estimate(value=nan, low=nan, high=nan, n=0, unscored=unscored)
    sums = np.zeros((k, parts.shape[1]))
    np.add.at(sums, ids, parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(coefficient(sums.sum(axis=0)))
        draws = [coefficient(w @ sums) for w in resample_weights(k, resamples, seed)]
    # The value is a draw, too: without others there is no interval.
    return estimate(
        value,
        np.concatenate([np.full(1, value), *draws]),
        n=k,
        confidence=confidence,
        unscored=unscored,
        scale=scale,
    )


def coded(
    ratings: Ratings, levels: Sequence[Hashable] | None = None
) -> tuple[NDArray[np.intp], list[Any]]:
    """Ratings as places among their categories, -1 where missing, and the categories.

    levels: the categories in order; None = those that occur, sorted. Raises `DataError` for a
    rating that is none of the levels, and for categories that cannot be sorted.
    """
    rows = [list(row) for row in ratings]
    if len({len(row) for row in rows}) > 1:
        raise DataError(
            "ratings are one row per item and one column per rater; write None for none"
        )
    flat = [None if _missing(x) else x for row in rows for x in row]
    try:
        given = sorted({x for x in flat if x is not None}) if levels is None else list(levels)
    except TypeError:
        raise DataError("ratings of several types cannot be sorted; give their levels") from None
    places: dict[Any, int] = {level: i for i, level in enumerate(given)}
    if unknown := {x for x in flat if x is not None} - places.keys():
        raise DataError(f"{min(map(repr, unknown))} is a rating and none of the levels {given}")
    codes = np.array([-1 if x is None else places[x] for x in flat], dtype=np.intp)
    return codes.reshape(len(rows), len(rows[0]) if rows else 2), given


def _missing(x: Any) -> bool:
    return x is None or (isinstance(x, (float, np.floating)) and math.isnan(x))


def _pair(
    a: Sequence[Hashable] | NDArray[Any],
    b: Sequence[Hashable] | NDArray[Any],
    levels: Sequence[Hashable] | None,
) -> tuple[Array, list[Any]]:
    """Confusion of each item, (items, C²), rows a's."""
    if len(a) != len(b):
        raise DataError(f"{len(a)} ratings and {len(b)}; two raters rate the same items")
    codes, given = coded(list(zip(a, b, strict=True)), levels)
    if (codes < 0).any():
        raise DataError(
            f"{int((codes < 0).any(axis=1).sum())} items lack one of two ratings; leave them out"
            " and count them as unscored"
        )
    c = len(given)
    cells = np.zeros((len(codes), c * c))
    cells[np.arange(len(codes)), codes[:, 0] * c + codes[:, 1]] = 1.0 if len(codes) else 0.0
    return cells, given


def cohen_kappa(
    a: Sequence[Hashable] | NDArray[Any],
    b: Sequence[Hashable] | NDArray[Any],
    *,
    weights: Weights = "none",
    levels: Sequence[Hashable] | None = None,
    **sampling: Unpack[Sampling],
) -> Estimate:
    """Cohen's kappa of two raters (items,), 1 - Σ w o / Σ w e (Cohen 1960, weighted 1968).

    o: share of each pair of categories, e: that of independent raters with the same habits.
    weights: 1 for any disagreement, or the distance of the categories or its square: of their
    numbers, or of their places where they are none.
    """
    cells, given = _pair(a, b, levels)
    c = len(given)
    at = _positions(given)
    apart = np.abs(at[:, None] - at[None, :])
    w = {"none": (apart > 0).astype(np.float64), "linear": apart, "quadratic": apart**2}[weights]

    def kappa(sums: Array) -> Array:
        table = sums.reshape(*sums.shape[:-1], c, c)
        expected = table.sum(-1)[..., :, None] * table.sum(-2)[..., None, :]
        n = table.sum((-1, -2))
        return np.asarray(1 - n * (w * table).sum((-1, -2)) / (w * expected).sum((-1, -2)))

    return over_items(cells, kappa, **sampling)


def _positions(levels: Sequence[Any]) -> Array:
    """The numbers of the categories, or their places."""
    numbers = all(isinstance(x, (int, float, np.number)) for x in levels)
    return np.array(levels if numbers else range(len(levels)), dtype=np.float64)


def _counts(codes: NDArray[np.intp], categories: int) -> Array:
    """How many raters gave each category to each item, (items, C)."""
    counts = (codes[:, :, None] == np.arange(categories)).sum(axis=1)
    return np.asarray(counts, dtype=np.float64)


def fleiss_kappa(ratings: Ratings, **sampling: Unpack[Sampling]) -> Estimate:
    """Fleiss' kappa of m ratings of every item, any raters: (P - Σ p²) / (1 - Σ p²) (1971).

    P: mean share of an item's pairs of ratings that agree; p: share of each category. Raises
    `DataError` where a rating is missing; `alpha` allows that.
    """
    codes, given = coded(ratings)
    m = codes.shape[1]
    if (codes < 0).any() or (len(codes) and m < 2):
        raise DataError("Fleiss' kappa takes the same number of ratings, 2 or more, of every item")
    counts = _counts(codes, len(given))
    parts = np.column_stack([_agreeing(counts), np.ones(len(codes)), counts / max(m, 1)])

    def kappa(sums: Array) -> Array:
        observed, p = sums[..., 0] / sums[..., 1], sums[..., 2:] / sums[..., 1:2]
        chance = (p * p).sum(-1)
        return np.asarray((observed - chance) / (1 - chance))

    return over_items(parts, kappa, **sampling)


def _agreeing(counts: Array) -> Array:
    """Share of each item's pairs of ratings that agree, (items,); 0 below two ratings."""
    m = counts.sum(axis=1)
    return np.asarray((counts * (counts - 1)).sum(axis=1) / np.maximum(m * (m - 1), 1))


def gwet_ac1(
    ratings: Ratings,
    *,
    levels: Sequence[Hashable] | None = None,
    **sampling: Unpack[Sampling],
) -> Estimate:
    """Gwet's AC1, which rare categories do not upset: (P - e) / (1 - e) (2008).

    P: mean share of agreeing pairs over items with two ratings or more; e = Σ π (1 - π) / (C - 1)
    with π the mean over items of a category's share and C the number of categories: of the levels,
    or else of those that occur, where raters who only ever use one have no value. Missing ratings
    are allowed.
    """
    codes, given = coded(ratings, levels)
    counts = _counts(codes, len(given))
    m = counts.sum(axis=1)
    rated, paired = (m >= 1).astype(np.float64), (m >= 2).astype(np.float64)
    shares = counts / np.maximum(m, 1)[:, None]
    parts = np.column_stack([_agreeing(counts), paired, rated, shares])

    def ac1(sums: Array) -> Array:
        pi = sums[..., 3:] / sums[..., 2:3]
        chance = (pi * (1 - pi)).sum(-1) / (len(given) - 1 if len(given) > 1 else np.nan)
        return np.asarray((sums[..., 0] / sums[..., 1] - chance) / (1 - chance))

    return over_items(parts, ac1, **sampling)


def alpha(
    ratings: Ratings,
    metric: Metric = "nominal",
    *,
    levels: Sequence[Hashable] | None = None,
    **sampling: Unpack[Sampling],
) -> Estimate:
    """Krippendorff's alpha, 1 - observed / expected disagreement; ratings may be missing.

    Observed: mean δ² over the pairs of ratings within an item, each item weighing its m ratings;
    expected: over all pairs of the n ratings. δ² is 1 for other categories (nominal), the square
    difference of the categories' mean ranks (ordinal) or of their numbers (interval). Items with
    one rating do not count, nor are they in n (Krippendorff 2011, "Computing Krippendorff's
    alpha-reliability").
    """
    codes, given = coded(ratings, levels)
    kept = (codes >= 0).sum(axis=1) > 1
    counts, sampling = _counts(codes[kept], len(given)), _subset(sampling, kept)
    m = counts.sum(axis=1)[:, None, None]
    within = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(given))
    if metric == "interval":
        at = _positions(given)
        # Far from 0, sums of squares would lose what ratings differ by.
        at = at - (at.mean() if len(at) else 0.0)
        square = (at[:, None] - at[None, :]) ** 2
        disagreed = ((within / (m - 1)) * square).sum((1, 2))
        parts = np.column_stack([disagreed, counts.sum(1), counts @ at, counts @ at**2])
        return over_items(parts, _interval_alpha, **sampling)
    c = len(given)
    cells = (within / (m - 1)).reshape(len(counts), c * c)

    def coefficient(sums: Array) -> Array:
        table = sums.reshape(*sums.shape[:-1], c, c)
        each = table.sum(-1)
        if metric == "ordinal":
            rank = np.cumsum(each, axis=-1) - each / 2
            apart = (rank[..., :, None] - rank[..., None, :]) ** 2
        else:
            apart = np.broadcast_to(1 - np.eye(c), table.shape)
        n = each.sum(-1)
        expected = (each[..., :, None] * each[..., None, :] * apart).sum((-1, -2))
        return np.asarray(1 - (n - 1) * (table * apart).sum((-1, -2)) / expected)

    return over_items(cells, coefficient, **sampling)


def _interval_alpha(sums: Array) -> Array:
    """From what items disagree by, their ratings, the ratings' sum and that of their squares."""
    disagreed, n, total, squares = np.moveaxis(sums, -1, 0)
    return np.asarray(1 - (n - 1) * disagreed / (2 * (n * squares - total**2)))


def pairwise_agreement(ratings: Ratings, **sampling: Unpack[Sampling]) -> Estimate:
    """Mean share of an item's pairs of ratings that agree: how far humans agree with each other is
    the ceiling of a judge's agreement with one of them.

    Items with fewer than two ratings are left out, and counted as unscored.
    """
    codes, given = coded(ratings)
    counts = _counts(codes, len(given))
    two = counts.sum(axis=1) > 1
    unscored = sampling.get("unscored", 0) + int((~two).sum())
    kept: Sampling = {**_subset(sampling, two), "unscored": unscored}
    return proportion(_agreeing(counts)[two], **kept)


def constant_agreement(
    labels: Sequence[Hashable] | NDArray[Any], **sampling: Unpack[Sampling]
) -> Estimate:
    """Share of the commonest label: the agreement of a judge that always says it.

    Missing labels are left out, and counted as unscored.
    """
    there = np.array([not _missing(x) for x in labels], dtype=bool)
    known = [x for x, kept in zip(labels, there, strict=True) if kept]
    common = [label for label, _ in Counter(known).most_common(1)]
    credit = [float(x in common) for x in known]
    unscored = sampling.get("unscored", 0) + int((~there).sum())
    kept_sampling: Sampling = {**_subset(sampling, there), "unscored": unscored}
    return proportion(credit, **kept_sampling)


def classification(
    truth: Sequence[Hashable] | NDArray[Any],
    predicted: Sequence[Hashable] | NDArray[Any],
    *,
    positive: Hashable | None = None,
    levels: Sequence[Hashable] | None = None,
    **sampling: Unpack[Sampling],
) -> dict[str, Estimate]:
    """Accuracy, balanced accuracy, and macro precision, recall and F1 of predictions (items,).

    Macro means are over all categories of either side, 0 for one that is never predicted or never
    true; balanced accuracy is the mean recall of those that are true somewhere. positive: which of
    two categories sensitivity and specificity are of; they are given with it only.
    """
    cells, given = _pair(truth, predicted, levels)
    c = len(given)

    def measured(name: str) -> Callable[[Array], Array]:
        def value(sums: Array) -> Array:
            table = sums.reshape(*sums.shape[:-1], c, c)
            hits, true, said = np.diagonal(table, axis1=-2, axis2=-1), table.sum(-1), table.sum(-2)
            recall = _ratio(hits, true)
            each = {
                "balanced_accuracy": recall.sum(-1) / (true > 0).sum(-1),
                "macro_precision": _ratio(hits, said).mean(-1),
                "macro_recall": recall.mean(-1),
                "macro_f1": _ratio(2 * hits, true + said).mean(-1),
            }
            return np.asarray(each[name])

        return value

    right = cells.reshape(len(cells), c, c).trace(axis1=1, axis2=2)
    found = {"accuracy": proportion(right, **sampling)}
    for name in ("balanced_accuracy", "macro_precision", "macro_recall", "macro_f1"):
        found[name] = over_items(cells, measured(name), **sampling)
    if positive is not None:
        is_true = np.array([x == positive for x in truth], dtype=bool)
        for name, rows in (("sensitivity", is_true), ("specificity", ~is_true)):
            found[name] = proportion(right[rows], **_subset(sampling, rows))
    return found


def _ratio(over: Array, under: Array) -> Array:
    return np.asarray(np.where(under > 0, over / np.where(under > 0, under, 1.0), 0.0))


def _subset(sampling: Sampling, rows: NDArray[np.bool_]) -> Sampling:
    """The options for some of the items."""
    clusters = sampling.get("clusters")
    if clusters is None:
        return sampling
    return {**sampling, "clusters": [c for c, there in zip(clusters, rows, strict=True) if there]}
