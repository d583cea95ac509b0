"""When to stop: the largest KL at which gold is still as good as the best so far, and how hard to select.

`recommend_stop` reads a measured curve; `hedge_tune` finds the strength of selection with the highest expected gold
from a calibration set of (proxy, gold) pairs, after HedgeTune (arXiv:2506.19248).

Both say what more gold labels would buy, from the standard errors, and neither looks beyond the data.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import gammaln, ndtri, xlogy
from scipy.stats import rankdata

from assay.errors import ConfigError, DataError
from assay.overopt._resample import Array, ends, estimate, grid, mean_estimate, pools, prompt_weights
from assay.overopt.kl import TRUST, best_of_n_kl, best_of_poisson_kl
from assay.stats import Estimate, best_of_n

__all__ = ["METHODS", "Hedge", "Method", "Stop", "hedge_tune", "recommend_stop"]

Method = Literal["best_of_n", "best_of_poisson", "tilt", "soft"]
METHODS: Final[tuple[Method, ...]] = ("best_of_n", "best_of_poisson", "tilt", "soft")

MOST: Final = 1_000_000
"""Labels beyond this number are called out of reach."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Where to stop, and how sure that is."""

    index: int | None
    """Of the point among those given; None where not one is sure to be within epsilon."""
    kl: float
    """Nats; NaN without a point."""
    n: float | None
    """Of best-of-n, where n was given."""
    gold: Estimate | None
    """At the stop."""
    loss: Estimate | None
    """Best gold so far minus gold at the stop. Where prompts are known, paired over them."""
    epsilon: float
    at_end: bool
    """The stop is the last point that counts: the data show no reason to stop there."""
    settled: bool
    """Whether the point after the stop is surely worse by more than epsilon, or there is none."""
    more_prompts: int | None
    """About how many more prompts (or runs behind an estimate) would settle it; None where no number will."""
    more_labels: int | None
    """The same in gold labels."""
    rule: Literal["paired", "intervals"]
    """Whether differences were taken prompt by prompt, or only each point's own interval was known."""
    words: str
    """All that, for people."""


def recommend_stop(
    kl_K: ArrayLike,
    gold: ArrayLike | Sequence[Estimate],
    *,
    epsilon: float,
    n_K: ArrayLike | None = None,
    trusted: ArrayLike | None = None,
    labels_a_prompt: int = 1,
    unit: str = "prompts with gold",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Stop:
    """The largest KL whose gold, at the lower end of its interval, is within epsilon of the running maximum.

    kl_K: (K,) nats, in any order. gold: (P, K) per prompt, and then the interval is that of the *difference* to the
    running maximum, which is found anew in every resample of the prompts: what prompts differ in cancels, and luck in
    the choice of the maximum is paid for. Or K `Estimate`s, as a run of reinforcement learning gives, and then the rule
    is low_k >= max_{j <= k} value_j - epsilon, which wants more data. epsilon: in units of gold, what may be lost.
    trusted: (K,), points that count. labels_a_prompt: gold labels that one more prompt costs, such as the pool's size.
    unit: what the rows of (P, K) are, in words.

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
    order = np.flatnonzero(keep)[np.argsort(kl[keep], kind="stable")]
    if isinstance(gold, Sequence) and (estimates := [g for g in gold if isinstance(g, Estimate)]):
        losses = _from_intervals(estimates, kl, order)
    else:
        losses = _paired(np.asarray(gold, dtype=np.float64), kl, order, resamples, seed, confidence)
    return _stop(losses, kl, ns, order, epsilon, labels_a_prompt, confidence, unit)


@dataclass(frozen=True)
class _Losses:
    """In ascending order of KL: gold, what is lost to the best so far, and the standard error of that."""

    gold: tuple[Estimate, ...]
    loss: tuple[Estimate, ...]
    error: tuple[float, ...]
    rule: Literal["paired", "intervals"]


def _paired(y: Array, kl: Array, order: NDArray[np.intp], resamples: int, seed: int, confidence: float) -> _Losses:
    if y.ndim != 2 or y.shape[1] != len(kl):
        raise DataError(f"gold {y.shape} must be (prompts, {len(kl)}) or one Estimate a point")
    y = y[:, order]
    y = y[~np.isnan(y).any(axis=1)]
    if len(y) < 2:
        raise DataError(
            f"{len(y)} prompts have gold at every point that counts; two or more are needed for an interval, or give "
            "an Estimate a point"
        )
    weights = prompt_weights(len(y), resamples, seed)
    mean_R_K = weights @ y / len(y)
    lost_R_K = np.maximum.accumulate(mean_R_K, axis=1) - mean_R_K
    mean_K = y.mean(axis=0)
    lost_K = np.maximum.accumulate(mean_K) - mean_K

    def told(value: Array, draws: Array) -> tuple[Estimate, ...]:
        return tuple(estimate(v, d, n=len(y), confidence=confidence) for v, d in zip(value, draws.T, strict=True))

    return _Losses(told(mean_K, mean_R_K), told(lost_K, lost_R_K), tuple(lost_R_K.std(axis=0)), "paired")


def _from_intervals(gold: list[Estimate], kl: Array, order: NDArray[np.intp]) -> _Losses:
    if len(gold) != len(kl):
        raise DataError(f"{len(gold)} estimates for {len(kl)} points; give one each")
    kept = [gold[i] for i in order]
    if any(math.isnan(g.value) or math.isnan(g.low) for g in kept):
        raise DataError("a point that counts has no value or no interval; leave it out with `trusted`")
    best = np.maximum.accumulate([g.value for g in kept])
    losses = tuple(
        Estimate(value=b - g.value, low=b - g.high, high=b - g.low, n=g.n) for b, g in zip(best, kept, strict=True)
    )
    errors = tuple((g.high - g.low) / 2 / float(ndtri(0.975)) for g in kept)
    return _Losses(tuple(kept), losses, errors, "intervals")


def _stop(
    losses: _Losses,
    kl: Array,
    ns: Array | None,
    order: NDArray[np.intp],
    epsilon: float,
    labels_a_prompt: int,
    confidence: float,
    unit: str,
) -> Stop:
    # Rounding must not refuse a loss of exactly epsilon.
    slack = 1e-12 * max(1.0, *(abs(g.value) for g in losses.gold))
    fine = [k for k, loss in enumerate(losses.loss) if loss.high <= epsilon + slack]
    at = fine[-1] if fine else None
    last = len(order) - 1
    following = 0 if at is None else at + 1
    more: int | None = 0
    settled = True
    if at != last:
        loss = losses.loss[following]
        settled = loss.low > epsilon
        more = 0 if settled else _more(loss, losses.error[following], epsilon, confidence)
    labels = None if more is None else more * labels_a_prompt
    return Stop(
        index=None if at is None else int(order[at]),
        kl=math.nan if at is None else float(kl[order[at]]),
        n=None if at is None or ns is None else float(ns[order[at]]),
        gold=None if at is None else losses.gold[at],
        loss=None if at is None else losses.loss[at],
        epsilon=epsilon,
        at_end=at == last,
        settled=settled,
        more_prompts=more,
        more_labels=labels,
        rule=losses.rule,
        words=_words(losses, kl, ns, order, epsilon, at, more, labels, unit),
    )


def _more(loss: Estimate, error: float, epsilon: float, confidence: float) -> int | None:
    """Units beyond the n there are until the interval of the loss no longer holds epsilon: z error sqrt(n/n') < gap."""
    gap, z = abs(epsilon - loss.value), float(ndtri((1 + confidence) / 2))
    if gap <= 0:
        return None
    needed = loss.n * (z * error / gap) ** 2
    return max(1, math.ceil(needed) - loss.n) if needed < MOST else None


def _words(
    losses: _Losses,
    kl: Array,
    ns: Array | None,
    order: NDArray[np.intp],
    epsilon: float,
    at: int | None,
    more: int | None,
    labels: int | None,
    unit: str,
) -> str:
    def point(k: int) -> str:
        name = f"KL {kl[order[k]]:.3g}"
        return f"{name} nats" if ns is None else f"n = {ns[order[k]]:g} ({name} nats)"

    def count(unit: str) -> str:
        if more is None:
            return f"no reasonable number of gold labels would settle it: its loss is too close to epsilon, {epsilon:g}"
        cost = "" if labels == more else f", {labels:,} gold labels"
        return f"about {more:,} more {unit}{cost}{',' if cost else ''} would settle it"

    unit = unit if losses.rule == "paired" else "gold labels"
    if at is None:
        first = losses.loss[0]
        return (
            f"No stop can be recommended: even at {point(0)} gold may be {first.high:.3g} below the best so far, more "
            f"than epsilon, {epsilon:g}. To be sure there: {count(unit)}."
        )
    gold, loss = losses.gold[at], losses.loss[at]
    head = (
        f"Stop at {point(at)}: gold {gold.value:.3g} [{gold.low:.3g}, {gold.high:.3g}], "
        f"at most {max(loss.high, 0.0):.3g} below the best so far (epsilon {epsilon:g})."
    )
    if at == len(order) - 1:
        return f"{head} These data end there and give no reason to stop earlier; beyond it they say nothing."
    after = losses.loss[at + 1]
    lost = f"{point(at + 1)}, loses {after.value:.3g} [{max(after.low, 0.0):.3g}, {after.high:.3g}]"
    if after.low > epsilon:
        return f"{head} The next point, {lost}: surely more than epsilon, so more gold labels would not move the stop."
    return f"{head} The next point, {lost}: not sure to be within epsilon, nor beyond it; {count(unit)}."


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
        gain = f"gold {g.value:+.3g} [{g.low:+.3g}, {g.high:+.3g}] against no selection"
        if self.at_end:
            return f"{self.method}: gold still rises at {name} = {s.value:.3g}, the strongest tried; {gain}"
        if g.value <= 0:
            return f"{self.method}: do not select by this proxy; every strength tried lowers gold"
        return f"{self.method}: {name} = {s.value:.3g} [{s.low:.3g}, {s.high:.3g}]; {gain}"


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
