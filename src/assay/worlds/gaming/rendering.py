"""A trajectory for people: as text, and as an SVG with a film strip above the two returns.

The SVG stands alone: no script, no style sheet, no font of its own, nothing that refers outside.
"""

import textwrap
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from assay.worlds.gaming.trajectory import Trajectory

__all__ = ["to_svg", "to_text"]

PROXY_COLOUR: Final = "#D55E00"
TRUE_COLOUR: Final = "#0072B2"
INK: Final = "#1f2430"
FONT: Final = 'font-family="monospace"'
CELL = 14
"""Side of a board's cell, in px."""
GAP = 16
LINE = 15
"""Height of a line of text, in px."""
CHART_HEIGHT = 140
TEXT_COLUMNS = 26
"""Characters to which a frame that is no board is wrapped."""


def to_text(trajectory: Trajectory, frames: bool = False) -> str:
    """A line a step, with the returns so far; with `frames`, each state below its step."""
    lines = [
        f"{trajectory.name}: proxy {trajectory.proxy_return:.4g}, true"
        f" {trajectory.true_return:.4g}, {_end(trajectory)}"
    ]
    if frames:
        lines.append(trajectory.first_frame)
    width = max((len(step.action) for step in trajectory.steps), default=0)
    for number, (step, proxy, true) in enumerate(
        zip(trajectory.steps, trajectory.proxy, trajectory.true, strict=True), start=1
    ):
        events = f"  {', '.join(step.events)}" if step.events else ""
        lines.append(
            f"{number:4d} {step.action:{width}s}  proxy {proxy:8.3f}  true {true:8.3f}{events}"
        )
        if frames:
            lines.append(step.frame)
    return "\n".join(lines) + "\n"


def to_svg(trajectory: Trajectory, max_frames: int = 6) -> str:
    """An `<svg>` element: up to `max_frames` states, evenly spaced in time, above the proxy and the
    true return."""
    frames = [trajectory.first_frame, *(step.frame for step in trajectory.steps)]
    shown = _evenly(len(frames), max_frames)
    pictures = [_picture(frames[number], trajectory.is_board) for number in shown]
    strip = max(height for _, _, height in pictures)
    x, parts = GAP, [_text(GAP, GAP + 4, _title(trajectory), "bold")]
    top = 2 * GAP + LINE
    for number, (body, width, _) in zip(shown, pictures, strict=True):
        parts.append(_text(x, top - 6, f"step {number}"))
        parts.append(f'<g transform="translate({x} {top})">{body}</g>')
        x += width + GAP
    width = max(x, 460)
    chart_top = top + strip + 2 * GAP
    parts.append(_chart(trajectory, chart_top, width))
    height = chart_top + CHART_HEIGHT + 2 * GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0'
        f' {width} {height}"'
        f' role="img"><title>{escape(_title(trajectory))}</title>{"".join(parts)}</svg>'
    )


def _title(trajectory: Trajectory) -> str:
    return (
        f"{trajectory.name}: {len(trajectory.steps)} steps, proxy {trajectory.proxy_return:.4g}, "
        f"true {trajectory.true_return:.4g}"
    )


def _end(trajectory: Trajectory) -> str:
    if trajectory.terminated:
        return f"ended after {len(trajectory.steps)} steps"
    return f"{'cut off' if trajectory.truncated else 'stopped'} after {len(trajectory.steps)} steps"


def _evenly(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, the first and the last among them."""
    if count <= most:
        return list(range(count))
    if most < 2:
        return [count - 1]
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def _picture(frame: str, is_board: bool) -> tuple[str, int, int]:
    """SVG of one frame, its width and its height."""
    if not is_board:
        lines: list[str] = []
        for line in frame.splitlines():
            lines += textwrap.wrap(line, TEXT_COLUMNS) or [""]
        body = "".join(_text(0, LINE * (row + 1), line) for row, line in enumerate(lines))
        return body, 7 * TEXT_COLUMNS, LINE * len(lines)
    lines = frame.splitlines()
    parts = []
    for row, line in enumerate(lines):
        for column, tile in enumerate(line):
            fill = {"#": "#9ca3af", "A": TRUE_COLOUR, "H": TRUE_COLOUR}.get(tile, "#eef2f7")
            parts.append(
                f'<rect x="{column * CELL}" y="{row * CELL}" width="{CELL - 1}" height="{CELL - 1}"'
                f' fill="{fill}"/>'
            )
            if tile not in "#.":
                ink = "#ffffff" if fill == TRUE_COLOUR else INK
                parts.append(
                    f'<text x="{column * CELL + CELL / 2 - 0.5}" y="{row * CELL + 10.5}"'
                    f' font-size="11" {FONT} text-anchor="middle"'
                    f' fill="{ink}">{escape(tile)}</text>'
                )
    return "".join(parts), CELL * max(map(len, lines)), CELL * len(lines)


def _text(x: float, y: float, text: str, weight: str = "normal", fill: str = INK) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="11" font-weight="{weight}" {FONT}'
        f' fill="{fill}">{escape(text)}</text>'
    )


def _chart(trajectory: Trajectory, top: int, width: int) -> str:
    """The two returns against the step, on one scale; lines and labels differ in colour and in
    words."""
    curves = {
        "proxy": ((0.0, *trajectory.proxy), PROXY_COLOUR),
        "true": ((0.0, *trajectory.true), TRUE_COLOUR),
    }
    low = min(min(values) for values, _ in curves.values())
    high = max(max(values) for values, _ in curves.values())
    span = high - low or 1.0
    left, right = 4 * GAP, width - 6 * GAP

    def y_of(value: float) -> float:
        return round(top + CHART_HEIGHT * (high - value) / span, 2)

    parts = [
        (
            f'<line x1="{left}" y1="{y_of(0.0)}" x2="{right}" y2="{y_of(0.0)}" stroke="#9ca3af"'
            ' stroke-width="0.8"/>'
        ),
        _text(GAP / 2, top + 4, f"{high:.4g}"),
        _text(GAP / 2, top + CHART_HEIGHT + 4, f"{low:.4g}"),
        _text(
            (left + right) / 2 - 60,
            top + CHART_HEIGHT + GAP + 8,
            f"return after 0 to {len(trajectory.steps)} steps",
        ),
    ]
    ends = {name: y_of(values[-1]) for name, (values, _) in curves.items()}
    upper = min(ends, key=lambda name: ends[name])
    close = abs(ends["proxy"] - ends["true"]) < LINE
    for name, (values, colour) in curves.items():
        points = _points(values, left, right, y_of)
        dashes = ' stroke-dasharray="5 3"' if name == "proxy" else ""
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}"'
            f' stroke-width="1.8"{dashes}/>'
        )
        shift = (-6 if name == upper else 10) if close else 4
        parts.append(_text(right + 6, ends[name] + shift, f"{name} {values[-1]:.4g}", fill=colour))
    return "".join(parts)


def _points(
    values: Sequence[float], left: float, right: float, y_of: Callable[[float], float]
) -> str:
    step = (right - left) / max(1, len(values) - 1)
    return " ".join(f"{left + step * i:.2f},{y_of(value)}" for i, value in enumerate(values))
