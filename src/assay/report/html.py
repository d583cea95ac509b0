"""A page from sections, and sections from blocks: one HTML file that needs nothing else, now or in
ten years.

No script, no font, no picture from outside; its own content policy forbids them. Every text is
escaped by the one template, so a model's words are shown and never interpreted; only `Figure.svg`
is inserted as it is.
"""

import functools
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

from assay.errors import MissingExtra
from assay.files import write_atomic
from assay.report.maths import maths
from assay.report.svg import DARK, LIGHT
from assay.stats import Estimate
from assay.stats.numbers import ROUNDING, beside, cells, interval_of

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = [
    "Block",
    "Bullets",
    "Details",
    "Estimates",
    "Figure",
    "Figures",
    "Fold",
    "Fork",
    "Headline",
    "KeyValues",
    "Link",
    "Paragraph",
    "Section",
    "Shade",
    "Solution",
    "Step",
    "Table",
    "Text",
    "Tree",
    "page",
    "write_report",
]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of text."""

    kind: ClassVar = "paragraph"
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of remarks."""

    kind: ClassVar = "bullets"
    texts: Sequence[str]


@dataclass(frozen=True)
class Text:
    """Text as it was written, line breaks and all: a command, or a model's words."""

    kind: ClassVar = "text"
    text: str
    command: bool = False  # Lines then break between words only, not after an option's hyphens.


@dataclass(frozen=True)
class KeyValues:
    """A two-column table; nested mappings become dotted keys."""

    kind: ClassVar = "key_values"
    values: Mapping[str, Any]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Keys and values as they are shown."""
        return [(key, shown(value)) for key, value in _flat(self.values)]


@dataclass(frozen=True)
class Estimates:
    """A table of estimates: value, 95 % interval, n, how many were left out as unscored."""

    kind: ClassVar = "estimates"
    values: Mapping[str, Estimate]
    caption: str = ""
    digits: int = 3
    muted: Collection[str] = ()
    """Names of rows to set back, such as baselines."""

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Name, value, interval, n, unscored."""
        return [(name, *_cells(e, self.digits)) for name, e in self.values.items()]


@dataclass(frozen=True)
class Headline:
    """The few numbers that matter most, large, each with its interval and n."""

    kind: ClassVar = "headline"
    values: Mapping[str, Estimate]
    digits: int = 3

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Name, value, interval, n, unscored."""
        return [(name, *_cells(e, self.digits)) for name, e in self.values.items()]


class Link(NamedTuple):
    """A table's cell that leads to another page."""

    text: str
    href: str


class Shade(NamedTuple):
    """A table's cell that is coloured, as those of a heat map are."""

    text: str
    shade: float
    """From 0, the one end, to 1, the other."""

    @property
    def level(self) -> str:
        """The colour as a class: one of eleven."""
        return f"s{round(10 * min(max(self.shade, 0.0), 1.0))}"


@dataclass(frozen=True)
class Table:
    """Any other table; the first column is text, the others are numbers and stand right."""

    kind: ClassVar = "table"
    head: Sequence[str]
    body: Sequence[Sequence[Any]]
    caption: str = ""
    words: bool = False
    """Whether all columns are text."""

    @property
    def rows(self) -> list[list[Any]]:
        """The body as it is shown."""
        return [[c if isinstance(c, (Link, Shade)) else shown(c) for c in row] for row in self.body]


@dataclass(frozen=True)
class Figure:
    """A plot and what to see in it. The SVG is inserted as it is: take it from
    `assay.report.paint`."""

    kind: ClassVar = "figure"
    svg: str
    caption: str


@dataclass(frozen=True)
class Figures:
    """Small figures side by side where there is room."""

    kind: ClassVar = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Details:
    """Blocks to open by a click; open on paper."""

    kind: ClassVar = "details"
    summary: str
    blocks: "Sequence[Block]"


@dataclass(frozen=True)
class Step:
    """One step of a solution, and what is known of it."""

    text: str
    shade: float | None
    """What colours it, from 0, wrong, to 1, right; None leaves it uncoloured."""
    notes: Sequence[str] = ()
    """What stands beside it, such as its score, its label, and the label's interval."""

    @property
    def level(self) -> str:
        """The colour as a class: one of eleven, or none."""
        return "none" if self.shade is None else f"s{round(10 * min(max(self.shade, 0.0), 1.0))}"


@dataclass(frozen=True)
class Solution:
    """A question and one solution of it, step by step, to see where it broke."""

    kind: ClassVar = "solution"
    question: str
    steps: Sequence[Step]
    caption: str = ""


@dataclass(frozen=True)
class Fork:
    """One step of a line through a tree, and what was written in its place."""

    step: Step
    brief: str = ""
    """Shown in place of a long text, which opens by a click."""
    badge: str = ""
    """What this step is above all, such as "chosen"."""
    marked: bool = False
    """Whether it is on the path that matters."""
    beside: "Sequence[Fold]" = ()


@dataclass(frozen=True)
class Fold:
    """Lines of a tree to open by a click, closed on paper too: what was left is most of a tree."""

    summary: str
    lines: Sequence[Sequence[Fork]]


@dataclass(frozen=True)
class Tree:
    """A question and the tree of all that was written for it, as games of chess are: one line from
    top to bottom, and after a step, folded, the lines that leave there. So depth costs no width,
    and a tree nests only where it branches.
    """

    kind: ClassVar = "tree"
    question: str
    facts: Sequence[str]
    """What is to be said of the tree as a whole."""
    line: Sequence[Fork]


Block: TypeAlias = (
    Paragraph
    | Bullets
    | Text
    | KeyValues
    | Estimates
    | Headline
    | Table
    | Figure
    | Figures
    | Details
    | Solution
    | Tree
)


@dataclass(frozen=True)
class Section:
    """A heading, an entry in the navigation, and what stands below."""

    title: str
    blocks: Sequence[Block]


def page(title: str, sections: Sequence[Section], *, subtitle: str = "", footer: str = "") -> str:
    """A whole HTML document. Raises `MissingExtra` without jinja2."""
    anchored = [
        (f"{i}-{_slug(section.title)}", section) for i, section in enumerate(sections, start=1)
    ]
    return _template().render(title=title, subtitle=subtitle, sections=anchored, footer=footer)


def write_report(
    path: Path, title: str, sections: Sequence[Section], *, subtitle: str = "", footer: str = ""
) -> None:
    """Write the page, whole or not at all."""
    text = page(title, sections, subtitle=subtitle, footer=footer)
    # Half a character, which JSON can hold and no page can, is shown as "?".
    write_atomic(path, text.encode("utf-8", "replace"))


def shown(value: Any) -> str:
    """A value as people read it: four significant digits, all those before the point, thousands set
    apart, an estimate with its interval."""
    if isinstance(value, Estimate):
        left_out = f", {value.unscored:,} unscored" if value.unscored else ""
        return f"{beside(value)}, n={value.n:,}{left_out}"
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "n/a"
        if abs(value) < ROUNDING:
            return "0"
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e12 else f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(shown, value)) or "–"
    return str(value)


def _cells(estimate: Estimate, digits: int) -> tuple[str, str, str, str]:
    if abs(estimate.value) >= 100:
        digits = min(digits, 1)
    value, *_ = cells(estimate, digits)
    return value, interval_of(estimate, digits), f"{estimate.n:,}", f"{estimate.unscored:,}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        found += (
            _flat(value, f"{prefix}{key}.")
            if isinstance(value, Mapping)
            else [(f"{prefix}{key}", value)]
        )
    return found


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


@functools.cache
def _template() -> "Template":
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtra("writing a report", "report") from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["maths"] = maths
    environment.globals |= {"light": LIGHT.items(), "dark": DARK.items()}
    return environment.from_string(
        resources.files("assay.report").joinpath("page.html").read_text("utf-8")
    )
