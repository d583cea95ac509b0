"""A figure as plain values: panels of series on an axis each, drawn by `assay.report.paint`.

Pages say what is to be seen; colours are roles ("blue", "ink"), which a page shows light or dark.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from assay.stats import Estimate

__all__ = [
    "MARKERS",
    "STROKES",
    "Bars",
    "Mark",
    "Note",
    "Panel",
    "Plot",
    "Point",
    "Rule",
    "Scale",
    "Series",
    "Stroke",
    "counted",
    "points",
    "short",
    "styles",
]

Scale: TypeAlias = Literal["linear", "log", "log2", "root"]
"""Of the x axis; "root" is a square-root scale from 0, as plots against KL have."""
Stroke: TypeAlias = Literal[
    "solid", "dotted", "dashed", "dash-dot", "sparse", "dash-dot-dot", "none"
]
Corner: TypeAlias = Literal["upper left", "upper right", "lower left", "lower right"]

MARKERS: Final = ("o", "s", "^", "D", "v", "P")
STROKES: Final[tuple[Stroke, ...]] = ("dotted", "dashed", "dash-dot", "sparse", "dash-dot-dot")


class Point(NamedTuple):
    """One value of a series, with its 95 % interval where it has one."""

    x: float
    y: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    """Independent units behind it; 0 where nobody counted."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points that belong together: a line, markers, or both."""

    points: Sequence[Point]
    name: str = ""
    """At the line's end, or in the legend; nothing is named by ""."""
    colour: str = "blue"
    stroke: Stroke = "solid"
    width: float = 1.8
    marker: str = ""
    size: float = 4.0
    hollow: bool = False
    """Whether markers are outlines."""
    alpha: float = 1.0
    spread: Literal["band", "bars", "none"] = "band"
    """How intervals are drawn, where points have them."""
    hover: bool = True
    """Whether each point's value is shown under a pointer."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A ring around a place, and what is to be said of it."""

    x: float
    y: float
    colour: str = "ink"
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A straight line through the whole panel, up or across."""

    at: float
    across: bool = False
    colour: str = "muted"
    stroke: Stroke = "dotted"
    width: float = 0.9
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Bars:
    """A histogram: heights between edges."""

    edges: Sequence[float]
    heights: Sequence[float]
    name: str = ""
    colour: str = "blue"


@dataclass(frozen=True)
class Note:
    """A few words in a corner of a panel."""

    text: str
    corner: Corner = "lower left"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes."""

    series: Sequence[Series] = ()
    bars: Sequence[Bars] = ()
    marks: Sequence[Mark] = ()
    rules: Sequence[Rule] = ()
    notes: Sequence[Note] = ()
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    scale: Scale = "linear"
    ticks: Sequence[float] | None = None
    """Places of ticks, as many as fit; None = round numbers."""
    above: Mapping[float, str] | None = None
    """Ticks of a second x axis above the panel, by their place on the first."""
    above_label: str = ""
    x_range: tuple[float | None, float | None] = (None, None)
    y_range: tuple[float | None, float | None] = (None, None)
    shade: tuple[float, float] | None = None
    """A stretch of x set off from the rest."""
    names: Literal["ends", "legend", "none"] = "ends"
    """Where names stand: at the ends of lines with their last values, or in a legend."""
    whole: bool = False
    """Whether x counts something, so that ticks are whole numbers."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure of one or several panels."""

    title: str
    """What is said to those who do not see it."""
    panels: Sequence[Panel]
    columns: int = 1
    width: float = 5.3
    """In inches, 72 units each."""
    height: float = 3.5
    ratios: Sequence[float] = ()
    """Heights of the rows of panels beside each other; () = all alike."""
    share_x: bool = False


def points(pairs: Iterable[tuple[float, Estimate | float]]) -> list[Point]:
    """Points of the pairs that have a finite value; a bare number has no interval."""
    estimates = ((x, e if isinstance(e, Estimate) else _bare(e)) for x, e in pairs)
    return [Point(x, e.value, e.low, e.high, e.n) for x, e in estimates if math.isfinite(e.value)]


def counted(points: Iterable[Point], unit: str = "") -> str:
    """The units behind the points, such as "n = 60" or "n = 16 to 60 prompts"."""
    ns = sorted({point.n for point in points}) or [0]
    size = f"n = {ns[0]:,}" if len(ns) == 1 else f"n = {ns[0]:,} to {ns[-1]:,}"
    return f"{size} {unit}".rstrip()


def styles(count: int, colours: Sequence[str]) -> list[tuple[str, str]]:
    """So many colours with markers, from the first again when they are used up."""
    return [(colours[i % len(colours)], MARKERS[i % len(MARKERS)]) for i in range(count)]


def short(name: str) -> str:
    """A name that leaves room for the plot; tables hold it whole."""
    return name if len(name) <= 20 else name[:19] + "…"


def _bare(value: float) -> Estimate:
    return Estimate(value=float(value), low=math.nan, high=math.nan, n=0)
