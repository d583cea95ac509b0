"""Best-of-n over-optimization from one pool of responses a prompt, for many proxies and golds at
once.

Every response is sampled once and scored by every proxy and every gold; the expected proxy and gold
of the best of n then follow for all n from the weights of `assay.stats.best_of_n`
(arXiv:2112.09332). A point is one (proxy, gold, n).

Two KLs stand in it: the formula, which holds where responses neither repeat nor tie, and the
empirical one, which holds anyway; where they differ (`kl_holds` false) believe the second. The
per-prompt values behind the points are kept, for `fit_forms`, `recommend_stop` and paired
comparisons to resample.
"""

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import ConfigError, DataError
from assay.overopt._resample import Array
from assay.overopt.kl import best_of_n_kl, pool_kl, trusted
from assay.runs.settings import finite, write_atomic
from assay.stats import Estimate, best_of_n, mean

__all__ = [
    "Curve",
    "Point",
    "Sweep",
    "default_ns",
    "read_points",
    "sweep_best_of_n",
    "write_points",
]

TRUSTED_SHARE: Final = 0.95
"""Of the prompts, how many must have pools of 8 n for a point to be trusted."""

LARGEST: Final = 1e100
"""Size of a score beyond which its square is no number."""
GAP: Final = 0.05
"""Nats by which the empirical KL may fall short of the formula before the formula is said not to
hold."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a curve; what a method does not have is None."""

    method: str
    """Such as "best_of_n" or "rl"."""
    proxy: str
    """Which reward model chose."""
    gold: str
    """Which reward judged."""
    n: int | None = None
    """Responses to choose from."""
    step: int | None = None
    """Of training, for a policy that was trained."""
    kl: float
    """Nats from the sampling policy: ln n - (n - 1)/n for best-of-n, an estimate for a trained
    policy."""
    kl_se: float | None = None
    """Its standard error, where it is an estimate."""
    kl_empirical: Estimate | None = None
    """Nats, with ties and duplicates as they are in the pools."""
    kl_holds: bool = True
    """Whether the formula agrees with it."""
    proxy_mean: Estimate
    proxy_se: float
    """Standard error of the mean over prompts; NaN with one prompt."""
    gold_mean: Estimate
    gold_se: float
    trusted: bool = True
    """n <= N/8 for nearly all prompts."""
    pool: int | None = None
    """Median number of responses of a prompt that could be used."""
    length: float | None = None
    """Expected length of the choice, in what the lengths were given in."""
    dup_rate: float | None = None
    """Share of the pools' responses that repeat another one of their prompt; None where texts are
    not known."""
    tie_rate: float | None = None
    """Share of the pools' responses whose proxy equals that of another one of their prompt."""
    disagreement: float | None = None
    """Expected disagreement of an ensemble about the choice."""
    unscored: int = 0
    """Responses with gold that the proxy could not score."""
    no_gold: int = 0
    """Responses with a proxy that have no gold, and were left out."""

    @property
    def kl_best(self) -> float:
        """The KL to plot and fit against."""
        return self.kl if self.kl_holds or self.kl_empirical is None else self.kl_empirical.value


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One proxy against one gold over n, per prompt."""

    proxy: str
    gold: str
    n_K: NDArray[np.int64]
    kl_K: Array
    """By formula."""
    kl_empirical_P_K: Array
    """With ties and duplicates as they are in each prompt's pool; NaN as in gold."""
    kl_empirical_K: Array
    """Its mean over prompts."""
    kl_best_K: Array
    """The formula where it holds at every n, the empirical KL otherwise."""
    proxy_P_K: Array
    gold_P_K: Array
    """NaN where a prompt's pool has fewer than n responses."""
    trusted_K: NDArray[np.bool_]


@dataclass(frozen=True)
class Sweep:
    """All curves of a sweep."""

    points: tuple[Point, ...]
    curves: Mapping[tuple[str, str], Curve] = field(repr=False, compare=False)
    """By (proxy, gold)."""
    notes: tuple[str, ...] = ()
    """What a reader must know, such as that a proxy is constant."""

    def curve(self, proxy: str, gold: str) -> Curve:
        """One curve. Raises `DataError` for a name that is not there."""
        if (proxy, gold) not in self.curves:
            known = ", ".join(f"{p}/{g}" for p, g in self.curves)
            raise DataError(f"there is no curve of {proxy!r} against {gold!r}; there are {known}")
        return self.curves[proxy, gold]


def default_ns(size: int) -> tuple[int, ...]:
    """1, 2, 3, 4, 6, 8, 11, 16, ... up to the size of the pool: two an octave."""
    return tuple(
        sorted({round(2 ** (k / 2)) for k in range(2 * int(math.log2(size)) + 1)} | {size})
    )


def sweep_best_of_n(
    proxies: Mapping[str, ArrayLike],
    golds: Mapping[str, ArrayLike],
    *,
    ns: Sequence[int] | None = None,
    keys: Sequence[Sequence[Hashable]] | None = None,
    lengths: ArrayLike | None = None,
    disagreement: ArrayLike | None = None,
    missing_gold: Literal["refuse", "leave_out"] = "refuse",
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Sweep:
    """Every proxy against every gold over n, from one pool of N responses for each of P prompts.

    proxies, golds: (P, N) by name; NaN = unscored, and NaN in all of them is padding of a short
    pool. keys: (P, N), equal where texts are equal. lengths: (P, N). disagreement: (P, N), such as
    `ensembles.disagreement` of standardised members. missing_gold: a response with a proxy and
    without gold is refused, as its absence may depend on what it says, or left out and counted. All
    intervals are bootstrapped over the same resamples of prompts.

    A constant proxy is no error: it chooses at random, and a note says so. Raises `DataError` when
    gold is missing, shapes differ, a score is infinite, or no prompt has two responses to choose
    from.
    """
    if missing_gold not in ("refuse", "leave_out"):
        raise ConfigError(f"missing_gold is {missing_gold!r}; it is 'refuse' or 'leave_out'")
    xs, ys = _scores("proxy", proxies), _scores("gold", golds)
    shape = _one_shape(
        {**{f"proxy {k}": v for k, v in xs.items()}, **{f"gold {k}": v for k, v in ys.items()}}
    )
    extra = {
        name: _beside(name, a, shape)
        for name, a in (("lengths", lengths), ("disagreement", disagreement))
    }
    if keys is not None and (len(keys) != shape[0] or any(len(row) != shape[1] for row in keys)):
        raise DataError(f"keys must be {shape}, one for each response")
    points: list[Point] = []
    curves: dict[tuple[str, str], Curve] = {}
    notes: list[str] = []
    for gold, y in ys.items():
        for proxy, x in xs.items():
            pair = _Pair.of(proxy, x, gold, y, missing_gold)
            made = _curve(pair, _checked_ns(ns, pair), keys)
            curves[proxy, gold] = made
            points += _points(pair, made, keys, extra, resamples, seed, confidence)
            notes += _notes(pair, made)
    return Sweep(tuple(points), curves, tuple(dict.fromkeys(notes)))


def write_points(path: Path, points: Sequence[Point]) -> None:
    """Points as JSON lines, the whole file or nothing; a number that is not finite becomes null."""
    lines = (json.dumps(finite(asdict(p)), allow_nan=False, ensure_ascii=False) for p in points)
    write_atomic(path, "".join(f"{line}\n" for line in lines))


def read_points(path: Path) -> list[Point]:
    """Read what `write_points` wrote. Raises `DataError` naming the line of a row that is not a
    point."""
    points = []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    # Only a newline ends a row: texts may hold other separators of lines.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                points.append(_point(json.loads(line)))
            except (TypeError, ValueError, KeyError) as error:
                raise DataError(f"{path}, line {number}: not a point of a sweep: {error}") from None
    return points


@dataclass(frozen=True)
class _Pair:
    """One proxy and one gold: scores that are both there, or NaN in both."""

    proxy: str
    gold: str
    x_P_N: Array
    y_P_N: Array
    unscored: int
    no_gold: int

    @classmethod
    def of(cls, proxy: str, x: Array, gold: str, y: Array, missing_gold: str) -> "_Pair":
        lacking = ~np.isnan(x) & np.isnan(y)
        if lacking.any() and (missing_gold == "refuse" or lacking.sum() == (~np.isnan(x)).sum()):
            p, i = (int(v) for v in np.argwhere(lacking)[0])
            raise DataError(
                f"{int(lacking.sum())} of {int((~np.isnan(x)).sum())} responses that {proxy!r}"
                f" scored have no gold {gold!r} (first: prompt {p}, response {i}); score them, or"
                " leave them out (--missing-gold leave_out, missing_gold='leave_out')"
            )
        there = ~np.isnan(x) & ~np.isnan(y)
        if not (there.sum(axis=1) >= 2).any():
            raise DataError(
                f"no prompt has two responses with both {proxy!r} and {gold!r}; best-of-n needs"
                " several a prompt"
            )
        unscored = int((np.isnan(x) & ~np.isnan(y)).sum())
        x, y = np.where(there, x, np.nan), np.where(there, y, np.nan)
        return cls(proxy, gold, x, y, unscored, int(lacking.sum()))

    @property
    def sizes_P(self) -> NDArray[np.intp]:
        return np.asarray((~np.isnan(self.x_P_N)).sum(axis=1))

    @property
    def constant_P(self) -> NDArray[np.bool_]:
        """Prompts with several responses that the proxy scores alike."""
        several = self.sizes_P >= 2
        high = np.where(np.isnan(self.x_P_N), -np.inf, self.x_P_N).max(axis=1)
        low = np.where(np.isnan(self.x_P_N), np.inf, self.x_P_N).min(axis=1)
        return np.asarray(several & (high == low))


def _curve(pair: _Pair, ns: tuple[int, ...], keys: Sequence[Sequence[Hashable]] | None) -> Curve:
    sizes, n_K = pair.sizes_P, np.array(ns, dtype=np.int64)
    kl_K = np.asarray(best_of_n_kl(n_K))
    kl_P_K = _empirical(pair, ns, keys)
    counted = ~np.isnan(kl_P_K)
    empirical_K = np.where(counted, kl_P_K, 0.0).sum(axis=0) / np.maximum(counted.sum(axis=0), 1)
    usable = sizes[sizes > 0]
    # One response is the mean of all there are, which needs no large pool.
    is_trusted = np.array([n == 1 or bool(trusted(n, usable).mean() >= TRUSTED_SHARE) for n in ns])
    return Curve(
        proxy=pair.proxy,
        gold=pair.gold,
        n_K=n_K,
        kl_K=kl_K,
        kl_empirical_P_K=kl_P_K,
        kl_empirical_K=empirical_K,
        kl_best_K=kl_K if (kl_K - empirical_K <= GAP).all() else empirical_K,
        proxy_P_K=best_of_n(pair.x_P_N, pair.x_P_N, list(ns)),
        gold_P_K=best_of_n(pair.x_P_N, pair.y_P_N, list(ns)),
        trusted_K=is_trusted,
    )


def _points(
    pair: _Pair,
    curve: Curve,
    keys: Sequence[Sequence[Hashable]] | None,
    extra: Mapping[str, Array | None],
    resamples: int,
    seed: int,
    confidence: float,
) -> list[Point]:
    ns = [int(n) for n in curve.n_K]
    expected = {name: _expected(pair, values, ns) for name, values in extra.items()}

    def mean(values_P: Array) -> Estimate:
        return _mean(values_P, confidence, pair.unscored)

    return [
        Point(
            method="best_of_n",
            proxy=pair.proxy,
            gold=pair.gold,
            n=n,
            kl=float(curve.kl_K[k]),
            kl_empirical=mean(curve.kl_empirical_P_K[:, k]),
            kl_holds=bool(curve.kl_best_K[k] == curve.kl_K[k]),
            proxy_mean=mean(curve.proxy_P_K[:, k]),
            proxy_se=_standard_error(curve.proxy_P_K[:, k]),
            gold_mean=mean(curve.gold_P_K[:, k]),
            gold_se=_standard_error(curve.gold_P_K[:, k]),
            trusted=bool(curve.trusted_K[k]),
            pool=int(np.median(pair.sizes_P[pair.sizes_P > 0])),
            length=expected["lengths"][k],
            dup_rate=None if keys is None else _repeats(pair, keys),
            tie_rate=_repeats(pair, pair.x_P_N.tolist()),
            disagreement=expected["disagreement"][k],
            unscored=pair.unscored,
            no_gold=pair.no_gold,
        )
        for k, n in enumerate(ns)
    ]


def _notes(pair: _Pair, curve: Curve) -> list[str]:
    notes = []
    constant, several = int(pair.constant_P.sum()), int((pair.sizes_P >= 2).sum())
    if constant == several:
        notes.append(
            f"proxy {pair.proxy!r} is constant within every prompt: it chooses at random,"
            " whatever n"
        )
    elif constant:
        notes.append(
            f"proxy {pair.proxy!r} is constant within {constant} of {several} prompts: there it"
            " chooses at random"
        )
    if constant < several and not (curve.kl_K - curve.kl_empirical_K <= GAP).all():
        at = int(np.argmax(curve.kl_K - curve.kl_empirical_K > GAP))
        notes.append(
            f"proxy {pair.proxy!r}: responses repeat or tie, so KL = ln n - (n - 1)/n does not hold"
            f" from n = {curve.n_K[at]} on ({curve.kl_empirical_K[at]:.2f} nats, not"
            f" {curve.kl_K[at]:.2f}); the empirical KL does"
        )
    if pair.no_gold:
        notes.append(
            f"{pair.no_gold} responses without gold {pair.gold!r} were left out of the pools of"
            f" {pair.proxy!r}"
        )
    if pair.unscored:
        notes.append(
            f"proxy {pair.proxy!r} could not score {pair.unscored} responses; they are not in its"
            " pools"
        )
    if not curve.trusted_K[1:].any():
        notes.append(
            f"pools of {int(np.median(pair.sizes_P))} responses are too small to trust any n above"
            " 1 (n <= N/8)"
        )
    if several < 2:
        notes.append("there is one prompt, so no interval can be given")
    return notes


def _empirical(
    pair: _Pair, ns: tuple[int, ...], keys: Sequence[Sequence[Hashable]] | None
) -> Array:
    """(P, K): empirical KL of each prompt's pool; NaN where it has fewer than n responses."""
    result = np.full((len(pair.x_P_N), len(ns)), np.nan)
    for p, (pool, size) in enumerate(zip(pair.x_P_N, pair.sizes_P, strict=True)):
        few = [n for n in ns if n <= size]
        if few:
            result[p, : len(few)] = pool_kl(pool, few, keys=None if keys is None else keys[p])
    return result


def _expected(pair: _Pair, values: Array | None, ns: list[int]) -> list[float | None]:
    """Mean over prompts of what the choice has; a response without it leaves the pool."""
    if values is None:
        return [None] * len(ns)
    expected = best_of_n(pair.x_P_N, values, ns)
    there = ~np.isnan(expected)
    sums = np.where(there, expected, 0.0).sum(axis=0)
    return [float(s / c) if c else None for s, c in zip(sums, there.sum(axis=0), strict=True)]


def _repeats(pair: _Pair, keys: Sequence[Sequence[Hashable]]) -> float:
    """Share of the responses that can be used that are not the first of their key in their
    prompt."""
    there = ~np.isnan(pair.x_P_N)
    distinct = sum(
        len({k for k, t in zip(row, used, strict=True) if t})
        for row, used in zip(keys, there, strict=True)
    )
    return float(1 - distinct / there.sum())


def _mean(values_P: Array, confidence: float, unscored: int) -> Estimate:
    """Over the prompts that have a value; one alone has no interval, nor have equal ones."""
    return mean(values_P[~np.isnan(values_P)], confidence=confidence, unscored=unscored)


def _standard_error(values_P: Array) -> float:
    values = values_P[~np.isnan(values_P)]
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def _scores(what: str, named: Mapping[str, ArrayLike]) -> dict[str, Array]:
    if not named:
        raise DataError(f"there is no {what}; give at least one, {{name: (prompts, responses)}}")
    result = {}
    for name, values in named.items():
        try:
            result[name] = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError(
                f"{what} {name!r} is not an array of numbers; pad short pools with NaN"
            ) from None
        if result[name].ndim != 2:
            raise DataError(
                f"{what} {name!r} is {result[name].shape}; it must be (prompts, responses)"
            )
        if np.isinf(result[name]).any():
            raise DataError(f"{what} {name!r} has infinite scores; give numbers, NaN for unscored")
        if (np.abs(result[name]) > LARGEST).any():
            raise DataError(
                f"{what} {name!r} has scores beyond {LARGEST:g}, which cannot be averaged; rescale"
                " them"
            )
        if np.isnan(result[name]).all():
            raise DataError(f"{what} {name!r} has no score at all")
    return result


def _one_shape(named: Mapping[str, Array]) -> tuple[int, int]:
    first, *others = named.items()
    for name, values in others:
        if values.shape != first[1].shape:
            raise DataError(
                f"{name} is {values.shape} and {first[0]} {first[1].shape}; all score the same"
                " responses"
            )
    if first[1].shape[1] < 2:
        raise DataError("there is one response a prompt; best-of-n needs several to choose from")
    return first[1].shape[0], first[1].shape[1]


def _beside(name: str, values: ArrayLike | None, shape: tuple[int, int]) -> Array | None:
    if values is None:
        return None
    result = np.asarray(values, dtype=np.float64)
    if result.shape != shape:
        raise DataError(f"{name} is {result.shape} and must be {shape}, one for each response")
    return result


def _checked_ns(ns: Sequence[int] | None, pair: _Pair) -> tuple[int, ...]:
    largest = int(pair.sizes_P.max())
    if ns is None:
        return default_ns(largest)
    if not ns or min(ns) < 1 or max(ns) > largest:
        raise DataError(f"n must lie from 1 to {largest}, the largest pool; got {sorted(set(ns))}")
    return tuple(sorted(set(ns)))


def _estimate(row: dict[str, Any]) -> Estimate:
    values: dict[str, Any] = {k: math.nan if v is None else v for k, v in row.items()}
    return Estimate(**values)


def _point(row: Any) -> Point:
    if not isinstance(row, dict):
        raise TypeError("it is not an object")
    known = {f.name: f for f in fields(Point)}
    if unknown := sorted(row.keys() - known.keys()):
        raise ValueError(f"unknown field {', '.join(unknown)}")
    values = dict(row)
    for name in ("kl_empirical", "proxy_mean", "gold_mean"):
        if isinstance(values.get(name), dict):
            values[name] = _estimate(values[name])
        elif name != "kl_empirical":
            raise ValueError(f"{name} is not an estimate")
    for name in ("kl", "proxy_se", "gold_se"):
        if values.get(name, math.nan) is None:
            values[name] = math.nan
    for name in ("kl", "proxy_se", "gold_se"):
        if not isinstance(values.get(name), (int, float)):
            raise ValueError(f"{name} is not a number")
    return Point(**values)
