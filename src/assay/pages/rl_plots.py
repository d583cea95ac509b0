"""A policy in training, as plots: evaluation points on held-out prompts, and the steps between.

The first picture is that of arXiv:2210.10760: the proxy, which the policy is trained on, as a
broken line and gold, which the proxy stands for, as a solid one, against KL to the reference on a
square-root scale. Where gold turns down while the proxy keeps rising, the reward is over-optimized.

Every plot is a pure function of the rows of a `metrics.jsonl`, and raises `DataError` when there is
nothing to draw.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final, NamedTuple

from assay.errors import DataError
from assay.pages.curves import over_steps, small_panel
from assay.report.paint import draw
from assay.report.plot import Mark, Panel, Plot, Point, Rule, Series, counted, styles
from assay.report.svg import PALETTE
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
from assay.stats import Estimate

__all__ = ["PROXY", "arms", "proxy_and_gold", "reinforcement_curves"]

PROXY: Final = "brown"
GOLDS: Final = tuple(colour for colour in PALETTE if colour != "orange")
"""Colours of golds beside the proxy, which is nearly orange."""
KL_LABEL: Final = "KL to the reference, nats per response (square-root scale)"
FEW: Final = 40
"""Points up to which each has a marker."""


class _Gold(NamedTuple):
    """One gold's line, and where it is highest."""

    series: Series
    peak: Mark | None


def proxy_and_gold(
    runs: Mapping[str, Sequence[EvalPoint]],
    *,
    gold: str | None = None,
    peaks: Mapping[str, int] | None = None,
) -> str:
    """Draw proxy (broken) and gold (solid) against KL to the reference, with 95 % bands; gold's
    peak has a ring.

    One run is drawn with all its golds, and with the proxy in a panel of its own only where the
    scales differ much; several runs, a colour each, with one gold. Evaluation points without KL are
    left out; where none has it, steps are below.

    gold: which one to draw; None = all of one run, and of several runs the one that most have.
    peaks: a run's step to ring for its first gold; None = where gold is highest.
    """
    place = _by_kl if any(map(_has_place, chain.from_iterable(runs.values()))) else _by_step
    if len(runs) == 1:
        ((name, seen),) = runs.items()
        proxies, solid = _of_one(seen, gold, (peaks or {}).get(name), place)
    else:
        gold = gold if gold is not None else common_gold(runs.values())
        proxies, solid = _of_several(runs, gold, peaks or {}, place)
    if not proxies and not solid:
        raise DataError(
            "no evaluation point has a proxy or gold with a value; give rows of held-out prompts,"
            ' with "eval"'
        )
    name = gold or (solid[0].series.name if len(solid) == 1 else "")
    what = f"gold ({name})" if name else "gold"
    lines = [one.series for one in solid]
    alone = len(runs) == 1
    if alone and proxies and solid and not _differ(proxies, lines):
        title = f"proxy (broken line) and {what}, {_counted([*proxies, *lines])}"
        panels = [_panel(title, [*proxies, *lines], solid, place)]
    else:
        panels = [_panel(f"proxy, {_counted(proxies)}", proxies, [], place)] if proxies else []
        panels += [_panel(f"{what}, {_counted(lines)}", lines, solid, place)] if solid else []
    first = solid[0].peak if alone and solid else None
    if first is not None:
        rules = [Rule(at=first.x)]
        panels = [replace(panel, rules=rules) for panel in panels]
    title = f"Proxy and gold against {'KL' if place is _by_kl else 'steps'}: {', '.join(runs)}"
    height = 3.4 if len(panels) == 1 else 5.2
    return draw(Plot(title=title, panels=_below(panels, place), height=height, share_x=True))


def arms(rows_by_arm: Mapping[str, Sequence[Row]], *, gold: str | None = None) -> str:
    """Draw runs over each other: the gold of each over the steps, and below it how many steps its
    responses have.

    gold: which one to draw; None = the one that most runs have.
    """
    runs = {name: eval_points(rows) for name, rows in rows_by_arm.items()}
    gold = gold if gold is not None else common_gold(runs.values())
    _, upper = _of_several(runs, gold, {}, _by_step)
    lower = []
    for (name, seen), (colour, marker) in zip(
        runs.items(), styles(len(runs), PALETTE), strict=True
    ):
        if line := _through(seen, _by_step, lambda look: look.steps):
            lower.append(_series(name, line, colour, marker))
    bare = [one._replace(peak=_silent(one.peak)) for one in upper]
    lines = [one.series for one in upper]
    panels = [_panel(f"gold ({gold}), {_counted(lines)}", lines, bare, _by_step)] if upper else []
    title = f"steps per response, {_counted(lower)}"
    panels += [_panel(title, lower, [], _by_step)] if lower else []
    if not panels:
        raise DataError(
            "no run has an evaluation point with gold or steps; give rows of held-out prompts, with"
            ' "eval"'
        )
    return draw(
        Plot(
            title=f"Runs over the steps: {', '.join(rows_by_arm)}",
            panels=_below(panels, _by_step),
            height=3.4 if len(panels) == 1 else 5.2,
            share_x=True,
        )
    )


def reinforcement_curves(rows: Sequence[Row], *, peak: int | None = None) -> str:
    """Draw small panels over the steps: reward, KL, length and the like; training as lines,
    held-out prompts as points.

    A panel that would be empty is not drawn. A dotted line stands at `peak`, the step of gold's
    peak.
    """
    seen, steps = eval_points(rows), [row for row in rows if eval_of(row) is None]
    parts = dict.fromkeys(chain.from_iterable(row.get("rewards") or () for row in rows))
    rewards = [{"step": row.get("step"), **(row.get("rewards") or {})} for row in steps]
    pieces = {name: over_steps(rewards, name) for name in parts} if len(parts) > 1 else {}
    rules = [] if peak is None else [Rule(at=float(peak))]
    panels = []

    def add(title: str, lines: Mapping[str, Sequence[Point]], key: str = "", **more: Any) -> None:
        held_out = _through(seen, _by_step, lambda look: getattr(look, key)) if key else []
        if held_out or any(lines.values()):
            panels.append(small_panel(title, lines, held_out, rules=rules, **more))

    add("reward", {"training": over_steps(steps, "reward")}, "proxy")
    add("parts of the reward", pieces)
    for title, row_key, key in (
        ("KL to the reference, nats", "kl", "kl"),
        ("tokens per response", "length", "length"),
        ("steps per response", "steps", "steps"),
        ("entropy, nats per token", "entropy", "entropy"),
        ("gradient norm", "gradient_norm", ""),
    ):
        add(title, {"": over_steps(steps, row_key)}, key)
    shares = {name: over_steps(steps, name) for name in ("finished", "duplicates")}
    add("shares of responses", shares, bottom=-0.04, top=1.04)
    add("beta, the price of KL", {"": over_steps(steps, "beta")})
    add("unscored responses", {"": over_steps(steps, "unscored")}, bottom=0.0)
    add("tokens per second", {"": over_steps(steps, "tokens_per_second")}, bottom=0.0)
    if not panels:
        raise DataError("no row has a step and a value to draw; give the rows of a metrics.jsonl")
    return draw(
        Plot(
            title="Reinforcement learning, over the steps",
            panels=panels,
            columns=min(2, len(panels)),
            height=1.6 * math.ceil(len(panels) / 2) + 0.3,
        )
    )


def _of_one(
    seen: Sequence[EvalPoint], gold: str | None, peak: int | None, place: "_Place"
) -> tuple[list[Series], list[_Gold]]:
    """The proxy of one run and each of its golds, a colour each."""
    proxy = _through(seen, place, lambda look: look.proxy)
    proxies = [_series("proxy", proxy, PROXY, "o", dashed=True)] if proxy else []
    names = golds(seen) if gold is None else [gold]
    solid = []
    for i, (name, (colour, marker)) in enumerate(
        zip(names, styles(len(names), GOLDS), strict=True)
    ):
        label = name if name != "proxy" else "gold: proxy"
        at = peak if i == 0 else None
        solid.append(_gold(seen, name, at, place, label=label, colour=colour, marker=marker))
    return proxies, [one for one in solid if one.series.points]


def _of_several(
    runs: Mapping[str, Sequence[EvalPoint]],
    gold: str | None,
    peaks: Mapping[str, int],
    place: "_Place",
) -> tuple[list[Series], list[_Gold]]:
    """Each run's proxy and its gold of that name, in the run's colour; rings without words."""
    proxies, solid = [], []
    for (name, seen), (colour, marker) in zip(
        runs.items(), styles(len(runs), PALETTE), strict=True
    ):
        if proxy := _through(seen, place, lambda look: look.proxy):
            proxies.append(_series(name, proxy, colour, marker, dashed=True))
        if gold is not None:
            one = _gold(
                seen, gold, peaks.get(name), place, label=name, colour=colour, marker=marker
            )
            if one.series.points:
                solid.append(one._replace(peak=_silent(one.peak)))
    return proxies, solid


def _gold(
    seen: Sequence[EvalPoint],
    name: str,
    peak: int | None,
    place: "_Place",
    *,
    label: str,
    colour: str,
    marker: str,
) -> _Gold:
    line = _through(seen, place, lambda look: look.gold_of(name))
    went = course(seen, name, peak)
    mark = None
    if went is not None and (x := place(went.top)) is not None:
        y = went.at(went.top).value
        mark = Mark(x=x, y=y, colour=colour, text=f"{y:.3f} at step {went.top.step:,}")
    return _Gold(_series(label, line, colour, marker), mark)


_Place = Callable[[EvalPoint], float | None]


def _by_kl(look: EvalPoint) -> float | None:
    """KL, at least 0, for estimates may lie below it."""
    return max(kl.value, 0.0) if (kl := known(look.kl)) else None


def _by_step(look: EvalPoint) -> float:
    return float(look.step)


def _has_place(look: EvalPoint) -> bool:
    """Whether something of an evaluation point can be drawn against KL."""
    return known(look.kl) is not None and (known(look.proxy) is not None or bool(golds([look])))


def _through(
    seen: Sequence[EvalPoint], place: _Place, read: Callable[[EvalPoint], Estimate | None]
) -> list[Point]:
    """A line through the evaluation points that have a place and a value."""
    line = []
    for look in seen:
        x, e = place(look), known(read(look))
        if x is not None and e is not None:
            line.append(Point(x, e.value, e.low, e.high, e.n))
    return line


def _series(
    name: str, line: Sequence[Point], colour: str, marker: str, dashed: bool = False
) -> Series:
    stroke: Any = "dashed" if dashed else "solid"
    sign = marker if len(line) <= FEW else ""
    return Series(points=line, name=name, colour=colour, marker=sign, size=3.6, stroke=stroke)


def _panel(title: str, lines: Sequence[Series], solid: Sequence[_Gold], place: _Place) -> Panel:
    marks = [one.peak for one in solid if one.peak is not None]
    over_kl = place is _by_kl
    scale: Any = "root" if over_kl else "linear"
    return Panel(title=title, series=lines, marks=marks, scale=scale, whole=not over_kl)


def _below(panels: Sequence[Panel], place: _Place) -> list[Panel]:
    """The panels, with what x is below the lowest."""
    label = KL_LABEL if place is _by_kl else "step"
    return [*panels[:-1], replace(panels[-1], x_label=label)]


def _silent(mark: Mark | None) -> Mark | None:
    """The ring alone: names stand at the lines' ends."""
    return None if mark is None else replace(mark, text="")


def _differ(proxies: Sequence[Series], solid: Sequence[Series]) -> bool:
    """Whether one axis would flatten the proxy or the golds, to less than a third of its height."""
    spans = []
    for lines in (proxies, solid, [*proxies, *solid]):
        points = [point for line in lines for point in line.points]
        ends = [end for point in points for end in point[1:4] if math.isfinite(end)]
        spans.append(max(ends) - min(ends))
    return min(spans[:2]) < spans[2] / 3


def _counted(lines: Sequence[Series]) -> str:
    return counted(point for line in lines for point in line.points)
