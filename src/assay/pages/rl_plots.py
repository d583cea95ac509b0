"""A policy in training, as plots: what looks at held-out prompts saw, and the steps between them.

The first picture is that of arXiv:2210.10760: the proxy, which the policy is paid in, as a broken
line and gold, which the proxy stands for, as a solid one, against KL to the reference on a
square-root scale. Where gold turns down while the proxy goes on up, the reward is over-optimized.

Every plot is a pure function of the rows of a `metrics.jsonl`, and raises `DataError` when there is
nothing to draw.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from assay.errors import DataError
from assay.report.lines import DASHES, MARKERS, Point, band, cycle, end_labels
from assay.report.plots import POINTS
from assay.report.svg import MUTED, PALETTE, draw
from assay.runs.evaluations import (
    EvalPoint,
    Row,
    common_gold,
    course,
    eval_of,
    eval_points,
    golds,
    known,
)

__all__ = [
    "arms",
    "proxy_and_gold",
    "reinforcement_curves",
]

Array = NDArray[np.float64]

PROXY: Final = "#B45309"
KL_LABEL: Final = "KL to the reference, nats a response (square-root scale)"


def proxy_and_gold(
    runs: Mapping[str, Sequence[EvalPoint]],
    *,
    gold: str | None = None,
    peaks: Mapping[str, int] | None = None,
) -> str:
    """Proxy (broken) and gold (solid) against KL to the reference, with 95 % bands; gold's peak has
    a ring.

    One run is drawn with all its golds, and with the proxy in a panel of its own only where the
    scales differ much; several runs, a colour each, with one gold. Looks without KL are left out;
    where no look has it, steps are below.

    gold: which one to draw; None = all of one run, and of several runs the one that most have.
    peaks: a run's step to ring for its first gold; None = where gold is highest.
    """
    alone, over_kl = (
        len(runs) == 1,
        any(_has_place(look) for seen in runs.values() for look in seen),
    )
    shared = gold if gold is not None or alone else common_gold(runs.values())
    proxies, solid, at = [], [], None
    for name, seen, colour, marker in _coloured(runs):
        points = _through(seen, over_kl, lambda look: look.proxy)
        proxies.append(
            _Line(
                "proxy" if alone else name, points, PROXY if alone else colour, marker, dashed=True
            )
        )
        names = golds(seen) if shared is None else [shared]
        for i, one in enumerate(names):
            course_ = course(seen, one, (peaks or {}).get(name) if i == 0 else None)
            peak = _place(course_.top, over_kl) if course_ else None
            at = peak if alone and i == 0 else at
            label = name if not alone else one if one != "proxy" else "gold: proxy"
            look_colour = (
                cycle([c for c in PALETTE if c != PALETTE[1]], len(names))[i] if alone else colour
            )
            points = _through(seen, over_kl, lambda look, one=one: look.gold_of(one))
            step = course_.top.step if course_ else None
            solid.append(
                _Line(
                    label,
                    points,
                    look_colour,
                    marker if not alone else MARKERS[i],
                    peak=peak,
                    step=step,
                )
            )
    proxies, solid = (
        [line for line in proxies if line.points],
        [line for line in solid if line.points],
    )
    if not proxies and not solid:
        raise DataError(
            'no look has a proxy or gold with a value; give rows of held-out prompts, with "eval"'
        )
    what = f"gold ({shared or solid[0].name})" if solid and (shared or len(solid) == 1) else "gold"
    panels = [_Panel(f"proxy, {_n(proxies)}", proxies), _Panel(f"{what}, {_n(solid)}", solid)]
    if alone and proxies and solid and not _differ(proxies, solid):
        panels = [
            _Panel(f"proxy (broken line) and {what}, {_n([*proxies, *solid])}", [*proxies, *solid])
        ]
    panels = [panel for panel in panels if panel.lines]

    def paint(figure: Any) -> None:
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False).ravel()
        for ax, panel in zip(axes, panels, strict=True):
            if at is not None:
                ax.axvline(at, color=MUTED, linewidth=0.9, linestyle=DASHES[0], zorder=1)
            _paint_lines(ax, panel, said=alone)
        right = max(p.x for panel in panels for line in panel.lines for p in line.points)
        if over_kl:
            _kl_axis(axes[-1], right)
        axes[-1].set_xlabel(KL_LABEL if over_kl else "step")

    title = f"Proxy and gold against {'KL' if over_kl else 'steps'}: {', '.join(runs)}"
    return draw(5.3, 3.4 if len(panels) == 1 else 5.2, title, paint)


def arms(rows_by_arm: Mapping[str, Sequence[Row]], *, gold: str | None = None) -> str:
    """Runs over each other: the gold of each arm over the steps, and below it how many steps its
    responses have.

    gold: which one to draw; None = the one that most arms have.
    """
    runs = {name: eval_points(rows) for name, rows in rows_by_arm.items()}
    what = gold if gold is not None else common_gold(runs.values())
    upper, lower = [], []
    for name, seen, colour, marker in _coloured(runs):
        went = course(seen, what) if what is not None else None
        if what is not None and went is not None:
            points = _through(seen, False, lambda look: look.gold_of(what))
            upper.append(
                _Line(name, points, colour, marker, peak=float(went.top.step), step=went.top.step)
            )
        if points := _through(seen, False, lambda look: look.steps):
            lower.append(_Line(name, points, colour, marker))
    panels = [
        _Panel(f"gold ({what}), {_n(upper)}", upper),
        _Panel(f"steps a response, {_n(lower)}", lower),
    ]
    panels = [panel for panel in panels if panel.lines]
    if not panels:
        raise DataError(
            'no arm has a look with gold or steps; give rows of held-out prompts, with "eval"'
        )

    def paint(figure: Any) -> None:
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False).ravel()
        for ax, panel in zip(axes, panels, strict=True):
            _paint_lines(ax, panel, said=False)
        axes[-1].set_xlabel("step")
        axes[-1].locator_params(axis="x", nbins=6, integer=True)

    return draw(
        5.3,
        3.4 if len(panels) == 1 else 5.2,
        f"Arms over the steps: {', '.join(rows_by_arm)}",
        paint,
    )


def reinforcement_curves(rows: Sequence[Row], *, peak: int | None = None) -> str:
    """Small panels over the steps: reward, KL, length and the like; training as lines, held-out
    prompts as points.

    A panel that would be empty is not drawn. A dotted line stands at `peak`, the step of gold's
    peak.
    """
    seen = eval_points(rows)
    parts = dict.fromkeys(name for row in rows for name in row.get("rewards") or ())
    pieces = (
        {name: _series(rows, name, within="rewards") for name in parts} if len(parts) > 1 else {}
    )
    panels = [
        (name, lines, points)
        for name, lines, points in (
            ("reward", {"training": _series(rows, "reward")}, _held_out(seen, "proxy")),
            ("parts of the reward", pieces, []),
            ("KL to the reference, nats", {"training": _series(rows, "kl")}, _held_out(seen, "kl")),
            ("tokens a response", {"training": _series(rows, "length")}, _held_out(seen, "length")),
            ("steps a response", {"training": _series(rows, "steps")}, _held_out(seen, "steps")),
            (
                "entropy, nats a token",
                {"training": _series(rows, "entropy")},
                _held_out(seen, "entropy"),
            ),
            ("gradient norm", {"training": _series(rows, "gradient_norm")}, []),
            (
                "shares of responses",
                {name: _series(rows, name) for name in ("finished", "duplicates")},
                [],
            ),
            ("beta, the price of KL", {"training": _series(rows, "beta")}, []),
            ("unscored responses", {"training": _series(rows, "unscored")}, []),
            ("tokens a second", {"training": _series(rows, "tokens_per_second")}, []),
        )
        if points or any(len(x) for x, _ in lines.values())
    ]
    if not panels:
        raise DataError("no row has a step and a value to draw; give the rows of a metrics.jsonl")

    def paint(figure: Any) -> None:
        columns = min(2, len(panels))
        axes = figure.subplots(
            math.ceil(len(panels) / columns), columns, squeeze=False, sharex=True
        ).ravel()
        for ax, (name, lines, points) in zip(axes, panels, strict=False):
            if peak is not None:
                ax.axvline(peak, color=MUTED, linewidth=0.9, linestyle=DASHES[0], zorder=1)
            _small_panel(ax, name, lines, points)
        for ax in axes[len(panels) - columns : len(panels)]:
            ax.set_xlabel("step")
            ax.tick_params(labelbottom=True)
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        figure.get_layout_engine().set(h_pad=0.07, w_pad=0.06)

    return draw(
        5.3, 1.5 * math.ceil(len(panels) / 2) + 0.3, "Reinforcement learning, over the steps", paint
    )


class _Line(NamedTuple):
    name: str
    points: Sequence[Point]
    colour: str
    marker: str
    dashed: bool = False
    peak: float | None = None
    """Where the ring is."""
    step: int | None = None
    """The step of the peak."""


class _Panel(NamedTuple):
    title: str
    lines: Sequence[_Line]


def _coloured(
    runs: Mapping[str, Sequence[EvalPoint]],
) -> list[tuple[str, Sequence[EvalPoint], str, str]]:
    """Each run with its colour and marker."""
    n = len(runs)
    return list(zip(runs, runs.values(), cycle(PALETTE, n), cycle(MARKERS, n), strict=True))


def _place(look: EvalPoint, over_kl: bool) -> float | None:
    """Where a look stands: at the root of its KL, at least at 0 for estimates may lie below it; or
    at its step."""
    if not over_kl:
        return float(look.step)
    return math.sqrt(max(kl.value, 0.0)) if (kl := known(look.kl)) else None


def _has_place(look: EvalPoint) -> bool:
    """Whether something of a look can be drawn against KL."""
    return known(look.kl) is not None and (known(look.proxy) is not None or bool(golds([look])))


def _through(seen: Sequence[EvalPoint], over_kl: bool, read: Any) -> list[Point]:
    """What a line goes through: the looks that have a place and a value."""
    places = [(_place(look, over_kl), known(read(look))) for look in seen]
    return [Point(x, estimate) for x, estimate in places if x is not None and estimate is not None]


def _differ(proxies: Sequence[_Line], solid: Sequence[_Line]) -> bool:
    """Whether one axis would flatten the proxy or the golds, to less than a third of its height."""
    spans = []
    for lines in (proxies, solid, [*proxies, *solid]):
        seen = [
            e for line in lines for p in line.points for e in (p.y, p.estimate.low, p.estimate.high)
        ]
        ends = [end for end in seen if math.isfinite(end)]
        spans.append(max(ends) - min(ends))
    return min(spans[:2]) < spans[2] / 3


def _n(lines: Sequence[_Line]) -> str:
    ns = sorted({p.estimate.n for line in lines for p in line.points}) or [0]
    return f"n = {ns[0]:,}" if len(ns) == 1 else f"n = {ns[0]:,} to {ns[-1]:,}"


def _paint_lines(ax: Any, panel: _Panel, *, said: bool) -> None:
    """The lines of a panel, each named at its end, with rings at the peaks; `said`: each with its
    value and step."""
    ax.set_title(panel.title)
    for line in panel.lines:
        style: dict[str, Any] = {"linestyle": DASHES[1]} if line.dashed else {}
        few = len(line.points) <= 40
        band(
            ax, line.points, line.colour, marker=line.marker if few else "", markersize=3.6, **style
        )
    ax.margins(x=0.03)
    ax.locator_params(axis="y", nbins=6)
    low, high = ax.get_ylim()
    # Room for the peaks' labels.
    ax.set_ylim(low, high + 0.09 * (high - low) if said else high)
    for line in panel.lines:
        for point in [p for p in line.points if p.x == line.peak][:1]:
            _ring(
                ax,
                line,
                point,
                [p for other in panel.lines if other is not line for p in other.points],
                said,
            )
    end_labels(
        ax, {line.name: line.points for line in panel.lines}, [line.colour for line in panel.lines]
    )


def _ring(ax: Any, line: _Line, peak: Point, others: Sequence[Point], said: bool) -> None:
    """A ring around a peak, and its value and step on the side that has more room."""
    ring = {"marker": "o", "markersize": 10, "markerfacecolor": "none", "linewidth": 0, "zorder": 4}
    ax.plot([peak.x], [peak.y], markeredgecolor=line.colour, **ring)
    if not said:
        return
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    near = [p.y for p in others if abs(p.x - peak.x) < 0.12 * (right - left)]
    above = min([y - peak.y for y in near if y >= peak.y] + [top - peak.y])
    below = min([peak.y - y for y in near if y < peak.y] + [peak.y - bottom])
    side = 1 if above >= min(below, 0.14 * (top - bottom)) else -1
    share = (peak.x - left) / (right - left)
    ax.annotate(
        f"{peak.y:.3f} at step {line.step:,}",
        (peak.x, peak.y),
        xytext=(0, 9 * side),
        textcoords="offset points",
        ha="left" if share < 0.25 else "right" if share > 0.75 else "center",
        va="bottom" if side > 0 else "top",
        color=line.colour,
        fontsize=9,
        fontweight="bold",
        zorder=5,
        bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
    )


def _kl_axis(ax: Any, right: float) -> None:
    """Ticks at round numbers of nats, as many as there is room for; places are roots."""
    if right <= 0:
        ax.set_xticks([0.0], ["0"])
        return
    ticks: list[float] = []
    for power in range(math.floor(math.log10(right**2)), -7, -1):
        ticks += [
            kl for kl in (5 * 10.0**power, 2 * 10.0**power, 10.0**power) if kl <= right**2 * 1.001
        ]
    kept: list[float] = []
    for kl in ticks:
        root = math.sqrt(kl) / right
        if root > 0.075 and all(math.sqrt(other) / right - root > 0.075 for other in kept):
            kept.append(kl)
    ax.set_xticks(
        [0.0, *(math.sqrt(kl) for kl in kept[::-1])], ["0", *(f"{kl:g}" for kl in kept[::-1])]
    )
    ax.set_xlim(-0.03 * right, 1.03 * right)


def _small_panel(
    ax: Any, name: str, lines: Mapping[str, tuple[Array, Array]], points: Sequence[Point]
) -> None:
    """One quantity: training as a running mean over the faint steps, held-out prompts as points
    with their band."""
    ax.set_title(name)
    drawn = {label: line for label, line in lines.items() if len(line[0])}
    for (label, (x, y)), colour in zip(drawn.items(), cycle(PALETTE, len(drawn)), strict=True):
        if len(x) > 20:
            ax.plot(_thinned(x), _thinned(y), color=colour, linewidth=0.8, alpha=0.3)
            x, y = _thinned(x), _thinned(_running_mean(y))
        ax.plot(x, y, color=colour, label=label, marker="o" if len(x) == 1 else "", markersize=3.5)
    if points:
        band(ax, points, PALETTE[1], marker="o", markersize=3, linewidth=1.2, label="held out")
    ax.margins(x=0.02)
    ax.locator_params(axis="x", nbins=5, integer=True)
    ax.locator_params(axis="y", nbins=4)
    ax.ticklabel_format(axis="y", useOffset=False)
    if name in ("unscored responses", "tokens a second"):
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_formatter("{x:,.0f}")
    if name == "shares of responses":
        ax.set_ylim(-0.04, 1.04)
    if len(drawn) > 1 or (name == "reward" and drawn and points):
        ax.legend(loc="best", handlelength=1.4, fontsize=8.5)


def _held_out(seen: Sequence[EvalPoint], key: str) -> list[Point]:
    return _through(seen, False, lambda look: getattr(look, key))


def _series(rows: Sequence[Row], key: str, within: str = "") -> tuple[Array, Array]:
    """Steps and values of the rows of optimisation steps that have a finite one."""
    pairs = []
    for row in rows:
        value = ((row.get(within) or {}) if within else row).get(key)
        if (
            row.get("step") is not None
            and value is not None
            and eval_of(row) is None
            and math.isfinite(value)
        ):
            pairs.append((row["step"], value))
    x, y = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return x, y


def _thinned(values: Array) -> Array:
    """Means over runs of neighbours, at most `POINTS` of them."""
    return (
        values
        if len(values) <= POINTS
        else np.array([part.mean() for part in np.array_split(values, POINTS)])
    )


def _running_mean(y: Array) -> Array:
    """Mean over a centred window of about a twentieth of the run, cut at the ends."""
    window = np.ones(2 * max(2, len(y) // 40) + 1)
    return np.asarray(np.convolve(y, window, "same") / np.convolve(np.ones_like(y), window, "same"))
