"""How far best-of-n and its relatives move from the policy that they sample, in nats.

    best of n           KL = ln n - (n - 1)/n,  chi2 = (n - 1)^2 / (2n - 1)
    best of Poisson     the quantile u has the density (mu u + 1) exp(mu (u - 1)) (arXiv:2506.19248)
    exponential tilt    the quantile u has the density lambda exp(lambda u) / (exp(lambda) - 1)

The formula for best-of-n is exact where no two responses tie (Stiennon et al., arXiv:2009.01325;
used by Gao et al., arXiv:2210.10760). Where responses repeat it is an upper bound
(arXiv:2401.01879): with p the probability of the best response the divergence can never exceed -ln
p. `discrete_kl` is exact there, and `empirical_kl` is the same for a pool.

KL is that of the chosen response's distribution from the sampling policy's, KL(pi || pi_0), natural
logarithm.
"""

from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expi, lambertw, xlogy

from assay.errors import DataError
from assay.overopt._resample import Array

__all__ = [
    "TRUST",
    "best_of_n_chi2",
    "best_of_n_from_kl",
    "best_of_n_kl",
    "best_of_poisson_kl",
    "discrete_kl",
    "empirical_kl",
    "pool_kl",
    "tilt_kl",
    "trusted",
]

TRUST: Final = 8
"""A pool of N tells about n up to N / 8: beyond, a prompt's estimate rests on a handful of its
responses."""


def best_of_n_kl(n: ArrayLike) -> Array:
    """ln n - (n - 1)/n nats, for any real n >= 1; the KL of best-of-n where no responses tie
    (arXiv:2210.10760)."""
    over = _at_least(n, 1.0, "n") - 1
    return np.asarray(np.log1p(over) - over / (1 + over))[()]


def best_of_n_from_kl(kl: ArrayLike) -> Array:
    """The real n >= 1 whose best-of-n has this KL: n = -1 / W0(-exp(-(KL + 1))), W0 Lambert's on
    its main branch.

    Infinite where n overflows (KL beyond about 708). The other branch would give the root below 1.
    """
    k = np.atleast_1d(_at_least(kl, 0.0, "KL"))
    with np.errstate(over="ignore", under="ignore"):
        # -1/W = exp(KL + 1 + W), which also serves where the argument of W underflows.
        n = np.exp(k + 1 + lambertw(-np.exp(-(k + 1)), 0).real)
    # W has a square-root branch point at n = 1; a series and Newton's steps restore the digits lost
    # there.
    near = k < 1
    if (small := k[near]).any():
        over = np.where(small < 0.01, np.sqrt(2 * small) + 4 * small / 3, n[near] - 1)
        for _ in range(4):
            rise = np.where(over > 0, over, 1.0) / (1 + over) ** 2
            over = np.maximum(over - (np.log1p(over) - over / (1 + over) - small) / rise, 0.0)
        n[near] = 1 + over
    n[k == 0] = 1.0
    return np.asarray(n.reshape(np.shape(kl)))[()]


def best_of_n_chi2(n: ArrayLike) -> Array:
    """(n - 1)^2 / (2n - 1): chi2(pi || pi_0) of best-of-n where no responses tie."""
    x = _at_least(n, 1.0, "n")
    return np.asarray((x - 1) ** 2 / (2 * x - 1))[()]


def best_of_poisson_kl(mu: ArrayLike) -> Array:
    """KL in nats of the best of 1 + Poisson(mu) responses where none tie (arXiv:2506.19248).

    ln(1 + mu) - 1/mu + exp(-(1 + mu)) (Ei(1 + mu) + e - Ei(1))/mu - (mu - 1 + exp(-mu))/mu; by
    quadrature for small mu.
    """
    m = np.atleast_1d(_at_least(mu, 0.0, "mu"))
    kl = np.where(m < 20, _poisson_small(m), _poisson_large(np.maximum(m, 20.0)))
    return np.asarray(kl.reshape(np.shape(mu)))[()]


def tilt_kl(strength: ArrayLike) -> Array:
    """KL in nats of the policy tilted by exp(lambda u), u the quantile of the proxy under the
    policy, none tied.

    lambda E[u] - ln((exp(lambda) - 1)/lambda), E[u] = 1/(1 - exp(-lambda)) - 1/lambda: no choice by
    rank that has this mean quantile has a smaller KL. Raises `DataError` for lambda below 0.
    """
    lam = np.atleast_1d(_at_least(strength, 0.0, "lambda"))
    # Below 0.02 the series lambda^2/24 - lambda^4/960 is exact to rounding and the formula is not.
    safe = np.maximum(lam, 0.02)
    formula = safe * (1 / -np.expm1(-safe) - 1 / safe) - (
        safe + np.log(-np.expm1(-safe)) - np.log(safe)
    )
    kl = np.where(lam < 0.02, lam**2 / 24 - lam**4 / 960, formula)
    return np.asarray(kl.reshape(np.shape(strength)))[()]


def discrete_kl(
    probability_K: ArrayLike,
    proxy_K: ArrayLike,
    n: int | Sequence[int],
    *,
    keys: Sequence[Hashable] | None = None,
) -> Array:
    """Exact KL in nats of best-of-n over K outcomes of known probability, equal proxies drawn among
    by lot.

    A group of equal proxies of mass g is chosen with F_hi^n - F_lo^n, F the mass up to and below
    it, and its outcomes keep their shares of it. At most ln n - (n - 1)/n, and at most -ln g of the
    top group, which it tends to as n grows (arXiv:2401.01879). keys: outcomes with equal keys are
    one outcome that was given several scores. Returns a number for one n, (len(n),) for several.
    Raises `DataError` when probabilities are not positive or do not sum to 1.
    """
    p, x = np.asarray(probability_K, dtype=np.float64), np.asarray(proxy_K, dtype=np.float64)
    if p.ndim != 1 or p.shape != x.shape or not len(p):
        raise DataError(
            f"probabilities {p.shape} and proxies {x.shape} must be one list each, of one length"
        )
    if not ((p > 0).all() and abs(p.sum() - 1) < 1e-9):
        raise DataError(f"probabilities must be above 0 and sum to 1; they sum to {p.sum():.6g}")
    if not np.isfinite(x).all():
        raise DataError("proxies must be finite numbers; leave unscored outcomes out")
    if keys is not None and len(keys) != len(p):
        raise DataError(f"{len(keys)} keys for {len(p)} outcomes; give one each")
    ns = _at_least(np.atleast_1d(np.asarray(n, dtype=np.float64)), 1.0, "n")
    _, group = np.unique(x, return_inverse=True)
    mass_G = np.bincount(group, weights=p)
    ratio_K_T = (_chosen(np.asarray(mass_G, dtype=np.float64), ns) / mass_G[:, None])[group]
    outcome = group if keys is None else _codes(keys)
    before = np.bincount(outcome, weights=p)
    after_T = np.stack([np.bincount(outcome, weights=p * r) for r in ratio_K_T.T])
    # No choice is no divergence, to the last digit: fits look for the point with KL 0.
    kl = np.where(ns == 1, 0.0, np.maximum(xlogy(after_T, after_T / before).sum(axis=1), 0.0))
    return np.asarray(kl[0] if np.ndim(n) == 0 else kl)[()]


def empirical_kl(
    proxy_N: ArrayLike, n: int | Sequence[int], *, keys: Sequence[Hashable] | None = None
) -> Array:
    """`discrete_kl` of a pool taken as the policy: duplicates and ties count, drawing is with
    replacement.

    Never above the formula. Without ties it falls short of it by about (n/N)^2 / 24 nats, below
    0.001 for n <= N/8; a larger gap says that responses repeat or tie. NaN proxies leave the pool.
    keys: equal for equal texts.
    """
    x = np.asarray(proxy_N, dtype=np.float64)
    there = ~np.isnan(x)
    if x.ndim != 1 or not there.any():
        raise DataError("a pool is one list of proxies with at least one that is not NaN")
    if keys is not None and len(keys) != len(x):
        raise DataError(f"{len(keys)} keys for {len(x)} responses; give one each")
    kept = (
        None
        if keys is None
        else [key for key, is_there in zip(keys, there, strict=True) if is_there]
    )
    m = int(there.sum())
    return discrete_kl(np.full(m, 1 / m), x[there], n, keys=kept)


def pool_kl(
    proxy_N: ArrayLike, n: int | Sequence[int], *, keys: Sequence[Hashable] | None = None
) -> Array:
    """The formula of best-of-n, lowered by the share that ties and duplicates in a pool take from
    it.

    formula * `empirical_kl` / (empirical KL of a pool of this size in which nothing ties): exactly
    the formula where nothing ties, however small the pool, 0 where everything does, and within
    (n/N)^2 / 24 nats or so of `empirical_kl` between. Never above the formula, nor above -ln of the
    share of the pool that has its highest score.
    """
    x = np.asarray(proxy_N, dtype=np.float64)
    ns = np.atleast_1d(np.asarray(n, dtype=np.float64))
    result = np.atleast_1d(empirical_kl(x, n, keys=keys))
    distinct = np.atleast_1d(
        empirical_kl(np.arange(int((~np.isnan(x)).sum()), dtype=np.float64), n)
    )
    kl = best_of_n_kl(ns)
    share = np.where(distinct > 0, result / np.where(distinct > 0, distinct, 1.0), 1.0)
    # Choosing among equal scores by lot, one cannot get further than into the group of the highest.
    top = x[~np.isnan(x)]
    furthest = -np.log(float((top == top.max()).mean()))
    # Where nothing ties it is the formula to the last digit.
    kl = np.where(share > 1 - 1e-9, kl, np.minimum(kl * share, furthest)) + 0.0
    return np.asarray(kl[0] if np.ndim(n) == 0 else kl)[()]


def trusted(n: ArrayLike, pool_size: ArrayLike) -> NDArray[np.bool_]:
    """True where a pool of this size is large enough for the best of n: n <= N / 8."""
    return np.asarray(TRUST * np.asarray(n) <= np.asarray(pool_size))[()]


def _at_least(values: ArrayLike, least: float, name: str) -> Array:
    x = np.asarray(values, dtype=np.float64)
    if not (x >= least).all():
        raise DataError(f"{name} must be at least {least:g}, got {np.min(x):g}")
    return x


def _chosen(mass_G: Array, ns: Array) -> Array:
    """(G, T): F_hi^n - F_lo^n, from logarithms."""
    high = np.cumsum(mass_G)
    high[-1] = 1.0
    low = np.concatenate([[0.0], high[:-1]])
    with np.errstate(divide="ignore", under="ignore"):
        log_high, log_low = np.log(high)[:, None], np.log(low)[:, None]
        return np.asarray(-np.exp(ns * log_high) * np.expm1(ns * (log_low - log_high)))


def _codes(keys: Sequence[Hashable]) -> NDArray[np.intp]:
    code: dict[Hashable, int] = {}
    return np.array([code.setdefault(key, len(code)) for key in keys], dtype=np.intp)


def _poisson_small(mu: Array) -> Array:
    """Quadrature of q ln q - q + 1, which is never negative, so that a small KL keeps its
    digits."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    u, w = (nodes + 1) / 2, weights / 2
    m = np.minimum(mu, 20.0)[:, None]
    log_q = np.log1p(m * u) + m * (u - 1)
    return np.asarray((log_q * np.exp(log_q) - np.expm1(log_q)) @ w)


def _poisson_large(mu: Array) -> Array:
    x = 1 + mu
    # exp(-x) Ei(x) by its asymptotic series where Ei would overflow.
    term = 1 / x
    series = term.copy()
    for k in range(1, 12):
        term = term * k / x
        series += term
    scaled = np.where(x < 500, np.exp(-np.minimum(x, 500)) * expi(np.minimum(x, 500)), series)
    with np.errstate(under="ignore"):
        rest = np.exp(-x) * (np.e - expi(1.0))
        return np.asarray(np.log(x) - 1 / mu + (scaled + rest) / mu - (mu - 1 + np.exp(-mu)) / mu)
