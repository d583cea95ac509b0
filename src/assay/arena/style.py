"""Style control: what of a preference is for length, headers, lists and bold, as covariates.

| how | covariate | as in |
|---|---|---|
| lmarena | (a - b) / (a + b + 1) of each measure | LMArena's style control (arena-rank) |
| arena_hard | (a - b) / (a + b) of length; of others per length, as above | Arena-Hard v2 |
| difference | a - b | |

Each column is then centred and divided by its standard deviation, as both do. Centring lets the
first side have an advantage of its own. LMArena adds a penalty of 1/2 |beta|^2 to the *mean*
loss: `ridge=len(votes)` in `fit`, which shrinks its coefficients some tenfold.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from assay.arena.votes import Votes
from assay.errors import ConfigError
from assay.stats.intervals import Array

__all__ = ["MEASURES", "How", "controlled", "measured"]

How = Literal["lmarena", "arena_hard", "difference"]
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


def controlled(votes: Votes, names: Sequence[str] = (), *, how: How = "lmarena") -> Votes:
    """Return votes whose measures are covariates, beside those they had.

    names: of measures; none takes all. A measure that never differs is left out, for nothing can be
    told of it. Raises `ConfigError` for names that were not measured.
    """
    wanted = tuple(names) or votes.measure_names
    if missing := [name for name in wanted if name not in votes.measure_names]:
        raise ConfigError(
            f"{', '.join(missing)} was not measured; the votes have"
            f" {', '.join(votes.measure_names) or 'no measures'}"
        )
    if votes.measures is None:
        raise ConfigError("the votes have no measures; read them from a layout with texts")
    columns = {name: _compared(votes, name, how) for name in wanted}
    spread = {name: float(x.std()) for name, x in columns.items()}
    kept = [name for name in wanted if spread[name] > 0]
    if not kept:
        return votes
    x = np.stack([(columns[name] - columns[name].mean()) / spread[name] for name in kept], axis=1)
    if votes.covariates is not None:
        x = np.concatenate([votes.covariates, x], axis=1)
    return replace(votes, covariates=x, covariate_names=(*votes.covariate_names, *kept))


def _compared(votes: Votes, name: str, how: How) -> Array:
    measures = np.asarray(votes.measures)
    a, b = measures[:, votes.measure_names.index(name)].T
    if how == "difference":
        return np.asarray(a - b)
    if how == "arena_hard":
        if "length" not in votes.measure_names:
            raise ConfigError("how='arena_hard' divides by length, which was not measured")
        length = measures[:, votes.measure_names.index("length")]
        if name == "length":
            return np.asarray((a - b) / np.maximum(a + b, 1.0))
        a, b = a / (length[:, 0] + 1), b / (length[:, 1] + 1)
    return np.asarray((a - b) / (a + b + 1))
