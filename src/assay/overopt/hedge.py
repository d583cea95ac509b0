"""How hard to select: the strength with the highest expected gold, after HedgeTune
(arXiv:2506.19248).

`hedge_tune` finds it from a calibration set of (proxy, gold) pairs, and does not look beyond the
data.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import gammaln, xlogy
from scipy.stats import rankdata

from assay.errors import ConfigError, DataError
from assay.overopt import words
from assay.overopt._resample import Array, ends, grid, mean_estimate, pools, prompt_weights
from assay.overopt.kl import TRUST, best_of_n_kl, best_of_poisson_kl
from assay.stats import Estimate, best_of_n

__all__ = ["METHODS", "Hedge", "Method", "hedge_tune"]

Method = Literal["best_of_n", "best_of_poisson", "tilt", "soft"]
METHODS: Final[tuple[Method, ...]] = ("best_of_n", "best_of_poisson", "tilt", "soft")


@dataclass(frozen=True, kw_only=True)
class Hedge:
    """The strength of selection with the highest expected gold."""

    method: Method
    strength: Estimate
    """n, mu or lambda; see `hedge_tune`."""
    gold: Estimate
    """Expected gold at that strength; chosen and measured on the same prompts, so a little too
    high."""
    base: Estimate
    """Expected gold without selection."""
    gain: Estimate
    """The difference, paired over prompts."""
    kl: float
    """Nats from the sampling policy: by formula for best-of-n and best-of-Poisson, of the weights
    for the others."""
    most: float
    """The largest strength that was tried."""
    at_end: bool
    """Gold still rises at the largest strength: the data do not say where it turns."""

    @property
    def words(self) -> str:
        """The recommendation in plain words."""
        return words.hedge_words(self)


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
    """The strength t that maximises E[gold], the root of E_t[gold * d ln p_t / dt] = 0
    (arXiv:2506.19248).

    From pools of (proxy, gold) pairs of a calibration set, NaN where one is missing:

    * best_of_n: t = n, a whole number; unbiased from subsets of the pools.
    * best_of_poisson: t = mu, n = 1 + Poisson(mu); the same values averaged over n.
    * tilt: t = lambda, weights exp(lambda u), u the quantile of the proxy within its pool; no scale
    matters.
    * soft: t = strength, weights exp(strength * proxy) over the pool: soft best-of-n
      (arXiv:2405.01525) with n the size of the pool, exactly; as N grows this, like the tilt,
      becomes the tilted policy.

    most: the largest t tried; None stands for what a pool of N can tell, n = N/8, and equal KL for
    the last two. Where density ratios are totally positive, gold has at most one peak in t; here
    the highest of `points` values is taken and the root beside it. Intervals are bootstrapped by
    prompt. Raises `DataError` for pools that are too small.
    """
    x, y = pools(proxy_P_N, gold_P_N)
    rows = (~np.isnan(x)).sum(axis=1) >= 2
    x, y = x[rows], y[rows]
    if not len(x):
        raise DataError(
            "every prompt has fewer than two responses with both scores; nothing can be selected"
        )
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
            f"pools of {size} tell about n up to N/{TRUST} = {size // TRUST}; sample {2 * TRUST}"
            " responses a prompt or more, or give `most`"
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
            raise DataError(
                f"best of {most} cannot be had from pools of {x.shape[1]}; give `most` from 2 to"
                " that"
            )
        self.strengths = np.arange(1, most + 1, dtype=np.float64)
        self.expected_P_T = _filled(best_of_n(x, y, list(range(1, most + 1))))

    def values(self, strengths: Array) -> Array:
        return self.expected_P_T[:, strengths.astype(np.intp) - 1]

    def refined(self, best: int) -> float:
        return float(self.strengths[best])

    def kl(self, strength: float) -> float:
        return float(best_of_n_kl(strength))


class _Poisson:
    """E[gold] = sum_m Poisson(m; mu) G(1 + m), and its derivative sum_m Poisson(m; mu) (G(2 + m) -
    G(1 + m))."""

    def __init__(self, x: Array, y: Array, most: float, points: int) -> None:
        top = math.ceil(most + 10 * math.sqrt(most) + 20)
        if most > x.shape[1]:
            raise DataError(
                f"best of 1 + Poisson({most:g}) cannot be had from pools of {x.shape[1]}"
            )
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
    """Weights exp(t f) over each pool, f the proxy or its quantile; d E[gold]/dt is the weighted
    covariance with f."""

    def __init__(self, feature: Array, gold: Array, most: float, points: int, unit: float) -> None:
        self.feature, self.gold = feature, gold
        self.strengths = grid(most, points, unit)

    @classmethod
    def of(
        cls, x: Array, y: Array, *, of_quantile: bool, most: float | None, size: int, points: int
    ) -> "_Tilt":
        there = ~np.isnan(x)
        counts = there.sum(axis=1, keepdims=True)
        feature = x
        if of_quantile:
            feature = (rankdata(x, axis=1, nan_policy="omit") - 0.5) / counts
        spread = float(np.sqrt(np.nanmean(np.nanvar(feature, axis=1))))
        if not spread > 0:
            raise DataError(
                "the proxy is constant within every prompt; no strength of selection makes a"
                " difference"
            )
        # -inf takes a missing response out of every weight, and finite gold keeps 0 * NaN out of
        # the sums.
        curve = cls(np.where(there, feature, np.nan), np.where(there, y, 0.0), 1.0, 2, 1.0)
        if most is None:
            most = curve._strength_of(float(best_of_n_kl(_largest_n(size))), 1 / spread)
        return cls(curve.feature, curve.gold, most, points, 1.0 if of_quantile else 1 / spread)

    def values(self, strengths: Array) -> Array:
        return np.stack([(self._weights(t) * self.gold).sum(axis=1) for t in strengths], axis=1)

    def slope(self, strength: float) -> float:
        w, f = self._weights(strength), np.where(np.isnan(self.feature), 0.0, self.feature)
        mean_f, mean_g = (
            (w * f).sum(axis=1, keepdims=True),
            (w * self.gold).sum(axis=1, keepdims=True),
        )
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
        """The strength with this KL; where ties cannot reach it, the one at which little more can
        be had."""
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
    """The root of the slope beside the highest of a grid; the end itself where gold still rises or
    only falls."""
    low, high = float(ts[max(best - 1, 0)]), float(ts[min(best + 1, len(ts) - 1)])
    if not (slope(low) > 0 > slope(high)):
        return float(ts[best])
    return float(brentq(slope, low, high, xtol=1e-12 * max(1.0, high)))


def _tops(mean_R_T: Array, ts: Array, *, whole: bool) -> Array:
    """Strength of the highest value of each row; between grid points by the parabola through three
    of them."""
    best = np.argmax(mean_R_T, axis=1)
    if whole:
        return np.asarray(ts[best])
    rows, inner = np.arange(len(best)), np.clip(best, 1, len(ts) - 2)
    left, centre, right = (mean_R_T[rows, inner + o] for o in (-1, 0, 1))
    bend = left - 2 * centre + right
    shift = np.where(bend < 0, (left - right) / np.where(bend < 0, 2 * bend, 1.0), 0.0)
    place = np.where(inner == best, best + np.clip(shift, -0.5, 0.5), best)
    return np.asarray(np.interp(place, np.arange(len(ts)), ts))
