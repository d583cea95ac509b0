"""Scores of a pool for a sweep: from columns, files, arrays and scorers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.data.pools import GOLD, Pool, matrix_of, read_pool
from assay.data.records import all_responses
from assay.data.scores import file_of
from assay.errors import ConfigError, DataError
from assay.overopt.scored import ScoredPool
from assay.protocols import Scorer
from assay.scorers.non_empty import Answered
from assay.specs.scorers import named
from assay.types import Group, Score, Unscored
from assay.workflows.gate import admitted, refuse_idle

__all__ = ["Given", "Side", "scores_of_arrays", "scores_of_pool", "some"]

Array = NDArray[np.float64]
Scores = str | Scorer | ArrayLike
Given = Scores | Sequence[str] | Mapping[str, Scores]
"""A word, an object or an array (prompts x responses); or several, by name."""

CHUNK: Final = 32
"""Prompts scored at once."""


@dataclass(frozen=True)
class Side:
    """What was given for the proxies, or for the golds."""

    name: str
    given: Given
    columns: Sequence[str]
    files: Sequence[str]

    @property
    def live(self) -> bool:
        """Whether a scorer is asked about the responses."""
        return some(self.given)

    @property
    def by_name(self) -> dict[str, Path]:
        """The files, by "side=name": proxies and golds may share names."""
        found = {}
        for word in self.files:
            name, equals, path = word.partition("=")
            if not equals or "?" in name or Path(word).exists():
                name, path = file_of(word).stem, word
            found[f"{self.name}={name}"] = Path(path)
        return found

    @property
    def empty(self) -> bool:
        """Whether nothing was given."""
        return not (self.live or self.columns or self.files)


def some(given: Any) -> bool:
    """Whether anything is given; an array has no truth of its own."""
    return isinstance(given, np.ndarray) or bool(given)


def scores_of_arrays(proxy: Given, gold: Given) -> ScoredPool:
    if not some(proxy):
        raise ConfigError(
            "give a pool of responses, or scores of proxies and gold as arrays (prompts x"
            " responses)"
        )
    if not some(gold):
        raise ConfigError("there is no gold; give its scores as an array (prompts x responses)")
    sides = []
    for name, given in (("proxy", proxy), ("gold", gold)):
        parts = _by_name(given, name)
        if words := [part for part in parts.values() if not _is_array(part)]:
            raise ConfigError(
                f"{name} {words[0]!r} scores responses, and there is no pool of them; give one, or"
                " arrays of scores"
            )
        sides.append({key: np.asarray(part, dtype=np.float64) for key, part in parts.items()})
    return ScoredPool(proxies=sides[0], golds=sides[1])


def scores_of_pool(
    source: str,
    proxy: Side,
    gold: Side,
    *,
    format: str | None,
    limit: int | None,
    compute: Mapping[str, Any],
    gate: Sequence[str | Path] = (),
) -> ScoredPool:
    """Read a pool, and take or ask for its scores."""
    if proxy.empty:
        raise ConfigError(
            "there is no proxy; give --proxy SCORER, or --proxy-column NAME of scores in the rows"
        )
    in_rows = bool(proxy.columns or gold.columns)
    pool = read_pool(
        source, format=format, limit=limit, columns=in_rows, files=proxy.by_name | gold.by_name
    )
    if gold.empty and not pool.graded:
        raise ConfigError(
            "there is no gold, without which nothing can be said; give --gold SCORER (a verifier,"
            " a larger reward model), --gold-column NAME of scores in the rows, or rankings, whose"
            " grades are gold"
        )
    notes = list(pool.notes)
    gated: dict[str, str] = {}
    proxies, golds = (
        _side_scores(side, pool, source, notes, compute, gate, gated) for side in (proxy, gold)
    )
    refuse_idle(gate, gated)
    notes += [f"{name}, a judge: {how}" for name, how in gated.items()]
    if gold.empty:
        golds[GOLD] = pool.matrix(GOLD)
    empty = pool.empty
    if (proxy.live or gold.live) and empty.any():
        # What cannot be asked about leaves the pool for every score, as if it had not been drawn.
        proxies, golds = (
            {k: np.where(empty, np.nan, x) for k, x in of.items()} for of in (proxies, golds)
        )
        notes.append(
            f"{int(empty.sum())} responses are empty: they are unscored, and leave their pools"
        )
    if both := sorted(proxies.keys() & golds.keys()):
        raise ConfigError(
            f"{', '.join(both)} is proxy and gold at once, and would never be seen to fail"
        )
    texts = [[r.text for r in group.responses] for group in pool.groups]
    known = proxy.live or gold.live or all(text for row in texts for text in row)
    width = max(map(len, texts))
    return ScoredPool(
        proxies=proxies,
        golds=golds,
        keys=[row + [""] * (width - len(row)) for row in texts] if known else None,
        lengths=pool.lengths if known else None,
        notes=notes,
    )


def _side_scores(
    side: Side,
    pool: Pool,
    source: str,
    notes: list[str],
    compute: Mapping[str, Any],
    gate: Sequence[str | Path],
    gated: dict[str, str],
) -> dict[str, Array]:
    """Collect the scores of one side: from columns, from files, from arrays, and from scorers.

    gated: filled with what judges may score by.
    """
    found = {name: pool.matrix(name) for name in side.columns}
    found |= {name.removeprefix(f"{side.name}="): pool.matrix(name) for name in side.by_name}
    if not side.live:
        return found
    for name, part in _by_name(side.given, side.name).items():
        if _is_array(part):
            found[name] = _fitting(np.asarray(part, dtype=np.float64), pool, name)
            continue
        for called, scorer in _opened(part, name, compute).items():
            gated |= admitted(gate, {called: scorer}, idle=True).get("gates", {})
            found[called] = _asked(scorer, called, pool, source, notes)
    return found


def _by_name(given: Given, side: str) -> dict[str, Any]:
    """Name what was given; a word names itself when it is opened."""
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, str) or _is_array(given):
        return {side if _is_array(given) else str(given): given}
    if isinstance(given, Sequence):
        return {str(word): word for word in given}
    return {type(given).__name__: given}


def _is_array(given: Any) -> bool:
    if isinstance(given, np.ndarray):
        return True
    return (
        isinstance(given, Sequence)
        and bool(given)
        and not isinstance(given[0], str)
        and (not isinstance(given, str))
    )


def _fitting(scores: Array, pool: Pool, name: str) -> Array:
    """Check that an array has a row per prompt of the pool, wide enough."""
    shape = len(pool.groups), max(len(group.responses) for group in pool.groups)
    if scores.shape != shape:
        raise DataError(f"{name} has the shape {scores.shape}, and the pool {shape}")
    return scores


def _opened(part: Any, name: str, compute: Mapping[str, Any]) -> dict[str, Scorer]:
    """Open a word, which may bring its own name, or an object."""
    return named([part] if part == name else {name: part}, **compute)


def _asked(scorer: Scorer, name: str, pool: Pool, source: str, notes: list[str]) -> Array:
    """Ask a scorer about every response that has a text."""
    from assay.console.progress import progress

    if not any(response.text for response in all_responses(pool.groups)):
        raise DataError(
            f"{source}: rows without a response cannot be scored; give their scores by column"
        )
    scores: list[list[Score | Unscored]] = []
    with progress(f"score by {name}", len(pool.groups)) as bar:
        for start in range(0, len(pool.groups), CHUNK):
            scores += Answered(scorer).score(pool.groups[start : start + CHUNK])
            bar(len(scores), "")
    pairs = zip(scores, pool.groups, strict=True)
    asked = list(chain.from_iterable(_spoken(row, group) for row, group in pairs))
    reasons = [score.reason for score in asked if isinstance(score, Unscored)]
    if len(reasons) == len(asked):
        raise DataError(
            f"{source}: {name} scores none of {len(asked)} responses, such as: {reasons[0]}"
        )
    if reasons:
        notes.append(f"{name}: {len(reasons)} responses unscored, such as: {reasons[0]}")
    return matrix_of(scores)


def _spoken(scores: Sequence[Score | Unscored], group: Group) -> list[Score | Unscored]:
    """The scores of responses that have a text."""
    return [score for score, response in zip(scores, group.responses, strict=True) if response.text]
