"""The plots of a report: pure functions from numbers to inline SVG, the same text for the same
numbers.

Every function raises `MissingExtra` without matplotlib and `DataError` when there is nothing to
draw.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from assay.errors import DataError
from assay.report.lines import (
    BASELINE,
    DASHES,
    MARKERS,
    Point,
    band,
    cycle,
    end_labels,
    short,
    there,
)
from assay.report.svg import MUTED, PALETTE, draw
from assay.stats import Bin, CurvePoint, Estimate

__all__ = [
    "Histogram",
    "best_of_n",
    "histogram",
    "reliability",
    "score_histogram",
    "training_curves",
]

Array = NDArray[np.float64]


class Histogram(Protocol):
    """Counts of scores between edges; histograms drawn together share their edges."""

    @property
    def edges(self) -> Sequence[float]:
        """One more than there are counts."""
        ...

    @property
    def counts(self) -> Sequence[int]:
        """How many scores lie between each two edges."""
        ...


class Counts(NamedTuple):
    """The plainest `Histogram`."""

    edges: Sequence[float]
    counts: Sequence[int]


POINTS: Final = 300
"""Most points of a training curve: more cannot be seen, and would weigh."""


def training_curves(rows: Sequence[Mapping[str, Any]]) -> str:
    """Loss, accuracy, learning rate and speed over the steps, from the rows of a `metrics.jsonl`.

    A row has `step` and any of loss, accuracy, eval_loss, eval_accuracy, learning_rate,
    tokens_per_second; other keys, rows without a step and values that are None are left out. A
    panel that would be empty is not drawn.
    """
    panels = [
        ("loss", {"training": _series(rows, "loss"), "held out": _series(rows, "eval_loss")}),
        (
            "accuracy",
            {"training": _series(rows, "accuracy"), "held out": _series(rows, "eval_accuracy")},
        ),
        ("learning rate", {"": _series(rows, "learning_rate")}),
        ("tokens a second", {"": _series(rows, "tokens_per_second")}),
    ]
    panels = [(name, lines) for name, lines in panels if any(len(x) for x, _ in lines.values())]
    if not panels:
        raise DataError("no row has a step and a loss; give the rows of a metrics.jsonl")

    def paint(figure: Any) -> None:
        columns = min(2, len(panels))
        axes = figure.subplots(math.ceil(len(panels) / columns), columns, squeeze=False).ravel()
        for ax, (name, lines) in zip(axes, panels, strict=False):
            _training_panel(ax, name, lines)
            ax.set_xlabel("step" if ax in axes[len(panels) - columns : len(panels)] else None)
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        figure.get_layout_engine().set(h_pad=0.09, w_pad=0.06)

    return draw(5.3, 1.9 * math.ceil(len(panels) / 2) + 0.2, "Training curves", paint)


def reliability(bins: Sequence[Bin]) -> str:
    """Mean probability against observed frequency with 95 % intervals, and below it how many rows
    each bin holds."""
    if not bins:
        raise DataError("no bins to draw; `assay.stats.reliability` makes them")

    # Probabilities of the likelier side, as pairs have, begin at one half.
    start = 0.5 if min(b.low for b in bins) >= 0.5 else 0.0

    def paint(figure: Any) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        x, y = [b.predicted for b in bins], [b.observed.value for b in bins]
        errors = [
            [b.observed.value - b.observed.low for b in bins],
            [b.observed.high - b.observed.value for b in bins],
        ]
        top.plot([start, 1], [start, 1], color=MUTED, linewidth=1.1, linestyle=DASHES[1])
        top.errorbar(
            x,
            y,
            yerr=np.maximum(errors, 0),
            color=PALETTE[0],
            marker="o",
            markersize=4.5,
            elinewidth=1.3,
        )
        low, pad = min(start, *(b.observed.low for b in bins)), 0.03 * (1 - start)
        top.set(
            ylabel="observed",
            xlim=(start - pad, 1 + pad),
            ylim=(low - pad, 1 + pad),
            title="Calibration",
        )
        corner = {"xycoords": "axes fraction", "color": MUTED, "fontsize": 8.5}
        top.annotate("less often than predicted", (0.98, 0.04), ha="right", **corner)
        top.annotate("more often than predicted", (0.02, 0.97), va="top", **corner)
        widths = [max(b.high - b.low, 0.008 * (1 - start)) for b in bins]
        bottom.bar(
            [(b.low + b.high) / 2 for b in bins],
            [b.observed.n for b in bins],
            widths,
            color="#9cc3dd",
            edgecolor="white",
            linewidth=0.5,
        )
        bottom.set(xlabel="predicted probability", ylabel="rows")
        bottom.locator_params(axis="y", nbins=3)

    return draw(3.8, 3.5, "Calibration: predicted probability against observed frequency", paint)


def score_histogram(
    first: Sequence[float], second: Sequence[float], labels: tuple[str, str]
) -> str:
    """Two groups' scores on one axis, each as shares of its own group, such as ("chosen",
    "rejected").

    Raises `DataError` for scores that are not finite: what is unscored is counted, not drawn.
    """
    groups = [np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)]
    both = np.concatenate(groups)
    if not np.isfinite(both).all():
        raise DataError(
            f"{int((~np.isfinite(both)).sum())} scores are not finite; leave unscored responses out"
        )
    edges = np.histogram_bin_edges(both, bins=int(np.clip(2 * len(both) ** (1 / 3), 8, 40)))
    counts = [np.histogram(group, edges)[0].tolist() for group in groups]
    return histogram(
        {name: Counts(edges.tolist(), c) for name, c in zip(labels, counts, strict=True)}
    )


def histogram(groups: Mapping[str, Histogram], *, xlabel: str = "score") -> str:
    """Histograms on one axis, each as shares of its own group; a broken line stands at each group's
    median.

    The median is read from the counts, as if values were spread evenly within a bin.
    """
    filled = {name: group for name, group in groups.items() if sum(group.counts)}
    if not filled:
        raise DataError("no scores to draw")

    def paint(figure: Any) -> None:
        ax = figure.subplots()
        for (name, group), colour in zip(filled.items(), cycle(PALETTE, len(filled)), strict=True):
            shares, label = (
                np.array(group.counts) / sum(group.counts),
                f"{short(name)}, n={sum(group.counts):,}",
            )
            ax.stairs(
                shares,
                group.edges,
                fill=True,
                facecolor=colour + "50",
                edgecolor=colour,
                linewidth=1.3,
                label=label,
            )
            ax.vlines(
                _median(group), 0, shares.max(), color=colour, linewidth=1.6, linestyle=DASHES[1]
            )
        ax.set(
            xlabel=f"{xlabel} (broken line: median)",
            ylabel="share of the group",
            title=xlabel.capitalize() + "s",
        )
        ax.set_ylim(0, ax.get_ylim()[1] * 1.12)
        ax.legend(loc="upper left", ncols=2, borderaxespad=0.1, columnspacing=1.2, handlelength=1.4)

    return draw(3.8, 3.5, f"Histogram of {xlabel}s: {', '.join(filled)}", paint)


def best_of_n(
    curves: Mapping[str, Sequence[CurvePoint]],
    baselines: Mapping[str, Estimate | Sequence[CurvePoint]],
    *,
    ylabel: str = "gold reward of the choice",
) -> str:
    """Curves over n on a log2 axis with 95 % bands and their peaks marked, beside baselines drawn
    as broken lines.

    A baseline is one estimate (a level line) or a curve. Points without a value are left out.
    """
    shown = {name: points for name, curve in curves.items() if (points := _points(curve))}
    if not shown:
        raise DataError("no curve has a point with a value; give at least one")
    if both := sorted(curves.keys() & baselines.keys()):
        raise DataError(f"{', '.join(both)}: a curve and a baseline have one name; rename one")
    every = sorted({int(p.x) for points in shown.values() for p in points})
    colours = cycle(PALETTE, len(shown))

    beside = {
        name: points
        for name, baseline in baselines.items()
        if (
            points := there([(n, baseline) for n in every])
            if isinstance(baseline, Estimate)
            else _points(baseline)
        )
    }

    def paint(figure: Any) -> None:
        ax = figure.subplots()
        ax.set_xscale("log", base=2)
        for points, dash in zip(beside.values(), cycle(DASHES, len(beside)), strict=True):
            band(ax, points, BASELINE, linewidth=1.3, linestyle=dash)
        for points, colour, marker in zip(
            shown.values(), colours, cycle(MARKERS, len(shown)), strict=True
        ):
            band(ax, points, colour, marker=marker, markersize=4)
        ax.set(xlabel="n, responses to choose from", ylabel=ylabel)
        _n_axis(ax, every)
        for points, colour in zip(shown.values(), colours, strict=True):
            others = [line for line in (*shown.values(), *beside.values()) if line is not points]
            _mark_peak(ax, points, colour, others, every)
        end_labels(ax, shown | beside, [*colours, *[BASELINE] * len(beside)])

    return draw(
        5.3, 3.5, f"Best of n: {', '.join(shown)}; baselines: {', '.join(baselines)}", paint
    )


def _training_panel(ax: Any, name: str, lines: Mapping[str, tuple[Array, Array]]) -> None:
    """One quantity over the steps: training as a smooth line over the raw one, held-out as
    points."""
    ax.set_title(name)
    for (label, (x, y)), colour in zip(lines.items(), PALETTE, strict=False):
        if not len(x):
            continue
        if label == "held out":
            ax.plot(
                *_thinned(x, y, POINTS // 6),
                color=colour,
                marker="o",
                markersize=3.5,
                label=label,
                zorder=3,
            )
        elif name in ("loss", "accuracy") and len(x) > 20:
            ax.plot(*_thinned(x, y), color=colour, linewidth=0.8, alpha=0.3)
            ax.plot(*_thinned(x, _running_mean(y)), color=colour, label=label)
        else:
            ax.plot(*_thinned(x, y), color=colour, label=label)
    ax.margins(x=0.02)
    ax.locator_params(axis="x", nbins=5, integer=True)
    ax.locator_params(axis="y", nbins=5)
    if name == "tokens a second":
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_formatter("{x:,.0f}")
    if name == "learning rate":
        ax.yaxis.set_major_formatter(lambda x, _: f"{x:g}")
    if sum(1 for label, (x, _) in lines.items() if label and len(x)) > 1:
        ax.legend(loc="best", handlelength=1.4)


def _median(group: Histogram) -> float:
    cumulative = np.cumsum([0, *group.counts])
    half = cumulative[-1] / 2
    k = int(np.searchsorted(cumulative[1:], half))
    share = float(half - cumulative[k]) / group.counts[k]
    return group.edges[k] + share * (group.edges[k + 1] - group.edges[k])


def _series(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[Array, Array]:
    """Steps and values where both are there and finite."""
    pairs = [
        (row["step"], row[key])
        for row in rows
        if row.get("step") is not None and row.get(key) is not None
    ]
    x, y = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return x[np.isfinite(y)], y[np.isfinite(y)]


def _thinned(x: Array, y: Array, points: int = POINTS) -> tuple[Array, Array]:
    """Means over runs of neighbours, so that at most `points` are left."""
    if len(x) <= points:
        return x, y
    starts = np.linspace(0, len(x), points, endpoint=False).astype(np.intp)
    counts = np.diff(np.append(starts, len(x)))
    return np.add.reduceat(x, starts) / counts, np.add.reduceat(y, starts) / counts


def _running_mean(y: Array) -> Array:
    """Mean over a centred window of about a twentieth of the run, cut at the ends."""
    half = max(2, len(y) // 40)
    total = np.concatenate([[0.0], np.cumsum(y)])
    i = np.arange(len(y))
    low, high = np.maximum(i - half, 0), np.minimum(i + half + 1, len(y))
    return np.asarray((total[high] - total[low]) / (high - low))


def _points(curve: Sequence[CurvePoint]) -> list[Point]:
    return there((p.n, p.estimate) for p in curve)


def _n_axis(ax: Any, ns: Sequence[int]) -> None:
    """Ticks at the n's themselves where there are few, else at powers of two."""
    ticks = (
        ns if len(ns) <= 8 else [2**k for k in range(int(math.log2(ns[-1])) + 1) if 2**k >= ns[0]]
    )
    ax.set_xticks(ticks, [str(n) for n in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlim(ns[0] / 1.08, max(ns[-1] * 1.08, ns[0] * 1.5))
    low, high = ax.get_ylim()
    # Room for the peaks' labels.
    ax.set_ylim(low, high + 0.04 * (high - low))


def _mark_peak(
    ax: Any,
    points: Sequence[Point],
    colour: str,
    others: Sequence[Sequence[Point]],
    ns: Sequence[int],
) -> None:
    """A ring around the highest point, with its value and n on the side that has more room.

    At the last n the value stands at the line's end already.
    """
    peak, (bottom, top) = max(points, key=lambda p: p.y), ax.get_ylim()
    y = peak.y
    rivals = [p.y for line in others for p in line if p.x == peak.x]
    above = min([v - y for v in rivals if v >= y] + [top - y])
    below = min([y - v for v in rivals if v < y] + [y - bottom])
    side = 1 if above >= below else -1
    ax.plot(
        [peak.x],
        [y],
        marker="o",
        markersize=10,
        markerfacecolor="none",
        markeredgecolor=colour,
        linewidth=0,
    )
    if peak.x == ns[-1]:
        return
    ax.annotate(
        f"{y:.3f} at n={int(peak.x)}",
        (peak.x, y),
        xytext=(0, 9 * side),
        textcoords="offset points",
        ha="left" if peak.x == ns[0] else "center",
        va="bottom" if side > 0 else "top",
        color=colour,
        fontsize=9,
        fontweight="bold",
        zorder=5,
        bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
    )
