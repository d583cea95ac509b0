"""Names of the kinds of judges, which begin their words."""

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
    """Return whether a word begins as a judge's does."""
    return word.plain in JUDGES or cut(word.what, ":")[0] in JUDGES
