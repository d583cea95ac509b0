"""AlpacaEval: win rate against one baseline, as it is and controlled for length.

y_i = P(the model's answer is better than the baseline's), of one instruction each, in percent where
AlpacaEval prints it (arXiv:2404.04475).

logit P(y_i = 1) = w_L tanh((len_b - len_m) / sd) + w_D gamma_i + w_0

sd is the standard deviation (ddof 1) of len_b - len_m, in characters, and gamma_i the difficulty of
the instruction. What is minimised is the cross-entropy with y, and lambda / 2 times that of
two gamed baselines (a verbose and a concise one), which have the same w_L and w_D and no w_0:
without it w_L is free to explain a model that games length. The length-controlled win rate is the
mean of sigmoid(w_D gamma_i + w_0). AlpacaEval fits it with an l1 penalty chosen by cross-validation
(differences up to 0.11 points); here it is the maximum itself, by Newton.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from assay import stats
from assay.arena.layouts.alpaca_eval import preference_of
from assay.errors import DataError
from assay.stats import Estimate
from assay.stats.intervals import Array, student_quantile

__all__ = [
    "Gamed",
    "LengthControlled",
    "WinRate",
    "between",
    "columns",
    "length_balanced",
    "length_controlled",
    "win_rate",
]

LAMBDA: Final = 0.2
STEPS: Final = 100
FURTHEST: Final = 15.0
"""Log-odds that no finite fit reaches."""


@dataclass(frozen=True, kw_only=True)
class WinRate:
    """A model's line of the leaderboard."""

    win_rate: Estimate
    """Percent."""
    standard_error: float
    """100 sd / sqrt(n), as AlpacaEval prints it."""
    n_wins: int
    """Preferences above 1/2."""
    n_wins_base: int
    n_draws: int
    discrete_win_rate: float
    """Percent of preferences rounded to a win, a draw or a loss."""


def columns(rows: Iterable[Mapping[str, Any]]) -> tuple[Array, Array, list[str]]:
    """Return preferences, length differences (baseline less model) and instructions of
    annotations, whose second output is the model's."""
    every = list(rows)
    lengths = [len(row.get("output_1") or "") - len(row.get("output_2") or "") for row in every]
    return (
        np.array([preference_of(row) for row in every]),
        np.array(lengths, dtype=np.float64),
        [str(row.get("instruction", i)) for i, row in enumerate(every)],
    )


def win_rate(preference: ArrayLike) -> WinRate:
    """Return the win rate of preferences (n,), NaN where nobody decided."""
    y, unscored = _known(preference)
    found = stats.proportion(y, unscored=unscored)
    wins, draws = int((y > 0.5).sum()), int((y == 0.5).sum())
    return WinRate(
        win_rate=_percent(found),
        standard_error=float(100 * y.std(ddof=1) / np.sqrt(len(y))) if len(y) > 1 else np.nan,
        n_wins=wins,
        n_wins_base=len(y) - wins - draws,
        n_draws=draws,
        discrete_win_rate=100 * (wins + draws / 2) / len(y),
    )


def length_balanced(preference: ArrayLike, delta: ArrayLike) -> float:
    """Return the mean of the win rates where the model's answer is the shorter and the longer, in
    percent; delta: length of the baseline's answer less the model's."""
    y, d = np.asarray(preference, dtype=np.float64), np.asarray(delta, dtype=np.float64)
    there = ~np.isnan(y)
    shorter, longer = there & (d > 0), there & (d < 0)
    if not (shorter.any() and longer.any()):
        return float("nan")
    return float(50 * (y[shorter].mean() + y[longer].mean()))


@dataclass(frozen=True, kw_only=True, eq=False)
class Gamed:
    """Preferences of answers that game length against the baseline's own, which regularise."""

    preference: Array
    """(m,)"""
    delta: Array
    """Standardised difference of length, (m,)."""
    difficulty: Array
    """(m,)"""


@dataclass(frozen=True, kw_only=True)
class LengthControlled:
    """A length-controlled win rate and the weights behind it."""

    win_rate: Estimate
    """Percent; its interval holds the weights' error, by instruction."""
    standard_error: float
    """100 sd / sqrt(n) of what is predicted: AlpacaEval's, to which the weights are certain."""
    length: float
    """w_L."""
    difficulty: float
    """w_D."""
    model: float
    """w_0."""
    warning: str
    """Why the number may be a failure of the fit; "" where it is near the plain one."""


def length_controlled(
    preference: ArrayLike,
    delta: ArrayLike,
    difficulty: ArrayLike | None = None,
    *,
    gamed: Gamed | None = None,
    strength: float = LAMBDA,
) -> LengthControlled:
    """Return the win rate as it would be at equal lengths.

    preference, delta: (n,), NaN preferences left out; delta in characters, baseline less model.
    difficulty: gamma (n,); None is without. gamed: rows that regularise (the public ones are not
    part of this library); without them a model that games length is overrated. strength: lambda.
    Raises `DataError` where there is no finite fit.
    """
    y, unscored = _known(preference)
    there = ~np.isnan(np.asarray(preference, dtype=np.float64))
    d = np.asarray(delta, dtype=np.float64)[there]
    gamma = np.zeros(len(y)) if difficulty is None else np.asarray(difficulty, float)[there]
    spread = d.std(ddof=1) if len(d) > 1 else 0.0
    if not spread > 0:
        raise DataError("the lengths never differ: take the plain win rate, there is nothing to do")
    x = np.column_stack([np.tanh(d / spread), gamma, np.ones(len(y))])
    w = np.ones(len(y))
    rows, target = x, y
    if gamed is not None:
        more = np.column_stack(
            [np.tanh(gamed.delta), gamed.difficulty, np.zeros(len(gamed.preference))]
        )
        rows, target = np.concatenate([x, more]), np.concatenate([y, gamed.preference])
        w = np.concatenate([w, np.full(len(more), strength / 2)])
    used = (rows != 0).any(axis=0)
    beta, inverse = np.zeros(3), np.zeros((3, 3))
    beta[used], inverse[np.ix_(used, used)] = _logistic(rows[:, used], target, w)
    equal = x * [0.0, 1.0, 1.0]
    p = expit(equal @ beta)
    value = float(100 * p.mean())
    # What each instruction adds to the mean: its own prediction, and its pull on the weights.
    pull = (equal * (p * (1 - p))[:, None]).mean(axis=0) @ inverse
    each = p - p.mean() + len(y) * (x @ pull) * (y - expit(x @ beta))
    error = 100 * float(each.std(ddof=1)) / np.sqrt(len(y))
    half = student_quantile(len(y) - 1, 0.95) * error
    plain = float(100 * y.mean())
    return LengthControlled(
        win_rate=Estimate(
            value=value,
            low=float(max(0.0, value - half)),
            high=float(min(100.0, value + half)),
            n=len(y),
            unscored=unscored,
        ),
        standard_error=float(100 * p.std(ddof=1) / np.sqrt(len(y))),
        length=float(beta[0]),
        difficulty=float(beta[1]),
        model=float(beta[2]),
        warning=_warning(plain, value),
    )


def between(
    one: LengthControlled, other: LengthControlled, difficulty: ArrayLike | None = None
) -> float:
    """Return the length-controlled win rate of one model against another, in percent, from their
    weights against one baseline; difficulty as in the fits."""
    gamma = np.zeros(1) if difficulty is None else np.asarray(difficulty, dtype=np.float64)
    z = one.model - other.model + (one.difficulty - other.difficulty) * gamma
    return float(100 * expit(z).mean())


def _logistic(x: Array, y: Array, w: Array) -> tuple[Array, Array]:
    """Weights at the least cross-entropy with y in [0, 1], and the inverse of its curvature."""
    beta = np.zeros(x.shape[1])
    share = float(np.clip(np.average(y, weights=w), 1e-3, 1 - 1e-3))
    beta[-1] = logit(share)
    for _ in range(STEPS):
        p = expit(x @ beta)
        slope = x.T @ (w * (y - p))
        inverse = np.linalg.pinv((x * (w * p * (1 - p))[:, None]).T @ x, hermitian=True)
        if np.abs(slope).max() < 1e-9 * len(y):
            return beta, inverse
        step = inverse @ slope
        beta = beta + step / max(1.0, float(np.abs(step).max()))
        if np.abs(x @ beta).max() > FURTHEST:
            break
    raise DataError(
        "the length-controlled fit has no finite maximum: a difference of length separates all wins"
        " from all losses; give more instructions, or the gamed baselines (gamed=...)"
    )


def _warning(plain: float, controlled: float) -> str:
    """AlpacaEval's bounds on how far length may move a win rate."""
    low = min(plain - plain / 4, plain - 10)
    high = max(plain + (100 - plain) / 4, plain + 10)
    if low <= controlled <= high:
        return ""
    return (
        f"length control moves the win rate from {plain:.1f} to {controlled:.1f}, beyond"
        f" {low:.1f} to {high:.1f}: the fit may have failed, or the model games length"
    )


def _known(preference: ArrayLike) -> tuple[Array, int]:
    y = np.asarray(preference, dtype=np.float64)
    known = y[~np.isnan(y)]
    if not len(known):
        raise DataError("there is no preference; every row is without a verdict")
    if (known < 0).any() or (known > 1).any():
        raise DataError("preferences must be probabilities of the model's answer, from 0 to 1")
    return known, len(y) - len(known)


def _percent(share: Estimate) -> Estimate:
    value, low, high = (100 * x for x in (share.value, share.low, share.high))
    return Estimate(value=value, low=low, high=high, n=share.n, unscored=share.unscored)
