"""When to stop: the largest KL at which gold is not seen to be worse than before, and how hard to select.

`recommend_stop` reads a measured curve; `hedge_tune` finds the strength of selection with the highest expected gold
from a calibration set of (proxy, gold) pairs, after HedgeTune (arXiv:2506.19248).

Noise alone stops nothing: where gold is not surely lower beyond a point, the advice is that nothing says to stop there.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import gammaln, ndtri, stdtrit, xlogy
from scipy.stats import rankdata

from assay.errors import ConfigError, DataError
from assay.overopt._resample import Array, ends, grid, mean_estimate, pools, prompt_weights
from assay.overopt.falls import Errors, Fall, errors_of_estimates, errors_of_units, largest_fall
from assay.overopt.kl import TRUST, best_of_n_kl, best_of_poisson_kl
from assay.report.numbers import interval, number
from assay.stats import Estimate, best_of_n

__all__ = ["METHODS", "Hedge", "Method", "Stop", "hedge_tune", "recommend_stop"]

Method = Literal["best_of_n", "best_of_poisson", "tilt", "soft"]
METHODS: Final[tuple[Method, ...]] = ("best_of_n", "best_of_poisson", "tilt", "soft")

MOST: Final = 100_000
"""Prompts, runs or gold labels beyond which more of them are no advice."""
POWER: Final = 0.5
"""Standard errors beyond the critical value that make a test succeed in seven cases of ten."""
LEAN: Final = 0.5
"""Standard errors by which a loss must exceed epsilon before a point is passed over where no fall is sure."""
HANDFUL: Final = 50
"""Units below which Student's quantile takes the place of the normal one."""
REACHED: Final = 0.5
"""Share of the prompts that must have a value at a point for falls to be looked for there."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Where to stop, and how sure that is."""

    index: int
    """Index of the point among those given: the last one that counts, unless gold is seen to be lower there."""
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
    """Whether the stop is the last point that counts."""
    fall: Fall | None = None
    """The fall of gold that the points show, those that do not count among them; None where the last one is highest."""
    settled: bool
    """Whether the point after the stop is surely worse by more than epsilon, or there is none that counts."""
    more_prompts: int | None
    """About how many more prompts (or runs) would settle it; None where no reasonable number will."""
    more_labels: int | None
    """The same in gold labels."""
    rule: Literal["paired", "intervals"]
    """Whether differences were taken prompt by prompt, or only each point's own interval was known."""
    words: str
    """All that, for people."""

    @property
    def sure(self) -> bool:
        """Whether gold surely falls by some later point, so that harder selection is harmful and not only not seen to
        help."""
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
    """The largest KL whose gold is within epsilon of the best so far, where what follows is worse; else the last one.

    The loss at point k is max_{j <= k} m_j - m_k, m the means. Where gold surely falls somewhere (`falls`, over all
    pairs of points at once), the stop is the last point that counts whose loss is at most epsilon. Where it does not, a
    point is passed over only if its loss exceeds epsilon by more than one standard error of that difference, so that
    noise on a rising curve does not stop it.

    kl_K: (K,) nats, in any order. gold: (P, K) per prompt or run, differences then being paired over them; or K
    `Estimate`s, as a run of reinforcement learning gives, taken as independent. epsilon: in units of gold, what may be
    lost. trusted: (K,), points that count as a stop; falls are looked for at the others, too. names_K: what the points
    are called in words; None = by n and KL. shown_K: estimates of gold that words should show, such as those of a
    table; None = over the prompts used here. labels_a_prompt: gold labels that one more prompt costs, such as the
    pool's size. unit: what the rows of (P, K) are, in words.

    Prompts without a value at some point that counts are left out. Raises `DataError` where nothing is left.
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
        raise DataError("no point of the curve is trusted; measure at smaller n or with larger pools")
    how: dict[str, float] = {"resamples": resamples, "seed": seed, "confidence": confidence}
    if isinstance(gold, Sequence) and (estimates := [g for g in gold if isinstance(g, Estimate)]):
        curve = _of_estimates(estimates, kl, keep)
        fall = _fall(curve, how)
    else:
        y = np.asarray(gold, dtype=np.float64)
        curve = _of_units(y, kl, keep)
        fall = _fall(_reached(y, kl, keep) or curve, how)
    names = [_name(kl[k], None if ns is None else ns[k]) for k in range(len(kl))] if names_K is None else names_K
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
        raise DataError(f"gold {y.shape} must be (prompts, {len(kl)}) or one Estimate a point")
    order = np.flatnonzero(keep)[np.argsort(kl[keep], kind="stable")]
    y = y[:, order]
    y = y[~np.isnan(y).any(axis=1)]
    if len(y) < 2:
        raise DataError(
            f"{len(y)} prompts have gold at every point that counts; two or more are needed for an interval, or give "
            "an Estimate a point"
        )
    return _Measured(order, y.mean(axis=0), errors_of_units(y), "paired")


def _reached(y: Array, kl: Array, keep: NDArray[np.bool_]) -> _Measured | None:
    """All points that enough prompts reach, over the prompts that reach them all; None where those are too few."""
    there = ~np.isnan(y)
    points = keep | (there.sum(axis=0) >= REACHED * there.any(axis=1).sum())
    rows = there[:, points].all(axis=1)
    return _of_units(y, kl, points) if rows.sum() >= 2 else None


def _of_estimates(gold: list[Estimate], kl: Array, keep: NDArray[np.bool_]) -> _Measured:
    if len(gold) != len(kl):
        raise DataError(f"{len(gold)} estimates for {len(kl)} points; give one each")
    order = np.flatnonzero(keep)[np.argsort(kl[keep], kind="stable")]
    kept = [gold[i] for i in order]
    if any(not (math.isfinite(g.value) and math.isfinite(g.low) and math.isfinite(g.high)) for g in kept):
        raise DataError("a point that counts has no value or no interval; leave it out with `trusted`")
    errors = np.array([(g.high - g.low) / 2 / float(ndtri(0.975)) for g in kept])
    return _Measured(
        order, np.array([g.value for g in kept]), errors_of_estimates(errors, min(g.n for g in kept)), "intervals"
    )


def _fall(curve: _Measured, how: dict[str, float]) -> Fall | None:
    """The fall that a curve shows, by the indices of the points that were given."""
    found = largest_fall(curve.mean_K, curve.errors, **how)  # type: ignore[arg-type]
    if found is None:
        return None
    return Fall(start=int(curve.order[found.start]), end=int(curve.order[found.end]), loss=found.loss)


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

    def told(value: Array, draws: Array, k: int) -> Estimate:
        low, high = np.quantile(draws[:, k], [(1 - how["confidence"]) / 2, (1 + how["confidence"]) / 2]).tolist()
        if low == high and not curve.errors.enough:
            low = high = math.nan
        return Estimate(value=float(value[k]), low=low, high=high, n=curve.errors.units)

    loss = told(lost_K, lost_R_K, at)
    after = None if at == last else told(lost_K, lost_R_K, at + 1)
    settled = bool(after is None or (sure and after.low > epsilon))
    more = 0 if settled else _more(float(lost_K[at + 1]) - epsilon, float(error_K[at + 1]), curve.errors.units, how)
    labels = None if more is None or more * labels_a_prompt > MOST else more * labels_a_prompt
    gold = told(mean_K, moved_R_K, at) if shown is None else shown[order[at]]
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
    return dataclasses.replace(made, words=_words(made, names, following, unit))


def _more(gap: float, error: float, units: int, how: dict[str, float]) -> int | None:
    """Units beyond those there are until a difference that exceeds epsilon by `gap` is seen to, in seven cases of ten.

    units' = units ((z + power) error / gap)^2, z the normal quantile or, of a handful, Student's; None beyond reach.
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


def _words(stop: Stop, names: Sequence[str], following: tuple[str, Estimate] | None, unit: str) -> str:
    at = names[stop.index]
    gold = f"gold {number(stop.gold.value)} {interval(stop.gold)}"
    fallen = "" if stop.fall is None else _fallen(stop.fall, names)
    if following is None:
        if stop.fall is not None and (stop.sure or stop.fall.loss.value > stop.epsilon):
            return f"The last point that counts is {at}: {gold}. {fallen}."
        return f"Nothing says to stop up to {at}, the last point that counts: {gold}. Beyond it the data say nothing."
    name, after = following
    high = "" if not stop.loss.high > 0 else f", at most {number(stop.loss.high)} below the best so far"
    lost = f"the next point, {name}, loses {number(after.value)} {interval(after)} of the best so far"
    if math.isnan(after.low):
        return f"{_capital(lost)}; differences that do not vary over so few say nothing for certain. {fallen}."
    if stop.settled:
        return f"Stop at {at}: {gold}{high} (epsilon {number(stop.epsilon)}). {_capital(lost)}, surely more. {fallen}."
    more = _count(stop, unit if stop.rule == "paired" else "gold labels")
    if stop.sure:
        return f"Stop at {at}: {gold}{high} (epsilon {number(stop.epsilon)}). {fallen}. {_capital(lost)}: {more}."
    return f"Nothing says for certain to stop, but gold looks highest up to {at}: {gold}. {_capital(lost)}: {more}."


def _fallen(fall: Fall, names: Sequence[str]) -> str:
    lost = f"{number(fall.loss.value)} {interval(fall.loss)}"
    if fall.sure:
        return f"Gold surely falls from {names[fall.start]} to {names[fall.end]}, by {lost}"
    return f"Gold is lower at {names[fall.end]} than at {names[fall.start]}, by {lost}, which is not certain"


def _count(stop: Stop, unit: str) -> str:
    if stop.more_prompts is None or stop.more_labels is None:
        return f"too close to epsilon, {number(stop.epsilon)}, to be settled by more gold labels"
    cost = "" if stop.more_labels == stop.more_prompts else f" ({stop.more_labels:,} gold labels)"
    more = f"about {stop.more_prompts:,} more {unit}{cost} would settle it"
    return f"not certain to be more than epsilon, {number(stop.epsilon)}; {more}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@dataclass(frozen=True, kw_only=True)
class Hedge:
    """The strength of selection with the highest expected gold."""

    method: Method
    strength: Estimate
    """n, mu or lambda; see `hedge_tune`."""
    gold: Estimate
    """Expected gold at that strength; chosen and measured on the same prompts, so a little too high."""
    base: Estimate
    """Expected gold without selection."""
    gain: Estimate
    """The difference, paired over prompts."""
    kl: float
    """Nats from the sampling policy: by formula for best-of-n and best-of-Poisson, of the weights for the others."""
    most: float
    """The largest strength that was tried."""
    at_end: bool
    """Gold still rises at the largest strength: the data do not say where it turns."""

    @property
    def words(self) -> str:
        """What to do, for people."""
        name = {"best_of_n": "n", "best_of_poisson": "mu", "tilt": "lambda", "soft": "strength"}[self.method]
        s, g = self.strength, self.gain
        gain = f"gold {number(g.value, sign=True)} {interval(g, sign=True)} against no selection"
        if self.at_end:
            return f"{self.method}: gold still rises at {name} = {number(s.value)}, the strongest tried; {gain}"
        if g.value <= 0:
            return f"{self.method}: do not select by this proxy; every strength tried lowers gold"
        return f"{self.method}: {name} = {number(s.value)} {interval(s)}; {gain}"


def hedge_tune(
    proxy_P_N: ArrayLike,
    gold_P_N: ArrayLike,
    *,
    method: Method = "best_of_n",
    most: float | None = None,
    points: int = 129,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Hedge:
    """The strength t that maximises E[gold], the root of E_t[gold * d ln p_t / dt] = 0 (arXiv:2506.19248).

    From pools of (proxy, gold) pairs of a calibration set, NaN where one is missing:

    * best_of_n: t = n, a whole number; unbiased from subsets of the pools.
    * best_of_poisson: t = mu, n = 1 + Poisson(mu); the same values averaged over n.
    * tilt: t = lambda, weights exp(lambda u), u the quantile of the proxy within its pool; no scale matters.
    * soft: t = strength, weights exp(strength * proxy) over the pool: soft best-of-n (arXiv:2405.01525) with n the
      size of the pool, exactly; as N grows this, like the tilt, becomes the tilted policy.

    most: the largest t tried; None stands for what a pool of N can tell, n = N/8, and equal KL for the last two.
    Where density ratios are totally positive, gold has at most one peak in t; here the highest of `points` values is
    taken and the root beside it. Intervals are bootstrapped by prompt. Raises `DataError` for pools that are too small.
    """
    x, y = pools(proxy_P_N, gold_P_N)
    rows = (~np.isnan(x)).sum(axis=1) >= 2
    x, y = x[rows], y[rows]
    if not len(x):
        raise DataError("every prompt has fewer than two responses with both scores; nothing can be selected")
    size = int(np.median((~np.isnan(x)).sum(axis=1)))
    if most is not None and not most > 0:
        raise ConfigError(f"the largest strength is {most}; it must be above 0")
    curve: _Curve
    if method == "best_of_n":
        curve = _BestOfN(x, y, _largest_n(size) if most is None else int(most))
    elif method == "best_of_poisson":
        curve = _Poisson(x, y, _largest_n(size) - 1.0 if most is None else most, points)
    elif method in ("tilt", "soft"):
        curve = _Tilt.of(x, y, of_quantile=method == "tilt", most=most, size=size, points=points)
    else:
        raise ConfigError(f"method {method!r} is not known; there are {', '.join(METHODS)}")
    ts, values_P_T = curve.strengths, curve.values(curve.strengths)
    mean_T = values_P_T.mean(axis=0)
    best = int(np.argmax(mean_T))
    t = curve.refined(best)
    at_P, base_P = curve.values(np.array([t]))[:, 0], values_P_T[:, 0]
    weights = prompt_weights(len(x), resamples, seed)
    drawn_T = weights @ values_P_T / len(x)
    draws = _tops(drawn_T, ts, whole=method == "best_of_n") if len(x) > 1 else np.full(1, np.nan)
    low, high = ends(draws, confidence)
    return Hedge(
        method=method,
        # The grid's own coarseness must not shut the value out of its interval.
        strength=Estimate(value=t, low=min(low, t), high=max(high, t), n=len(x)),
        gold=mean_estimate(at_P, weights, confidence),
        base=mean_estimate(base_P, weights, confidence),
        gain=mean_estimate(at_P - base_P, weights, confidence),
        kl=curve.kl(t),
        most=float(ts[-1]),
        at_end=bool(best == len(ts) - 1 and t == ts[-1]),
    )


def _largest_n(size: int) -> int:
    if size < 2 * TRUST:
        raise DataError(
            f"pools of {size} tell about n up to N/{TRUST} = {size // TRUST}; sample {2 * TRUST} responses a prompt or "
            "more, or give `most`"
        )
    return size // TRUST


class _Curve(Protocol):
    """Expected gold of every prompt over the strength of a method; strengths[0] is no selection."""

    strengths: Array

    def values(self, strengths: Array) -> Array: ...
    def refined(self, best: int) -> float: ...
    def kl(self, strength: float) -> float: ...


class _BestOfN:
    def __init__(self, x: Array, y: Array, most: int) -> None:
        if not 2 <= most <= x.shape[1]:
            raise DataError(f"best of {most} cannot be had from pools of {x.shape[1]}; give `most` from 2 to that")
        self.strengths = np.arange(1, most + 1, dtype=np.float64)
        self.expected_P_T = _filled(best_of_n(x, y, list(range(1, most + 1))))

    def values(self, strengths: Array) -> Array:
        return self.expected_P_T[:, strengths.astype(np.intp) - 1]

    def refined(self, best: int) -> float:
        return float(self.strengths[best])

    def kl(self, strength: float) -> float:
        return float(best_of_n_kl(strength))


class _Poisson:
    """E[gold] = sum_m Poisson(m; mu) G(1 + m), and its derivative sum_m Poisson(m; mu) (G(2 + m) - G(1 + m))."""

    def __init__(self, x: Array, y: Array, most: float, points: int) -> None:
        top = math.ceil(most + 10 * math.sqrt(most) + 20)
        if most > x.shape[1]:
            raise DataError(f"best of 1 + Poisson({most:g}) cannot be had from pools of {x.shape[1]}")
        self.strengths = grid(most, points)
        known = min(top, x.shape[1])
        expected = _filled(best_of_n(x, y, list(range(1, known + 1))))
        # Beyond the pool its best response stays the best.
        self.expected_P_M = np.pad(expected, ((0, 0), (0, top + 1 - known)), mode="edge")

    def values(self, strengths: Array) -> Array:
        return self.expected_P_M[:, :-1] @ self._chances(strengths)

    def slope(self, strength: float) -> float:
        rise_P_M = np.diff(self.expected_P_M, axis=1)
        return float((rise_P_M @ self._chances(np.array([strength]))).mean())

    def refined(self, best: int) -> float:
        return _root(self.slope, self.strengths, best)

    def kl(self, strength: float) -> float:
        return float(best_of_poisson_kl(strength))

    def _chances(self, mu: Array) -> Array:
        m = np.arange(self.expected_P_M.shape[1] - 1, dtype=np.float64)[:, None]
        with np.errstate(under="ignore"):
            chances = np.exp(xlogy(m, mu) - mu - gammaln(m + 1))
        return np.asarray(chances / chances.sum(axis=0))


class _Tilt:
    """Weights exp(t f) over each pool, f the proxy or its quantile; d E[gold]/dt is the weighted covariance with f."""

    def __init__(self, feature: Array, gold: Array, most: float, points: int, unit: float) -> None:
        self.feature, self.gold = feature, gold
        self.strengths = grid(most, points, unit)

    @classmethod
    def of(cls, x: Array, y: Array, *, of_quantile: bool, most: float | None, size: int, points: int) -> "_Tilt":
        there = ~np.isnan(x)
        counts = there.sum(axis=1, keepdims=True)
        feature = x
        if of_quantile:
            feature = (rankdata(x, axis=1, nan_policy="omit") - 0.5) / counts
        spread = float(np.sqrt(np.nanmean(np.nanvar(feature, axis=1))))
        if not spread > 0:
            raise DataError("the proxy is constant within every prompt; no strength of selection makes a difference")
        # -inf takes a missing response out of every weight, and finite gold keeps 0 * NaN out of the sums.
        curve = cls(np.where(there, feature, np.nan), np.where(there, y, 0.0), 1.0, 2, 1.0)
        if most is None:
            most = curve._strength_of(float(best_of_n_kl(_largest_n(size))), 1 / spread)
        return cls(curve.feature, curve.gold, most, points, 1.0 if of_quantile else 1 / spread)

    def values(self, strengths: Array) -> Array:
        return np.stack([(self._weights(t) * self.gold).sum(axis=1) for t in strengths], axis=1)

    def slope(self, strength: float) -> float:
        w, f = self._weights(strength), np.where(np.isnan(self.feature), 0.0, self.feature)
        mean_f, mean_g = (w * f).sum(axis=1, keepdims=True), (w * self.gold).sum(axis=1, keepdims=True)
        return float((w * (f - mean_f) * (self.gold - mean_g)).sum(axis=1).mean())

    def refined(self, best: int) -> float:
        return _root(self.slope, self.strengths, best)

    def kl(self, strength: float) -> float:
        w = self._weights(strength)
        counts = (~np.isnan(self.feature)).sum(axis=1, keepdims=True)
        return float(xlogy(w, w * counts).sum(axis=1).mean())

    def _weights(self, strength: float) -> Array:
        logits = np.where(np.isnan(self.feature), -np.inf, strength * self.feature)
        with np.errstate(under="ignore"):
            raw = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(raw / raw.sum(axis=1, keepdims=True))

    def _strength_of(self, kl: float, unit: float) -> float:
        """The strength with this KL; where ties cannot reach it, the one at which little more can be had."""
        high = unit
        for _ in range(60):
            if self.kl(high) >= kl or self.kl(2 * high) - self.kl(high) < 1e-6:
                break
            high *= 2
        if self.kl(high) < kl:
            return high
        return float(brentq(lambda t: self.kl(t) - kl, 0.0, high, xtol=1e-6 * high))


def _filled(expected_P_T: Array) -> Array:
    """A pool smaller than n gives its best response, as it does at its own size."""
    missing = np.isnan(expected_P_T)
    last = np.maximum.accumulate(np.where(missing, 0, np.arange(expected_P_T.shape[1])), axis=1)
    return np.asarray(np.take_along_axis(expected_P_T, last, axis=1))


class _Slope(Protocol):
    def __call__(self, strength: float) -> float: ...


def _root(slope: _Slope, ts: Array, best: int) -> float:
    """The root of the slope beside the highest of a grid; the end itself where gold still rises or only falls."""
    low, high = float(ts[max(best - 1, 0)]), float(ts[min(best + 1, len(ts) - 1)])
    if not (slope(low) > 0 > slope(high)):
        return float(ts[best])
    return float(brentq(slope, low, high, xtol=1e-12 * max(1.0, high)))


def _tops(mean_R_T: Array, ts: Array, *, whole: bool) -> Array:
    """Strength of the highest value of each row; between grid points by the parabola through three of them."""
    best = np.argmax(mean_R_T, axis=1)
    if whole:
        return np.asarray(ts[best])
    rows, inner = np.arange(len(best)), np.clip(best, 1, len(ts) - 2)
    left, centre, right = (mean_R_T[rows, inner + o] for o in (-1, 0, 1))
    bend = left - 2 * centre + right
    shift = np.where(bend < 0, (left - right) / np.where(bend < 0, 2 * bend, 1.0), 0.0)
    place = np.where(inner == best, best + np.clip(shift, -0.5, 0.5), best)
    return np.asarray(np.interp(place, np.arange(len(ts)), ts))
