"""How good annotators are, and what is probably true, from their labels alone (Dawid and Skene
1979, Appl. Stat. 28:20).

An item has a true category c with probability prior_c; annotator a says k of it with probability
confusion_a[c, k], whatever the others say. With truths unknown both are fitted by expectation and
maximisation, from the shares of each item's labels on:

    T[i, c] ∝ prior_c Π_a confusion_a[c, said by a of i]
    confusion_a[c, k] ∝ Σ_i T[i, c] [a said k of i] + pseudo[c, k],   prior_c = mean_i T[i, c]

That annotators err independently of each other given the truth is an assumption. What all of them
get wrong alike counts as right.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from assay.errors import DataError
from assay.stats import Estimate
from assay.stats.intervals import Array, cluster_ids, resample_weights
from assay.stats.shares import score_ends, trials_worth

__all__ = ["DawidSkene", "dawid_skene", "pooled_posterior"]

LEAST: Final = 1e-12
"""Least probability of a confusion: what was never seen is not impossible."""
BLOCK: Final = 4_000_000
"""Most cells of soft labels held at once while resampling."""
PRIOR: Final = (4.0, 1.0)
"""Right and wrong labels that are believed beforehand, in `pooled_posterior`."""


@dataclass(frozen=True)
class DawidSkene:
    """What a fit says."""

    soft_I_C: Array
    """P(category | labels) per item; the prior of items without a label."""
    prior_C: Array
    confusion_A_C_C: Array
    """Per annotator P(said | true), rows the truth."""
    accuracy: tuple[Estimate, ...]
    """Per annotator, expected share of right labels among those given; n is their number. Absent
    where it is not identified."""
    log_likelihood: float
    """Of all labels, in nats, without the pseudo-counts."""
    iterations: int
    converged: bool
    caveats: tuple[str, ...]
    """Why it must not be taken for what it seems; empty = nothing known against it."""


@dataclass(frozen=True)
class _Parts:
    """R fits side by side. Labels: (I, A C) ones where annotator a said k of item i."""

    soft_I_R_C: Array
    prior_R_C: Array
    confusion_AC_R_C: Array
    likelihood_R: Array


def dawid_skene(
    codes: ArrayLike,
    categories: int,
    *,
    known: ArrayLike | None = None,
    smoothing: float = 0.0,
    tolerance: float = 1e-6,
    most: int = 1000,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> DawidSkene:
    """Fit annotators and truths to labels.

    codes: (items, annotators) places of categories, -1 = no label. known: (items,) true category
    of some items, -1 of the others. smoothing: pseudo-count of every cell of a confusion matrix (a
    Dirichlet prior); 0 = maximum likelihood. tolerance: change of the log-likelihood per item at
    which it is done. clusters: one id per item, such as its prompt, which are resampled together.

    The 95 % interval of an accuracy is the score interval of as many labels as its bootstrap error
    over clusters is worth, no more than were given (`stats.shares.score_ends`); resamples=0 leaves
    it out. Categories change names freely in this likelihood; those names are kept under which most
    labels are right, and a fit that wanted others says so. Raises `DataError` for codes that are no
    categories.
    """
    said = np.asarray(codes, dtype=np.intp)
    truth = np.full(len(said), -1) if known is None else np.asarray(known, dtype=np.intp)
    if said.ndim != 2 or categories < 2 or truth.shape != said.shape[:1]:
        raise DataError(f"labels are (items, annotators) places among 2 categories or more, got"
                        f" shape {said.shape} and {categories} categories")  # fmt: skip
    if (said >= categories).any() or (said < -1).any() or (truth >= categories).any():
        raise DataError(f"a label is none of {categories} categories: places are 0 to"
                        f" {categories - 1}, and -1 for none")  # fmt: skip
    labels = _labels(said, categories)
    pseudo = np.full((categories, categories), float(smoothing))
    start = _majority(labels, categories, truth)
    ones = np.ones((len(said), 1))
    fit, iterations, converged = _em(labels, start[:, None], ones, pseudo, tolerance, most, truth)
    fit, renamed = _named(labels, fit, truth)
    absent, caveats = _identified(said, truth)
    if renamed:
        caveats.append("the most probable fit names categories otherwise than most labels do; they"
                       " were named back, and the labels fit the model badly")  # fmt: skip
    if not converged:
        caveats.append(f"it has not converged after {iterations} iterations")
    draws_R_A = np.empty((0, said.shape[1]))
    if resamples:
        draws_R_A = _draws(labels, fit, pseudo, (tolerance, most), truth, clusters, resamples, seed)
    right_A, given_A = _right(labels, fit.soft_I_R_C, ones)[0], (said >= 0).sum(axis=0)
    return DawidSkene(
        soft_I_C=fit.soft_I_R_C[:, 0],
        prior_C=fit.prior_R_C[0],
        confusion_A_C_C=_confusion(fit.confusion_AC_R_C[:, 0], categories),
        accuracy=tuple(
            _accuracy(float(right_A[a]), int(given_A[a]), draws_R_A[:, a], a in absent)
            for a in range(said.shape[1])
        ),
        log_likelihood=float(fit.likelihood_R[0]),
        iterations=iterations,
        converged=converged,
        caveats=tuple(caveats),
    )


def pooled_posterior(counts_I_C: Array, *, most: int = 50) -> tuple[Array, Array]:
    """Return P(category | labels) of items (I, C), and P(said | true) of anybody's next label.

    counts_I_C: how many labels of each category an item has. All annotators are right alike often,
    whatever is true, and err evenly: with few labels no more can be told, and items that labels are
    split on stay open. They are believed to be right in four of five labels beforehand.
    """
    size = counts_I_C.shape[1]
    n_I_1 = counts_I_C.sum(axis=1, keepdims=True)
    right, prior_C = PRIOR[0] / sum(PRIOR), np.full(size, 1 / size)
    soft_I_C = np.empty_like(counts_I_C)
    for _ in range(most):
        other = (1 - right) / (size - 1)
        log_I_C = counts_I_C * np.log(right) + (n_I_1 - counts_I_C) * np.log(other)
        joint = np.exp(log_I_C - log_I_C.max(axis=1, keepdims=True)) * prior_C
        soft_I_C = joint / joint.sum(axis=1, keepdims=True)
        prior_C = (soft_I_C.sum(axis=0) + 1) / (len(counts_I_C) + size)
        before, total = right, n_I_1.sum() + sum(PRIOR)
        right = float(((soft_I_C * counts_I_C).sum() + PRIOR[0]) / total)
        if abs(right - before) < 1e-6:
            break
    confusion = np.full((size, size), (1 - right) / (size - 1))
    np.fill_diagonal(confusion, right)
    return soft_I_C, confusion


def _labels(said_I_A: NDArray[np.intp], categories: int) -> csr_array:
    i, a = np.nonzero(said_I_A >= 0)
    columns = a * categories + said_I_A[i, a]
    shape = (len(said_I_A), said_I_A.shape[1] * categories)
    return csr_array((np.ones(len(i)), (i, columns)), shape=shape)


def _majority(labels: csr_array, categories: int, truth: NDArray[np.intp]) -> Array:
    """Shares of each item's labels, (I, C); of an item without one, those of all."""
    to_category = np.tile(np.eye(categories), (labels.shape[1] // categories, 1))
    counts = np.asarray(labels @ to_category)
    n = counts.sum(axis=1, keepdims=True)
    overall = (counts.sum(axis=0) + 1 / categories) / (counts.sum() + 1)
    return _settled(np.where(n > 0, counts / np.maximum(n, 1), overall), truth)


def _settled(soft: Array, truth: NDArray[np.intp]) -> Array:
    """Soft labels (I, ..., C) with the known ones put in."""
    there = np.flatnonzero(truth >= 0)
    soft[there] = 0.0
    soft[there, ..., truth[there]] = 1.0
    return soft


def _em(
    labels: csr_array, soft_I_R_C: Array, weights_I_R: Array, pseudo_C_C: Array,
    tolerance: float, most: int, truth: NDArray[np.intp],
) -> tuple[_Parts, int, bool]:  # fmt: skip
    """Fit from soft labels on, items weighted, until no likelihood changes."""
    before, parts = np.full(weights_I_R.shape[1], -np.inf), None
    items = np.maximum(weights_I_R.sum(axis=0), 1.0)
    for step in range(1, most + 1):
        parts = _step(labels, soft_I_R_C, weights_I_R, pseudo_C_C, truth)
        soft_I_R_C = parts.soft_I_R_C
        if (np.abs(parts.likelihood_R - before) <= tolerance * items).all():
            return parts, step, True
        before = parts.likelihood_R
    if parts is None:
        raise DataError(f"most is {most}; give one iteration or more")
    return parts, most, False


def _step(
    labels: csr_array, soft_I_R_C: Array, weights_I_R: Array, pseudo_C_C: Array,
    truth: NDArray[np.intp],
) -> _Parts:  # fmt: skip
    """One maximisation, then one expectation."""
    items, fits, c = soft_I_R_C.shape
    weighted = soft_I_R_C * weights_I_R[..., None]
    prior_R_C = weighted.sum(axis=0) / np.maximum(weights_I_R.sum(axis=0), LEAST)[:, None]
    counts = np.asarray(labels.T @ weighted.reshape(items, fits * c)).reshape(-1, c, fits, c)
    # Axes: annotator, said, fit, true; the pseudo-counts are true by said.
    counts = counts + pseudo_C_C.T[None, :, None, :]
    total = counts.sum(axis=1, keepdims=True)
    confusion = np.where(total > 0, counts / np.where(total > 0, total, 1.0), 1 / c)
    confusion = confusion.reshape(-1, fits, c)
    logs = np.log(np.maximum(confusion, LEAST)).reshape(-1, fits * c)
    joint = np.asarray(labels @ logs).reshape(items, fits, c) + np.log(np.maximum(prior_R_C, LEAST))
    there = np.flatnonzero(truth >= 0)
    mine = joint[there, :, truth[there]]
    highest = joint.max(axis=-1, keepdims=True)
    soft = np.exp(joint - highest)
    total_I_R = soft.sum(axis=-1)
    likelihood_I_R = highest[..., 0] + np.log(total_I_R)
    likelihood_I_R[there] = mine
    soft = _settled(soft / total_I_R[..., None], truth)
    return _Parts(soft, prior_R_C, confusion, (likelihood_I_R * weights_I_R).sum(axis=0))


def _confusion(confusion_AC_C: Array, categories: int) -> Array:
    """(A, true, said)."""
    return confusion_AC_C.reshape(-1, categories, categories).transpose(0, 2, 1)


def _named(labels: csr_array, fit: _Parts, truth: NDArray[np.intp]) -> tuple[_Parts, bool]:
    """Name categories so that as many labels as possible are right."""
    c = fit.prior_R_C.shape[1]
    if (truth >= 0).any():
        return fit, False
    by_label = np.asarray(labels.T @ fit.soft_I_R_C[:, 0]).reshape(-1, c, c).sum(axis=0)
    said, true = linear_sum_assignment(by_label, maximize=True)
    if by_label[said, true].sum() <= by_label.trace() * (1 + 1e-9):
        return fit, False
    return _Parts(
        fit.soft_I_R_C[..., true], fit.prior_R_C[:, true], fit.confusion_AC_R_C[..., true],
        fit.likelihood_R,
    ), True  # fmt: skip


def _right(labels: csr_array, soft_I_R_C: Array, weights_I_R: Array) -> Array:
    """Expected share of right labels of each annotator, (R, A); NaN without any."""
    items, fits, c = soft_I_R_C.shape
    weighted = (soft_I_R_C * weights_I_R[..., None]).reshape(items, -1)
    by_label = np.asarray(labels.T @ weighted).reshape(-1, c, fits, c)
    right = np.einsum("akrk->ra", by_label)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(right / by_label.sum(axis=(1, 3)).T)


def _draws(
    labels: csr_array, fit: _Parts, pseudo: Array, stop: tuple[float, int],
    truth: NDArray[np.intp], clusters: Sequence[Hashable] | NDArray[Any] | None,
    resamples: int, seed: int,
) -> Array:  # fmt: skip
    """Accuracies (R, A) of fits to resampled clusters, each from the whole fit on."""
    ids, k = cluster_ids(clusters, labels.shape[0])
    width = max(1, BLOCK // max(labels.shape[0] * fit.prior_R_C.shape[1], 1))
    found = []
    for weights_R_K in resample_weights(k, resamples, seed):
        for start in range(0, len(weights_R_K), width):
            weights_I_R = weights_R_K[start : start + width][:, ids].T
            soft = np.repeat(fit.soft_I_R_C, weights_I_R.shape[1], axis=1)
            parts, *_ = _em(labels, soft, weights_I_R, pseudo, stop[0] * 10, stop[1], truth)
            found.append(_right(labels, parts.soft_I_R_C, weights_I_R))
    return np.concatenate(found)


def _accuracy(value: float, n: int, draws: Array, absent: bool) -> Estimate:
    nan = float("nan")
    if absent or not n:
        return Estimate(value=nan, low=nan, high=nan, n=n)
    value = min(1.0, max(0.0, value))
    drawn = draws[~np.isnan(draws)]
    if len(drawn) < 2:
        return Estimate(value=value, low=nan, high=nan, n=n)
    # Labels known to be right or wrong say no less than ones that are probably so; at 1 the
    # variance of a label is that of a share one right and one wrong label further in.
    inner = (n * value + 1) / (n + 2)
    trials = min(float(n), trials_worth(inner, float(drawn.std(ddof=1))))
    low, high = score_ends(value, max(trials, 1.0), 0.95)
    return Estimate(value=value, low=low, high=high, n=n)


def _identified(said: NDArray[np.intp], truth: NDArray[np.intp]) -> tuple[set[int], list[str]]:
    """Annotators whose accuracy the labels do not determine, and why.

    Two annotators agree alike whichever of them is right. Three who label the same items tell, and
    so do known truths.
    """
    there = said >= 0
    checked = there[truth >= 0].any(axis=0)
    labelling = there.any(axis=0)
    shared = there.T.astype(np.int64) @ there.astype(np.int64)
    _, part = connected_components(csr_array(shared > 0), directed=False)
    sizes = np.bincount(part[labelling], minlength=part.max(initial=-1) + 1)
    absent = {int(a) for a in np.flatnonzero(labelling & (sizes[part] < 3) & ~checked)}
    caveats: list[str] = []
    alone = sum(sizes[part[a]] == 1 for a in absent)
    if absent and len(absent) == alone == int(labelling.sum()):
        caveats.append("no two annotators labelled the same item, so nothing says who is right")
    elif absent:
        caveats.append(f"accuracies of {len(absent)} annotators are not identified: they share"
                       " items with fewer than two others, and have no gold items")  # fmt: skip
    parts = int((sizes > 0).sum())
    if parts > 1 and alone < int(labelling.sum()):
        caveats.append(f"annotators fall into {parts} sets that share no item; accuracies of two"
                       " sets rest on nothing that both saw")  # fmt: skip
    triple = (there.sum(axis=1) >= 3).any() or checked.any()
    if len(absent) < int(labelling.sum()) and not triple:
        caveats.append("no item has three labels: a confusion matrix is told from pairs of"
                       " annotators only, which need not determine it")  # fmt: skip
    return absent, caveats
