"""Style control: what of a preference is for length, headers, lists and bold, as covariates.

Each is (a - b) / (a + b + 1), as LMArena's style control (arena-rank) has it, then centred and
divided by its standard deviation. Centring lets the first side have an advantage of its own.
LMArena adds a penalty of 1/2 |beta|^2 to the *mean* loss: `ridge=len(votes)` in `fit`, which
shrinks its coefficients some tenfold.
"""

import re
from dataclasses import replace
from typing import Final

import numpy as np

from assay.arena.votes import Votes
from assay.errors import ConfigError

__all__ = ["MEASURES", "controlled", "measured"]

MEASURES: Final = ("length", "headers", "lists", "bold")
"""Measures of a text, in the order of `measured`."""
FENCED: Final = re.compile(r"```[^`]*```")
HEADER: Final = re.compile(r"^#{1,6}\s", re.MULTILINE)
LISTED: Final = re.compile(r"^\s*(?:\d+\.|[-*+])\s", re.MULTILINE)
BOLD: Final = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")


def measured(text: str, length: float | None = None) -> tuple[float, float, float, float]:
    """Return length, headers, items of lists and bold texts of a text, fenced code apart.

    length: tokens where they are known; None counts characters. The marks are those that LMArena
    and Arena-Hard count.
    """
    shown = FENCED.sub("", text)
    counts = (len(each.findall(shown)) for each in (HEADER, LISTED, BOLD))
    headers, lists, bold = map(float, counts)
    return float(len(text)) if length is None else length, headers, lists, bold


def controlled(votes: Votes) -> Votes:
    """Return votes whose measures are covariates, beside those they had.

    A measure that never differs is left out, for nothing can be told of it. Raises `ConfigError`
    for votes without measures.
    """
    if votes.measures is None:
        raise ConfigError("the votes have no measures; read them from a layout with texts")
    a, b = np.moveaxis(votes.measures, -1, 0)
    x = (a - b) / (a + b + 1)
    spread = x.std(axis=0)
    kept = np.flatnonzero(spread > 0)
    if not len(kept):
        return votes
    x = ((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0))[:, kept]
    if votes.covariates is not None:
        x = np.concatenate([votes.covariates, x], axis=1)
    names = (votes.measure_names[i] for i in kept)
    return replace(votes, covariates=x, covariate_names=(*votes.covariate_names, *names))
