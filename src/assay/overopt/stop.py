"""When to stop: the largest KL at which gold is not seen to be worse than before.

Noise alone stops nothing: where gold is not surely lower beyond a point, the advice is that nothing
says to stop there.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from assay.errors import ConfigError, DataError
from assay.overopt import words
from assay.overopt._resample import Array, equal
from assay.overopt.falls import Errors, Fall, errors_of_estimates, errors_of_units, largest_fall
from assay.stats import Estimate
from assay.stats.numbers import number

__all__ = ["Stop", "recommend_stop"]

MOST: Final = 100_000
"""Prompts, runs or gold labels beyond which more of them are no advice."""
POWER: Final = 0.5
"""Standard errors beyond the critical value that make a test succeed in seven cases of ten."""
LEAN: Final = 0.5
"""Standard errors by which a loss must exceed epsilon before a point is passed over where no fall
is sure."""
HANDFUL: Final = 50
"""Units below which Student's quantile takes the place of the normal one."""
REACHED: Final = 0.5
"""Share of the prompts that must have a value at a point for falls to be looked for there."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A recommended stop, and how sure it is."""

    index: int
    """Index of the point among those given: the last one that counts, unless gold is seen to be
    lower there."""
    kl: float
    """Nats."""
    n: float | None
    """n of best-of-n, where n was given."""
    gold: Estimate
    """Gold at the stop."""
    loss: Estimate
    """Best gold up to the stop less gold at it. Where prompts are known, paired over them."""
    epsilon: float
    """Gold that may be lost, in its units."""
    at_end: bool
    """True where the stop is the last point that counts."""
    fall: Fall | None = None
    """The fall of gold that the points show, those that do not count among them; None where the
    last one is highest."""
    settled: bool
    """True where the point after the stop is surely worse by more than epsilon, or there is none
    that counts."""
    more_prompts: int | None
    """Additional prompts (or runs) that would settle it, about; None where no reasonable number
    will."""
    more_labels: int | None
    """The same in gold labels."""
    rule: Literal["paired", "intervals"]
    """Source of the differences: paired over prompts, or each point's own interval."""
    words: str
    """The recommendation in plain words."""

    @property
    def sure(self) -> bool:
        """True where gold surely falls by some later point, so that harder selection is harmful and
        not only not seen to help."""
        return self.fall is not None and self.fall.sure


def recommend_stop(
    kl_K: ArrayLike,
    gold: ArrayLike | Sequence[Estimate],
    *,
    epsilon: float,
    n_K: ArrayLike | None = None,
    trusted: ArrayLike | None = None,
    names_K: Sequence[str] | None = None,
    shown_K: Sequence[Estimate] | None = None,
    labels_a_prompt: int = 1,
    unit: str = "prompts with gold",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Stop:
    """The largest KL whose gold is within epsilon of the best so far, where what follows is worse;
    else the last one.

    The loss at point k is max_{j <= k} m_j - m_k, m the means. Where gold surely falls somewhere
    (`falls`, over all pairs of points at once), the stop is the last point that counts whose loss
    is at most epsilon. Where it does not, a point is passed over only if its loss exceeds epsilon
    by more than one standard error of that difference, so that noise on a rising curve does not
    stop it.

    kl_K: (K,) nats, in any order. gold: (P, K) per prompt or run, differences then being paired
    over them; or K `Estimate`s, as a run of reinforcement learning gives, taken as independent.
    epsilon: in units of gold, what may be lost. trusted: (K,), points that count as a stop; falls
    are looked for at the others, too. names_K: what the points are called in words; None = by n and
    KL. shown_K: estimates of gold that words should show, such as those of a table; None = over the
    prompts used here. labels_a_prompt: gold labels that one more prompt costs, such as the pool's
    size. unit: what the rows of (P, K) are, in words.

    Prompts without a value at some point that counts are left out. Raises `DataError` where nothing
    is left.
    """
    if not (epsilon >= 0 and math.isfinite(epsilon)):
        raise ConfigError(f"epsilon is {epsilon}; it must be a number from 0 on, in units of gold")
    kl = np.asarray(kl_K, dtype=np.float64)
    keep = np.ones(len(kl), dtype=bool) if trusted is None else np.asarray(trusted, dtype=bool)
    if kl.ndim != 1 or keep.shape != kl.shape or np.isnan(kl).any() or (kl < 0).any():
        raise DataError("KLs must be one list of numbers from 0 on, and trusted one flag each")
    ns = None if n_K is None else np.asarray(n_K, dtype=np.float64)
    if ns is not None and ns.shape != kl.shape:
        raise DataError(f"{ns.shape} n for {kl.shape} points; give one each")
    if not keep.any():
        raise DataError(
            "no point of the curve is trusted; measure at smaller n or with larger pools"
        )
    how: dict[str, float] = {"resamples": resamples, "seed": seed, "confidence": confidence}
    if isinstance(gold, Sequence) and (estimates := [g for g in gold if isinstance(g, Estimate)]):
        curve = _of_estimates(estimates, kl, keep)
        fall = _fall(curve, keep, how)
    else:
        y = np.asarray(gold, dtype=np.float64)
        curve = _of_units(y, kl, keep)
        fall = _fall(_reached(y, kl, keep) or curve, keep, how)
    names = (
        [_name(kl[k], None if ns is None else ns[k]) for k in range(len(kl))]
        if names_K is None
        else names_K
    )
    if len(names) != len(kl) or (shown_K is not None and len(shown_K) != len(kl)):
        raise DataError(f"{len(kl)} points need {len(kl)} names and estimates to show")
    return _stop(curve, fall, epsilon, kl, ns, names, shown_K, labels_a_prompt, unit, how)


@dataclass(frozen=True)
class _Measured:
    """A curve in ascending order of KL."""

    order: NDArray[np.intp]
    """Indices of its points among those given."""
    mean_K: Array
    errors: Errors
    rule: Literal["paired", "intervals"]


def _of_units(y: Array, kl: Array, keep: NDArray[np.bool_]) -> _Measured:
    if y.ndim != 2 or y.shape[1] != len(kl):
        raise DataError(f"gold {y.shape} must be (prompts, {len(kl)}) or one Estimate per point")
    order = np.flatnonzero(keep)[np.argsort(kl[keep], kind="stable")]
    y = y[:, order]
    y = y[~np.isnan(y).any(axis=1)]
    if len(y) < 2:
        raise DataError(
            f"{len(y)} prompts have gold at every point that counts; two or more are needed for an"
            " interval, or give an Estimate per point"
        )
    return _Measured(order, y.mean(axis=0), errors_of_units(y), "paired")


def _reached(y: Array, kl: Array, keep: NDArray[np.bool_]) -> _Measured | None:
    """All points that enough prompts reach, over the prompts that reach them all; None where those
    are too few."""
    there = ~np.isnan(y)
    points = keep | (there.sum(axis=0) >= REACHED * there.any(axis=1).sum())
    rows = there[:, points].all(axis=1)
    return _of_units(y, kl, points) if rows.sum() >= 2 else None


def _of_estimates(gold: list[Estimate], kl: Array, keep: NDArray[np.bool_]) -> _Measured:
    if len(gold) != len(kl):
        raise DataError(f"{len(gold)} estimates for {len(kl)} points; give one each")
    order = np.flatnonzero(keep)[np.argsort(kl[keep], kind="stable")]
    kept = [gold[i] for i in order]
    if any(
        not (math.isfinite(g.value) and math.isfinite(g.low) and math.isfinite(g.high))
        for g in kept
    ):
        raise DataError(
            "a point that counts has no value or no interval; leave it out with `trusted`"
        )
    errors = np.array([(g.high - g.low) / 2 / float(ndtri(0.975)) for g in kept])
    return _Measured(
        order,
        np.array([g.value for g in kept]),
        errors_of_estimates(errors, min(g.n for g in kept)),
        "intervals",
    )


def _fall(curve: _Measured, keep: NDArray[np.bool_], how: dict[str, float]) -> Fall | None:
    """The fall that a curve shows, by the indices of the points that were given; first among those
    that count."""
    result = largest_fall(curve.mean_K, curve.errors, first_K=keep[curve.order], **how)  # type: ignore[arg-type]
    if result is None:
        return None
    return Fall(
        start=int(curve.order[result.start]), end=int(curve.order[result.end]), loss=result.loss
    )


def _stop(
    curve: _Measured,
    fall: Fall | None,
    epsilon: float,
    kl: Array,
    ns: Array | None,
    names: Sequence[str],
    shown: Sequence[Estimate] | None,
    labels_a_prompt: int,
    unit: str,
    how: dict[str, float],
) -> Stop:
    mean_K, order = curve.mean_K, curve.order
    lost_K = np.maximum.accumulate(mean_K) - mean_K
    best_K = np.array([int(np.argmax(mean_K[: k + 1])) for k in range(len(mean_K))])
    error_K = curve.errors.of_differences()[best_K, np.arange(len(mean_K))]
    sure = fall is not None and fall.sure
    # Rounding must not refuse a loss of exactly epsilon.
    slack = 1e-12 * max(1.0, float(np.abs(mean_K).max()))
    fine = lost_K - (0.0 if sure else LEAN * error_K) <= epsilon + slack
    at, last = int(np.flatnonzero(fine)[-1]), len(mean_K) - 1
    moved_R_K = mean_K + curve.errors.draws(int(how["resamples"]), int(how["seed"]))
    lost_R_K = np.maximum.accumulate(moved_R_K, axis=1) - moved_R_K

    def estimated(value: Array, draws: Array, k: int) -> Estimate:
        low, high = np.quantile(
            draws[:, k], [(1 - how["confidence"]) / 2, (1 + how["confidence"]) / 2]
        ).tolist()
        if equal(draws[:, k]) and high != 0 and not math.isinf(curve.errors.freedom):
            low = high = math.nan
        return Estimate(value=float(value[k]), low=low, high=high, n=curve.errors.units)

    loss = estimated(lost_K, lost_R_K, at)
    after = None if at == last else estimated(lost_K, lost_R_K, at + 1)
    settled = bool(after is None or (sure and after.low > epsilon))
    more = (
        0
        if settled
        else _more(float(lost_K[at + 1]) - epsilon, float(error_K[at + 1]), curve.errors.units, how)
    )
    labels = None if more is None or more * labels_a_prompt > MOST else more * labels_a_prompt
    gold = estimated(mean_K, moved_R_K, at) if shown is None else shown[order[at]]
    made = Stop(
        index=int(order[at]),
        kl=float(kl[order[at]]),
        n=None if ns is None else float(ns[order[at]]),
        gold=gold,
        loss=loss,
        epsilon=epsilon,
        at_end=at == last,
        fall=fall,
        settled=settled,
        more_prompts=None if labels is None else more,
        more_labels=labels,
        rule=curve.rule,
        words="",
    )
    following = None if after is None else (names[order[at + 1]], after)
    return dataclasses.replace(made, words=words.stop_words(made, names, following, unit))


def _more(gap: float, error: float, units: int, how: dict[str, float]) -> int | None:
    """Units beyond those there are until a difference that exceeds epsilon by `gap` is seen to, in
    seven cases of ten.

    units' = units ((z + power) error / gap)^2, z the normal quantile or, of a handful, Student's;
    None beyond reach.
    """
    if not gap > 0 or not error > 0:
        return None
    tail = (1 + how["confidence"]) / 2
    needed = units * ((float(ndtri(tail)) + POWER) * error / gap) ** 2
    if needed < HANDFUL:
        # The quantile depends on how many there will be.
        for count in range(units + 1, units + 2 * HANDFUL):
            needed = count
            if (float(stdtrit(count - 1, tail)) + POWER) * error * math.sqrt(units / count) <= gap:
                break
    return max(2, math.ceil(needed) - units) if needed < MOST else None


def _name(kl: float, n: float | None) -> str:
    return f"KL {number(kl)} nats" if n is None else f"n = {n:,.0f} (KL {number(kl)} nats)"
