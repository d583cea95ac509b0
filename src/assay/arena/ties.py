"""What a vote says of two strengths: three likelihoods that differ in what a tie is.

z = r_A - r_B (and what covariates add), in natural log-odds.

| model | P(A wins) | P(tie) | sufficient |
|---|---|---|---|
| bradley_terry | sigmoid(z), a tie is half a win of each | - | wins + ties / 2 |
| davidson (1970, JASA 65:317) | e^(z/2) / Z, Z = e^(z/2) + e^(-z/2) + nu | nu / Z | 2 wins + ties |
| rao_kupper (1967, JASA 62:194) | sigmoid(z - ln theta) | the rest, theta > 1 | no such sum |

Half ties are a quasi-likelihood: z is right, its curvature need not be. With pi = e^r, Davidson's
P(A wins) is pi_A / (pi_A + pi_B + nu sqrt(pi_A pi_B)), Rao and Kupper's pi_A / (pi_A + theta pi_B).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from scipy.special import expit, log_expit

from assay.stats.intervals import Array

__all__ = ["LIKELIHOODS", "Likelihood", "Model", "Scores", "Terms", "scores"]

Model = Literal["bradley_terry", "davidson", "rao_kupper"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """Log-likelihood of m kinds of votes, its slopes and its curvature, each (m,)."""

    value: Array
    dz: Array
    dt: Array
    """By the tie parameter."""
    zz: Array
    """Curvature, the second derivative with its sign changed: not negative."""
    zt: Array
    tt: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """Slopes of one vote's log-likelihood, by what it said: (3, m) for a win of the first, of the
    second, and a tie."""

    dz: Array
    dt: Array


class Likelihood(Protocol):
    """How likely votes are at differences z (m,) and a tie parameter."""

    def __call__(
        self, z: Array, tie: float, wins: Array, losses: Array, ties: Array
    ) -> Terms:  # pragma: no cover
        """Sum the votes of each kind."""


def _half(z: Array, tie: float, wins: Array, losses: Array, ties: Array) -> Terms:
    p = expit(z)
    won, total = wins + ties / 2, wins + losses + ties
    nothing = np.zeros_like(z)
    return Terms(
        value=won * z + total * log_expit(-z),
        dz=won - total * p,
        dt=nothing,
        zz=total * p * (1 - p),
        zt=nothing,
        tt=nothing,
    )


def _davidson(z: Array, tie: float, wins: Array, losses: Array, ties: Array) -> Terms:
    """An exponential family of (wins - losses) / 2 and ties: the curvature is their covariance."""
    norm = np.logaddexp(np.abs(z) / 2 + np.log1p(np.exp(-np.abs(z))), tie)
    won, lost, tied = np.exp(z / 2 - norm), np.exp(-z / 2 - norm), np.exp(tie - norm)
    total, mean = wins + losses + ties, (won - lost) / 2
    return Terms(
        value=(wins - losses) * z / 2 + ties * tie - total * norm,
        dz=(wins - losses) / 2 - total * mean,
        dt=ties - total * tied,
        zz=total * ((won + lost) / 4 - mean * mean),
        zt=-total * mean * tied,
        tt=total * tied * (1 - tied),
    )


def _rao_kupper(z: Array, tie: float, wins: Array, losses: Array, ties: Array) -> Terms:
    """A tie is as likely as (theta^2 - 1) P(A wins) P(B wins); tie is ln theta, above 0."""
    if tie <= 0:
        nothing = np.zeros_like(z)
        worst = np.where(ties > 0, -np.inf, 0.0)
        return Terms(value=worst, dz=nothing, dt=nothing, zz=nothing, zt=nothing, tt=nothing)
    won, lost = expit(z - tie), expit(-z - tie)
    a, b = wins + ties, losses + ties
    curve_a, curve_b = a * won * (1 - won), b * lost * (1 - lost)
    grow = -np.expm1(-2 * tie)  # 1 - theta^-2
    return Terms(
        value=a * log_expit(z - tie) + b * log_expit(-z - tie)
        + ties * (2 * tie + np.log(grow)),
        dz=a * (1 - won) - b * (1 - lost),
        dt=-a * (1 - won) - b * (1 - lost) + ties * 2 / grow,
        zz=curve_a + curve_b,
        zt=curve_b - curve_a,
        tt=curve_a + curve_b + ties * 4 * (1 - grow) / grow**2,
    )  # fmt: skip


LIKELIHOODS: Final[Mapping[Model, Likelihood]] = {
    "bradley_terry": _half,
    "davidson": _davidson,
    "rao_kupper": _rao_kupper,
}


def scores(model: Model, z: Array, tie: float) -> Scores:
    """Return the slopes of single votes at differences z (m,), those of `LIKELIHOODS`."""
    nothing = np.zeros((3, 1))
    if model == "bradley_terry":
        p = expit(z)
        return Scores(dz=np.stack([1 - p, -p, 0.5 - p]), dt=nothing)
    if model == "davidson":
        norm = np.logaddexp(np.abs(z) / 2 + np.log1p(np.exp(-np.abs(z))), tie)
        mean = np.sinh(z / 2) * np.exp(-norm)
        tied = np.exp(tie - norm)
        return Scores(
            dz=np.stack([0.5 - mean, -0.5 - mean, -mean]), dt=np.stack([-tied, -tied, 1 - tied])
        )
    up, down = expit(tie - z), expit(tie + z)  # how far either is from a sure win
    return Scores(
        dz=np.stack([up, -down, up - down]),
        dt=np.stack([-up, -down, 2 / -np.expm1(-2 * tie) - up - down]),
    )
