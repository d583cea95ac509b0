r"""LaTeX made ready for the grammar: what it would silently drop or misread is written out, or
refused.

The grammar leaves out primes, dots, subscripts of numbers and text, and reads 1e6 as a product.
Here 1e6 becomes a power of ten, 0.1\overline{6} a fraction, \pm two values, [[1,2],[3,4]] a matrix;
primes, dots and prose are not read.
"""

import re
from typing import Final

from assay.verifiers.answers.lists import items
from assay.verifiers.answers.quantities import number
from assay.verifiers.answers.units import behind

__all__ = ["alternatives", "conditions", "prepared"]

_UNREAD: Final = re.compile(
    r"\\dots|'|\\prime|\\(?:approx|simeq|sim|doteq|cong|equiv|pmod|bmod|not|neg|lnot)(?![A-Za-z])|(?<![A-Za-z}])\d_"
)
_SCIENTIFIC: Final = re.compile(
    r"(?<![A-Za-z\d.}])(\d+(?:\.\d*)?|\.\d+)[eE]([-+]?\d+)(?![\d.]|\s*[A-Za-z({])"
)
_REPEATING: Final = re.compile(r"\d*\.\d*\\(?:overline|bar)\s*\{\s*\d+\s*\}")
_TEXT: Final = re.compile(r"\\text\s*\{([^{}]*)\}(?:\^\{?[23]\}?)?")
_ROWS: Final = re.compile(r"\[\s*(\[[^\[\]]*\](?:\s*,\s*\[[^\[\]]*\])+|\[[^\[\]]*\])\s*\]")
_BUILDER: Final = re.compile(
    r"\\\{\s*(?P<name>[A-Za-z])(?:\s*\\in\s*\\mathbb\s*\{R\})?\s*(?:\\mid(?![A-Za-z])|\||:)\s*"
    r"(?P<condition>[^{}|]*(?P=name)[^{}|]*)\\\}"
)
"""{x | 2 < x < 3} says what 2 < x < 3 does."""
_SIGNS: Final = re.compile(r"\\(pm|mp)(?![A-Za-z])")
_OR: Final = re.compile(r"\s+or\s+|\s*\\(?:lor|vee)(?![A-Za-z])\s*")
_AND: Final = re.compile(r"\s+and\s+|\s*\\(?:land|wedge)(?![A-Za-z])\s*")


def prepared(latex: str) -> str | None:
    """The text for the grammar; None for what it would not read whole."""
    if rows := _ROWS.fullmatch(latex):
        lines = [row.strip(" []").replace(",", "&") for row in re.findall(r"\[[^\[\]]*\]", rows[1])]
        latex = r"\begin{pmatrix}" + r" \\ ".join(lines) + r"\end{pmatrix}"
    if builder := _BUILDER.fullmatch(latex):
        latex = builder["condition"]
    latex = _REPEATING.sub(_fraction, latex)
    latex = _SCIENTIFIC.sub(r"(\1\\cdot 10^{\2})", latex)
    latex = _TEXT.sub(_without_unit, latex)
    if _UNREAD.search(latex):
        return None
    return _both_signs(latex) if _SIGNS.search(latex) else latex


def alternatives(latex: str) -> list[str]:
    """The parts of "x < 2 or x > 3"; the whole text where it holds no "or"."""
    return _OR.split(latex)


def conditions(latex: str) -> list[str]:
    """The parts of "x > 2 and x < 5"; the whole text where it holds no "and"."""
    return _AND.split(latex)


def _fraction(match: re.Match[str]) -> str:
    value = number(match[0])
    return match[0] if value is None else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def _without_unit(match: re.Match[str]) -> str:
    """Units inside brackets, as of the point (1 cm, 2 cm), say nothing of the value; one letter is
    a name."""
    inside = match[1].strip()
    if len(inside) == 1 and inside.isalpha():
        return f" {inside} "
    # A prime is not read: it marks what is neither.
    return " " if behind(match[0]) in ("unit", "thing") else "'"


def _both_signs(latex: str) -> str | None:
    r"""1\pm\sqrt2 as the list 1+\sqrt2, 1-\sqrt2; signs of one item go together."""
    inside = latex[2:-2] if latex.startswith(r"\{") and latex.endswith(r"\}") else latex
    parts = items(inside)
    if parts is None:
        return None
    signed = []
    for part in parts:
        signed += (
            [_signed(part, "+", "-"), _signed(part, "-", "+")] if _SIGNS.search(part) else [part]
        )
    return ", ".join(signed) if inside == latex else rf"\{{{', '.join(signed)}\}}"


def _signed(item: str, first: str, second: str) -> str:
    text = _SIGNS.sub(lambda match: f" {first if match[1] == 'pm' else second} ", item)
    return re.sub(r"(^|[=(\[{,])\s*\+ ", r"\1", text).strip()
