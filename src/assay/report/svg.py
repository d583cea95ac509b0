"""From a matplotlib figure to inline SVG: the same text for the same figure, and safe beside others
on one page.

Matplotlib's own file is made to stand alone: its ids repeat from figure to figure, and its style
sheet applies to the page around it. Here both are taken out, text stays text in the reader's own
font, colours become the page's variables, and nothing refers outside.
"""

import hashlib
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from assay.errors import MissingExtra

__all__ = ["DARK", "LIGHT", "PALETTE", "RAMP", "Hover", "drawn"]

Figure: TypeAlias = Any
"""`matplotlib.figure.Figure`, which is not imported before it is needed."""

LIGHT: Final = {
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#00855f",
    "pink": "#b5588f",
    "olive": "#9a7000",
    "sky": "#3a97d3",
    "brown": "#b45309",
    "baseline": "#4b5563",
    "ink": "#1f2430",
    "muted": "#6b7280",
    "axis": "#9ca3af",
    "grid": "#e5e7eb",
    "sheet": "#fffffe",
    "shade": "#eaf3fa",
    "bar": "#9cc3dd",
    **{f"ramp{k}": f"#{0x8C - 18 * k:02x}{0xC2 - 21 * k:02x}{0xE8 - 21 * k:02x}" for k in range(8)},
}
"""Colours by their role; a reader who is colour-blind tells the first six apart (Okabe and Ito
2008, darkened to be legible as text). No two are alike, for each becomes a variable of its own."""
DARK: Final = {
    "blue": "#5aaef0",
    "orange": "#ff9650",
    "green": "#35c99a",
    "pink": "#e69ac6",
    "olive": "#dcb44a",
    "sky": "#9ad4f7",
    "brown": "#f0a35e",
    "baseline": "#b3bac5",
    "ink": "#e6e8ec",
    "muted": "#a3abb8",
    "axis": "#6b7482",
    "grid": "#333a45",
    "sheet": "#1c2027",
    "shade": "#22303d",
    "bar": "#3f6f92",
    **{f"ramp{k}": f"#{0x3C + 24 * k:02x}{0x6A + 19 * k:02x}{0x96 + 14 * k:02x}" for k in range(8)},
}
PALETTE: Final = ("blue", "orange", "green", "pink", "olive", "sky")
RAMP: Final = tuple(f"ramp{k}" for k in range(8))
"""From what is small to what is large: darker on a light page, lighter on a dark one."""

STYLE: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "assay",
    # Labels may be anybody's text: a dollar sign is a dollar sign.
    "text.parse_math": False,
    "figure.dpi": 72,
    "font.size": 9.5,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.labelcolor": LIGHT["ink"],
    "axes.edgecolor": LIGHT["axis"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.7,
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["axis"],
    "ytick.color": LIGHT["axis"],
    "xtick.labelcolor": LIGHT["baseline"],
    "ytick.labelcolor": LIGHT["baseline"],
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.solid_capstyle": "round",
}
SVG: Final = "{http://www.w3.org/2000/svg}"
XLINK_HREF: Final = "{http://www.w3.org/1999/xlink}href"
SALT: Final = "\ue000"
"""Stands for what sets the names of a figure apart, until all of it is there."""
ROLES: Final = {hex_: f"var(--{role}, {hex_})" for role, hex_ in LIGHT.items()}


class Hover(NamedTuple):
    """Words for a place, in shares of the figure's width and height from its lower left."""

    x: float
    y: float
    text: str


def drawn(
    width: float, height: float, title: str, paint: Callable[[Figure], Callable[[], list[Hover]]]
) -> str:
    """An `<svg>` element of `width` x `height` inches (72 units each).

    paint: draws on the figure and returns what gives the places of hover texts, which are known
    only once it is laid out. title: for those who do not see it. Raises `MissingExtra` without
    matplotlib.
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
        places = paint(figure)
        file = io.StringIO()
        figure.savefig(
            file, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
        hovers = [Hover(72 * width * x, 72 * height * (1 - y), text) for x, y, text in places()]
    return _inline(file.getvalue(), title, hovers)


def _inline(text: str, title: str, hovers: Sequence[Hover]) -> str:
    """Matplotlib's SVG file as an element for a page."""
    root = ET.fromstring(text)
    # By order: matplotlib's own names hash numbers whose last digits are the processor's.
    used = dict.fromkeys(re.findall(r'(?:href="|url\()#([\w-]+)', text))
    names = {name: f"{SALT}-{at}" for at, name in enumerate(used)}
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{SVG}metadata", f"{SVG}style"):
                parent.remove(child)
    for element in root.iter():
        _clean(element, names)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": title,
        "style": "stroke-linejoin:round;stroke-linecap:butt",
    }
    if hovers:
        root.append(_hovers(hovers))
    ET.register_namespace("", SVG.strip("{}"))
    made = ET.tostring(root, encoding="unicode")
    # Several figures of a page share no name.
    return made.replace(SALT, hashlib.sha256(made.encode()).hexdigest()[:8])


def _rounded(found: re.Match[str]) -> str:
    """Return a coordinate to a hundredth; never a zero below zero."""
    return f"{round(float(found[0]), 2) + 0.0:g}"


def _clean(element: ET.Element, names: Mapping[str, str]) -> None:
    """Keep ids only where they are referred to, as `names` has them; shorten what nobody sees; let
    the page choose the colours."""
    name = element.attrib.pop("id", "")
    if name in names:
        element.set("id", names[name])
    if (href := element.attrib.pop(XLINK_HREF, None)) is not None:
        element.set("href", f"#{names[href.removeprefix('#')]}")
    for key, value in element.items():
        if key in ("d", "x", "y", "transform"):
            value = re.sub(r"-?\d+\.\d{3,}", _rounded, " ".join(value.split()))
        elif key == "style":
            value = re.sub(r"'DejaVu Sans'[^;]*", "system-ui, sans-serif", value)
            value = _roles(value)
        element.set(key, re.sub(r"(?<=url\(#)[\w-]+", lambda found: names[found[0]], value))
    if element.tag != f"{SVG}text" and not (element.text or "").strip():
        element.text = None
    element.tail = None
    # Hundreds of markers of one series say their style once.
    markers = {child.get("style") for child in element if child.tag == f"{SVG}use"}
    if len(element) > 2 and len(markers) == 1 and (style := markers.pop()) is not None:
        element.set("style", _roles(style))
        for child in element:
            child.attrib.pop("style", None)


def _roles(style: str) -> str:
    return re.sub(r"#[0-9a-f]{6}", lambda m: ROLES.get(m[0], m[0]), style)


def _hovers(hovers: Sequence[Hover]) -> ET.Element:
    """Circles that nobody sees, with their words as titles."""
    group = ET.Element(f"{SVG}g", {"class": "hover"})
    for x, y, text in hovers:
        circle = ET.SubElement(group, f"{SVG}circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}"})
        circle.attrib |= {"r": "6", "fill-opacity": "0"}
        ET.SubElement(circle, f"{SVG}title").text = text
    return group
