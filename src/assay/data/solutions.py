"""The answer that a worked solution states: what is in its last box, or behind GSM8K's mark."""

import re
from typing import Final

from assay.errors import DataError

__all__ = ["MARK", "stated"]

MARK: Final = "\n#### "
"""GSM8K's, before the answer in the last line."""
BOX: Final = re.compile(r"\\(?:boxed|fbox)(?:\s*\{|\s+([^{}$\s][^{}$]*?)\s*(?=\$))")
"""A box that opens, or, as some of MATH's, one without braces up to the end of the formula."""
BRACE: Final = re.compile(r"\\.|[{}]", re.DOTALL)
BETWEEN: Final = re.compile(r"[\s$,;]*(?:and|or)?[\s$,;]*")
"""What joins boxes that are one answer together."""


def stated(solution: str, field: str) -> str:
    """Return what is in the last box; of boxes that commas, "and" or "or" join, all of their text.

    Raises `DataError` where no box is closed.
    """
    boxes = _boxes(solution)
    if not boxes or not solution[slice(*boxes[-1][1])].strip():
        raise DataError(
            f"field {field!r}: no \\boxed{{}} states the answer; give the reference a column of its"
            f" own, set such rows aside, or read it as an answer by --columns"
            f" prompt=...,response={field}"
        )
    *before, ((first, end), inside) = boxes
    for (left, right), _ in reversed(before):
        if not BETWEEN.fullmatch(solution, right, first):
            break
        first, inside = left, (left, end)
    return solution[slice(*inside)]


Span = tuple[int, int]


def _boxes(text: str) -> list[tuple[Span, Span]]:
    """The places of each closed box that is in no other, and of its content."""
    found: list[tuple[Span, Span]] = []
    for box in BOX.finditer(text):
        if found and box.start() < found[-1][0][1]:
            continue
        if box[1]:
            found.append((box.span(), box.span(1)))
            continue
        depth = 1
        for brace in BRACE.finditer(text, box.end()):
            depth += {"{": 1, "}": -1}.get(brace[0], 0)
            if not depth:
                found.append(((box.start(), brace.end()), (box.end(), brace.start())))
                break
    return found
