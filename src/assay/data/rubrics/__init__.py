"""Rubrics as data: one record for all layouts, the formulas that make a score of its criteria, and
readers of what others publish.

A file holds one rubric for all prompts (`files.read_rubric`); a data set has one per prompt, which
its layout puts into `prompt.meta["rubric"]` (`layouts.rubric_of`). Formulas disagree: the same
verdicts on the same file are worth .39 to .61, so a rubric names its own (`normaliser`), and it is
part of its fingerprint.
"""

from assay.data.rubrics.dropout import kept
from assay.data.rubrics.files import read_rubric, write_rubric
from assay.data.rubrics.layouts import rubric_from, rubric_of
from assay.data.rubrics.normalisers import ABSTAINED, Answer, Credit, Judged, Rated, rate
from assay.data.rubrics.record import Branch, Criterion, Level, Normaliser, Rubric

__all__ = [
    "ABSTAINED",
    "Answer",
    "Branch",
    "Credit",
    "Criterion",
    "Judged",
    "Level",
    "Normaliser",
    "Rated",
    "Rubric",
    "kept",
    "rate",
    "read_rubric",
    "rubric_from",
    "rubric_of",
    "write_rubric",
]
