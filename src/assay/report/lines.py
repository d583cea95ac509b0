"""Lines with 95 % bands over a log axis, each named at its end: what plots of strategies are drawn
with.

Names stand at the lines' ends, not in a legend: a reader need not match colours, and no two names
overlap.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from assay.report.numbers import fixed
from assay.stats import Estimate

__all__ = [
    "DASHES",
    "MARKERS",
    "BASELINE",
    "Point",
    "band",
    "cycle",
    "end_labels",
    "short",
    "there",
]

MARKERS: Final = ("o", "s", "^", "D", "v", "P")
DASHES: Final = (
    (0, (1, 1.6)),
    (0, (5, 2)),
    (0, (6, 2, 1, 2)),
    (0, (2, 3)),
    (0, (8, 2, 1, 2, 1, 2)),
)
BASELINE: Final = "#4b5563"


class Point(NamedTuple):
    """Where a line goes through, and how sure that is."""

    x: float
    estimate: Estimate

    @property
    def y(self) -> float:
        """The estimate's value."""
        return self.estimate.value


def there(points: Iterable[tuple[float, Estimate]]) -> list[Point]:
    """The points that can be drawn: those with a value, at a place that a log axis has."""
    return [Point(x, estimate) for x, estimate in points if x > 0 and math.isfinite(estimate.value)]


def band(ax: Any, points: Sequence[Point], colour: str, **style: Any) -> None:
    """A line with its band of 95 % intervals."""
    x, low, high = (
        [p.x for p in points],
        [p.estimate.low for p in points],
        [p.estimate.high for p in points],
    )
    ax.fill_between(
        x, low, high, color=colour, alpha=0.1 if colour == BASELINE else 0.16, linewidth=0
    )
    ax.plot(x, [p.y for p in points], color=colour, **style)


def end_labels(ax: Any, lines: Mapping[str, Sequence[Point]], colours: Sequence[str]) -> None:
    """Each line's name and last value to the right of the plot, pushed apart so that no two
    overlap."""
    bottom, top = ax.get_ylim()
    ends = sorted(
        (points[-1].y, points[-1].x, name, c)
        for (name, points), c in zip(lines.items(), colours, strict=True)
    )
    places = _spread([(value - bottom) / (top - bottom) for value, *_ in ends], 0.062)
    for (value, x, name, colour), place in zip(ends, places, strict=True):
        ax.annotate(
            f"{short(name)} {fixed(value)}",
            (x, value),
            xytext=(1.03, place),
            textcoords="axes fraction",
            va="center",
            color=colour,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 2,
                "relpos": (0, 0.5),
            },
        )


def short(name: str) -> str:
    """A name that leaves room for the plot; tables hold it whole."""
    return name if len(name) <= 20 else name[:19] + "…"


def cycle(values: Sequence[Any], count: int) -> list[Any]:
    """So many values, from the first again when they are used up."""
    return [values[i % len(values)] for i in range(count)]


def _spread(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places moved so that neighbours are `gap` apart: half way between pushing up and
    pushing down."""
    up, down = list(places), list(places)
    for i in range(1, len(places)):
        up[i] = max(up[i], up[i - 1] + gap)
        down[-i - 1] = min(down[-i - 1], down[-i] - gap)
    return [(a + b) / 2 for a, b in zip(up, down, strict=True)]
