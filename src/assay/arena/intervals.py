"""How far ratings may be off: covariances from the model, from the votes, and from clusters of
votes.

Cov = H^+ G H^+, H the curvature of the log-likelihood at its maximum. What G is, is what is taken
to be independent:

| kind | G | holds if |
|---|---|---|
| model | H | the likelihood is right and all votes are independent |
| sandwich | sum over votes of s s' | all votes are independent |
| cluster | sum over clusters c of (sum of s in c)(the same)' | clusters are independent |

s is a vote's slope of the log-likelihood. Votes on one prompt, or by one person, are not
independent, so clusters are the default. Of C clusters the covariance is times C / (C - 1), and
intervals are Student's with C_eff - 1 degrees of freedom, C_eff = n^2 / sum n_c^2 (Kish). The mean
of all strengths is 0; a rating's interval is about its distance from that mean, which everybody's
votes are in, and `difference` is the one that compares two.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from assay.arena.aggregate import outcomes, tabulate
from assay.arena.bradley_terry import Fit, factor, fit_table
from assay.arena.connected import connected
from assay.arena.ties import scores
from assay.arena.votes import Codes, Votes
from assay.errors import ConfigError, DataError
from assay.stats import Estimate
from assay.stats.intervals import Array, percentiles, student_quantile, widened

__all__ = [
    "NONE",
    "Bootstrap",
    "Covariance",
    "Kind",
    "bootstrap",
    "covariance",
    "difference",
    "estimates",
    "rank_intervals",
    "rough",
    "simulated",
]

Kind = Literal["cluster", "sandwich", "model"]
LAG_SHARE: Final = 0.06
"""Clusters of up to so many votes per player are summed pair by pair, larger ones by a matrix."""
NONE: Final = 1e-9
"""Log-odds, of half an interval or of a difference, that are rounding alone."""
BLOCK: Final = 2**18
"""Votes of small clusters that are summed at once."""
CELLS: Final = 4_000_000
"""Most cells of a matrix of clusters by players that is held at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Covariance:
    """Covariance of a fit's parameters, and how many independent units it is made of."""

    kind: Kind
    matrix: Array
    """(p, p), as the fit's parameters are."""
    n: int
    """Clusters, or votes where each stands alone."""
    df: float
    """Degrees of freedom of Student's quantile; infinite is the normal's."""


def covariance(fit: Fit, votes: Votes, kind: Kind = "cluster", *, small: bool = True) -> Covariance:
    """Return the covariance of a fit to these votes.

    Votes without clusters stand alone: cluster is then sandwich. small: the factor C / (C - 1).
    Raises `DataError` for one cluster alone.
    """
    p, k = len(fit.parameters), len(fit.players)
    held = factor(fit.hessian, k)
    if kind == "model":
        matrix = _centred(np.asarray(cho_solve(held, np.eye(p))), k)
        return Covariance(kind=kind, matrix=matrix, n=len(votes), df=np.inf)
    if kind == "cluster" and votes.cluster is not None:
        sizes = np.bincount(votes.cluster)
        sizes = sizes[sizes > 0].astype(np.float64)
        n = len(sizes)
        df = float(sizes.sum() ** 2 / (sizes**2).sum()) - 1
        if n < 2:
            raise DataError("all votes are of one cluster, which says nothing of another one")
        meat = _clustered(fit, votes)
    else:
        n, df = len(votes), float(len(votes) - 1)
        meat = _clustered(fit, replace(votes, cluster=np.arange(n, dtype=np.int32)))
    half = np.asarray(cho_solve(held, meat))
    matrix = _centred(np.asarray(cho_solve(held, half.T)), k)
    return Covariance(kind=kind, matrix=matrix * (n / (n - 1) if small else 1.0), n=n, df=df)


def _centred(matrix: Array, k: int) -> Array:
    """Covariance of strengths less their mean."""
    matrix = (matrix + matrix.T) / 2
    matrix[:k] -= matrix[:k].mean(axis=0)
    matrix[:, :k] -= matrix[:, :k].mean(axis=1)[:, None]
    return matrix


def _tie(fit: Fit) -> float:
    return float(fit.parameters[-1]) if fit.model != "bradley_terry" else 0.0


def _add_pairs(
    meat: Array,
    k: int,
    one: tuple[NDArray[np.intp], NDArray[np.intp]],
    other: tuple[NDArray[np.intp], NDArray[np.intp]],
    values: Array,
) -> None:
    """Add the sum of values times (e_A - e_B) (e_A' - e_B')' to the strengths' block."""
    left, right = (one[0] * k, one[1] * k), other
    block = np.bincount(left[0] + right[0], weights=values, minlength=k * k)
    block += np.bincount(left[1] + right[1], weights=values, minlength=k * k)
    block -= np.bincount(left[0] + right[1], weights=values, minlength=k * k)
    block -= np.bincount(left[1] + right[0], weights=values, minlength=k * k)
    meat[:k, :k] += block.reshape(k, k)


def _clustered(fit: Fit, votes: Votes) -> Array:
    """Sum over clusters of the outer product of a cluster's summed slopes."""
    if votes.cluster is None:
        raise DataError("the votes have no clusters")
    k, p = len(fit.players), len(fit.parameters)
    if (votes.cluster[1:] < votes.cluster[:-1]).any():
        votes = votes.where(np.argsort(votes.cluster, kind="stable"))
    u, rest = _slopes(fit, votes)
    cluster = np.asarray(votes.cluster)
    ids = np.zeros(len(cluster), dtype=np.intp)
    np.cumsum(cluster[1:] != cluster[:-1], out=ids[1:])
    sizes = np.bincount(ids)
    meat = np.zeros((p, p))
    small = (sizes <= max(1, int(LAG_SHARE * k)))[ids]
    if small.any():
        _by_lags(meat, k, ids[small], votes.first[small], votes.second[small], u[small])
    if not small.all():
        large = ~small
        _by_matrix(meat, k, ids[large], votes.first[large], votes.second[large], u[large])
    if p > k:
        sums = np.stack([np.bincount(ids, weights=column) for column in rest.T], axis=1)
        meat[k:, k:] = sums.T @ sums
        for j in range(p - k):
            shared = u * sums[ids, j]
            column = np.bincount(votes.first, weights=shared, minlength=k)
            column -= np.bincount(votes.second, weights=shared, minlength=k)
            meat[:k, k + j] = meat[k + j, :k] = column
    return meat


def _slopes(fit: Fit, votes: Votes) -> tuple[Array, Array]:
    """Slope of each vote by z, (n,), and by each parameter that is no strength, (n, q)."""
    k, r = len(fit.players), fit.parameters
    said, x = outcomes(votes), votes.covariates
    if x is None and k * k < len(votes):
        # All that can be said of any pair is fewer than the votes are.
        each = scores(fit.model, (r[:k, None] - r[None, :k]).ravel(), _tie(fit))
        at = votes.first.astype(np.intp) * k + votes.second
    else:
        z = r[votes.first] - r[votes.second]
        if x is not None:
            z += x @ r[k : k + x.shape[1]]
        each, at = scores(fit.model, z, _tie(fit)), np.arange(len(votes))
    u = each.dz.ravel()[at + said * np.intp(each.dz.shape[1])]
    columns = [] if x is None else [u * column for column in x.T]
    if fit.model != "bradley_terry":
        columns.append(each.dt[said, at])
    rest = np.stack(columns, axis=1) if columns else np.zeros((len(votes), 0))
    if votes.weight is not None:
        u, rest = u * votes.weight, rest * votes.weight[:, None]
    return u, rest


def _by_lags(
    meat: Array, k: int, ids: NDArray[np.intp], first: Codes, second: Codes, u: Array
) -> None:
    """Add small clusters pair by pair of their votes, all pairs at one distance at a time."""
    cross = np.zeros_like(meat)
    cuts = np.unique(np.searchsorted(ids, ids[::BLOCK]))  # where clusters begin
    for start, stop in zip(cuts, [*cuts[1:], len(ids)], strict=True):
        block = slice(start, stop)
        a, b, x = first[block].astype(np.intp), second[block].astype(np.intp), u[block]
        _add_pairs(meat, k, (a, b), (a, b), x * x)
        ends = np.append(np.flatnonzero(np.diff(ids[block])) + 1, stop - start)
        # Votes of the same cluster that come after each one.
        after = np.repeat(ends, np.diff(ends, prepend=0)) - np.arange(1, stop - start + 1)
        at, lag = np.flatnonzero(after), 1
        while len(at):
            to = at + lag
            _add_pairs(cross, k, (a[at], b[at]), (a[to], b[to]), x[at] * x[to])
            lag += 1
            at = at[after[at] >= lag]
    meat += cross + cross.T


def _by_matrix(
    meat: Array, k: int, ids: NDArray[np.intp], first: Codes, second: Codes, u: Array
) -> None:
    """Add large clusters by the matrix of their summed slopes, a block of clusters at a time."""
    edges = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    of = np.zeros(len(ids), dtype=np.intp)
    of[edges[1:]] = 1
    np.cumsum(of, out=of)
    edges = np.append(edges, len(ids))
    rows = max(1, CELLS // k)
    for start in range(0, len(edges) - 1, rows):
        stop = min(start + rows, len(edges) - 1)
        part = slice(edges[start], edges[stop])
        code, cells = (of[part] - start) * k, (stop - start) * k
        sums = np.bincount(code + first[part], weights=u[part], minlength=cells)
        sums -= np.bincount(code + second[part], weights=u[part], minlength=cells)
        matrix = sums.reshape(-1, k)
        meat[:k, :k] += matrix.T @ matrix


def estimates(fit: Fit, spread: Covariance, confidence: float = 0.95) -> list[Estimate]:
    """Return each parameter with its interval: strengths, then coefficients, in natural log-odds.

    Regularised strengths have none: they are drawn together by the prior, not by the votes. Nor
    have coefficients under a ridge.
    """
    half = student_quantile(spread.df, confidence) * np.sqrt(
        np.maximum(np.diag(spread.matrix), 0.0)
    )
    k, c = len(fit.players), len(fit.coefficients)
    if fit.regularised:
        half[:] = np.nan
    if fit.ridge:
        half[k : k + c] = np.nan
    # What never varies says nothing of how far another sample may lie.
    half[half <= NONE] = np.nan
    return [
        Estimate(value=float(x), low=float(x - h), high=float(x + h), n=spread.n)
        for x, h in zip(fit.parameters[: k + c], half[: k + c], strict=True)
    ]


def rough(fit: Fit, spread: Covariance) -> str:
    """Say why intervals and ranks are rough; "" where they are not.

    No more clusters than players leave directions in which no cluster's sum of slopes points: there
    the covariance says 0.
    """
    if spread.kind != "cluster" or spread.n > len(fit.players):
        return ""
    return f"rough, for {spread.n} clusters are few for {len(fit.players)} players"


def difference(
    fit: Fit, spread: Covariance, one: int, other: int, confidence: float = 0.95
) -> Estimate:
    """Return strength of one player less another's, with the interval of their difference.

    It is narrower than their two intervals would have it, or wider, for their errors go together.
    """
    value = float(fit.strength[one] - fit.strength[other])
    variance = spread.matrix[one, one] + spread.matrix[other, other] - 2 * spread.matrix[one, other]
    half = student_quantile(spread.df, confidence) * float(np.sqrt(max(variance, 0.0)))
    if half <= NONE or fit.regularised:
        half = float("nan")
    return Estimate(value=value, low=value - half, high=value + half, n=spread.n)


def simulated(fit: Fit, spread: Covariance, *, draws: int, seed: int = 0) -> tuple[Array, Array]:
    """Return the standard errors of all differences, (k, k), and simulated errors of the strengths,
    (k, draws).

    A difference whose error is rounding alone, and a player's from itself, has an infinite one:
    what never varies is not certain. Raises `ConfigError` for a seed below 0.
    """
    if seed < 0:
        raise ConfigError(f"the seed is {seed}; give 0 or more")
    k = len(fit.players)
    cov = spread.matrix[:k, :k]
    variance = np.diag(cov)[:, None] + np.diag(cov)[None] - 2 * cov
    errors = np.sqrt(np.maximum(variance, 0.0))
    errors[errors <= NONE] = np.inf
    values, vectors = np.linalg.eigh(cov)
    rng = np.random.default_rng(seed)
    noise = (vectors * np.sqrt(np.maximum(values, 0.0))) @ rng.standard_normal((k, draws))
    if np.isfinite(spread.df):
        noise /= np.sqrt(rng.chisquare(spread.df, size=draws) / spread.df)
    return errors, noise


def rank_intervals(fit: Fit, spread: Covariance, *, seed: int = 0) -> NDArray[np.int64]:
    """Return both ends of each player's rank at 95 %, (k, 2), 1 being the best.

    A player's rank is 1 plus the number who are better. Its ends count those of whom it is certain:
    |r_i - r_j| beyond c_i standard errors, c_i the quantile of the largest error of i's differences
    from all others, simulated (Mogstad et al. 2024, arXiv:2007.02388). So each interval holds its
    rank 95 % of the time; all at once they hold less often.
    """
    k, r = len(fit.players), fit.strength
    errors, exact = simulated(fit, spread, draws=1000, seed=seed)
    noise = exact.astype(np.float32)
    ends = np.empty((k, 2), dtype=np.int64)
    for i in range(k):
        per_error = 1 / errors[i]
        gaps = np.abs(noise - noise[i])
        gaps *= per_error[:, None].astype(np.float32)
        reach = np.quantile(gaps.max(axis=0), 0.95)
        far = (r - r[i]) * per_error
        ends[i] = 1 + (far > reach).sum(), k - (far < -reach).sum()
    return ends


@dataclass(frozen=True, kw_only=True, eq=False)
class Bootstrap:
    """Strengths of refits to resampled clusters."""

    draws: Array
    """(R, p) parameters of the resamples whose players stayed comparable."""
    disconnected: int
    """Resamples left out, for in them somebody only won, or only lost."""
    n: int
    """Clusters."""

    def estimates(self, fit: Fit, confidence: float = 0.95) -> list[Estimate]:
        """Return each parameter with its percentile interval, widened for few clusters."""
        spread = widened(self.draws, fit.parameters, self.n, confidence)
        low, high = percentiles(spread, confidence)
        size = len(fit.players) + len(fit.coefficients)
        return [
            Estimate(value=float(x), low=float(a), high=float(b), n=self.n)
            for x, a, b in zip(fit.parameters[:size], low, high, strict=False)
        ]


def bootstrap(fit: Fit, votes: Votes, *, resamples: int = 200, seed: int = 0) -> Bootstrap:
    """Refit to resampled clusters; votes without clusters are resampled one by one.

    Every resample counts the votes by multinomial weights of their clusters and goes on from the
    fit in a few Newton steps. It is the check on `covariance`, and costs as many fits.
    """
    if votes.cluster is None:
        ids, n = np.arange(len(votes)), len(votes)
    else:
        found, ids = np.unique(votes.cluster, return_inverse=True)
        n = len(found)
    rng = np.random.default_rng(seed)
    kept, lost = [], 0
    for _ in range(resamples):
        drawn = np.bincount(rng.integers(0, n, size=n), minlength=n).astype(np.float64)
        table = tabulate(votes, drawn[ids] * votes.weights)
        if not connected(table).whole:
            lost += 1
            continue
        kept.append(fit_table(table, model=fit.model, ridge=fit.ridge, start=fit.parameters))
    if not kept:
        raise DataError(
            f"in none of {resamples} resamples could all players be compared; there are too few"
            " votes for a bootstrap"
        )
    draws = np.stack([each.parameters for each in kept])
    return Bootstrap(draws=draws, disconnected=lost, n=n)
