"""Majority and weighted majority for every n up to N, from one pool of N responses a prompt.

Unlike best of n, a vote of n has no short closed form, so subsets of size n are drawn: each draw
orders a prompt's pool at random, and its first n are the subset for every n. At n = 1 and at n = N
there is nothing to draw and the value is exact. Ties between answers are settled in expectation:
the mean over the tied answers.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.best_of_n import CurvePoint, curve
from assay.stats.intervals import Array

__all__ = ["majority_curve", "weighted_majority_curve"]


def majority_curve(
    answers: Sequence[Sequence[Hashable | None]],
    correct: ArrayLike,
    ns: Sequence[int],
    *,
    draws: int = 100,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> list[CurvePoint]:
    """Expected accuracy of the most frequent answer among n, also called self-consistency
    (arXiv:2203.11171).

    answers: (P, N) keys, equal where the answers are; None casts no vote, and where nobody votes
    nothing is right.
    correct: (P, N) in [0, 1], NaN where a short pool is padded. The interval is bootstrapped by
    prompt; a prompt with fewer than n responses is left out at n. `draws` subsets are taken for
    each prompt and n.
    """
    y = np.asarray(correct, dtype=np.float64)
    expected = _votes(answers, y, np.where(np.isnan(y), np.nan, 1.0), ns, draws, seed)
    return curve(expected, ns, resamples=resamples, seed=seed, confidence=confidence)


def weighted_majority_curve(
    answers: Sequence[Sequence[Hashable | None]],
    correct: ArrayLike,
    scores: ArrayLike,
    ns: Sequence[int],
    *,
    draws: int = 100,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> list[CurvePoint]:
    """Like `majority_curve`, each vote weighing its score (arXiv:2206.02336).

    scores: (P, N), nonnegative, best probabilities; NaN is an unscored response, which leaves the
    pool and is counted. Raises `DataError` for negative scores: sums of logits are not votes.
    """
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if (x < 0).any():
        raise DataError("weighted votes need nonnegative scores; take the sigmoid of logits")
    unscored = int((np.isnan(x) & ~np.isnan(y)).sum())
    expected = _votes(answers, y, x, ns, draws, seed)
    return curve(
        expected, ns, resamples=resamples, seed=seed, confidence=confidence, unscored=unscored
    )


def _votes(
    answers: Sequence[Sequence[Hashable | None]],
    y: Array,
    x: Array,
    ns: Sequence[int],
    draws: int,
    seed: int,
) -> Array:
    """Expected accuracy (P, len(ns)) of votes weighing x."""
    if y.ndim != 2 or x.shape != y.shape or len(answers) != len(y):
        raise DataError(
            f"answers ({len(answers)} prompts), correct {y.shape} and scores {x.shape} must agree"
        )
    if any(n < 1 for n in ns):
        raise DataError(f"a vote of {min(ns)}: n must be at least 1")
    there = ~(np.isnan(x) | np.isnan(y))
    code = _codes(answers, y.shape)
    right = _rightness(code, np.where(there, y, 0.0), there)
    pool = there.sum(axis=1)
    expected = (
        np.stack([np.where(pool >= n, 0.0, np.nan) for n in ns], axis=1)
        if len(ns)
        else np.empty((len(y), 0))
    )
    sampled = [j for j, n in enumerate(ns) if n > 1]
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        # Responses that are not there come last, beyond every n that has a value.
        order = np.argsort(np.where(there, rng.random(y.shape), 2.0), axis=1)
        weights = np.take_along_axis(np.where(there, x, 0.0), order, axis=1)
        ballots = np.take_along_axis(np.where(there, code, -1), order, axis=1)
        for j in sampled:
            expected[:, j] += _winner(ballots[:, : ns[j]], weights[:, : ns[j]], right)
    expected[:, sampled] /= draws
    alone = np.where(
        there & (code >= 0), np.take_along_axis(right, np.maximum(code, 0), axis=1), 0.0
    ).sum(axis=1)
    for j, n in enumerate(ns):
        if n == 1:
            expected[pool > 0, j] = alone[pool > 0] / pool[pool > 0]
    return expected


def _winner(ballots: NDArray[np.intp], weights: Array, right: Array) -> Array:
    """Accuracy (P,) of the answer with the largest sum of weights; the mean over tied answers, 0
    without a vote."""
    cell = (ballots + np.arange(len(ballots))[:, None] * right.shape[1])[ballots >= 0]
    total = np.bincount(cell, weights=weights[ballots >= 0], minlength=right.size).reshape(
        right.shape
    )
    voted = np.bincount(cell, minlength=right.size).reshape(right.shape) > 0
    # Sums in another order differ in the last digits; that is no reason to break a tie.
    top = np.where(voted, total, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    winners = voted & (total >= top * (1 - 1e-9))
    return np.asarray(
        (right * winners).sum(axis=1) / np.maximum(winners.sum(axis=1), 1), dtype=np.float64
    )


def _codes(
    answers: Sequence[Sequence[Hashable | None]], shape: tuple[int, ...]
) -> NDArray[np.intp]:
    """Answers as integers 0.. within each prompt, (P, N); -1 for none."""
    code = np.full(shape, -1, dtype=np.intp)
    for row, given in zip(code, answers, strict=True):
        seen: dict[Hashable, int] = {}
        for i, answer in enumerate(given):
            row[i] = -1 if answer is None else seen.setdefault(answer, len(seen))
    return code


def _rightness(code: NDArray[np.intp], y: Array, there: NDArray[np.bool_]) -> Array:
    """Correctness of each answer, (P, answers): the mean of `correct` over the responses that give
    it."""
    width = max(1, int(code.max(initial=-1)) + 1)
    voting = there & (code >= 0)
    cell = (code + np.arange(len(code))[:, None] * width)[voting]
    sums = np.bincount(cell, weights=y[voting], minlength=len(code) * width)
    counts = np.bincount(cell, minlength=len(code) * width)
    return np.asarray((sums / np.maximum(counts, 1)).reshape(len(code), width), dtype=np.float64)
