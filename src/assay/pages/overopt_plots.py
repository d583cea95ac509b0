"""Sweeps of best-of-n, as plots: what a proxy promises, what gold gives, and where the two part.

The pictures are those of arXiv:2210.10760: the proxy as a broken line and gold as a solid one
against KL to the sampling policy, on a square-root scale. The proxy is drawn in units of gold, as
what it promises (`Study.promise`), so that both lines share an axis; where it promises nothing it
is left out.

Every plot is a pure function of studies, and raises `DataError` when there is nothing to draw.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from assay.errors import DataError
from assay.pages.rl_plots import PROXY
from assay.report.paint import draw
from assay.report.plot import (
    Mark,
    Note,
    Panel,
    Plot,
    Point,
    Rule,
    Series,
    Stroke,
    counted,
    points,
    short,
    styles,
)
from assay.report.svg import PALETTE, RAMP
from assay.stats.numbers import fixed, number

if TYPE_CHECKING:
    from assay.overopt.axis import Axis
    from assay.overopt.study import Study

__all__ = ["MOST", "colours", "fan", "gaps", "proxy_and_gold_over_n", "responses", "scaled"]

MOST: Final = 8
"""Most lines that can be told apart; of more proxies these many are drawn, spread over them."""
KL_LABEL: Final = "KL to the sampling policy, nats (square-root scale)"


def proxy_and_gold_over_n(study: "Study") -> str:
    """Draw one proxy: gold with its band, its fit, its peak, where to stop, and what the proxy
    promises."""
    pairs = list(zip(study.points, study.gains, strict=True))
    gold = points((p.kl_best, gain) for p, gain in pairs)
    if not gold:
        raise DataError(f"{study.name}: no n has a value")
    sure = points((p.kl_best, gain) for p, gain in pairs if p.trusted)
    unsure = points((p.kl_best, gain) for p, gain in pairs if not p.trusted)
    edge = max((point.x for point in sure), default=0.0)
    hidden = {"stroke": "none", "marker": "o", "size": 4.5, "spread": "none"}
    series = [
        Series(points=_promised(study), name="promised", colour=PROXY, stroke="dashed"),
        *_fit(study),
        Series(points=gold, name="gold", colour="blue"),
        Series(points=sure, colour="blue", hover=False, **hidden),  # type: ignore[arg-type]
        Series(points=unsure, colour="blue", hover=False, hollow=True, **hidden),  # type: ignore[arg-type]
    ]
    mark, notes = _peak(study)
    if edge <= 0:
        notes.append(Note("no n above 1 is trusted: n > N/8", "lower right"))
    elif unsure:
        notes.append(Note("shaded: n ≤ N/8, trusted", "lower right"))
    ns = {p.kl_best: f"{p.n:,}" for p, gain in pairs if p.n and _power(p.n, gain.value)}
    sizes = counted(Point(0, 0, n=gain.n) for gain in study.gains if gain.n)
    panel = Panel(
        series=series,
        marks=mark,
        rules=_stop(study),
        notes=notes,
        scale="root",
        x_label=KL_LABEL,
        y_label=f"{short(study.gold)} above one response, its units",
        shade=(0.0, edge) if edge > 0 else None,
        above=ns,
        above_label=f"n, responses to choose from ({sizes.removeprefix('n = ')} prompts)",
    )
    title = f"Proxy and gold against KL: {study.name}"
    return draw(Plot(title=title, panels=[panel], width=5.6, height=3.9))


def responses(study: "Study") -> str:
    """Draw proxy against gold of some responses, within prompts, with means by level and the slopes
    below and above."""
    if not study.sample:
        raise DataError(f"{study.name}: no responses were kept to draw")
    cloud = Series(
        points=[Point(x, y) for x, y in study.sample],
        colour="muted",
        stroke="none",
        marker="o",
        size=2.6,
        alpha=0.3,
        hover=False,
    )
    means = Series(
        points=points((level.proxy, level.gold) for level in study.levels),
        colour="blue",
        stroke="none",
        marker="o",
        size=5,
        spread="bars",
    )
    # Room below for the legend.
    ys = [y for _, y in study.sample]
    low = min(ys) - 0.25 * (max(ys) - min(ys))
    panel = Panel(
        series=[cloud, means, *_slopes(study)],
        title=f"{len(study.sample):,} of {study.responses:,} responses",
        x_label=f"{short(study.proxy)}, distance from its prompt's mean",
        y_label=f"{short(study.gold)}, the same",
        y_range=(low, None),
        names="legend",
    )
    return draw(
        Plot(title=f"Proxy against gold of responses: {study.name}", panels=[panel], width=3.9)
    )


def gaps(studies: Sequence["Study"], tints: Mapping[str, str] | None = None) -> str:
    """Draw what was promised less what gold gives, over KL."""
    shown = {_label(s, studies): s for s in studies if s.gaps}
    if not shown:
        raise DataError("no proxy promises anything, so there is no gap to draw")
    series = []
    for (name, s), (hue, marker) in zip(shown.items(), _hues(shown, tints), strict=True):
        line = points((p.kl_best, e) for p, e in zip(s.points, s.gaps, strict=True))
        series.append(Series(points=line, name=name, colour=hue, marker=marker, size=3.2))
    gold = next(iter(shown.values())).gold
    size = counted((point for one in series for point in one.points), "prompts")
    panel = Panel(
        series=series,
        rules=[Rule(at=0, across=True, width=1.0)],
        title=f"promised less given, {size}",
        scale="root",
        x_label="KL, nats (square-root scale)",
        y_label=f"gap, units of {short(gold)}",
    )
    width = 5.6 if len(shown) > 1 else 3.9
    title = f"Gap between proxy and gold: {', '.join(shown)}"
    return draw(Plot(title=title, panels=[panel], width=width))


def fan(studies: Sequence["Study"], tints: Mapping[str, str] | None = None) -> str:
    """Draw several proxies against one gold in one picture: gold solid, its fits thin, promises
    broken, peaks ringed."""
    shown = {_label(s, studies): s for s in studies if s.used}
    if not shown:
        raise DataError("no proxy has an n with a value")
    gold, thin, promised, marks = [], [], [], []
    for (name, s), (hue, marker) in zip(shown.items(), _hues(shown, tints), strict=True):
        pairs = zip(s.points, s.gains, strict=True)
        line = points((p.kl_best, gain) for p, gain in pairs if p in s.used)
        gold.append(Series(points=line, name=name, colour=hue, marker=marker, size=3.4))
        fitted = [Point(f.kl, f.gold.value) for f in s.fitted]
        thin.append(Series(points=fitted, colour=hue, width=0.8, alpha=0.7, hover=False))
        broken = _promised(s)[: len(s.used)]
        promised.append(Series(points=broken, colour=hue, width=1.1, stroke="dashed", hover=False))
        top = max(line, key=lambda p: p.y)
        marks.append(Mark(x=top.x, y=top.y, colour=hue))
    drawn = [point for one in gold for point in one.points]
    ends = [end for point in drawn for end in point[1:4] if math.isfinite(end)]
    low, high = min(ends), max(ends)
    promises = [point.y for one in promised for point in one.points]
    # Gold is what matters: promises may leave the picture, at twice its height.
    top_y = min(max([high, *promises]) + 0.05 * (high - low), high + (high - low))
    panel = Panel(
        series=[*gold, *thin, *promised],
        marks=marks,
        title=f"{len(shown)} proxies, {counted(drawn, 'prompts')}",
        scale="root",
        x_range=(0, 1.03 * max(point.x for point in drawn)),
        y_range=(None, top_y) if high > low else (None, None),
        x_label=KL_LABEL,
        y_label=f"{short(next(iter(shown.values())).gold)} above one response, its units",
    )
    title = f"Gold against KL: {', '.join(shown)}"
    return draw(Plot(title=title, panels=[panel], width=5.6, height=3.9))


def scaled(studies: Sequence["Study"], axis: "Axis") -> str:
    """Draw alpha and beta of each proxy over a number that they differ in, with the line through
    them."""
    fits = {axis.sizes[s.proxy]: s.fits for s in studies if s.fits and s.proxy in axis.sizes}
    if not fits:
        raise DataError("no proxy with a size could be fitted")
    panels = []
    for name in ("alpha", "beta"):
        line = points((size, getattr(fit.best_of_n, name)) for size, fit in sorted(fits.items()))
        series = [
            Series(points=line, colour="blue", stroke="none", marker="o", size=5, spread="bars")
        ]
        if scaling := axis.scalings.get(name):
            through = [
                Point(x, scaling.intercept + scaling.slope.value * math.log(x))
                for x in (min(fits), max(fits))
            ]
            series.append(Series(points=through, colour="muted", stroke="dashed", hover=False))
        label = f"{axis.name} (log scale)"
        panels.append(Panel(series=series, title=name, scale="log", ticks=[*fits], x_label=label))
    title = f"alpha and beta over {axis.name}"
    return draw(Plot(title=title, panels=panels, columns=2, width=5.6, height=2.6))


def colours(studies: Sequence["Study"], sizes: Mapping[str, float]) -> dict[str, str]:
    """Choose a colour for each proxy: from faint to strong by size where all have one."""
    names = list(dict.fromkeys(s.proxy for s in studies))
    if len(names) < 2 or any(name not in sizes for name in names):
        return {
            name: colour
            for name, (colour, _) in zip(names, styles(len(names), PALETTE), strict=True)
        }
    ordered = sorted(names, key=lambda name: sizes[name])
    last = len(RAMP) - 1
    return {name: RAMP[round(last * k / (len(names) - 1))] for k, name in enumerate(ordered)}


def _hues(shown: Mapping[str, "Study"], tints: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """Colour and marker of each study."""
    plain = styles(len(shown), PALETTE)
    return [
        ((tints or {}).get(s.proxy, colour), marker)
        for s, (colour, marker) in zip(shown.values(), plain, strict=True)
    ]


def _fit(study: "Study") -> list[Series]:
    """The fitted curve with its interval, in pieces: dotted where it leaves the points it was
    fitted to."""
    fitted = study.fitted
    cuts = [
        k for k in range(1, len(fitted)) if fitted[k].extrapolated != fitted[k - 1].extrapolated
    ]
    pieces = []
    for start, end in itertools.pairwise([0, *cuts, len(fitted)]):
        # The point before, so that the pieces meet.
        part = fitted[max(start - 1, 0) : end]
        if len(part) > 1:
            stroke: Stroke = "dotted" if part[-1].extrapolated else "solid"
            line = points((f.kl, f.gold) for f in part)
            pieces.append(Series(points=line, colour="ink", width=1.0, stroke=stroke, hover=False))
    return pieces


def _stop(study: "Study") -> list[Rule]:
    if study.stop is None:
        return []
    at = study.points[study.stop.index]
    said = f"stop: n = {at.n:,}" if at.n is not None else "stop"
    return [Rule(at=at.kl_best, colour="green", stroke="solid", width=1.3, text=said)]


def _peak(study: "Study") -> tuple[list[Mark], list[Note]]:
    """A ring at the peak of the fit, or a word that the data do not have it."""
    fit = study.fit
    if fit is None:
        return [], []
    if fit.peak is None:
        return [], [Note("the fit does not turn down: no peak")]
    if not fit.peak.in_range:
        side = "beyond" if fit.peak.d.value > fit.d_max else "before"
        return [], [Note(f"peak of the fit lies {side} the data")]
    x, y = fit.peak.kl.value, fit.peak.value.value
    return [Mark(x=x, y=y, text=f"peak of the fit: {fixed(y)} at KL {number(x)}")], []


def _slopes(study: "Study") -> list[Series]:
    """The slopes below and above the quantile, each through the mean of its part."""
    diagnosis = study.diagnosis
    if diagnosis is None or not study.levels:
        return []
    xs, lines = [x for x, _ in study.sample], []
    for estimate, ends, colour, name in (
        (diagnosis.below, (min(xs), diagnosis.threshold), "green", "below"),
        (diagnosis.above, (diagnosis.threshold, max(xs)), "orange", "above"),
    ):
        part = [
            level
            for level in study.levels
            if (level.low >= diagnosis.quantile) == (name == "above")
        ]
        weight = sum(level.gold.n for level in part)
        if not weight or not math.isfinite(estimate.value):
            continue
        x = sum(level.proxy * level.gold.n for level in part) / weight
        y = sum(level.gold.value * level.gold.n for level in part) / weight
        line = [Point(end, y + estimate.value * (end - x)) for end in ends]
        said = f"slope {name}: {number(estimate.value)}"
        lines.append(Series(points=line, name=said, colour=colour, width=2, hover=False))
    return lines


def _promised(study: "Study") -> list[Point]:
    """The promise at each point; without an interval, for its own is not that of gold."""
    promises = [(p, study.promise(k)) for k, p in enumerate(study.points)]
    return [
        Point(p.kl_best, value, n=p.proxy_mean.n)
        for p, value in promises
        if value is not None and math.isfinite(value)
    ]


def _label(study: "Study", studies: Sequence["Study"]) -> str:
    return study.proxy if len({s.gold for s in studies}) == 1 else study.name


def _power(n: int, value: float) -> bool:
    """Whether n is a power of two whose gold has a value: such n stand above the picture."""
    return n & (n - 1) == 0 and math.isfinite(value)
