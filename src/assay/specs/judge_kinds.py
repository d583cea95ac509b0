"""Names of the kinds of judges, which begin their words."""

from pathlib import Path
from typing import Final

from assay.specs.words import Word, cut

__all__ = ["JUDGES", "PUBLISHED", "is_judge"]

PUBLISHED: Final = (
    "alpaca-eval",
    "arena-hard",
    "mt-bench-pair",
    "mt-bench-pair-reference",
    "mt-bench-single",
    "mt-bench-single-reference",
)
"""Published protocols by name."""

JUDGES: Final = (
    *("pairwise", "pointwise", "reference", "listwise", "steps", "genrm", "rubric"),
    *PUBLISHED,
    "panel",
)
"""Kinds of judges."""


def is_judge(word: Word) -> bool:
    """Return whether a word begins as a judge's does; a folder of that name is none."""
    kind, behind = cut(word.what, ":")
    return kind in JUDGES and (bool(behind) or not Path(kind).exists())
