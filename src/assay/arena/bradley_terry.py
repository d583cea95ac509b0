"""Bradley-Terry by Newton's method: strengths, coefficients of covariates and a tie parameter.

maximise sum_k w_k log P(outcome_k; z_k), z_k = r_A - r_B + x_k' beta

over strengths r of mean 0 (natural log-odds; Bradley and Terry 1952, Biometrika 39:324), by what
`ties` says of an outcome. The log-likelihood is concave, so damped Newton steps reach the one
maximum there is, usually in five or six; the table has at most k (k - 1) / 2 rows without
covariates, whatever the number of votes.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from assay.arena.aggregate import Table, tabulate
from assay.arena.connected import connected, rateable
from assay.arena.ties import LIKELIHOODS, Model, Terms
from assay.arena.votes import Votes
from assay.errors import DataError
from assay.stats.intervals import Array

__all__ = ["ELO", "Fit", "differences", "fit", "fit_table", "with_prior"]

ELO: Final = 400 / math.log(10)
"""Points per unit of natural log-odds on the scale on which 400 points are odds of ten to one."""
STEPS: Final = 100
PRECISE: Final = 1e-9
"""Largest slope, as a share of the votes, at which a maximum is reached."""
NEAR: Final = 1e-3
"""Longest step that is left at a maximum."""
FURTHEST: Final = 30.0
"""Log-odds that no finite maximum reaches: beyond, a covariate separates wins from losses."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """The maximum of a likelihood of votes."""

    model: Model
    players: tuple[str, ...]
    covariate_names: tuple[str, ...]
    parameters: Array
    """Strengths, coefficients, and the logarithm of the tie parameter where there is one, (p,)."""
    hessian: Array
    """Curvature at the maximum, (p, p), singular along equal strengths."""
    log_likelihood: float
    steps: int
    regularised: float = 0.0
    """Lambda of the prior wins on observed pairs; above 0 the strengths are not the maximum of the
    likelihood."""
    ridge: float = 0.0
    """Penalty on half the sum of squared coefficients."""

    @property
    def strength(self) -> Array:
        """Natural log-odds, (k,), of mean 0."""
        return self.parameters[: len(self.players)]

    @property
    def coefficients(self) -> Array:
        """What one unit of each covariate adds to the log-odds of the first player, (c,)."""
        k = len(self.players)
        return self.parameters[k : k + len(self.covariate_names)]

    @property
    def tie(self) -> float:
        """Davidson's nu or Rao and Kupper's theta; NaN where a tie is half a win of each."""
        return math.exp(self.parameters[-1]) if self.model != "bradley_terry" else math.nan


def fit(
    votes: Votes,
    *,
    model: Model = "bradley_terry",
    ridge: float = 0.0,
    regularised: float = 0.0,
) -> Fit:
    """Return the maximum for votes among players who can all be compared.

    ridge: penalty lambda / 2 |beta|^2 beside the sum over votes. regularised: lambda of prior wins,
    half of it each way on every pair that met (`with_prior`). Raises `DataError` where the players
    fall into groups that cannot be compared, naming them, where somebody has no finite rating, and
    where the model needs ties and there are none.
    """
    table = tabulate(votes)
    found = connected(with_prior(table, regularised))
    if found.not_scoreable and len(found.components) == 1:
        some = [f"{votes.players[i]} ({why})" for i, why in list(found.not_scoreable.items())[:6]]
        raise DataError(
            f"{len(found.not_scoreable)} players have no finite rating: {', '.join(some)}; rate the"
            " others (`ratings.rate` does), or ask for a regularised rating"
        )
    rateable(votes, found, regularised)
    made = fit_table(table, model=model, ridge=ridge, regularised=regularised)
    return replace(made, players=votes.players, covariate_names=votes.covariate_names)


def with_prior(table: Table, lam: float) -> Table:
    """Return the table with lambda / 2 more wins each way on every pair of players that met.

    Nothing is added between players who never met: a prior there would make groups comparable that
    are not, and would move pairs whose votes it has nothing to do with.
    """
    if lam == 0:
        return table
    k = table.players
    low, high = np.minimum(table.first, table.second), np.maximum(table.first, table.second)
    pairs = np.unique(low.astype(np.int64) * k + high)
    m = len(pairs)
    x = table.covariates
    return Table(
        players=k,
        first=np.concatenate([table.first, (pairs // k).astype(np.int32)]),
        second=np.concatenate([table.second, (pairs % k).astype(np.int32)]),
        wins=np.concatenate([table.wins, np.full(m, lam / 2)]),
        losses=np.concatenate([table.losses, np.full(m, lam / 2)]),
        ties=np.concatenate([table.ties, np.zeros(m)]),
        covariates=None if x is None else np.concatenate([x, np.zeros((m, x.shape[1]))]),
    )


def fit_table(
    table: Table,
    *,
    model: Model = "bradley_terry",
    ridge: float = 0.0,
    regularised: float = 0.0,
    start: Array | None = None,
) -> Fit:
    """Return the maximum for a table whose players are all comparable, which is not checked here.

    start: parameters (p,) to begin from. Raises `DataError` where Newton's steps lead to no finite
    maximum.
    """
    data = with_prior(table, regularised)
    k, c = data.players, 0 if data.covariates is None else data.covariates.shape[1]
    has_tie = model != "bradley_terry"
    tied, total = float(data.ties.sum()), float(data.total.sum())
    if has_tie and not 0 < tied < total:
        raise DataError(
            f"{model} needs votes that are ties and votes that are not; there are"
            f" {tied:g} of {total:g}: take model='bradley_terry'"
        )
    x = np.zeros(k + c + has_tie) if start is None else start.copy()
    if has_tie and start is None:
        share = tied / total
        # Both say so of equal players: nu / (2 + nu), and (theta - 1) / (theta + 1).
        odds = 2 * share / (1 - share) if model == "davidson" else (1 + share) / (1 - share)
        x[-1] = math.log(odds)
    value, terms = _evaluate(data, model, x, ridge, has_tie)
    for step in range(STEPS):
        slope, hessian = _assemble(data, terms, x, ridge, has_tie)
        move = _solve(hessian, slope, k)
        flat = np.abs(slope).max(initial=0.0) <= PRECISE * max(total, 1.0)
        # Towards an infinite maximum the slope vanishes, too, but steps stay long.
        if flat and np.abs(move).max(initial=0.0) <= NEAR:
            x[:k] -= x[:k].mean()
            return Fit(
                model=model,
                players=tuple(map(str, range(k))),
                covariate_names=tuple(map(str, range(c))),
                parameters=x,
                hessian=hessian,
                log_likelihood=value,
                steps=step,
                regularised=regularised,
                ridge=ridge,
            )
        size = 1.0
        while True:
            new, terms = _evaluate(data, model, x + size * move, ridge, has_tie)
            # A step that only rounding keeps from being better is the last one.
            if new >= value - 1e-13 * abs(value) or size < 1e-10:
                break
            size /= 2
        x, value = x + size * move, new
        if np.abs(x).max() > FURTHEST:
            break
    raise DataError(
        "there is no finite maximum: a covariate or a player separates wins from losses; drop the"
        " covariate, or give a ridge (ridge=1.0)"
    )


def differences(table: Table, parameters: Array) -> Array:
    """Return z of each kind of vote, (m,)."""
    k = table.players
    z = parameters[table.first] - parameters[table.second]
    if table.covariates is not None:
        z = z + table.covariates @ parameters[k : k + table.covariates.shape[1]]
    return np.asarray(z, dtype=np.float64)


def _evaluate(
    data: Table, model: Model, x: Array, ridge: float, has_tie: bool
) -> tuple[float, Terms]:
    z = differences(data, x)
    tie = float(x[-1]) if has_tie else 0.0
    terms = LIKELIHOODS[model](z, tie, data.wins, data.losses, data.ties)
    beta = x[data.players : len(x) - has_tie]
    return float(terms.value.sum() - ridge / 2 * (beta @ beta)), terms


def _assemble(
    data: Table, terms: Terms, x: Array, ridge: float, has_tie: bool
) -> tuple[Array, Array]:
    """Slope (p,) and curvature (p, p)."""
    k, p = data.players, len(x)
    c = p - k - has_tie
    slope, hessian = np.zeros(p), np.zeros((p, p))
    slope[:k] = _by_player(data, terms.dz)
    code = data.first.astype(np.intp) * k + data.second
    met = np.bincount(code, weights=terms.zz, minlength=k * k).reshape(k, k)
    hessian[:k, :k] = -met - met.T
    hessian[np.arange(k), np.arange(k)] += met.sum(axis=0) + met.sum(axis=1)
    if c and data.covariates is not None:
        f, at = data.covariates, slice(k, k + c)
        slope[at] = f.T @ terms.dz - ridge * x[at]
        hessian[at, at] = (f * terms.zz[:, None]).T @ f + ridge * np.eye(c)
        for j in range(c):
            hessian[:k, k + j] = hessian[k + j, :k] = _by_player(data, terms.zz * f[:, j])
        if has_tie:
            hessian[at, -1] = hessian[-1, at] = f.T @ terms.zt
    if has_tie:
        slope[-1] = terms.dt.sum()
        hessian[-1, -1] = terms.tt.sum()
        hessian[:k, -1] = hessian[-1, :k] = _by_player(data, terms.zt)
    return slope, hessian


def _by_player(data: Table, values: Array) -> Array:
    """Sum of values over votes of the first player, less those of the second, (k,)."""
    k = data.players
    plus = np.bincount(data.first, weights=values, minlength=k)
    return np.asarray(plus - np.bincount(data.second, weights=values, minlength=k))


def _solve(hessian: Array, slope: Array, k: int) -> Array:
    return np.asarray(cho_solve(factor(hessian, k), slope))


def factor(hessian: Array, k: int) -> Any:
    """Return the Cholesky factor of the curvature, made regular along equal strengths.

    The strengths' mean is free; what is added there changes nothing of what is orthogonal to it.
    Raises `DataError` where another direction is flat.
    """
    regular = hessian.copy()
    regular[:k, :k] += hessian[np.arange(k), np.arange(k)].mean() / k
    try:
        return cho_factor(regular, lower=True, check_finite=False)
    except (LinAlgError, np.linalg.LinAlgError) as error:
        raise DataError(
            "the votes leave a parameter undetermined: a covariate is constant, or is explained by"
            " the players or by the other covariates; drop it, or give a ridge (ridge=1.0)"
        ) from error
