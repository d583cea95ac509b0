"""From a matplotlib figure to inline SVG: the same text for the same figure, and safe beside others
on one page.

Matplotlib's own file is made to stand alone: its ids repeat from figure to figure, and its style
sheet applies to the page around it. Here both are taken out, text stays text in the reader's own
font, and nothing refers outside.
"""

import hashlib
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from assay.errors import MissingExtra

__all__ = ["INK", "MUTED", "PALETTE", "draw"]

Figure: TypeAlias = Any
"""`matplotlib.figure.Figure`, which is not imported before it is needed."""

PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B8860B", "#56B4E9")
"""Told apart by colour-blind readers (Okabe and Ito 2008; their orange is darkened to be legible as
text)."""
INK: Final = "#1f2430"
MUTED: Final = "#6b7280"

STYLE: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "assay",
    # Labels may be anybody's text: a dollar sign is a dollar sign.
    "text.parse_math": False,
    "font.size": 9.5,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9ca3af",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": "#9ca3af",
    "ytick.color": "#9ca3af",
    "xtick.labelcolor": "#4b5563",
    "ytick.labelcolor": "#4b5563",
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}
SVG = "{http://www.w3.org/2000/svg}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"


def draw(width: float, height: float, title: str, paint: Callable[[Figure], None]) -> str:
    """An `<svg>` element of `width` x `height` inches (72 units each), painted by `paint`.

    `title` is what those read who do not see it. Raises `MissingExtra` without matplotlib.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure as NewFigure
    except ImportError as error:
        raise MissingExtra("drawing a plot", "report") from error
    with matplotlib.rc_context():
        # A reader's own matplotlibrc must not change a report.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = NewFigure(figsize=(width, height), layout="constrained")
        paint(figure)
        file = io.StringIO()
        figure.savefig(
            file, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return _inline(file.getvalue(), title)


def _inline(text: str, title: str) -> str:
    """Matplotlib's SVG file as an element for a page."""
    root = ET.fromstring(text)
    salt = hashlib.sha256(text.encode()).hexdigest()[:8]
    used = set(re.findall(r'(?:href="|url\()#([\w-]+)', text))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{SVG}metadata", f"{SVG}style"):
                parent.remove(child)
    for element in root.iter():
        _clean(element, used, salt)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": title,
        "style": "stroke-linejoin:round;stroke-linecap:butt",
    }
    ET.register_namespace("", SVG.strip("{}"))
    return ET.tostring(root, encoding="unicode")


def _clean(element: ET.Element, used: set[str], salt: str) -> None:
    """Keep ids only where they are referred to, salted as this figure's own; shorten what nobody
    sees."""
    name = element.attrib.pop("id", None)
    if name in used:
        element.set("id", f"{salt}-{name}")
    if (href := element.attrib.pop(XLINK_HREF, None)) is not None:
        element.set("href", href.replace("#", f"#{salt}-"))
    for key, value in element.items():
        if key in ("d", "x", "y", "transform"):
            value = re.sub(r"(\.\d\d)\d+", r"\1", " ".join(value.split()))
        elif key == "style":
            value = re.sub(r"'DejaVu Sans'[^;]*", "system-ui, sans-serif", value)
        element.set(key, value.replace("url(#", f"url(#{salt}-"))
    if element.tag != f"{SVG}text" and not (element.text or "").strip():
        element.text = None
    element.tail = None
