"""Worlds of known truth, one function an estimator: data of n units go in, `Estimate`s beside their
truths come out.

A unit is what the estimator calls one: a row, a prompt, a seed, a size of model. Truths are exact
or, for best-of-n of a noisy proxy, by quadrature.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from assay.benchmarks import _first_error as first_error
from assay.overopt.ensembles import error_correlation
from assay.overopt.fit import fit_form
from assay.overopt.gaussian import GaussianGoodhart
from assay.overopt.goodhart import base_correlation
from assay.overopt.kl import best_of_n_kl
from assay.overopt.scaling import scaling
from assay.stats import (
    Estimate,
    auroc,
    best_of_n,
    best_of_n_curve,
    bootstrap,
    brier,
    calibration_slope,
    ece,
    majority_curve,
    paired_bootstrap,
    proportion,
    student,
)

__all__ = ["WORLDS", "Seen", "World"]

Array = NDArray[np.float64]


class Seen(NamedTuple):
    """One estimate of one sample, and what it should hold."""

    name: str
    estimate: Estimate
    truth: float


World = Callable[[np.random.Generator, int, int], list[Seen]]
"""From a generator, n units and the number of resamples."""


def _clusters(rng: np.random.Generator, n: int) -> NDArray[np.intp]:
    """The cluster of each row: sizes are lognormal, so that a few clusters hold most of the
    rows."""
    sizes = np.ceil(3 * np.exp(rng.normal(size=n))).astype(int)
    return np.repeat(np.arange(n), sizes)


def means(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    drawn: dict[str, tuple[Array, float]] = {
        "normal": (rng.normal(size=n), 0.0),
        "exponential": (rng.exponential(size=n), 1.0),
        "lognormal": (np.exp(rng.normal(size=n)), math.exp(0.5)),
        "t of 3": (rng.standard_t(3, size=n), 0.0),
        "ties (0, 1, 5)": (rng.choice([0.0, 1.0, 5.0], p=[0.5, 0.3, 0.2], size=n), 1.3),
        "0/1 at .5": ((rng.random(n) < 0.5) * 1.0, 0.5),
        "0/1 at .9": ((rng.random(n) < 0.9) * 1.0, 0.9),
        "0/1 at .99": ((rng.random(n) < 0.99) * 1.0, 0.99),
    }
    return [
        Seen(f"mean, {name}", bootstrap(x, resamples=resamples), truth)
        for name, (x, truth) in drawn.items()
    ]


def clustered_means(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    ids = _clusters(rng, n)
    even = np.repeat(np.arange(n), 4)
    skewed = np.exp(rng.normal(size=n))[even] + rng.normal(size=4 * n)
    uneven = rng.normal(size=n)[ids] + rng.normal(size=len(ids))
    return [
        Seen(
            "mean by prompt, 4 rows each, lognormal",
            bootstrap(skewed, clusters=even, resamples=resamples),
            1.64872,
        ),
        Seen(
            "mean by prompt, uneven sizes",
            bootstrap(uneven, clusters=ids, resamples=resamples),
            0.0,
        ),
    ]


def shares(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    found = [
        Seen(f"share {p:g}", proportion(rng.random(n) < p, resamples=resamples), p)
        for p in (0.5, 0.9, 0.99)
    ]
    soft = rng.choice([0.0, 0.5, 1.0], p=[0.05, 0.1, 0.85], size=n)
    return [*found, Seen("share with ties .9", proportion(soft, resamples=resamples), 0.9)]


def clustered_shares(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    found = []
    ids = _clusters(rng, n)
    for p in (0.5, 0.7, 0.9, 0.98):
        chance = rng.beta(2 * p, 2 * (1 - p), size=n)[ids]
        right = rng.random(len(ids)) < chance
        found.append(
            Seen(
                f"share by prompt {p:g}, uneven",
                proportion(right, clusters=ids, resamples=resamples),
                p,
            )
        )
    return found


def paired(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    skill = rng.random(n)
    a, b = (skill + 0.3 * rng.random(n) > 0.35) * 1.0, (skill + 0.3 * rng.random(n) > 0.45) * 1.0
    truth = 0.1
    x = rng.normal(size=n)
    return [
        Seen("paired difference of 0/1", paired_bootstrap(a, b, resamples=resamples), truth),
        Seen(
            "paired difference, normal",
            paired_bootstrap(x + 0.3 + 0.5 * rng.normal(size=n), x, resamples=resamples),
            0.3,
        ),
    ]


def seeds(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    return [Seen("mean over seeds (student)", student(rng.normal(size=n)), 0.0)]


def areas(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    found = []
    y = np.arange(n) % 2 * 1.0
    for area, shift in ((0.5, 0.0), (0.75, 0.95387), (0.9, 1.81239), (0.98, 2.90443)):
        x = rng.normal(size=n) + shift * y
        found.append(Seen(f"AUROC {area:g}", auroc(x, y, resamples=resamples), area))
    rare = (np.arange(n) % 5 == 0) * 1.0
    x = rng.normal(size=n) + 1.81239 * rare
    found.append(Seen("AUROC .9, one in five", auroc(x, rare, resamples=resamples), 0.9))
    # A prompt's rows share a level that score and label both follow only by chance.
    ids = np.repeat(np.arange(n), 5)
    labels = (rng.random(5 * n) < 0.5) * 1.0
    scores = 0.7 * rng.normal(size=n)[ids] + math.sqrt(0.51) * rng.normal(size=5 * n) + 1.2 * labels
    truth = float(ndtr(1.2 / math.sqrt(2)))
    found.append(
        Seen("AUROC .8 by prompt", auroc(scores, labels, clusters=ids, resamples=resamples), truth)
    )
    return found


def calibration(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    logits = 1.5 * rng.normal(size=n)
    p = expit(logits)
    found = []
    for name, chance in (
        ("calibrated", p),
        ("too sure", expit(0.5 * logits)),
        ("too high", np.maximum(p - 0.2, 0)),
    ):
        y = (rng.random(n) < chance) * 1.0
        found.append(Seen(f"ECE, {name}", ece(p, y, resamples=resamples), _binned_error(p, chance)))
        if name == "too sure":
            found.append(Seen("Brier score", brier(p, y, resamples=resamples), _BRIER))
            slope = calibration_slope(logits, y)
            found.append(Seen("calibration slope", slope.slope, 0.5))
            found.append(Seen("calibration intercept", slope.intercept, 0.0))
    return found


_GRID = np.linspace(-12, 12, 4001)
_DENSITY = np.exp(-((_GRID / 1.5) ** 2) / 2) / np.exp(-((_GRID / 1.5) ** 2) / 2).sum()
_BRIER = float(_DENSITY @ (expit(_GRID) ** 2 + (1 - 2 * expit(_GRID)) * expit(0.5 * _GRID)))
"""Of logits 1.5 z that are twice too large: E p² + (1 - 2p) P(y = 1)."""


def _binned_error(p: Array, chance: Array, bins: int = 10) -> float:
    """What `ece` would say of these probabilities, were every label its chance."""
    edges = np.unique(np.sort(p)[[len(p) * b // bins for b in range(1, bins)]])
    which = np.searchsorted(edges, p, side="right")
    return float(np.abs(np.bincount(which, weights=chance - p)).sum() / len(p))


def clustered_calibration(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    ids = np.repeat(np.arange(n), 5)
    logits = rng.normal(size=n)[ids] + rng.normal(size=5 * n)
    p, y = expit(logits), (rng.random(5 * n) < expit(logits)) * 1.0
    return [
        Seen("ECE by prompt, calibrated", ece(p, y, clusters=ids, resamples=resamples), 0.0),
        Seen("calibration slope by prompt", calibration_slope(logits, y, clusters=ids).slope, 1.0),
    ]


def pools(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    """Best-of-4 of 16: right or wrong answers with a chance a prompt, and gold that a noisy proxy
    follows."""
    chance = rng.beta(1, 1, size=(n, 1))
    right = (rng.random((n, 16)) < chance) * 1.0
    lucky = rng.random((n, 16))
    easy, easier = ((rng.random((n, 16)) < rng.beta(a, 1, size=(n, 1))) * 1.0 for a in (2, 8))
    gold = rng.normal(size=(n, 1)) + rng.normal(size=(n, 16))
    proxy = gold + rng.normal(size=gold.shape)
    curve = best_of_n_curve(lucky, right, [4], resamples=resamples)[0].estimate
    oracle, sure = (
        best_of_n_curve(y, y, [4], resamples=resamples)[0].estimate for y in (easy, easier)
    )
    graded = best_of_n_curve(proxy, gold, [4], resamples=resamples)[0].estimate
    vote = majority_curve(right.astype(int).tolist(), right, [3], draws=8, resamples=resamples)[
        0
    ].estimate
    ahead = np.sign(proxy[:, :, None] - proxy[:, None, :])
    better = gold[:, :, None] > gold[:, None, :]
    agree = ((ahead + 1) / 2 * better).sum(axis=(1, 2)) / better.sum(axis=(1, 2))
    return [
        Seen("best of 4, 0/1 gold", curve, 0.5),
        Seen("best of 4, oracle of .93", oracle, 1 - _all_wrong(2, 1, 4)),
        Seen("best of 4, oracle of .998", sure, 1 - _all_wrong(8, 1, 4)),
        Seen("best of 4, normal gold", graded, 1.029375 / math.sqrt(2)),
        Seen("majority of 3", vote, 0.5),
        Seen("pairwise accuracy", proportion(agree, resamples=resamples), 0.75),
    ]


def _all_wrong(a: float, b: float, n: int) -> float:
    """E (1 - p)^n for p ~ Beta(a, b)."""
    return math.prod((b + i) / (a + b + i) for i in range(n))


def kl(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    """Summed log-ratios of 2 responses a prompt, of mean KL .5: normal log-ratios have variance 2
    KL."""
    each = 0.5 + rng.normal(size=2 * n)
    ids = np.repeat(np.arange(n), 2)
    # k3 = r - 1 - ln r, r = pi_0/pi < 1: skewed and never below 0.
    log = -0.3 * rng.normal(size=2 * n) - 0.045
    k3 = np.exp(log) - 1 - log
    return [
        Seen("KL, k1", bootstrap(each, clusters=ids, resamples=resamples), 0.5),
        Seen("KL, k3", bootstrap(k3, clusters=ids, resamples=resamples), 0.045),
    ]


def benchmark(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    """First-error F1: .7 of the wrong solutions are located, .9 of the right ones cleared."""
    wrong = np.arange(n) % 2 == 0
    located, cleared = wrong & (rng.random(n) < 0.7), ~wrong & (rng.random(n) < 0.9)
    noticed = located | (wrong & (rng.random(n) < 0.5))
    columns = np.stack([wrong, located, noticed, ~wrong, cleared, np.ones(n)], axis=1).astype(float)
    counts = first_error.Counts(
        columns=columns,
        counted=np.ones(n, dtype=bool),
        unscored=np.zeros(n, dtype=bool),
        prompts=[str(i) for i in range(n)],
        subsets=["all"] * n,
    )
    asked = {
        "f1": first_error.F1,
        "mcc": first_error.MCC,
        "accuracy": first_error.ACCURACY["accuracy_right"],
    }
    found = first_error.by_subset(counts, asked, resamples=resamples, seed=0)
    tn, tp = 0.85, 0.9
    mcc = (tp * tn - (1 - tn) * (1 - tp)) / math.sqrt(
        (tp + 1 - tn) * (tp + 1 - tp) * (tn + 1 - tn) * (tn + 1 - tp)
    )
    return [
        Seen("first-error F1", found["f1"], 2 * 0.7 * 0.9 / 1.6),
        Seen("Matthews correlation", found["mcc"], mcc),
        Seen("accuracy on right solutions", found["accuracy"], 0.9),
    ]


_WORLD = GaussianGoodhart(1.0, 0.4, 0.5)
_SIZE = 64
_NS = (1, 2, 3, 4, 6, 8)
_KL = np.asarray(best_of_n_kl(_NS), dtype=float)
_EXACT = np.array([_WORLD.best_of_n(n)[1] for n in _NS])
_D = np.sqrt(_KL[1:])
_TRUE = np.linalg.lstsq(np.stack([_D, -_D * _D], axis=1), _EXACT[1:], rcond=None)[0]


def fits(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    """The coefficients of a fit to the exact best-of-n curve, from n prompts with pools of 64."""
    x, y = _WORLD.pools(n, _SIZE, seed=int(rng.integers(1 << 30)))
    y = y + rng.normal(size=(n, 1)) + 0.5 * rng.normal(size=(n, 1)) * x
    found = fit_form(_KL, best_of_n(x, y, list(_NS)), resamples=resamples)
    seen = [
        Seen("fit, alpha", found.alpha, float(_TRUE[0])),
        Seen("fit, beta", found.beta, float(_TRUE[1])),
    ]
    if found.peak is not None:
        seen.append(Seen("fit, peak d", found.peak.d, float(_TRUE[0] / _TRUE[1] / 2)))
    return seen


def runs(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    """A fit of n runs, each with a curve of its own."""
    d = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    alpha, beta = 1 + 0.3 * rng.normal(size=n), 0.3 + 0.1 * rng.normal(size=n)
    y = alpha[:, None] * d - beta[:, None] * d * d + 0.05 * rng.normal(size=(n, 5))
    found = fit_form(d * d, y[:, None, :], resamples=resamples)
    return [
        Seen("fit of runs, alpha", found.alpha, 1.0),
        Seen("fit of runs, beta", found.beta, 0.3),
    ]


def correlations(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    gold = rng.normal(size=(n, 16))
    proxy = 0.6 * gold + 0.8 * rng.normal(size=gold.shape)
    # Centring within the prompt leaves the correlation as it is.
    shared = rng.normal(size=gold.shape)
    members = [gold + shared + rng.normal(size=gold.shape) for _ in range(3)]
    return [
        Seen("correlation within prompts", base_correlation(proxy, gold, resamples=resamples), 0.6),
        Seen("error correlation", error_correlation(members, gold, resamples=resamples).mean, 0.5),
    ]


def sizes(rng: np.random.Generator, n: int, resamples: int) -> list[Seen]:
    x = np.exp(np.linspace(0, 5, n))
    y = 0.5 + 0.1 * np.log(x) + 0.1 * rng.normal(size=n)
    return [Seen("slope on ln(size)", scaling(x, y).slope, 0.1)]


WORLDS: Sequence[tuple[World, str]] = (
    (means, "rows"),
    (clustered_means, "prompts"),
    (shares, "rows"),
    (clustered_shares, "prompts"),
    (paired, "rows"),
    (seeds, "seeds"),
    (areas, "rows, or prompts of 5"),
    (calibration, "rows"),
    (clustered_calibration, "prompts of 5"),
    (pools, "prompts of 16"),
    (kl, "prompts of 2"),
    (benchmark, "solutions"),
    (fits, "prompts of 64"),
    (runs, "runs"),
    (correlations, "prompts of 16"),
    (sizes, "models"),
)
