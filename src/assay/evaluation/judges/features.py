"""What two responses differ in besides their quality: length, lists, markdown, whose they are."""

import math
import re
from collections.abc import Callable, Collection, Sequence
from typing import Final

import numpy as np

from assay.stats.intervals import Array
from assay.types import Response

__all__ = ["MEANINGS", "columns", "has_list", "has_markdown", "markdown"]

FENCED: Final = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
LISTED: Final = re.compile(r"^[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)
MARKED: Final = re.compile(
    r"^#{1,6}[ \t]+\S|\*\*[^*\n]+\*\*|__[^_\n]+__|^\|.+\|[ \t]*$", re.MULTILINE
)

MEANINGS: Final = {
    "length/per_doubling": "per doubling of a response's length, at the same label",
    "style/list": "for the side with a list, at the same label and length",
    "style/markdown": "for the side with headers, bold or tables, at the same label and length",
    "self/own": "for the judge's own response, at the same label and length",
    "position/first_slot_by_label": "for the side shown first, at the same label",
}


def has_list(text: str) -> bool:
    """Return whether two lines or more begin as items of a list, code apart."""
    return len(LISTED.findall(FENCED.sub("", text))) > 1


def has_markdown(text: str) -> bool:
    """Return whether there is a header, bold text or a table, code apart."""
    return MARKED.search(FENCED.sub("", text)) is not None


def markdown(text: str) -> int:
    """Count items of lists, headers, bold texts and rows of tables, code apart."""
    shown = FENCED.sub("", text)
    return len(LISTED.findall(shown)) + len(MARKED.findall(shown))


def columns(responses: Sequence[Response], own: Collection[str] = ()) -> dict[str, Array]:
    """Return a number per response of each feature: log2 of its characters, and 0 or 1 for the
    others.

    own: names of models in the judge's family, as `meta["model"]` of a response has them.
    """
    measured: dict[str, Callable[[Response], float]] = {
        "length/per_doubling": lambda r: math.log2(max(1, len(r.text))),
        "style/list": lambda r: float(has_list(r.text)),
        "style/markdown": lambda r: float(has_markdown(r.text)),
    }
    if own:
        measured["self/own"] = lambda r: float(r.meta.get("model") in own)
    return {
        name: np.array([of(r) for r in responses], dtype=np.float64)
        for name, of in measured.items()
    }
