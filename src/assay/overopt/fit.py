"""The two forms of Gao et al. (arXiv:2210.10760) for gold against d = sqrt(KL), fitted, with
intervals.

| form | R(d) | peak at d* | R(d*) | back at zero |
|---|---|---|---|---|
| best_of_n | d (alpha - beta d) | alpha / (2 beta) | alpha^2 / (4 beta) | alpha / beta |
| rl | d (alpha - beta ln d) | exp(alpha/beta - 1) | beta exp(alpha/beta - 1) | exp(alpha/beta) |

R is gold relative to the policy that was optimised, R(0) = 0, in units of gold; KL in nats. Both
forms are linear in alpha and beta, so least squares is exact and needs no optimiser. Neither form
is guaranteed for a run, not even by its
name: fit both (`fit_forms`) and look at R^2 and AICc. A peak exists only for beta > 0, and one
beyond the fitted points is an extrapolation: `Peak.in_range` and every sentence here say so.

What is resampled for the intervals is the prompt, and the seed where there are several runs, and
the resampled coefficients are spread as Student's t asks for few of them. A single curve of one
prompt has no interval: its points share all that another prompt would do differently, and its
residuals know nothing of that.

Left out: iterated RLHF, and the power law and d (alpha - beta ln(1 + d)), which the paper rejects.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.overopt import words
from assay.overopt._resample import Array, ends, equal, prompt_weights
from assay.stats import Estimate
from assay.stats.intervals import widened

__all__ = [
    "FORMS",
    "Band",
    "Fit",
    "Fits",
    "Form",
    "Peak",
    "aicc",
    "fit_form",
    "fit_forms",
    "peak",
    "predict",
    "value",
    "zero_crossing",
]

Form = Literal["best_of_n", "rl"]
FORMS: Final[tuple[Form, ...]] = ("best_of_n", "rl")
PARAMETERS: Final = 3  # alpha, beta and the residual variance


def value(form: Form, alpha: ArrayLike, beta: ArrayLike, d: ArrayLike) -> Array:
    """R(d) of a form, in units of gold; 0 at d = 0."""
    columns = _columns(form, np.asarray(d, dtype=np.float64))
    return np.asarray(np.asarray(alpha) * columns[..., 0] + np.asarray(beta) * columns[..., 1])[()]


def peak(form: Form, alpha: ArrayLike, beta: ArrayLike) -> tuple[Array, Array]:
    """d* and R(d*) of a form: infinite where beta <= 0 (it never turns) or where they overflow.

    With beta > 0 and alpha <= 0 the first form only falls: its highest point is the start, 0.
    """
    a, b = np.broadcast_arrays(
        np.asarray(alpha, dtype=np.float64), np.asarray(beta, dtype=np.float64)
    )
    turns = b > 0
    safe = np.where(turns, b, 1.0)
    with np.errstate(over="ignore", under="ignore"):
        if form == "best_of_n":
            d = np.maximum(a, 0.0) / (2 * safe)
            top = np.maximum(a, 0.0) * d / 2
        else:
            d = np.exp(a / safe - 1)
            top = safe * d
    return _undefined(np.where(turns, d, np.inf), a, b), _undefined(
        np.where(turns, top, np.inf), a, b
    )


def zero_crossing(form: Form, alpha: ArrayLike, beta: ArrayLike) -> Array:
    """The d > 0 at which gold is back where it started; infinite where beta <= 0 or where it
    overflows."""
    a, b = np.broadcast_arrays(
        np.asarray(alpha, dtype=np.float64), np.asarray(beta, dtype=np.float64)
    )
    turns = b > 0
    safe = np.where(turns, b, 1.0)
    with np.errstate(over="ignore", under="ignore"):
        crossing = np.maximum(a, 0.0) / safe if form == "best_of_n" else np.exp(a / safe)
    return _undefined(np.where(turns, crossing, np.inf), a, b)


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The highest point of a fitted form; upper ends are infinite where resamples do not turn."""

    d: Estimate
    """sqrt(KL)."""
    kl: Estimate
    """Nats."""
    value: Estimate
    """Gold there, relative to the start."""
    zero_crossing: Estimate
    """The d at which gold is back at the start."""
    in_range: bool
    """True where it lies among the fitted points; elsewhere it is an extrapolation."""
    share_in_range: float
    """Share of the resamples with a peak among the fitted points."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One form, fitted."""

    form: Form
    alpha: Estimate
    beta: Estimate
    r2: Estimate
    """Share of the points' variance about their mean that the form explains; it describes them, and
    has no interval."""
    aicc: float
    """Akaike's criterion for small samples; only differences between forms on the same points mean
    anything."""
    peak: Peak | None
    """None where the form never turns down: beta <= 0, or alpha <= 0 in the form of best-of-n."""
    points: int
    left_out: int
    """Points that were not trusted or had no value; the start, where every form is 0, is not
    counted either way."""
    d_min: float
    d_max: float
    resampled: Literal["prompts", "seeds", "prompts and seeds", "nothing"]
    """The units that are resampled for the intervals; "nothing" for one curve of one prompt."""
    draws_R_2: Array = field(repr=False, compare=False)
    """alpha and beta of every resample, spread for few prompts, NaN for one curve; equal draws give
    rows as one."""

    @property
    def peak_in_range(self) -> bool:
        """True for a peak that lies among the fitted points."""
        return self.peak is not None and self.peak.in_range

    @property
    def words(self) -> str:
        """The peak of the fit, and whether the data show it."""
        return words.fit_words(self)

    @property
    def line(self) -> str:
        """Coefficients with their intervals, and `words`."""
        return words.fit_line(self)

    def row(self) -> dict[str, Any]:
        """The fit as a flat row: form, alpha, beta, r2, aicc, peak_d, peak_in_range and their
        intervals."""
        shown = {"alpha": self.alpha, "beta": self.beta, "r2": self.r2}
        if self.peak:
            shown |= {"peak_d": self.peak.d, "peak_kl": self.peak.kl, "peak_value": self.peak.value}
        cells: dict[str, Any] = {"form": self.form}
        for name, e in shown.items():
            cells |= {
                name: _or_none(e.value),
                f"{name}_low": _or_none(e.low),
                f"{name}_high": _or_none(e.high),
            }
        return cells | {
            "peak_in_range": self.peak_in_range,
            "aicc": _or_none(self.aicc),
            "points": self.points,
            "left_out": self.left_out,
            "n": self.alpha.n,
            "resampled": self.resampled,
        }


@dataclass(frozen=True, kw_only=True)
class Fits:
    """Both forms on the same points."""

    best_of_n: Fit
    rl: Fit
    share_best_of_n: float
    """Share of the resamples that the form of best-of-n fits better; NaN where nothing is
    resampled."""

    @property
    def delta_aicc(self) -> float:
        """AICc of the RL form minus that of best-of-n: positive where best-of-n's fits better."""
        return self.rl.aicc - self.best_of_n.aicc

    @property
    def preferred(self) -> Form | None:
        """The form with the lower AICc; None where they differ by less than 2, which decides
        nothing."""
        if not abs(self.delta_aicc) >= 2:
            return None
        return "best_of_n" if self.delta_aicc > 0 else "rl"


@dataclass(frozen=True, kw_only=True)
class Band:
    """A predicted curve."""

    kl_K: Array
    value_K: Array
    low_K: Array
    high_K: Array
    extrapolated_K: NDArray[np.bool_]
    """Where it leaves the fitted points."""


def fit_form(
    kl: ArrayLike,
    gold: ArrayLike,
    *,
    form: Form = "best_of_n",
    origin: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    trusted: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Fit:
    """One form by (weighted) least squares on the means over prompts.

    kl: (K,) nats, or (S, K) where every run has its own. gold: (P, K) per prompt, (S, P, K) for S
    runs over the same prompts, or (K,) for a curve of which no more is known; NaN = no value there.
    origin: gold of the policy at KL 0, a number or one per prompt; None takes the values at the
    point with KL 0, which must then be one of the points.
    weights: (K,), such as inverse variances. trusted: (K,), the points to fit; the rest are left
    out and counted.

    Raises `DataError` when fewer than two points at different d > 0 are left.
    """
    return _fit(_Points.of(kl, gold, origin, weights, trusted), form, resamples, seed, confidence)[
        0
    ]


def fit_forms(
    kl: ArrayLike,
    gold: ArrayLike,
    *,
    origin: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    trusted: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Fits:
    """Both forms side by side; arguments as for `fit_form`."""
    points = _Points.of(kl, gold, origin, weights, trusted)
    one, one_losses = _fit(points, "best_of_n", resamples, seed, confidence)
    other, other_losses = _fit(points, "rl", resamples, seed, confidence)
    decided = ~(np.isnan(one_losses) | np.isnan(other_losses))
    share = float((one_losses < other_losses)[decided].mean()) if decided.any() else math.nan
    return Fits(best_of_n=one, rl=other, share_best_of_n=share)


def predict(fit: Fit, kl: ArrayLike, *, confidence: float = 0.95) -> Band:
    """The fitted curve at these KLs (K,), with a band from the resamples, pointwise; R(0) = 0
    without any width."""
    k = np.atleast_1d(np.asarray(kl, dtype=np.float64))
    if not (k >= 0).all():
        raise DataError("a KL must be at least 0")
    d = np.sqrt(k)
    draws = fit.draws_R_2 @ _columns(fit.form, d).T
    edges = np.array([ends(column, confidence) for column in draws.T]).reshape(-1, 2)
    return Band(
        kl_K=k,
        value_K=value(fit.form, fit.alpha.value, fit.beta.value, d),
        low_K=edges[:, 0],
        high_K=edges[:, 1],
        extrapolated_K=(d > fit.d_max * (1 + 1e-12)) | ((d < fit.d_min * (1 - 1e-12)) & (d > 0)),
    )


def aicc(rss: float, points: int) -> float:
    """n ln(RSS/n) + 2k + 2k(k + 1)/(n - k - 1) with k = 3: alpha, beta and the residual variance.

    NaN for n <= 4, where it is not defined; -inf for a perfect fit.
    """
    k = PARAMETERS
    if points - k - 1 <= 0:
        return math.nan
    likelihood = points * math.log(rss / points) if rss / points > 0 else -math.inf
    return likelihood + 2 * k + 2 * k * (k + 1) / (points - k - 1)


@dataclass(frozen=True)
class _Points:
    """The points to fit: gold relative to the start, without the start."""

    d_S_K: Array
    gold_S_P_K: Array
    weights_K: Array
    left_out: int

    @classmethod
    def of(
        cls,
        kl: ArrayLike,
        gold: ArrayLike,
        origin: ArrayLike | None,
        weights: ArrayLike | None,
        trusted: ArrayLike | None,
    ) -> "_Points":
        y = np.asarray(gold, dtype=np.float64)
        k = np.asarray(kl, dtype=np.float64)
        if not 1 <= y.ndim <= 3 or k.ndim not in (1, 2):
            raise DataError(
                f"kl {k.shape} must be (K,) or (S, K), and gold {y.shape} (K,), (P, K) or (S, P, K)"
            )
        y = y.reshape((1,) * (3 - y.ndim) + y.shape)
        count = y.shape[2]
        if k.shape[-1] != count or (k.ndim == 2 and len(k) != len(y)):
            raise DataError(
                f"kl {k.shape} and gold {y.shape} disagree about the number of points or of runs"
            )
        if not (np.isnan(k) | ((k >= 0) & np.isfinite(k))).all() or np.isinf(y).any():
            raise DataError(
                "every KL must be a number from 0 on, and gold finite; NaN where there is none"
            )
        k = np.broadcast_to(k, (len(y), count))
        start = (k == 0).all(axis=0)
        y = y - _origin(y, start, origin)
        w = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
        keep = np.ones(count, dtype=bool) if trusted is None else np.asarray(trusted, dtype=bool)
        if w.shape != (count,) or keep.shape != (count,) or not (np.isfinite(w) & (w >= 0)).all():
            raise DataError(
                f"weights {w.shape} and trusted {keep.shape} must be ({count},), weights finite and"
                " >= 0"
            )
        has_value = (~np.isnan(y).all(axis=1) & ~np.isnan(k)).any(axis=0)
        used = keep & ~start & has_value & (w > 0)
        d = np.sqrt(k[:, used])
        if len(np.unique(np.round(d[d > 0], 12))) < 2:
            raise DataError(
                f"{int(used.sum())} of {count} points can be fitted, and alpha and beta need two at"
                " different KL > 0; measure at more of them"
                + ("" if keep.all() else ", or at smaller n, which are trusted")
            )
        # Of mean 1, so that the criterion and the residual variance keep their units.
        return cls(d, y[:, :, used], w[used] / w[used].mean(), int((~used & ~start).sum()))


def _origin(y_S_P_K: Array, start_K: NDArray[np.bool_], origin: ArrayLike | None) -> Array:
    """The start of gold, (S or 1, P or 1, 1)."""
    if origin is not None:
        o = np.asarray(origin, dtype=np.float64)
        if o.ndim > 2 or not np.isfinite(o).all():
            raise DataError(f"origin {o.shape} must be a finite number, or one per prompt")
        return o.reshape((1,) * (2 - o.ndim) + o.shape)[..., None]
    if not start_K.any():
        raise DataError(
            "no point has KL 0, so where gold starts is not known; add it or give `origin`"
        )
    return y_S_P_K[:, :, [int(np.argmax(start_K))]]


def _fit(
    points: _Points, form: Form, resamples: int, seed: int, confidence: float
) -> tuple[Fit, Array]:
    """The fit, and the residual sum of squares of every resample (R,)."""
    runs, prompts = points.gold_S_P_K.shape[:2]
    x_S_K_2 = _columns(form, points.d_S_K)
    best, rss, r2 = _least_squares(x_S_K_2, points, np.ones((1, prompts)), np.ones((1, runs)))
    there = ~np.isnan(points.gold_S_P_K).all(axis=1) & ~np.isnan(points.d_S_K) & (points.d_S_K > 0)
    count = int(there.sum())
    resampled: Literal["prompts", "seeds", "prompts and seeds", "nothing"]
    if runs == 1 and prompts == 1:
        resampled = "nothing"
        draws, losses = np.full((resamples, 2), np.nan), np.full(resamples, np.nan)
    else:
        resampled = "prompts" if runs == 1 else "seeds" if prompts == 1 else "prompts and seeds"
        by_prompt = (
            prompt_weights(prompts, resamples, seed) if prompts > 1 else np.ones((resamples, 1))
        )
        by_run = prompt_weights(runs, resamples, seed + 1) if runs > 1 else np.ones((resamples, 1))
        draws, losses, _ = _least_squares(x_S_K_2, points, by_prompt, by_run)
    n = {"prompts": prompts, "seeds": runs, "prompts and seeds": min(prompts, runs), "nothing": 1}[
        resampled
    ]
    draws = widened(draws, best[0], n, confidence)
    alpha, beta = float(best[0, 0]), float(best[0, 1])
    positive = points.d_S_K[there]
    low, high = float(positive.min()), float(positive.max())

    def estimated(number: float, column: Array) -> Estimate:
        return _of_draws(number, column, n, confidence)

    fitted = Fit(
        form=form,
        alpha=estimated(alpha, draws[:, 0]),
        beta=estimated(beta, draws[:, 1]),
        r2=Estimate(value=float(r2[0]), low=math.nan, high=math.nan, n=n),
        aicc=aicc(float(rss[0]), count),
        peak=_peak(form, alpha, beta, draws, (low, high), n, confidence),
        points=count,
        left_out=points.left_out,
        d_min=low,
        d_max=high,
        resampled=resampled,
        draws_R_2=draws,
    )
    return fitted, losses


def _peak(
    form: Form,
    alpha: float,
    beta: float,
    draws: Array,
    span: tuple[float, float],
    n: int,
    confidence: float,
) -> Peak | None:
    if not beta > 0 or (form == "best_of_n" and not alpha > 0):
        return None
    d, top = peak(form, alpha, beta)
    d_R, top_R = peak(form, draws[:, 0], draws[:, 1])
    crossing, crossing_R = (
        zero_crossing(form, alpha, beta),
        zero_crossing(form, draws[:, 0], draws[:, 1]),
    )
    low, high = span

    def estimated(number: Array, column: Array) -> Estimate:
        return _of_draws(float(number), column, n, confidence)

    with np.errstate(over="ignore"):
        kl, kl_R = d * d, d_R * d_R
    inside = (d_R >= low) & (d_R <= high)
    return Peak(
        d=estimated(d, d_R),
        kl=estimated(kl, kl_R),
        value=estimated(top, top_R),
        zero_crossing=estimated(crossing, crossing_R),
        in_range=bool(low <= d <= high),
        share_in_range=float(inside[~np.isnan(d_R)].mean()) if (~np.isnan(d_R)).any() else math.nan,
    )


def _of_draws(number: float, draws: Array, n: int, confidence: float) -> Estimate:
    """A number with the ends of draws that are spread already; none where they are all alike."""
    low, high = (math.nan, math.nan) if equal(draws) else ends(draws, confidence)
    return Estimate(value=number, low=low, high=high, n=n)


def _columns(form: Form, d: Array) -> Array:
    """(..., 2): what alpha and beta are multiplied by; d ln d is 0 at 0."""
    if form == "best_of_n":
        second = d * d
    else:
        second = d * np.log(np.where(d > 0, d, 1.0))
    return np.stack([d, -second], axis=-1)


def _least_squares(
    x_S_K_2: Array, points: _Points, by_prompt: Array, by_run: Array
) -> tuple[Array, Array, Array]:
    """Coefficients (R, 2), residual sums of squares (R,) and R^2 (R,) under weights (R, P) and (R,
    S)."""
    y = points.gold_S_P_K
    there = ~np.isnan(y)
    total = np.einsum("rp,spk->rsk", by_prompt, np.where(there, y, 0.0), optimize=True)
    count = np.einsum("rp,spk->rsk", by_prompt, there.astype(np.float64), optimize=True)
    usable = (count > 0) & ~np.isnan(points.d_S_K) & (points.d_S_K > 0)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    w = usable * by_run[:, :, None] * points.weights_K
    # Columns of one scale keep the normal equations as well conditioned as they can be.
    x = np.where(np.isnan(x_S_K_2), 0.0, x_S_K_2)
    scale = np.sqrt((x**2).sum(axis=(0, 1)))
    x = x / np.where(scale > 0, scale, 1.0)
    aa, ab, bb = (
        np.einsum("rsk,sk->r", w, x[..., i] * x[..., j]) for i, j in ((0, 0), (0, 1), (1, 1))
    )
    ya, yb = (np.einsum("rsk,sk->r", w * mean, x[..., i]) for i in (0, 1))
    det = aa * bb - ab * ab
    solvable = det > 1e-14 * aa * bb
    safe = np.where(solvable, det, 1.0)
    solution = np.stack([(bb * ya - ab * yb) / safe, (aa * yb - ab * ya) / safe], axis=1)
    residual = mean - np.einsum("ski,ri->rsk", x, solution, optimize=True)
    rss = (w * residual**2).sum(axis=(1, 2))
    mass = np.maximum(w.sum(axis=(1, 2)), 1e-300)
    centre = (w * mean).sum(axis=(1, 2)) / mass
    spread = (w * (mean - centre[:, None, None]) ** 2).sum(axis=(1, 2))
    flat = spread <= 1e-24 * (w * mean**2).sum(axis=(1, 2))
    r2 = np.where(flat | ~solvable, np.nan, 1 - rss / np.where(flat, 1.0, spread))
    scaled = solution / np.where(scale > 0, scale, 1.0)
    return np.where(solvable[:, None], scaled, np.nan), np.where(solvable, rss, np.nan), r2


def _undefined(values: Array, *arguments: Array) -> Array:
    """NaN where an argument is."""
    return np.asarray(np.where(np.any([np.isnan(a) for a in arguments], axis=0), np.nan, values))[
        ()
    ]


def _or_none(number: float) -> float | None:
    """A number that JSON can hold, or None."""
    return number if math.isfinite(number) else None
