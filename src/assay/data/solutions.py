"""The answer that a worked solution states: what is in its last box, or behind GSM8K's mark."""

import re
from typing import Final

from assay.errors import DataError

__all__ = ["MARK", "stated"]

MARK: Final = "\n#### "
"""GSM8K's, before the answer in the last line."""
BOX: Final = re.compile(r"\\(?:boxed|fbox)\s*\{")
BRACE: Final = re.compile(r"\\.|[{}]", re.DOTALL)
BETWEEN: Final = re.compile(r"[\s$,;]*(?:and|or)?[\s$,;]*")
"""What joins boxes that are one answer together."""


def stated(solution: str, field: str) -> str:
    """Return what is in the last box; of boxes that commas, "and" or "or" join, all of their text.

    Raises `DataError` where no box is closed.
    """
    boxes = _boxes(solution)
    if not boxes:
        raise DataError(
            f"field {field!r}: no \\boxed{{}} states the answer; give the reference a column of its"
            f" own, set such rows aside, or read it as an answer by --columns"
            f" prompt=...,response={field}"
        )
    *before, (start, inner, end) = boxes
    first = start
    for left, _, right in reversed(before):
        if not BETWEEN.fullmatch(solution, right, first):
            break
        first = left
    return solution[inner : end - 1] if first == start else solution[first:end]


def _boxes(text: str) -> list[tuple[int, int, int]]:
    """Start, start of the content and end of each closed box that is in no other."""
    found: list[tuple[int, int, int]] = []
    for box in BOX.finditer(text):
        if found and box.start() < found[-1][2]:
            continue
        depth = 1
        for brace in BRACE.finditer(text, box.end()):
            depth += {"{": 1, "}": -1}.get(brace[0], 0)
            if not depth:
                found.append((box.start(), box.end(), brace.end()))
                break
    return found
