"""Draws a `Plot` with matplotlib, as inline SVG: the same text for the same values.

Names stand at the ends of lines, not in a legend: a reader need not match colours, and no two names
overlap. Raises `MissingExtra` without matplotlib.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, product
from typing import Any, Final

import numpy as np

from assay.report.plot import Mark, Panel, Plot, Point, Scale, Series, Stroke, short
from assay.report.svg import LIGHT, Hover, drawn
from assay.stats.numbers import fixed, number

__all__ = ["draw"]

Axes = Any
DASHES: Final[dict[Stroke, Any]] = {
    "solid": "-",
    "dotted": (0, (1, 1.6)),
    "dashed": (0, (5, 2)),
    "dash-dot": (0, (6, 2, 1, 2)),
    "sparse": (0, (2, 3)),
    "dash-dot-dot": (0, (8, 2, 1, 2, 1, 2)),
    "none": "none",
}
CORNERS: Final = {
    "upper left": (0.02, 0.97, "left", "top"),
    "upper right": (0.98, 0.97, "right", "top"),
    "lower left": (0.02, 0.04, "left", "bottom"),
    "lower right": (0.98, 0.04, "right", "bottom"),
}
CHARACTER: Final = 0.1
"""Inches that one character of a tick's label needs, space around it and all."""
HOVERS: Final = 60
"""Points of a series that say their value: more cannot be pointed at."""


def draw(plot: Plot) -> str:
    """The `<svg>` element of a plot, with each point's value under a pointer."""

    def paint(figure: Any) -> Callable[[], list[Hover]]:
        rows = math.ceil(len(plot.panels) / plot.columns)
        axes = figure.subplots(
            rows,
            plot.columns,
            squeeze=False,
            sharex=plot.share_x,
            height_ratios=plot.ratios or None,
        ).ravel()
        every = [point.x for point in chain.from_iterable(map(_points, plot.panels))]
        for ax, panel in zip(axes, plot.panels, strict=False):
            xs = every if plot.share_x else [point.x for point in _points(panel)]
            _panel(ax, panel, xs, 0.75 * plot.width / plot.columns)
        # In a column that shares its x axis ticks are named below the lowest panel.
        for ax in axes[max(len(plot.panels) - plot.columns, 0) : len(plot.panels)]:
            ax.tick_params(labelbottom=True)
        for ax in axes[len(plot.panels) :]:
            ax.set_axis_off()
        figure.get_layout_engine().set(h_pad=0.07, w_pad=0.06)
        pairs = list(zip(axes, plot.panels, strict=False))
        return lambda: list(chain.from_iterable(_hovers(figure, *pair) for pair in pairs))

    return drawn(plot.width, plot.height, plot.title, paint)


def _points(panel: Panel) -> list[Point]:
    return list(chain.from_iterable(series.points for series in panel.series))


def _panel(ax: Axes, panel: Panel, xs: Sequence[float], inches: float) -> None:
    """xs: places of all points that share the axis. inches: the width of the panel, about."""
    _scale(ax, panel.scale)
    if panel.shade is not None:
        ax.axvspan(*panel.shade, color=LIGHT["shade"], linewidth=0, zorder=0)
    _bars(ax, panel)
    for series in panel.series:
        _series(ax, series)
    ax.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    _limits(ax, panel, xs, inches)
    for rule in panel.rules:
        _rule(ax, panel, rule)
    for mark in panel.marks:
        _mark(ax, mark, panel.series)
    for note in panel.notes:
        x, y, ha, va = CORNERS[note.corner]
        said = {"xycoords": "axes fraction", "color": LIGHT["muted"], "fontsize": 8.5}
        ax.annotate(note.text, (x, y), ha=ha, va=va, **said)
    if panel.names == "ends":
        _end_names(ax, panel.series)
    elif panel.names == "legend" and ax.get_legend_handles_labels()[1]:
        ax.legend(loc="best", handlelength=1.4, borderaxespad=0.2, columnspacing=1.2)


def _scale(ax: Axes, scale: Scale) -> None:
    if scale == "root":
        # An estimate of KL may lie a little below 0, and is drawn at 0.
        ax.set_xscale(
            "function",
            functions=(lambda x: np.sqrt(np.maximum(x, 0)), lambda d: np.square(np.maximum(d, 0))),
        )
    elif scale != "linear":
        ax.set_xscale("log", base=2 if scale == "log2" else 10)


def _series(ax: Axes, series: Series) -> None:
    """One line with its band or bars. Names are kept for a legend."""
    if not series.points:
        return
    colour = LIGHT[series.colour]
    x, y, low, high = np.array([point[:4] for point in series.points], dtype=float).T.tolist()
    known = any(math.isfinite(v) for v in (*low, *high))
    if known and series.spread == "band":
        faint = 0.1 if series.colour in ("baseline", "ink") else 0.16
        ax.fill_between(x, low, high, color=colour, alpha=faint, linewidth=0)
    if known and series.spread == "bars":
        ends = np.nan_to_num([np.subtract(y, low), np.subtract(high, y)])
        bars = {"ecolor": colour, "elinewidth": 1.4, "zorder": 4}
        ax.errorbar(x, y, yerr=np.maximum(ends, 0), fmt="none", **bars)
    ax.plot(
        x,
        y,
        color=colour,
        alpha=series.alpha,
        linestyle=DASHES[series.stroke],
        linewidth=series.width,
        marker=series.marker,
        markersize=series.size,
        markeredgewidth=1.2 if series.hollow else 0,
        markerfacecolor=LIGHT["sheet"] if series.hollow else colour,
        zorder=4 if series.stroke == "none" and series.alpha == 1 else 2,
        label=short(series.name) if series.name else None,
    )


def _bars(ax: Axes, panel: Panel) -> None:
    for bars in panel.bars:
        colour = LIGHT[bars.colour]
        style = {"fill": True, "facecolor": colour + "50", "edgecolor": colour, "linewidth": 1.3}
        ax.stairs(bars.heights, bars.edges, label=bars.name or None, **style)


def _limits(ax: Axes, panel: Panel, xs: Sequence[float], inches: float) -> None:
    """Ranges with room for what is written, and ticks that do not touch."""
    ax.margins(x=0.03)
    if panel.scale == "root":
        right = max([*xs, 0.0]) or 1.0
        ax.set_xlim(0, right * 1.03)
        _ticks(ax, panel.ticks or _round(right), inches)
    elif panel.scale in ("log", "log2") and xs:
        low, high = min(xs), max(xs)
        pad = (high / low) ** 0.03 if high > low else 1.0
        ax.set_xlim(low / max(pad, 1.05), max(high * max(pad, 1.05), low * 1.5))
        _ticks(ax, panel.ticks or _decades(low, high), inches)
    elif panel.ticks is not None:
        _ticks(ax, panel.ticks, inches)
    else:
        ax.locator_params(axis="x", nbins=6, integer=panel.whole)
    tall = ax.get_subplotspec().get_position(ax.figure).height * ax.figure.get_figheight()
    # A panel as low as that shows counts below a picture: two or three whole numbers.
    bins = 2 if tall < 0.8 else 6 if inches > 3 else 5
    ax.locator_params(axis="y", nbins=bins, integer=bins == 2 and bool(panel.bars))
    if any(value is not None for value in panel.x_range):
        ax.set_xlim(*panel.x_range)
    low, high = ax.get_ylim()
    # Plain decimals, but where those would be moved into a power of ten above the axis.
    if not 0.01 <= max(abs(low), abs(high)) < 10_000:
        ax.yaxis.set_major_formatter(lambda y, _: number(y))
    said = any(mark.text for mark in panel.marks) or any(rule.text for rule in panel.rules)
    bottom, top = panel.y_range
    room = 0.12 * (high - low) * said
    ax.set_ylim(low if bottom is None else bottom, high + room if top is None else top)
    if panel.above is not None:
        _above(ax, panel, inches)


def _ticks(ax: Axes, places: Iterable[float], inches: float) -> None:
    """Ticks at these places, the largest first, as many as have room for their labels."""
    chosen = _apart(ax, [(place, _amount(place)) for place in places], inches)
    ax.set_xticks([place for place, _ in chosen], [label for _, label in chosen])
    ax.set_xticks([], minor=True)


def _above(ax: Axes, panel: Panel, inches: float) -> None:
    """A second x axis above the panel, such as n where its KL is."""
    top = ax.twiny()
    _scale(top, panel.scale)
    top.set_xlim(ax.get_xlim())
    chosen = _apart(ax, list((panel.above or {}).items()), inches)
    top.set_xticks([place for place, _ in chosen], [label for _, label in chosen])
    top.set_xticks([], minor=True)
    top.grid(visible=False)
    top.tick_params(length=0, pad=1)
    top.set_xlabel(panel.above_label)


def _apart(
    ax: Axes, labelled: Sequence[tuple[float, str]], inches: float
) -> list[tuple[float, str]]:
    """Those whose labels do not touch, kept from the right, where lines end, and 0 before all."""
    left, right = ax.get_xlim()
    kept: list[tuple[float, float, tuple[float, str]]] = []
    order = sorted((pair for pair in labelled if left <= pair[0] <= right), reverse=True)
    for pair in sorted(order, key=lambda pair: pair[0] != 0):
        place = _fraction(ax, pair[0], 0)[0] * inches
        half = CHARACTER * (len(pair[1]) + 0.6) / 2
        if all(abs(place - other) >= half + its for other, its, _ in kept):
            kept.append((place, half, pair))
    return [pair for *_, pair in sorted(kept)]


def _round(right: float) -> list[float]:
    """0 and round numbers up to the right end."""
    power = math.floor(math.log10(right))
    steps = [m * 10.0**k for k, m in product(range(power - 4, power + 1), (1, 2, 3, 5))]
    return [0.0, *(step for step in steps if step <= 1.01 * right)]


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each power of ten; the powers alone where those are many, the ends where there
    is hardly one."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [m * 10.0**k for k in powers for m in (1, 2, 5)]
    ticks = [tick for tick in ticks if 0.95 * low <= tick <= 1.05 * high]
    if len(ticks) > 8:
        ticks = [tick for tick in ticks if math.log10(tick).is_integer()]
    return ticks if len(ticks) > 1 else sorted({low, high})


def _amount(x: float) -> str:
    """Such as 0.5, 500, 2k, 5M."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if x >= size:
            return f"{x / size:.3g}{unit}"
    return number(x)


def _rule(ax: Axes, panel: Panel, rule: Any) -> None:
    style = {"color": LIGHT[rule.colour], "linestyle": DASHES[rule.stroke], "zorder": 1}
    line = ax.axhline if rule.across else ax.axvline
    line(rule.at, linewidth=rule.width, **style)
    if not rule.text:
        return
    side = 1 if _fraction(ax, rule.at, 0)[0] < 0.75 else -1
    ax.annotate(
        rule.text,
        (rule.at, 0.985),
        xycoords=("data", "axes fraction"),
        xytext=(4 * side, 0),
        textcoords="offset points",
        ha="left" if side > 0 else "right",
        va="top",
        **_bold(rule.colour),
    )


def _mark(ax: Axes, mark: Mark, series: Sequence[Series]) -> None:
    """A ring, and its words above or below, where there is more room."""
    colour = LIGHT[mark.colour]
    ring = {"marker": "o", "markersize": 10, "markerfacecolor": "none", "linewidth": 0, "zorder": 5}
    ax.plot([mark.x], [mark.y], markeredgecolor=colour, **ring)
    if not mark.text:
        return
    x, y = _fraction(ax, mark.x, mark.y)
    every = [_fraction(ax, p.x, p.y) for one in series for p in one.points if one.hover]
    near = [v - y for u, v in every if abs(u - x) < 0.15 and abs(v - y) > 1e-6]
    above = min([gap for gap in near if gap > 0] + [1 - y])
    below = min([-gap for gap in near if gap < 0] + [y])
    side = 1 if above >= min(below, 0.14) else -1
    ax.annotate(
        mark.text,
        (mark.x, mark.y),
        xytext=(0, 9 * side),
        textcoords="offset points",
        ha="left" if x < 0.25 else "right" if x > 0.75 else "center",
        va="bottom" if side > 0 else "top",
        **_bold(mark.colour),
    )


def _bold(colour: str) -> dict[str, Any]:
    box = {"facecolor": LIGHT["sheet"], "alpha": 0.75, "linewidth": 0, "pad": 0.6}
    said = {"fontsize": 9, "fontweight": "bold", "zorder": 6}
    return {"color": LIGHT[colour], "bbox": box, **said}


def _end_names(ax: Axes, series: Sequence[Series]) -> None:
    """Each line's name and last value to the right, pushed apart so that no two overlap."""
    named = [one for one in series if one.name and one.points]
    ends = sorted((_fraction(ax, *one.points[-1][:2])[1], i) for i, one in enumerate(named))
    places = _spread([y for y, _ in ends], 0.062 * 195 / (72 * _height(ax)))
    for (_, i), place in zip(ends, places, strict=True):
        last, colour = named[i].points[-1], LIGHT[named[i].colour]
        arrow = {"arrowstyle": "-", "color": colour, "linewidth": 0.6}
        ax.annotate(
            f"{short(named[i].name)} {fixed(last.y)}",
            (last.x, last.y),
            xytext=(1.03, place),
            textcoords="axes fraction",
            va="center",
            color=colour,
            annotation_clip=False,
            arrowprops=arrow | {"shrinkA": 1, "shrinkB": 2, "relpos": (0, 0.5)},
        )


def _height(ax: Axes) -> float:
    """Inches of a panel, before its title and labels take their share."""
    rows = ax.get_gridspec().nrows
    return float(0.78 * ax.figure.get_figheight() / rows)


def _spread(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places moved so that neighbours are `gap` apart: half way between pushing up and
    pushing down."""
    up, down = list(places), list(places)
    for i in range(1, len(places)):
        up[i] = max(up[i], up[i - 1] + gap)
        down[-i - 1] = min(down[-i - 1], down[-i] - gap)
    return [(a + b) / 2 for a, b in zip(up, down, strict=True)]


def _fraction(ax: Axes, x: float, y: float) -> tuple[float, float]:
    """A place in shares of the panel, whatever its scale."""
    u, v = ax.transAxes.inverted().transform(ax.transData.transform((x, y)))
    return float(u), float(v)


def _hovers(figure: Any, ax: Axes, panel: Panel) -> list[Hover]:
    """What is said under a pointer at each point of the panel."""
    found = []
    for series in panel.series:
        every = max(1, math.ceil(len(series.points) / HOVERS))
        for point in series.points[::every] if series.hover else ():
            pixels = ax.transData.transform((point.x, point.y))
            u, v = figure.transFigure.inverted().transform(pixels)
            if 0 <= u <= 1 and 0 <= v <= 1:
                found.append(Hover(float(u), float(v), _words(panel, series, point)))
    return found


def _words(panel: Panel, series: Series, point: Point) -> str:
    """Such as "outcome: 0.613 [0.583, 0.643] at 4, n = 300"."""
    name = f"{series.name}: " if series.name else ""
    known = math.isfinite(point.low) and math.isfinite(point.high)
    ends = f" [{fixed(point.low)}, {fixed(point.high)}]" if known else ""
    size = f", n = {point.n:,}" if point.n else ""
    return f"{name}{fixed(point.y)}{ends} at {number(point.x)}{size}"
