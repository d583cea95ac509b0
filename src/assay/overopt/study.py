"""One proxy against one gold on a pool: the curve, its fit, where to stop, and the kind of
Goodhart.

`study` runs the measurements of this package over a sweep and keeps their results. One
that cannot be made, for a pool is small or a proxy constant, leaves a note and does not stop the
others.

Gold is what a choice gains on one response, paired by prompt, as the forms have it. The proxy
stands beside it in units of gold: as what it *promises*, its own rise times the slope of gold on
the proxy under the sampling policy, within prompts. Were the proxy gold plus noise, gold would keep
the promise however hard it is optimised against (regressional Goodhart, arXiv:2210.10760); the gap
between the two is what over-optimization takes."""

import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import TypeAdapter, ValidationError

from assay.errors import DataError
from assay.overopt import words
from assay.overopt._resample import Array, estimate, mean_estimate, pools, prompt_weights
from assay.overopt.falls import Fall
from assay.overopt.fit import FORMS, Fit, Fits, Form, fit_forms, predict
from assay.overopt.goodhart import Diagnosis, TailIndex, base_correlation, diagnose, tail_index
from assay.overopt.hedge import Hedge, hedge_tune
from assay.overopt.stop import Stop, recommend_stop
from assay.overopt.sweep import TRUSTED_SHARE, Curve, Point, Sweep
from assay.runs.settings import write_atomic
from assay.stats import Estimate

__all__ = [
    "Fitted",
    "Level",
    "Study",
    "beside",
    "plain",
    "read_studies",
    "studies_json",
    "study",
    "write_studies",
]

T = TypeVar("T")

EPSILON: Final = 0.05
"""Gold that may be lost, in standard deviations of gold within prompts, where no epsilon is
given."""
SAMPLE: Final = 400
"""Responses kept to be drawn."""
LEVELS: Final = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 1.0)
"""Quantiles of the proxy between which gold is averaged: finer where selection goes."""
LARGEST: Final = 1024
"""Largest n at which the best strength is looked for: each costs a weight for every response."""
GRID: Final = 61
"""Points of a fitted curve."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A point of the fitted curve."""

    kl: float
    gold: Estimate
    """Above one response."""
    extrapolated: bool


@dataclass(frozen=True, kw_only=True)
class Level:
    """Responses whose proxy lies between two of its quantiles."""

    low: float
    """Lowest quantile of the bin."""
    high: float
    proxy: float
    """Mean proxy score of the bin, centred within prompts."""
    gold: Estimate
    """Mean gold, centred within prompts, with a bootstrap interval by prompt."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One proxy against one gold."""

    proxy: str
    gold: str
    points: tuple[Point, ...]
    """In order of n."""
    counted: tuple[bool, ...]
    """Flags of the points that fits and stops are computed from."""
    constant: bool = False
    """The proxy scores all responses to a prompt alike, so it chooses at random."""
    constant_gold: bool = False
    """Gold is the same for all responses to a prompt, so no choice matters."""
    prompts: int
    responses: int
    """Responses with both scores."""
    epsilon: float
    """Gold that may be lost, in its units."""
    correlation: Estimate | None = None
    """Correlation of proxy and gold under the sampling policy, within prompts."""
    slope: float | None = None
    """Gold per unit of the proxy there, by least squares; None where the two do not surely rise
    together."""
    gains: tuple[Estimate, ...] = ()
    """Gold at each point less gold of one response, paired by prompt."""
    gaps: tuple[Estimate, ...] = ()
    """Promised gold less gold at each point, paired by prompt, the slope taken as known; () without
    a slope."""
    fits: Fits | None = None
    drawn: Form = "best_of_n"
    """The form of `fitted`: the one with the lower AICc."""
    fitted: tuple[Fitted, ...] = ()
    stop: Stop | None = None
    hedge: Hedge | None = None
    diagnosis: Diagnosis | None = None
    tail: TailIndex | None = None
    """Upper tail of the proxy, within prompts."""
    sample: tuple[tuple[float, float], ...] = ()
    """(proxy, gold) of some responses, as distances from the means of their prompts."""
    levels: tuple[Level, ...] = ()
    notes: tuple[str, ...] = ()
    """Measurements that could not be made, with the reason."""

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.proxy} against {self.gold}"

    @property
    def fit(self) -> Fit | None:
        """The fit that is drawn."""
        return None if self.fits is None else getattr(self.fits, self.drawn)

    @property
    def used(self) -> list[Point]:
        """The points that count and have a value."""
        kept = [
            p
            for p, c in zip(self.points, self.counted, strict=True)
            if c and math.isfinite(p.gold_mean.value)
        ]
        return kept or [p for p in self.points if math.isfinite(p.gold_mean.value)]

    @property
    def fall(self) -> Fall | None:
        """The fall of gold that the points show, those that do not count among them."""
        return None if self.stop is None else self.stop.fall

    @property
    def gain(self) -> Estimate | None:
        """Gain of the choice at the stop over one response."""
        return None if self.stop is None else self.gains[self.stop.index]

    @property
    def top(self) -> Point | None:
        """The point with the highest gold among those that count."""
        return max(self.used, key=lambda p: p.gold_mean.value, default=None)

    @property
    def hint(self) -> bool:
        """True where everything rests on points beyond n = N/8, for the pools are small."""
        return any(c and not p.trusted for p, c in zip(self.points, self.counted, strict=True))

    @property
    def verdict(self) -> str:
        """The recommendation in plain words."""
        return words.study_verdict(self)

    @property
    def warnings(self) -> list[str]:
        """Warnings that belong beside the verdict."""
        return words.study_warnings(self)

    def promise(self, k: int) -> float | None:
        """Gold that the proxy promises at a point above one response."""
        if self.slope is None:
            return None
        return self.slope * (self.points[k].proxy_mean.value - self.points[0].proxy_mean.value)


def study(
    sweep: Sweep,
    proxies: Mapping[str, ArrayLike],
    golds: Mapping[str, ArrayLike],
    *,
    epsilon: float | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[Study, ...]:
    """Every curve of a sweep, with the arrays that it was made from.

    epsilon: gold that may be lost, in its units; None = a twentieth of its standard deviation
    within prompts. Points count where they are trusted; where none above n = 1 is, those that
    nearly all pools reach do, which `Study.hint` says.
    """
    made = _Make(epsilon, resamples, seed, confidence)
    return tuple(
        made.study(
            curve,
            [p for p in sweep.points if (p.proxy, p.gold) == names],
            proxies[names[0]],
            golds[names[1]],
        )
        for names, curve in sweep.curves.items()
    )


def beside(
    sweep: Sweep,
    gold: str,
    baseline: str,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[int, dict[str, Estimate]]:
    """Gold of every other proxy less that of a baseline, paired by prompt, at the largest n that
    all are trusted at.

    Returns that n as well: 1 where no larger one is.
    """
    curves = {proxy: curve for (proxy, of), curve in sweep.curves.items() if of == gold}
    shared = set.intersection(*({int(n) for n in c.n_K[c.trusted_K]} for c in curves.values()))
    n = max(shared, default=1)
    at = {proxy: c.gold_P_K[:, int(np.flatnonzero(c.n_K == n)[0])] for proxy, c in curves.items()}
    result = {}
    for proxy, values in at.items():
        difference = values - at[baseline]
        difference = difference[~np.isnan(difference)]
        if proxy != baseline and len(difference):
            weights = prompt_weights(len(difference), resamples, seed)
            result[proxy] = mean_estimate(difference, weights, confidence)
    return n, result


@dataclass(frozen=True)
class _Make:
    epsilon: float | None
    resamples: int
    seed: int
    confidence: float

    @property
    def how(self) -> dict[str, Any]:
        return {"resamples": self.resamples, "seed": self.seed, "confidence": self.confidence}

    def study(
        self, curve: Curve, points: Sequence[Point], proxy: ArrayLike, gold: ArrayLike
    ) -> Study:
        x, y = pools(proxy, gold)
        several = (~np.isnan(x)).sum(axis=1) >= 2
        within_x, within_y = _within(x[several]), _within(y[several])
        there = ~np.isnan(within_x)
        flat, level = _level(x[several]), _level(y[several])
        spread = 0.0 if level else float(within_y[there].std())
        epsilon = EPSILON * spread if self.epsilon is None else self.epsilon
        counted = _counted(curve)
        result = Study(
            proxy=curve.proxy,
            gold=curve.gold,
            points=tuple(points),
            counted=tuple(bool(c) for c in counted),
            constant=flat,
            prompts=int((~np.isnan(x)).any(axis=1).sum()),
            responses=int((~np.isnan(x)).sum()),
            epsilon=epsilon,
            constant_gold=level,
        )
        if flat or level:
            return dataclasses.replace(result, gains=self._gains(curve))
        notes: list[str] = []
        result = self._of_responses(result, x, y, within_x, within_y, notes)
        result = self._of_curve(result, curve, counted, notes)
        return dataclasses.replace(result, notes=tuple(dict.fromkeys(notes)))

    def _of_responses(
        self, result: Study, x: Array, y: Array, within_x: Array, within_y: Array, notes: list[str]
    ) -> Study:
        """Measurements of the responses, whatever n."""
        there = ~np.isnan(within_x)
        correlation = _tried(notes, "correlation", lambda: base_correlation(x, y, **self.how))
        slope = None
        if correlation is not None and (
            correlation.low > 0 or (math.isnan(correlation.low) and correlation.value > 0)
        ):
            slope = float(correlation.value * within_y[there].std() / within_x[there].std())
        most = min(int(np.median((~np.isnan(x)).sum(axis=1))) // 8, LARGEST)
        return dataclasses.replace(
            result,
            correlation=correlation,
            slope=slope,
            hedge=(
                _tried(notes, "best n", lambda: hedge_tune(x, y, most=most, **self.how))
                if most >= 2
                else None
            ),
            diagnosis=_tried(notes, "kind of Goodhart", lambda: diagnose(x, y, **self.how)),
            tail=_tried(notes, "tail", lambda: tail_index(within_x, confidence=self.confidence)),
            sample=_sample(within_x, within_y, self.seed),
            levels=self._levels(within_x, within_y),
        )

    def _of_curve(
        self, result: Study, curve: Curve, counted: NDArray[np.bool_], notes: list[str]
    ) -> Study:
        """Measurements of the curve."""
        kl, gold = curve.kl_best_K, curve.gold_P_K
        gold = gold[~np.isnan(gold).all(axis=1)]
        fits = _tried(notes, "fit", lambda: fit_forms(kl, gold, trusted=counted, **self.how))
        drawn: Form = "best_of_n" if fits is None else fits.preferred or "best_of_n"
        labels = max(1, round(result.responses / max(result.prompts, 1)))

        shown = [p.gold_mean for p in result.points]
        how = {
            "n_K": curve.n_K,
            "trusted": counted,
            "labels_a_prompt": labels,
            "shown_K": shown,
            **self.how,
        }
        stop = _tried(
            notes, "stop", lambda: recommend_stop(kl, gold, epsilon=result.epsilon, **how)
        )
        return dataclasses.replace(
            result,
            gains=self._gains(curve),
            gaps=self._gaps(curve, result.slope),
            fits=fits,
            drawn=drawn,
            fitted=() if fits is None else self._fitted(getattr(fits, drawn), kl),
            stop=stop,
        )

    def _mean(self, values_P: Array) -> Estimate:
        values = values_P[~np.isnan(values_P)]
        if not len(values):
            return Estimate(value=math.nan, low=math.nan, high=math.nan, n=0)
        return mean_estimate(
            values, prompt_weights(len(values), self.resamples, self.seed), self.confidence
        )

    def _gains(self, curve: Curve) -> tuple[Estimate, ...]:
        return tuple(self._mean(column) for column in (curve.gold_P_K - curve.gold_P_K[:, :1]).T)

    def _gaps(self, curve: Curve, slope: float | None) -> tuple[Estimate, ...]:
        if slope is None:
            return ()
        promised = slope * (curve.proxy_P_K - curve.proxy_P_K[:, :1])
        gaps = promised - (curve.gold_P_K - curve.gold_P_K[:, :1])
        return tuple(self._mean(column) for column in gaps.T)

    def _fitted(self, fit: Fit, kl: Array) -> tuple[Fitted, ...]:
        d = np.linspace(0.0, math.sqrt(float(kl.max())), GRID)
        band = predict(fit, d * d, confidence=self.confidence)
        rows = zip(
            *(
                a.tolist()
                for a in (band.kl_K, band.value_K, band.low_K, band.high_K, band.extrapolated_K)
            ),
            strict=True,
        )
        return tuple(
            Fitted(kl=k, gold=Estimate(value=v, low=low, high=high, n=fit.alpha.n), extrapolated=e)
            for k, v, low, high, e in rows
        )

    def _levels(self, within_x: Array, within_y: Array) -> tuple[Level, ...]:
        there = ~np.isnan(within_x)
        edges = np.quantile(within_x[there], LEVELS)
        weights = prompt_weights(len(within_x), self.resamples, self.seed)
        levels = []
        for k, (low, high) in enumerate(itertools.pairwise(edges)):
            last = k == len(LEVELS) - 2
            inside = there & (within_x >= low) & ((within_x <= high) if last else (within_x < high))
            count_P = inside.sum(axis=1).astype(np.float64)
            if not count_P.sum():
                continue
            sum_P = np.where(inside, within_y, 0.0).sum(axis=1)
            mass = weights @ count_P
            draws = np.where(mass > 0, weights @ sum_P / np.maximum(mass, 1), np.nan)
            if len(within_x) < 2:
                draws = draws[:0]
            gold = estimate(
                float(sum_P.sum() / count_P.sum()),
                draws,
                n=int(count_P.sum()),
                confidence=self.confidence,
            )
            mean = float(within_x[inside].mean())
            levels.append(Level(low=LEVELS[k], high=LEVELS[k + 1], proxy=mean, gold=gold))
        return tuple(levels)


def write_studies(path: Path, studies: Sequence[Study], **more: Any) -> None:
    """Write `studies_json` as one file."""
    body = studies_json(studies, **more)
    write_atomic(path, json.dumps(body, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def studies_json(studies: Sequence[Study], **more: Any) -> dict[str, Any]:
    """Return studies as plain data, all but their points; numbers that are not finite become "inf",
    "-inf" and "nan"."""
    rows = []
    for s in studies:
        row = {
            f.name: getattr(s, f.name)
            for f in dataclasses.fields(s)
            if f.name not in ("points", "fits")
        }
        fits: dict[str, Any] | None = None
        if s.fits is not None:
            fits = {form: _fit_row(getattr(s.fits, form)) for form in FORMS}
            fits |= {"share_best_of_n": s.fits.share_best_of_n, "delta_aicc": s.fits.delta_aicc}
        rows.append({"verdict": s.verdict, "warnings": s.warnings, **row, "fits": fits})
    body: dict[str, Any] = plain({"studies": rows, **more})
    return body


def read_studies(path: Path, points: Sequence[Point]) -> list[Study]:
    """Read what `write_studies` wrote, with the points it belongs to. Raises `DataError` for
    anything else."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["studies"]
        return [_study_of(row, points) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(
            f"{path} does not hold the studies of a sweep: {' '.join(str(error).split())[:300]}"
        ) from None


def _study_of(row: dict[str, Any], points: Sequence[Point]) -> Study:
    row = {key: value for key, value in row.items() if key not in ("verdict", "warnings")}
    mine = tuple(p for p in points if (p.proxy, p.gold) == (row["proxy"], row["gold"]))
    if len(mine) != len(row["counted"]):
        raise ValueError(
            f"{row['proxy']} against {row['gold']} has {len(mine)} points, not"
            f" {len(row['counted'])}"
        )
    fits = None
    if (saved := row.pop("fits")) is not None:
        one, other = (_fit_of(saved[form]) for form in FORMS)
        fits = Fits(best_of_n=one, rl=other, share_best_of_n=float(saved["share_best_of_n"]))
    types = get_type_hints(Study)
    values = {key: TypeAdapter(types[key]).validate_python(value) for key, value in row.items()}
    return Study(points=mine, fits=fits, **values)


def _fit_row(fit: Fit) -> dict[str, Any]:
    return {
        f.name: getattr(fit, f.name) for f in dataclasses.fields(fit) if f.name != "draws_R_2"
    } | {
        "words": fit.words,
        "peak_in_range": fit.peak_in_range,
    }


def _fit_of(row: Mapping[str, Any]) -> Fit:
    types = {key: kind for key, kind in get_type_hints(Fit).items() if key != "draws_R_2"}
    values: dict[str, Any] = {
        key: TypeAdapter(kind).validate_python(row[key]) for key, kind in types.items()
    }
    return Fit(**values, draws_R_2=np.empty((0, 2)))


def plain(value: Any) -> Any:
    """Dataclasses as JSON, which has no numbers that are not finite: they become words."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _counted(curve: Curve) -> NDArray[np.bool_]:
    """The trusted points; where there is none above n = 1, all that nearly all pools reach."""
    if curve.trusted_K[1:].any():
        return curve.trusted_K
    reached = (~np.isnan(curve.gold_P_K)).sum(axis=0)
    return np.asarray(reached >= TRUSTED_SHARE * reached[min(1, len(reached) - 1)])


def _within(values: Array) -> Array:
    return np.asarray(values - np.nanmean(values, axis=1, keepdims=True))


def _level(values: Array) -> bool:
    """True where values differ within no prompt."""
    return bool((np.nanmax(values, axis=1) == np.nanmin(values, axis=1)).all())


def _sample(within_x: Array, within_y: Array, seed: int) -> tuple[tuple[float, float], ...]:
    """Half of them drawn from all responses, and half from the highest tenth, which would else be
    hardly seen."""
    there = ~np.isnan(within_x)
    x, y = within_x[there], within_y[there]
    if len(x) > SAMPLE:
        rng = np.random.default_rng(seed)
        upper = np.flatnonzero(x >= np.quantile(x, 0.9))
        high = rng.choice(upper, min(SAMPLE // 2, len(upper)), replace=False)
        rest = np.setdiff1d(np.arange(len(x)), high)
        chosen = np.sort(
            np.concatenate([high, rng.choice(rest, SAMPLE - len(high), replace=False)])
        )
        x, y = x[chosen], y[chosen]
    return tuple((float(a), float(b)) for a, b in zip(x, y, strict=True))


def _tried(notes: list[str], what: str, make: Callable[[], T]) -> T | None:
    """Return a measurement, or None with a note of the reason."""
    try:
        return make()
    except DataError as error:
        notes.append(f"no {what}: {error}")
        return None
