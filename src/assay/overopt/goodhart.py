"""Which kind of Goodhart it is, and what can be promised in spite of it.

* Regressional: the proxy is gold plus noise, and selection selects noise, too. For Gaussians E[X |
  X + Z = c] = E X + (c - E X - E Z) Var X / (Var X + Var Z), so gold rises with the proxy for ever,
  only slower (arXiv:2210.10760, appendix A).
* Extremal: where the proxy is highest, it no longer means what it does elsewhere. Only this makes
  gold fall. `diagnose` compares the slope of gold on the proxy below and above a quantile of the
  proxy.
* Catastrophic: the error has heavy tails. Then some policy at next to no KL has any proxy at all
  and no gold, and a KL penalty does not help (arXiv:2407.14503). `tail_index` looks for it; the
  chi-squared divergence does bound it, which `laidlaw_bound` (arXiv:2403.03185) makes a promise of.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2 as chi2_distribution

from assay.errors import ConfigError, DataError
from assay.overopt import words
from assay.overopt._resample import Array, Scale, estimate, pools, prompt_weights
from assay.stats import Estimate

__all__ = [
    "Diagnosis",
    "Kind",
    "TailIndex",
    "base_correlation",
    "diagnose",
    "gaussian_shrinkage",
    "laidlaw_bound",
    "laidlaw_lambda",
    "tail_index",
]

Kind = Literal["regressional", "weakening", "extremal", "opposed", "useless", "unclear"]

LEAST_TAIL: Final = 10
"""Fewest exceedances that a tail index is read from."""
LEAST_PROMPTS: Final = 6
"""Fewest prompts that a kind of Goodhart is told from: a bootstrap over fewer does not keep its
level."""
DISTINCT: Final = 0.5
"""Least share of the largest values that differ from one another: a power law does not repeat
itself."""
NEAR: Final = 0.05
"""Shares of the usual distance between neighbours up to which two values are one."""
NOTHING: Final = 0.1
"""Correlation below which a proxy says next to nothing."""
LIGHT: Final = 0.1
"""Extreme-value index up to which a tail may be light: exponential and chi-squared tails come out
above 0."""


def gaussian_shrinkage(
    total: ArrayLike, mean_x: float, var_x: float, mean_z: float, var_z: float
) -> Array:
    """E[X | X + Z = total] for independent Gaussians: the gold X to expect behind a proxy X + Z
    (arXiv:2210.10760)."""
    if not (var_x >= 0 and var_z >= 0 and var_x + var_z > 0):
        raise DataError(f"variances {var_x} and {var_z} must not be negative, nor both 0")
    surprise = np.asarray(total, dtype=np.float64) - mean_x - mean_z
    return np.asarray(mean_x + surprise * var_x / (var_x + var_z))[()]


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Slopes of gold on the proxy within prompts, in units of gold per unit of the proxy."""

    below: Estimate
    """Over the responses below the quantile."""
    above: Estimate
    """Over those at or above it."""
    difference: Estimate
    """above - below."""
    correlation: Estimate
    """Of proxy and gold over all responses, within prompts."""
    quantile: float
    threshold: float
    """The quantile's value, as the proxy's distance from the mean of its prompt."""
    kind: Kind
    """The strongest thing that the intervals allow to say."""

    @property
    def words(self) -> str:
        """The kind of Goodhart in plain words."""
        return words.diagnosis_words(self)


def diagnose(
    proxy_P_N: ArrayLike,
    gold_P_N: ArrayLike,
    *,
    quantile: float = 0.9,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Diagnosis:
    """Regressional or extremal: least-squares slopes of gold on the proxy below and above a
    quantile of the proxy.

    Both are measured from the mean of their prompt, the quantile over all responses. Choosing by
    the proxy does not bias a slope on the proxy, so for Gaussian noise both slopes are the same.
    Intervals are bootstrapped by prompt; one prompt has none. The kind is told from six prompts or
    more, by intervals that hold for three looks at once, so that a proxy that says nothing is given
    one in about 5 % of pools at most. NaN = missing, left out, counted as unscored.
    """
    if not 0 < quantile < 1:
        raise ConfigError(f"the quantile is {quantile}; it must lie between 0 and 1")
    x, y, cluster, unscored = _within(proxy_P_N, gold_P_N)
    threshold = float(np.quantile(x, quantile))
    upper = x >= threshold
    if len(np.unique(x[~upper])) < 2 or len(np.unique(x[upper])) < 2:
        raise DataError(
            f"the proxy has fewer than two values above or below its {quantile:g} quantile; give"
            " another quantile or more responses"
        )
    count = int(cluster.max()) + 1
    weights = prompt_weights(count, resamples, seed)
    slopes = []
    for part in (~upper, upper, np.ones_like(upper)):
        sums = _sums(x[part], y[part], cluster[part], count)
        slopes.append((_covariances(sums.sum(axis=0)[None]), _covariances(weights @ sums)))
    (low_value, low_draws), (high_value, high_draws), (all_value, all_draws) = slopes

    def measured(level: float) -> tuple[Estimate, Estimate, Estimate, Estimate]:
        """Slope below, above, their difference, and the correlation."""

        def one(value: Array, draws: Array, scale: Scale = "as it is") -> Estimate:
            return estimate(
                float(value[0]), draws, n=count, confidence=level, unscored=unscored, scale=scale
            )

        return (
            one(_slope(low_value), _slope(low_draws)),
            one(_slope(high_value), _slope(high_draws)),
            one(_slope(high_value) - _slope(low_value), _slope(high_draws) - _slope(low_draws)),
            one(_correlation(all_value), _correlation(all_draws), "correlation"),
        )

    below, above, difference, correlation = measured(confidence)
    # A kind is read from whichever of three numbers says something, so each must hold for all
    # (Bonferroni).
    kind = _kind(*measured(1 - (1 - confidence) / 3)) if count >= LEAST_PROMPTS else "unclear"
    return Diagnosis(
        below=below,
        above=above,
        difference=difference,
        correlation=correlation,
        quantile=quantile,
        threshold=threshold,
        kind=kind,
    )


def base_correlation(
    proxy_P_N: ArrayLike,
    gold_P_N: ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """rho, the correlation of proxy and gold within prompts under the sampling policy, bootstrapped
    by prompt.

    What differs between prompts only is out of any policy's reach, so this is the rho that
    `laidlaw_bound` wants. NaN where either is constant.
    """
    x, y, cluster, unscored = _within(proxy_P_N, gold_P_N)
    count = int(cluster.max()) + 1
    sums = _sums(x, y, cluster, count)
    value = _correlation(_covariances(sums.sum(axis=0)[None]))
    draws = _correlation(_covariances(prompt_weights(count, resamples, seed) @ sums))
    return estimate(
        float(value[0]),
        draws,
        n=count,
        confidence=confidence,
        unscored=unscored,
        scale="correlation",
    )


def laidlaw_bound(
    proxy_gain: ArrayLike, proxy_sd: ArrayLike, correlation: ArrayLike, chi2: ArrayLike
) -> Array:
    """Least gold gain, in standard deviations of gold under the sampling policy (arXiv:2403.03185).

    (J_pi - J_0)/sigma_r >= ((J~_pi - J~_0)/sigma_r~ - sqrt((1 - rho^2) chi2(pi || pi_0))) / rho,
    for any policy and rho > 0; by Cauchy-Schwarz. proxy_gain and proxy_sd (sigma_r~) in units of
    the proxy, correlation rho and both deviations under the sampling policy. The bound is as good
    as its rho: put its lower end in to be careful.
    """
    gain, sd = np.asarray(proxy_gain, dtype=np.float64), np.asarray(proxy_sd, dtype=np.float64)
    rho, divergence = np.asarray(correlation, dtype=np.float64), np.asarray(chi2, dtype=np.float64)
    _check_laidlaw(sd, rho)
    if not (divergence >= 0).all():
        raise DataError("a chi-squared divergence must be at least 0")
    return np.asarray((gain / sd - np.sqrt((1 - rho**2) * divergence)) / rho)[()]


def laidlaw_lambda(proxy_sd: ArrayLike, correlation: ArrayLike) -> Array:
    """sigma_r~ sqrt(1 - rho^2): maximising proxy - lambda sqrt(chi2) maximises the bound
    (arXiv:2403.03185)."""
    sd, rho = np.asarray(proxy_sd, dtype=np.float64), np.asarray(correlation, dtype=np.float64)
    _check_laidlaw(sd, rho)
    return np.asarray(sd * np.sqrt(1 - rho**2))[()]


@dataclass(frozen=True, kw_only=True)
class TailIndex:
    """How heavy an upper tail is: P(X > x) falls as x^-index."""

    index: Estimate
    """Hill's estimate; moments of this order and above are infinite. Light tails give large ones,
    not infinity."""
    extreme_value: Estimate
    """The moment estimate of the extreme-value index: above 0 for a power law (1/index), 0 for
    Gaussian and exponential tails, below 0 for bounded ones."""
    k: int
    """How many of the largest values they are read from."""
    heavy: bool
    """Whether the extreme-value index is surely above 0, above what light tails come out at, and
    Hill's estimate does not rule the power law of that index out."""

    @property
    def words(self) -> str:
        """The tail in plain words."""
        return words.tail_words(self)


def tail_index(
    values: ArrayLike,
    *,
    k: int | None = None,
    centre: float | None = None,
    confidence: float = 0.95,
) -> TailIndex:
    """Hill's tail index of the upper tail, and the moment estimate that tells a power law from a
    light tail.

    With X_1 >= ... the values less their centre and L_i = ln(X_i / X_(k+1)): 1/index = mean of L_i
    over the k largest, whose interval is exact for a power law (2 k index_hat^-1 index ~ chi2 with
    2k degrees). The moment estimator is M1 + 1 - 1/2 / (1 - M1^2 / M2), M_j the mean of L_i^j,
    standard error sqrt((1 + gamma^2)/k) (Dekkers, Einmahl and de Haan 1989). values: proxy scores,
    or proxy minus what gold predicts; any shape, NaN are left out and counted. k: None = n^0.6 of
    them, at least 10. centre: None = the median; a power law that starts elsewhere is then shifted,
    which costs the index some bias. Values of one prompt count as independent, which they are not
    quite. arXiv:2407.14503.

    Raises `DataError` where too few values are given, or too few of the largest differ: ties have
    no tail.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    unscored = int(np.isnan(x).sum())
    x = np.sort(x[~np.isnan(x)])[::-1]
    if not np.isfinite(x).all():
        raise DataError("values must be finite")
    k = max(LEAST_TAIL, round(len(x) ** 0.6)) if k is None else k
    if not 2 <= k <= max(2, len(x) // 2 - 1):
        raise DataError(
            f"{k} largest of {len(x)} values are no tail; give at least {2 * k + 2} values or a"
            " smaller k"
        )
    x = x - (np.median(x) if centre is None else centre)
    if not x[k] > 0:
        raise DataError("the largest values do not exceed the centre; there is no tail")
    # Equal scores less equal means may differ in their last digits, and those of one side of a
    # decision by little.
    apart = max(1e-12 * float(x[0]), NEAR * float(x[k // 4] - x[k - 1]) / k)
    distinct = 1 + int((-np.diff(x[:k]) > apart).sum())
    if distinct < DISTINCT * k:
        raise DataError(
            f"the {k} largest of {len(x)} values are only {distinct} different ones; scores that"
            " tie, as those of a verifier or of a scale of few levels, have no tail to read an"
            " index from"
        )
    logs = np.log(x[:k] / x[k])
    first, second = float(logs.mean()), float((logs**2).mean())
    tail = (1 - confidence) / 2
    low, high = (float(chi2_distribution.ppf(p, 2 * k)) for p in (tail, 1 - tail))
    if first > 0:
        index = Estimate(
            value=1 / first,
            low=low / (2 * k * first),
            high=high / (2 * k * first),
            n=len(x),
            unscored=unscored,
        )
        ratio = 1 - first**2 / second
        gamma = first + 1 - 0.5 / ratio if ratio > 1e-12 else -math.inf
    else:
        index = Estimate(value=math.inf, low=math.inf, high=math.inf, n=len(x), unscored=unscored)
        gamma = -math.inf
    z = float(np.sqrt(chi2_distribution.ppf(confidence, 1)))
    half = z * math.sqrt((1 + max(gamma, 0.0) ** 2) / k)
    extreme = Estimate(
        value=gamma, low=gamma - half, high=gamma + half, n=len(x), unscored=unscored
    )
    # Bounded scores that cluster by prompt have a large one too, but then Hill's estimate knows of
    # no such power law.
    heavy = extreme.low > 0 and gamma > LIGHT and extreme.low * index.low <= 1
    return TailIndex(index=index, extreme_value=extreme, k=k, heavy=heavy)


def _kind(below: Estimate, above: Estimate, difference: Estimate, correlation: Estimate) -> Kind:
    if below.high < 0 or (correlation.high < 0 and not above.low > 0):
        return "opposed"
    if above.high < 0:
        return "extremal"
    if below.low > 0 and difference.high < 0:
        return "weakening"
    if below.low > 0 and above.low > 0:
        return "regressional"
    if max(abs(correlation.low), abs(correlation.high)) < NOTHING:
        return "useless"
    return "unclear"


def _within(
    proxy_P_N: ArrayLike, gold_P_N: ArrayLike
) -> tuple[Array, Array, NDArray[np.intp], int]:
    """Proxies and golds less their prompt's means, (n,) each; the cluster of each; how many were
    left out."""
    proxy, gold = np.asarray(proxy_P_N, dtype=np.float64), np.asarray(gold_P_N, dtype=np.float64)
    x, y = pools(proxy, gold)
    padding = np.isnan(proxy) & np.isnan(gold)
    there = ~np.isnan(x)
    unscored = int((~there & ~padding).sum())
    x, y, there = (
        x[there.sum(axis=1) >= 2],
        y[there.sum(axis=1) >= 2],
        there[there.sum(axis=1) >= 2],
    )
    if not len(x):
        raise DataError(
            "no prompt has two responses with both scores; nothing can be compared within a prompt"
        )
    x, y = x - np.nanmean(x, axis=1, keepdims=True), y - np.nanmean(y, axis=1, keepdims=True)
    cluster = np.broadcast_to(np.arange(len(x))[:, None], x.shape)[there]
    return x[there], y[there], cluster, unscored


def _sums(x: Array, y: Array, cluster: NDArray[np.intp], count: int) -> Array:
    """(clusters, 6): n, x, y, xx, xy, yy."""
    terms = (np.ones_like(x), x, y, x * x, x * y, y * y)
    return np.stack([np.bincount(cluster, weights=t, minlength=count) for t in terms], axis=1)


def _covariances(sums_R_6: Array) -> Array:
    """(R, 3): sums of squares xx, xy, yy about the means; NaN where there is nothing."""
    n, x, y, xx, xy, yy = sums_R_6.T
    n = np.where(n > 0, n, np.nan)
    return np.stack([xx - x * x / n, xy - x * y / n, yy - y * y / n], axis=1)


def _slope(c: Array) -> Array:
    return np.where(c[:, 0] > 1e-300, c[:, 1] / np.where(c[:, 0] > 1e-300, c[:, 0], 1.0), np.nan)


def _correlation(c: Array) -> Array:
    scale = np.sqrt(np.maximum(c[:, 0], 0.0) * np.maximum(c[:, 2], 0.0))
    return np.where(
        scale > 1e-300, np.clip(c[:, 1] / np.where(scale > 1e-300, scale, 1.0), -1.0, 1.0), np.nan
    )


def _check_laidlaw(sd: Array, rho: Array) -> None:
    if not (sd > 0).all():
        raise DataError("the proxy's standard deviation must be above 0")
    if not ((rho > 0) & (rho <= 1)).all():
        raise DataError(
            "the bound needs a correlation above 0, up to 1; a proxy without one promises nothing"
        )
