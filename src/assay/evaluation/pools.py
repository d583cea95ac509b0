"""Pools of graded responses: does the scorer rank them as the grades do, and what does the best of
n gain?"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import stats
from assay.data.pools import matrix_of
from assay.data.records import cluster_key
from assay.evaluation.calibration import Calibrated, calibrate
from assay.evaluation.report import Options, Report, histograms
from assay.stats import CurvePoint, Estimate
from assay.stats.intervals import Array
from assay.types import Ranking, Score, Unscored

__all__ = ["Pools", "evaluate", "report"]

Answers = Sequence[Sequence[Hashable | None]]


@dataclass(frozen=True, kw_only=True)
class Pools:
    """P prompts with up to N responses each; (P, N) arrays, padded with NaN."""

    keys: Sequence[str]
    """Prompts that are resampled together."""
    proxy: Array
    """NaN also where unscored."""
    gold: Array
    length: Array
    """Characters."""
    answers: Answers | None
    """Of the pools' own sizes."""

    @property
    def unscored(self) -> int:
        """Responses without a score."""
        return int((np.isnan(self.proxy) & ~np.isnan(self.gold)).sum())


def evaluate(
    records: Sequence[Ranking],
    scores: Sequence[Sequence[Score | Unscored]],
    answers: Answers | None,
    options: Options,
) -> Report:
    """Metrics of one pool a record."""
    pools = Pools(
        keys=[cluster_key(record) for record in records],
        proxy=matrix_of(scores),
        gold=stats.pad_pools([record.grades for record in records]),
        length=stats.pad_pools(
            [[float(len(r.text)) for r in record.responses] for record in records]
        ),
        answers=answers,
    )
    return report("ranking", pools, options)


def report(kind: str, pools: Pools, options: Options) -> Report:
    """Within-prompt pairwise accuracy, best-of-n curves and, where grades are labels, AUROC and
    calibration."""
    ns = options.ns or _sizes(pools)
    used = ((~np.isnan(pools.proxy)).sum(axis=1) >= max(ns)).nonzero()[0]
    curves = _curves(pools, used, ns, options)
    metrics, baselines = _pairwise(pools, options)
    top = f"best_of_{max(ns)}"
    metrics |= {
        top: curves["scorer"][-1].estimate,
        f"{top}_over_mean": _gain(pools, used, max(ns), options),
    }
    baselines |= {
        f"{top}/{name}": points[-1].estimate for name, points in curves.items() if name != "scorer"
    }
    notes = [
        "equal scores count one half in pairs and are drawn from at random in best of n",
        "unscored responses leave their pool, for the scorer and its baselines alike",
        (
            f"best-of-n curves are over the {len(used)} of {len(pools.keys)} prompts with at least"
            f" {max(ns)} scored responses, so that every point is over the same prompts"
        ),
    ]
    if len(set(pools.keys)) < len(pools.keys):
        again = len(pools.keys) - len(set(pools.keys))
        notes.append(f"{again} pools repeat a prompt; best-of-n intervals take them as independent")
    scored = ~np.isnan(pools.proxy)
    x, y = pools.proxy[scored], pools.gold[scored]
    binary = bool(np.isin(y, (0.0, 1.0)).all())
    found = Calibrated(metrics={}, baselines={})
    if binary or kind == "outcome":
        found = calibrate(
            x,
            y,
            pools.length[scored],
            clusters=_cells(pools)[scored],
            unscored=pools.unscored,
            options=options,
        )
        metrics, baselines = metrics | found.metrics, baselines | found.baselines
        notes += found.notes
    elif pools.answers is not None and not _probable(pools.gold):
        notes.append(
            "grades are not in [0, 1], so majority votes have no accuracy and are left out"
        )
    return Report(
        kind=kind,
        metrics=metrics,
        baselines=baselines,
        curves=curves,
        reliability=found.reliability,
        selective=found.selective,
        histograms=histograms({"right": x[y == 1], "wrong": x[y == 0]} if binary else {"all": x}),
        notes=notes,
    )


def _sizes(pools: Pools) -> tuple[int, ...]:
    """Powers of two up to the largest size that half of the pools have, and that size."""
    scored = (~np.isnan(pools.proxy)).sum(axis=1)
    largest = max(1, int(np.sort(scored)[(len(scored) - 1) // 2]))
    return tuple(sorted({2**i for i in range(largest.bit_length()) if 2**i <= largest} | {largest}))


def _curves(
    pools: Pools, used: NDArray[np.intp], ns: Sequence[int], options: Options
) -> dict[str, list[CurvePoint]]:
    proxy, length = pools.proxy[used], pools.length[used]
    gold = np.where(np.isnan(proxy), np.nan, pools.gold[used])
    unscored = pools.unscored

    def along(expected: Array) -> list[CurvePoint]:
        return stats.curve(
            expected,
            ns,
            resamples=options.resamples,
            seed=options.seed,
            confidence=0.95,
            unscored=unscored,
        )

    choosers: Mapping[str, Array] = {
        "scorer": proxy,
        "random": np.where(np.isnan(gold), np.nan, 0.0),
        "shortest": -length,
        "longest": length,
        "oracle": gold,
    }
    curves = {name: along(stats.best_of_n(x, gold, list(ns))) for name, x in choosers.items()}
    if pools.answers is None or not _probable(gold):
        return curves
    answers = [[*pools.answers[i], *[None] * (gold.shape[1] - len(pools.answers[i]))] for i in used]
    sampling: dict[str, Any] = {"resamples": options.resamples, "seed": options.seed}
    curves["majority"] = _stamped(stats.majority_curve(answers, gold, ns, **sampling), unscored)
    if options.probabilities:
        weighted = stats.weighted_majority_curve(answers, gold, proxy, ns, **sampling)
        curves["weighted_majority"] = _stamped(weighted, unscored)
    return curves


def _stamped(points: Sequence[CurvePoint], unscored: int) -> list[CurvePoint]:
    """Votes see only the scored responses; say how many were not."""
    return [replace(point, estimate=replace(point.estimate, unscored=unscored)) for point in points]


def _gain(pools: Pools, used: NDArray[np.intp], n: int, options: Options) -> Estimate:
    """Expected gold of the best of n, less that of one response at random: below 0, selection
    harms."""
    gold = np.where(np.isnan(pools.proxy[used]), np.nan, pools.gold[used])
    best, mean = stats.best_of_n(pools.proxy[used], gold, n), stats.best_of_n(gold, gold, 1)
    return stats.paired_difference(
        best,
        mean,
        resamples=options.resamples,
        seed=options.seed,
        unscored=pools.unscored,
        within=(-1.0, 1.0) if _probable(gold) else (-np.inf, np.inf),
    )


def _pairwise(pools: Pools, options: Options) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Share of pairs with different grades that are ordered rightly, averaged within and then over
    prompts."""
    scored = ~np.isnan(pools.proxy)
    found: dict[str, list[float]] = {"scorer": [], "longest": []}
    keys = []
    for i, there in enumerate(scored):
        gold = pools.gold[i, there]
        better = gold[:, None] > gold[None, :]
        if not better.any():
            continue
        keys.append(pools.keys[i])
        for name, x in (("scorer", pools.proxy[i, there]), ("longest", pools.length[i, there])):
            ahead = (np.sign(x[:, None] - x[None, :]) + 1) / 2
            found[name].append(float(ahead[better].mean()))

    def over_prompts(values: Array) -> Estimate:
        return stats.proportion(
            values,
            clusters=keys,
            unscored=pools.unscored,
            resamples=options.resamples,
            seed=options.seed,
        )

    longest = np.array(found["longest"])
    return {"pairwise_accuracy": over_prompts(np.array(found["scorer"]))}, {
        "pairwise_accuracy/random": Estimate(
            value=0.5, low=0.5, high=0.5, n=len(keys), unscored=pools.unscored
        ),
        "pairwise_accuracy/longest": over_prompts(longest),
        "pairwise_accuracy/shortest": over_prompts(1 - longest),
    }


def _cells(pools: Pools) -> NDArray[np.intp]:
    """The prompt of each cell, (P, N)."""
    code: dict[str, int] = {}
    rows = np.array([code.setdefault(key, len(code)) for key in pools.keys], dtype=np.intp)
    return np.broadcast_to(rows[:, None], pools.proxy.shape)


def _probable(gold: Array) -> bool:
    there = gold[~np.isnan(gold)]
    return bool(((there >= 0) & (there <= 1)).all())
