"""Mathematics in a model's words, as MathML, which browsers show without a script.

LaTeX between dollars or \\( \\) becomes MathML by latex2mathml where that is installed; without it,
and where it cannot read a formula, the text stands as it was written.
"""

import html
import re
from typing import Any, Final
from xml.etree import ElementTree as ET

__all__ = ["maths"]

FORMULA: Final = re.compile(
    r"\$\$(?P<a>.{1,2000}?)\$\$|\\\[(?P<b>.{1,2000}?)\\\]|\\\((?P<c>.{1,2000}?)\\\)"
    r"|(?<![\\$\w])\$(?=[^\s$])(?P<d>[^$\n]{1,2000}?)(?<=[^\s\\])\$(?![\d$])",
    re.DOTALL,
)
"""Formulas that stand alone, and those within a line; prices are none: a closing dollar has neither
a space before it nor a digit behind it. None is longer than 2,000 characters, for an end is looked
for from each start."""
LONGEST: Final = 600
"""Characters of a formula: longer ones are text that lost its other dollar."""
KEPT: Final = frozenset(
    "accent columnalign columnlines columnspacing depth display displaystyle fence form height"
    " largeop linethickness lspace mathvariant maxsize minsize movablelimits notation rowspacing"
    " rspace scriptlevel separator stretchy symmetric voffset width xmlns".split()
)
"""Attributes that say how a formula looks, and nothing else."""


def maths(text: str) -> Any:
    """Escape text for a page, with its formulas as MathML."""
    from markupsafe import Markup, escape

    parts, at = [], 0
    for match in FORMULA.finditer(text):
        formula = next(filter(None, match.groups()))
        markup = _mathml(formula, block=match["a"] is not None or match["b"] is not None)
        if markup:
            parts += [escape(text[at : match.start()]), Markup(markup)]
            at = match.end()
    return Markup("").join([*parts, escape(text[at:])])


def _mathml(formula: str, *, block: bool) -> str:
    """A formula as markup; "" where it cannot be one."""
    if len(formula) > LONGEST:
        return ""
    try:
        from latex2mathml.converter import convert_to_element
    except ImportError:
        return ""
    try:
        root = convert_to_element(formula, display="block" if block else "inline")
    except Exception:  # noqa: BLE001 - a model's LaTeX is wrong in every way that there is
        return ""
    for element in root.iter():
        # Symbols come as entities; serialising escapes them anew, and so whatever a model wrote.
        element.text = html.unescape(element.text or "") or None
        element.attrib = {k: v for k, v in element.attrib.items() if k in KEPT}
    return ET.tostring(root, encoding="unicode")
