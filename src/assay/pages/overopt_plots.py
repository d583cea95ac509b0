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
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from assay.errors import DataError
from assay.pages.rl_plots import PROXY
from assay.report.lines import DASHES, MARKERS, Point, band, cycle, end_labels, short
from assay.report.numbers import fixed, interval, number
from assay.report.svg import INK, MUTED, PALETTE, draw
from assay.stats import Estimate

if TYPE_CHECKING:
    from assay.overopt.axis import Axis
    from assay.overopt.study import Study

__all__ = ["MOST", "colours", "fan", "gaps", "proxy_and_gold_over_n", "responses", "scaled"]

MOST: Final = 8
"""Most lines that can be told apart; of more proxies these many are drawn, spread over them."""
TRUSTED: Final = "#eaf3fa"
KL_LABEL: Final = "KL to the sampling policy, nats (square-root scale)"


def proxy_and_gold_over_n(study: "Study") -> str:
    """One proxy: gold with its band, its fit, its peak, where to stop, and what the proxy
    promises."""
    gold = [
        (p.kl_best, gain, p.trusted)
        for p, gain in zip(study.points, study.gains, strict=True)
        if math.isfinite(gain.value)
    ]
    if not gold:
        raise DataError(f"{study.name}: no n has a value")

    def paint(figure: Any) -> None:
        ax = figure.subplots()
        _kl_scale(ax, max(kl for kl, *_ in gold))
        trusted = [kl for kl, _, sure in gold if sure]
        ax.axvspan(0, max(trusted, default=0.0), color=TRUSTED, linewidth=0, zorder=0)
        lines: dict[str, list[Point]] = {}
        if promised := _promised(study):
            lines["promised"] = promised
            ax.plot(
                [p.x for p in promised], [p.y for p in promised], color=PROXY, linestyle=DASHES[1]
            )
        _paint_fit(ax, study)
        points = [Point(kl, e) for kl, e, _ in gold]
        band(ax, points, PALETTE[0])
        for sure in (True, False):
            part = [(kl, e.value) for kl, e, is_trusted in gold if is_trusted == sure]
            face = PALETTE[0] if sure else "white"
            ax.plot(
                *_columns(part),
                "o",
                color=PALETTE[0],
                markerfacecolor=face,
                markersize=4.5,
                zorder=4,
            )
        lines["gold"] = points
        ax.set(xlabel=KL_LABEL, ylabel=f"{short(study.gold)} above one response, its units")
        _room(ax, 0.16)
        _paint_stop(ax, study)
        _paint_peak(ax, study)
        _paint_trusted(ax, max(trusted, default=0.0), all(sure for *_, sure in gold))
        _n_axis(ax, study)
        end_labels(ax, lines, [PROXY if name == "promised" else PALETTE[0] for name in lines])

    return draw(5.6, 3.9, f"Proxy and gold against KL: {study.name}", paint)


def responses(study: "Study") -> str:
    """Proxy against gold of some responses, within prompts, with means by level and the slopes
    below and above."""
    if not study.sample:
        raise DataError(f"{study.name}: no responses were kept to draw")

    def paint(figure: Any) -> None:
        ax = figure.subplots()
        ax.plot(
            *_columns(study.sample), "o", color=MUTED, markersize=2.6, alpha=0.3, markeredgewidth=0
        )
        if study.levels:
            low, high = (
                np.array([getattr(level.gold, end) for level in study.levels])
                for end in ("low", "high")
            )
            x, y = _columns([(level.proxy, level.gold.value) for level in study.levels])
            errors = np.maximum(np.nan_to_num([np.array(y) - low, high - np.array(y)]), 0)
            ax.errorbar(
                x, y, yerr=errors, fmt="o", color=PALETTE[0], markersize=5, elinewidth=1.4, zorder=4
            )
        if study.diagnosis is not None:
            _paint_slopes(ax, study)
        ax.set(
            xlabel=f"{short(study.proxy)}, distance from its prompt's mean",
            ylabel=f"{short(study.gold)}, the same",
            title=(
                f"{len(study.sample):,} of {study.responses:,} responses, n = {study.prompts:,}"
                " prompts"
            ),
        )

    return draw(3.9, 3.5, f"Proxy against gold of responses: {study.name}", paint)


def gaps(studies: Sequence["Study"], tints: Mapping[str, str] | None = None) -> str:
    """What was promised less what gold gives, over KL."""
    shown = {_label(s, studies): s for s in studies if s.gaps}
    if not shown:
        raise DataError("no proxy promises anything, so there is no gap to draw")
    hues = [
        (tints or {}).get(s.proxy, PALETTE[k % len(PALETTE)]) for k, s in enumerate(shown.values())
    ]
    several = len(shown) > 1

    def paint(figure: Any) -> None:
        ax = figure.subplots()
        _kl_scale(
            ax, max(p.kl_best for s in shown.values() for p in s.points), 0.07 if several else 0.11
        )
        ax.axhline(0, color=MUTED, linewidth=1.0, linestyle=DASHES[0])
        lines = {}
        for (name, s), hue, marker in zip(
            shown.items(), hues, cycle(MARKERS, len(shown)), strict=True
        ):
            lines[name] = [
                Point(p.kl_best, e)
                for p, e in zip(s.points, s.gaps, strict=True)
                if math.isfinite(e.value)
            ]
            band(ax, lines[name], hue, marker=marker, markersize=3.2)
        of = sorted({s.gold for s in shown.values()})
        title = f"promised less given, {_n([p for line in lines.values() for p in line])}"
        ax.set(
            xlabel="KL, nats (square-root scale)",
            ylabel=f"gap, units of {short(of[0])}",
            title=title,
        )
        end_labels(ax, lines, hues)

    return draw(
        5.6 if several else 3.9, 3.5, f"Gap between proxy and gold: {', '.join(shown)}", paint
    )


def fan(studies: Sequence["Study"], tints: Mapping[str, str] | None = None) -> str:
    """Several proxies against one gold in one picture: gold solid, its fits thin, promises broken,
    peaks ringed."""
    shown = {_label(s, studies): s for s in studies if s.used}
    if not shown:
        raise DataError("no proxy has an n with a value")
    hues = [
        (tints or {}).get(s.proxy, PALETTE[k % len(PALETTE)]) for k, s in enumerate(shown.values())
    ]

    def paint(figure: Any) -> None:
        ax = figure.subplots()
        _kl_scale(ax, max(p.kl_best for s in shown.values() for p in s.used))
        lines: dict[str, list[Point]] = {}
        for (name, s), hue, marker in zip(
            shown.items(), hues, cycle(MARKERS, len(shown)), strict=True
        ):
            lines[name] = _gained(s)
            band(ax, lines[name], hue, marker=marker, markersize=3.4)
            ax.plot(
                *_columns([(f.kl, f.gold.value) for f in s.fitted]),
                color=hue,
                linewidth=0.8,
                alpha=0.7,
            )
            top = max(lines[name], key=lambda p: p.y)
            ax.plot([top.x], [top.y], "o", markersize=10, color=hue, markerfacecolor="none")
        low, high = ax.get_ylim()
        for s, hue in zip(shown.values(), hues, strict=True):
            promised = _promised(s)[: len(s.used)]
            ax.plot(
                [p.x for p in promised],
                [p.y for p in promised],
                color=hue,
                linewidth=1.1,
                linestyle=DASHES[1],
            )
        # Gold is what matters: promises may leave the picture, at twice its height.
        ax.set_ylim(low, min(ax.get_ylim()[1], high + (high - low)))
        ax.set_xlim(
            0, math.ceil(100 * 1.03 * max(p.x for line in lines.values() for p in line)) / 100
        )
        of = sorted({s.gold for s in shown.values()})
        title = f"{len(shown)} proxies, {_n([p for line in lines.values() for p in line])}"
        ax.set(xlabel=KL_LABEL, ylabel=f"{short(of[0])} above one response, its units", title=title)
        end_labels(ax, lines, hues)

    return draw(5.6, 3.9, f"Gold against KL: {', '.join(shown)}", paint)


def scaled(studies: Sequence["Study"], axis: "Axis") -> str:
    """alpha and beta of each proxy over a number that they differ in, with the line through
    them."""
    sizes = axis.sizes
    shown = [s for s in studies if s.fits is not None and s.proxy in sizes]
    if not shown:
        raise DataError("no proxy with a size could be fitted")

    def paint(figure: Any) -> None:
        for ax, name in zip(figure.subplots(1, 2), ("alpha", "beta"), strict=True):
            x = [sizes[s.proxy] for s in shown]
            told: list[Estimate] = [
                getattr(s.fits.best_of_n, name) for s in shown if s.fits is not None
            ]
            errors = np.nan_to_num(
                [[e.value - e.low for e in told], [e.high - e.value for e in told]]
            )
            ax.errorbar(
                x,
                [e.value for e in told],
                yerr=np.maximum(errors, 0),
                fmt="o",
                color=PALETTE[0],
                markersize=5,
            )
            if line := axis.scalings.get(name):
                ends = np.array([min(x), max(x)])
                ax.plot(
                    ends,
                    line.intercept + line.slope.value * np.log(ends),
                    color=MUTED,
                    linestyle=DASHES[1],
                )
            ax.set_xscale("log")
            ticks = sorted(set(x))
            ax.set_xticks(ticks, [f"{t:,.0f}" if 1000 <= t < 1e6 else f"{t:.4g}" for t in ticks])
            ax.set_xticks([], minor=True)
            ax.margins(x=0.12)
            ax.set(xlabel=f"{axis.name} (log scale)", title=name)

    return draw(5.6, 2.6, f"alpha and beta over {axis.name}", paint)


def colours(studies: Sequence["Study"], sizes: Mapping[str, float]) -> dict[str, str]:
    """A colour a proxy: from light to dark by size where all have one."""
    names = list(dict.fromkeys(s.proxy for s in studies))
    if len(names) < 2 or any(name not in sizes for name in names):
        return dict(zip(names, cycle(PALETTE, len(names)), strict=True))
    light, dark = np.array([0x8C, 0xC2, 0xE8]), np.array([0x0A, 0x2E, 0x52])
    ordered = sorted(names, key=lambda name: sizes[name])
    mixed = [light + (dark - light) * k / (len(names) - 1) for k in range(len(names))]
    return {
        name: "#" + "".join(f"{round(c):02x}" for c in rgb)
        for name, rgb in zip(ordered, mixed, strict=True)
    }


def _kl_scale(ax: Any, right: float, apart: float = 0.07) -> None:
    """KL on a square-root scale, from 0, with ticks at round numbers."""
    ax.set_xscale(
        "function",
        functions=(lambda x: np.sqrt(np.maximum(x, 0)), lambda d: np.square(np.maximum(d, 0))),
    )
    right = right if right > 0 else 1.0
    ticks = [
        t
        for t in (0, 0.05, 0.2, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 75, 100)
        if t <= 1.03 * right
    ]
    kept: list[float] = []
    for tick in ticks:
        if not kept or math.sqrt(tick / right) - math.sqrt(kept[-1] / right) > apart:
            kept.append(tick)
    ax.set_xticks(kept, [f"{t:g}" for t in kept])
    ax.set_xlim(0, right * 1.03)


def _n_axis(ax: Any, study: "Study") -> None:
    """n above the plot, where its points are: powers of two, as many as there is room for."""
    right, kept = ax.get_xlim()[1], list[tuple[float, int]]()
    for p in study.points:
        if p.n is not None and p.n & (p.n - 1) == 0 and math.isfinite(p.gold_mean.value):
            place = math.sqrt(p.kl_best / right)
            if not kept or place - math.sqrt(kept[-1][0] / right) > 0.055:
                kept.append((p.kl_best, p.n))
    top = ax.twiny()
    _kl_scale(top, right / 1.03)
    top.set_xticks([kl for kl, _ in kept], [f"{n:,}" for _, n in kept])
    top.grid(visible=False)
    top.tick_params(length=0, pad=1)
    ns = sorted({gain.n for gain in study.gains if gain.n})
    prompts = f"{ns[0]:,}" if len(ns) == 1 else f"{ns[0]:,} to {ns[-1]:,}"
    top.set_xlabel(f"n, responses to choose from ({prompts} prompts)")


def _paint_fit(ax: Any, study: "Study") -> None:
    """The fitted curve with its interval, in pieces: dotted where it leaves the points it was
    fitted to."""
    cuts = [
        k
        for k in range(1, len(study.fitted))
        if study.fitted[k].extrapolated != study.fitted[k - 1].extrapolated
    ]
    for start, end in itertools.pairwise([0, *cuts, len(study.fitted)]):
        # The one before, so that the pieces meet.
        part = study.fitted[max(start - 1, 0) : end]
        if len(part) < 2:
            continue
        kl = [f.kl for f in part]
        low, high = [f.gold.low for f in part], [f.gold.high for f in part]
        ax.fill_between(kl, low, high, color=INK, alpha=0.09, linewidth=0)
        dotted = part[-1].extrapolated
        ax.plot(
            kl,
            [f.gold.value for f in part],
            color=INK,
            linewidth=1.0,
            linestyle=DASHES[0] if dotted else "-",
        )


def _paint_stop(ax: Any, study: "Study") -> None:
    if study.stop is None:
        return
    at = study.points[study.stop.index]
    ax.axvline(at.kl_best, color=PALETTE[2], linewidth=1.3, zorder=2)
    right = ax.get_xlim()[1]
    share = math.sqrt(at.kl_best / right)
    said = f"stop: n = {at.n:,}" if at.n is not None else "stop"
    ax.annotate(
        said,
        (at.kl_best, 0.985),
        xycoords=("data", "axes fraction"),
        xytext=(4 if share < 0.8 else -4, 0),
        textcoords="offset points",
        ha="left" if share < 0.8 else "right",
        va="top",
        color=PALETTE[2],
        fontsize=9,
        fontweight="bold",
        bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6},
    )


def _paint_peak(ax: Any, study: "Study") -> None:
    """A ring at the peak of the fit, or a word that the data do not have it."""
    fit = study.fit
    if fit is None:
        return
    corner = {"xycoords": "axes fraction", "color": INK, "fontsize": 8.5}
    if fit.peak is None:
        ax.annotate("the fit does not turn down: no peak", (0.02, 0.03), **corner)
        return
    if not fit.peak.in_range:
        side = "beyond" if fit.peak.d.value > fit.d_max else "before"
        ax.annotate(f"peak of the fit lies {side} the data", (0.02, 0.03), **corner)
        return
    x, y = fit.peak.kl.value, fit.peak.value.value
    ax.plot([x], [y], "o", markersize=11, markerfacecolor="none", markeredgecolor=INK, zorder=5)
    share = math.sqrt(x / ax.get_xlim()[1])
    ax.annotate(
        f"peak of the fit: {fixed(y)} at KL {number(x)}",
        (x, y),
        xytext=(0, -26),
        textcoords="offset points",
        ha="left" if share < 0.3 else "right" if share > 0.7 else "center",
        va="top",
        color=INK,
        fontsize=9,
        zorder=6,
        bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6},
    )


def _paint_trusted(ax: Any, edge: float, everything: bool) -> None:
    """What the shade means."""
    if edge <= 0:
        said, x, ha = "no n above 1 is trusted: n > N/8", 0.98, "right"
    elif everything:
        return
    else:
        said, x, ha = (
            "shaded: n ≤ N/8, trusted",
            math.sqrt(edge / ax.get_xlim()[1]) - 0.012,
            "right",
        )
    ax.annotate(
        said,
        (x, 0.1),
        xycoords="axes fraction",
        ha=ha,
        color=MUTED,
        fontsize=8.5,
        bbox={"facecolor": "none", "lw": 0},
    )


def _paint_slopes(ax: Any, study: "Study") -> None:
    """The slopes below and above the quantile, each through the mean of its part."""
    found = study.diagnosis
    if found is None or not study.levels:
        return
    xs = [x for x, _ in study.sample]
    for estimate, ends, colour, name in (
        (found.below, (min(xs), found.threshold), PALETTE[2], "below"),
        (found.above, (found.threshold, max(xs)), PALETTE[1], "above"),
    ):
        part = [
            level for level in study.levels if (level.low >= found.quantile) == (name == "above")
        ]
        weight = sum(level.gold.n for level in part)
        if not weight or not math.isfinite(estimate.value):
            continue
        x = sum(level.proxy * level.gold.n for level in part) / weight
        y = sum(level.gold.value * level.gold.n for level in part) / weight
        label = f"{number(estimate.value)} {interval(estimate)}"
        line = [y + estimate.value * (end - x) for end in ends]
        ax.plot(ends, line, color=colour, linewidth=2, zorder=5, label=f"slope {name}: {label}")
    ax.legend(loc="lower center", fontsize=8.5, handlelength=1.3, borderaxespad=0.1)
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.2 * (high - low), high)


def _gained(study: "Study") -> list[Point]:
    """What the points that count gain on one response."""
    gains = zip(study.points, study.gains, strict=True)
    return [
        Point(p.kl_best, gain) for p, gain in gains if p in study.used and math.isfinite(gain.value)
    ]


def _promised(study: "Study") -> list[Point]:
    """The promise at each point; of one value, for its own interval is not that of gold."""
    points = []
    for k, p in enumerate(study.points):
        if (value := study.promise(k)) is not None and math.isfinite(value):
            points.append(
                Point(p.kl_best, Estimate(value=value, low=value, high=value, n=p.proxy_mean.n))
            )
    return points


def _label(study: "Study", studies: Sequence["Study"]) -> str:
    return study.proxy if len({s.gold for s in studies}) == 1 else study.name


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y for _, y in pairs]


def _room(ax: Any, share: float) -> None:
    """Room above the lines for what is written there."""
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + share * (high - low))


def _n(points: Sequence[Point]) -> str:
    ns = sorted({p.estimate.n for p in points}) or [0]
    return f"n = {ns[0]:,} prompts" if len(ns) == 1 else f"n = {ns[0]:,} to {ns[-1]:,} prompts"
