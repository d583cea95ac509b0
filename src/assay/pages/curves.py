"""The plots that several pages share: training curves, calibration, histograms, best of n.

Every function is pure, from numbers to a `Plot`'s SVG, and raises `MissingExtra` without matplotlib
and `DataError` when there is nothing to draw.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from assay.errors import DataError
from assay.report.paint import draw
from assay.report.plot import (
    STROKES,
    Bars,
    Mark,
    Note,
    Panel,
    Plot,
    Point,
    Rule,
    Series,
    points,
    short,
    styles,
)
from assay.report.svg import PALETTE
from assay.stats import Bin, Covered, CurvePoint, Estimate

__all__ = [
    "Counts",
    "Histogram",
    "beside_baselines",
    "best_of_n",
    "histogram",
    "over_steps",
    "reliability",
    "score_histogram",
    "selective",
    "small_panel",
    "training_curves",
]

Array = NDArray[np.float64]
POINTS: Final = 300
"""Most points of a training curve: more cannot be seen, and would weigh."""


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


def training_curves(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw loss, accuracy, learning rate and speed over the steps, from the rows of a
    `metrics.jsonl`.

    A row has `step` and any of loss, accuracy, eval_loss, eval_accuracy, learning_rate,
    tokens_per_second; other keys, rows without a step and values that are None are left out. A
    panel that would be empty is not drawn.
    """
    quantities = {
        "loss": ("loss", "eval_loss"),
        "accuracy": ("accuracy", "eval_accuracy"),
        "learning rate": ("learning_rate", ""),
        "tokens per second": ("tokens_per_second", ""),
    }
    panels = []
    for title, (key, held_out) in quantities.items():
        lines = {"training" if held_out else "": over_steps(rows, key)}
        seen = over_steps(rows, held_out) if held_out else []
        if lines.get("training") or lines.get("") or seen:
            bottom = 0.0 if title == "tokens per second" else None
            smooth = title in ("loss", "accuracy")
            panels.append(small_panel(title, lines, seen, bottom=bottom, smooth=smooth))
    if not panels:
        raise DataError("no row has a step and a loss; give the rows of a metrics.jsonl")
    height = 1.9 * math.ceil(len(panels) / 2) + 0.2
    return draw(
        Plot(title="Training curves", panels=panels, columns=min(2, len(panels)), height=height)
    )


def small_panel(
    title: str,
    lines: Mapping[str, Sequence[Point]],
    held_out: Sequence[Point] = (),
    *,
    bottom: float | None = None,
    top: float | None = None,
    smooth: bool = True,
    rules: Sequence[Rule] = (),
) -> Panel:
    """One quantity over the steps: training as running means over the faint steps, held-out prompts
    as points with their intervals."""
    series = []
    filled = {name: line for name, line in lines.items() if line}
    for (name, line), (colour, _) in zip(filled.items(), styles(len(filled), PALETTE), strict=True):
        if smooth and len(line) > 20:
            raw = _thinned(line)
            series.append(Series(points=raw, colour=colour, width=0.8, alpha=0.3, hover=False))
            line = _thinned(_running_mean(line))
        marker = "o" if len(line) == 1 else ""
        series.append(Series(points=_thinned(line), name=name, colour=colour, marker=marker))
    if held_out:
        thinned = _thinned(held_out, POINTS // 6)
        series.append(
            Series(points=thinned, name="held out", colour="orange", marker="o", size=3.5)
        )
    several = sum(1 for one in series if one.name) > 1
    return Panel(
        series=series,
        title=title,
        x_label="step",
        y_range=(bottom, top),
        rules=rules,
        names="legend" if several else "none",
        whole=True,
    )


def reliability(bins: Sequence[Bin]) -> str:
    """Draw mean probability against observed frequency with 95 % intervals, and below it how many
    rows each bin holds."""
    if not bins:
        raise DataError("no bins to draw; `assay.stats.reliability` makes them")
    # Probabilities of the likelier side, as pairs have, begin at one half.
    start = 0.5 if min(b.low for b in bins) >= 0.5 else 0.0
    low, pad = min(start, *(b.observed.low for b in bins)), 0.03 * (1 - start)
    x_range = (start - pad, 1 + pad)
    right = Series(
        points=[Point(start, start), Point(1, 1)],
        colour="muted",
        stroke="dashed",
        width=1.1,
        hover=False,
    )
    seen = Series(
        points=points((b.predicted, b.observed) for b in bins),
        marker="o",
        size=5,
        spread="bars",
    )
    top = Panel(
        series=[right, seen],
        title="Calibration",
        y_label="observed",
        x_range=x_range,
        y_range=(low - pad, 1 + pad),
        notes=[
            Note("less often than predicted", "lower right"),
            Note("more often than predicted", "upper left"),
        ],
        names="none",
    )
    # A stretch between bins has no rows.
    edges, heights = [bins[0].low], list[int]()
    for b in bins:
        if b.low > edges[-1]:
            edges, heights = [*edges, b.low], [*heights, 0]
        edges, heights = [*edges, max(b.high, edges[-1])], [*heights, b.observed.n]
    bottom = Panel(
        bars=[Bars(edges=edges, heights=heights, colour="bar")],
        x_label="predicted probability",
        y_label="rows",
        x_range=x_range,
    )
    title = "Calibration: predicted probability against observed frequency"
    return draw(Plot(title=title, panels=[top, bottom], width=3.8, ratios=(4, 1), share_x=True))


def selective(curve: Sequence[Covered]) -> str:
    """Draw the error of what is accepted against how much is, with the lines of a confidence that
    knows nothing and of one that knows every error."""
    known = [point for point in curve if math.isfinite(point.accuracy.value)]
    if not known:
        raise DataError("no point to draw; `assay.stats.selective` makes them")
    right = known[-1].accuracy.value
    shares = [i / 40 for i in range(1, 41)]
    knows = [Point(c, max(0.0, 1 - right / c)) for c in shares]
    lines = [
        Series(
            points=points((p.share.value, _mirrored(p.accuracy)) for p in known),
            name="confidence",
            marker="o" if len(known) == 1 else "",
        ),
        Series(
            points=[Point(c, 1 - right) for c in (shares[0], 1.0)],
            name="random",
            colour="muted",
            stroke="dashed",
            width=1.1,
            hover=False,
        ),
        Series(
            points=knows, name="oracle", colour="muted", stroke="dotted", width=1.1, hover=False
        ),
    ]
    panel = Panel(
        series=lines,
        title="Risk against coverage",
        x_label="share accepted, the surest first",
        y_label="error of what is accepted",
        x_range=(0, 1),
        y_range=(0, None),
        names="none",
    )
    title = "Risk against coverage: the error of the surest answers, by how many are accepted"
    return draw(Plot(title=title, panels=[panel], width=3.8))


def _mirrored(accuracy: Estimate) -> Estimate:
    return replace(accuracy, value=1 - accuracy.value, low=1 - accuracy.high, high=1 - accuracy.low)


def score_histogram(
    first: Sequence[float], second: Sequence[float], labels: tuple[str, str]
) -> str:
    """Draw two groups' scores on one axis, each as shares of its own group, such as ("chosen",
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
    """Draw histograms on one axis, each as shares of its own group; a broken line stands at each
    group's median.

    The median is read from the counts, as if values were spread evenly within a bin.
    """
    filled = {name: group for name, group in groups.items() if sum(group.counts)}
    if not filled:
        raise DataError("no scores to draw")
    bars, medians, top = [], [], 0.0
    for (name, group), (colour, _) in zip(
        filled.items(), styles(len(filled), PALETTE), strict=True
    ):
        total = sum(group.counts)
        shares = [count / total for count in group.counts]
        said = f"{short(name)}, n={total:,}"
        bars.append(Bars(edges=group.edges, heights=shares, name=said, colour=colour))
        line = [Point(_median(group), 0), Point(_median(group), max(shares))]
        medians.append(
            Series(points=line, colour=colour, width=1.6, stroke="dashed", spread="none")
        )
        top = max(top, *shares)
    panel = Panel(
        bars=bars,
        series=medians,
        title=xlabel.capitalize() + "s",
        x_label=f"{xlabel} (broken line: median)",
        y_label="share of the group",
        y_range=(0, 1.25 * top),
        names="legend",
    )
    title = f"Histogram of {xlabel}s: {', '.join(filled)}"
    return draw(Plot(title=title, panels=[panel], width=3.8))


def best_of_n(
    curves: Mapping[str, Sequence[CurvePoint]],
    baselines: Mapping[str, Estimate | Sequence[CurvePoint]],
    *,
    ylabel: str = "gold reward of the choice",
) -> str:
    """Draw curves over n on a log2 axis with 95 % bands and their peaks marked, beside baselines as
    broken lines.

    A baseline is one estimate (a level line) or a curve. Points without a value are left out.
    """
    shown = {
        name: points((p.n, p.estimate) for p in curve if p.n > 0) for name, curve in curves.items()
    }
    lines = {
        name: baseline
        if isinstance(baseline, Estimate)
        else points((p.n, p.estimate) for p in baseline if p.n > 0)
        for name, baseline in baselines.items()
    }
    series = beside_baselines(shown, lines)
    ns = sorted({int(p.x) for line in shown.values() for p in line})
    marks = []
    for one in series[-sum(map(bool, shown.values())) :]:
        peak = max(one.points, key=lambda p: p.y)
        # At the last n the value stands at the line's end already.
        said = f"{peak.y:.3f} at n={int(peak.x)}" if peak.x != ns[-1] else ""
        marks.append(Mark(x=peak.x, y=peak.y, colour=one.colour, text=said))
    powers = [2**k for k in range(int(math.log2(ns[-1])) + 1) if 2**k >= ns[0]]
    panel = Panel(
        series=series,
        marks=marks,
        x_label="n, responses to choose from",
        y_label=ylabel,
        scale="log2",
        ticks=ns if len(ns) <= 8 else powers,
    )
    title = f"Best of n: {', '.join(curves)}; baselines: {', '.join(baselines)}"
    return draw(Plot(title=title, panels=[panel]))


def beside_baselines(
    curves: Mapping[str, Sequence[Point]], baselines: Mapping[str, Estimate | Sequence[Point]]
) -> list[Series]:
    """Baselines as grey broken lines, a single estimate level over the whole axis, and after them
    the curves, a colour each.

    Raises `DataError` where two have one name, and where no curve has a point.
    """
    if both := sorted(curves.keys() & baselines.keys()):
        raise DataError(f"{', '.join(both)}: a curve and a baseline have one name; rename one")
    filled = {name: line for name, line in curves.items() if line}
    if not filled:
        raise DataError("no curve has a point with a value; give at least one")
    every = sorted({p.x for line in filled.values() for p in line})
    level = {
        name: points((x, baseline) for x in every) if isinstance(baseline, Estimate) else baseline
        for name, baseline in baselines.items()
    }
    series = [
        Series(points=line, name=name, colour="baseline", width=1.3, stroke=STROKES[i % 5])
        for i, (name, line) in enumerate((name, line) for name, line in level.items() if line)
    ]
    looks = styles(len(filled), PALETTE)
    return series + [
        Series(points=line, name=name, colour=colour, marker=marker)
        for (name, line), (colour, marker) in zip(filled.items(), looks, strict=True)
    ]


def over_steps(rows: Sequence[Mapping[str, Any]], key: str) -> list[Point]:
    """A quantity by step, of the rows that have a step and a finite value of it."""
    pairs = ((row.get("step"), row.get(key)) for row in rows)
    return points((step, value) for step, value in pairs if step is not None and value is not None)


def _median(group: Histogram) -> float:
    cumulative = np.cumsum([0, *group.counts])
    half = cumulative[-1] / 2
    k = int(np.searchsorted(cumulative[1:], half))
    share = float(half - cumulative[k]) / group.counts[k]
    return group.edges[k] + share * (group.edges[k + 1] - group.edges[k])


def _thinned(line: Sequence[Point], count: int = POINTS) -> list[Point]:
    """Means over runs of neighbours, so that at most `count` points are left."""
    if len(line) <= count:
        return list(line)
    parts = np.array_split(np.array([point[:4] for point in line]), count)
    return [Point(*part.mean(axis=0).tolist()) for part in parts]


def _running_mean(line: Sequence[Point]) -> list[Point]:
    """Mean over a centred window of about a twentieth of the run, cut at the ends."""
    half, y = max(2, len(line) // 40), [point.y for point in line]
    total = np.concatenate([[0.0], np.cumsum(y)])
    i = np.arange(len(y))
    low, high = np.maximum(i - half, 0), np.minimum(i + half + 1, len(y))
    means = (total[high] - total[low]) / (high - low)
    return [Point(point.x, mean) for point, mean in zip(line, means.tolist(), strict=True)]
