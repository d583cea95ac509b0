"""Groups as work for a batcher, and what of several requests may stand side by side there: no
answer depends on who else asks."""

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.errors import BackendError
from assay.protocols import Scorer
from assay.scorers.ensemble import Ensemble
from assay.scorers.lower_bound import LowerBound
from assay.scorers.reading import Reader, Reading
from assay.scorers.reaggregate import Aggregated
from assay.server.batcher import Work, estimated_tokens
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["by_columns", "of_its_own", "scoring", "work_of"]


def of_its_own(scorer: Scorer) -> bool:
    """Return whether a response's score is known not to depend on the others of its group.

    So it is of reward models, and of what is made of them. Tournaments and lists compare a group's
    responses, random scores depend on a response's place, and of others' code nothing is known.
    """
    if isinstance(scorer, Ensemble):
        members = scorer.members
        return all(map(of_its_own, members.values() if isinstance(members, Mapping) else members))
    if isinstance(scorer, Aggregated | LowerBound):
        return of_its_own(scorer.scorer)
    return isinstance(scorer, Reader)


def by_columns(scorer: Scorer, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
    """Score groups, in one call those of the same columns: functions get what all have in `meta`,
    and one request must not take another's columns away."""
    calls: dict[object, list[int]] = {}
    for place, group in enumerate(groups):
        columns = frozenset(group.prompt.meta), any(one.turns for one in group.responses)
        calls.setdefault(columns, []).append(place)
    found: dict[int, list[Score | Unscored]] = {}
    for places in calls.values():
        rows = scorer.score([groups[place] for place in places])
        found.update(zip(places, rows, strict=True))
    return [found[place] for place in range(len(groups))]


def scoring(
    scorer: Scorer, saved: Callable[[float], None] = lambda tokens: None
) -> Callable[[Sequence[Sequence[Any]]], list[list[Reading]]]:
    """Return what a batcher runs: items are pairs of prompt and response, one key a prompt.

    saved: told how many tokens, estimated, of prompts are there for more than one response.
    """

    def run(items: Sequence[Sequence[tuple[Prompt, Response]]]) -> list[list[Reading]]:
        groups = [
            Group(prompt=row[0][0], responses=tuple(response for _, response in row))
            for row in items
        ]
        saved(sum(_size(g.prompt.text) * (len(g.responses) - 1) for g in groups))
        if isinstance(scorer, Reader):
            return scorer.readings(groups)
        return [[_reading(score) for score in row] for row in by_columns(scorer, groups)]

    return run


def _reading(score: object) -> Reading:
    """A score of anybody's code. Raises `BackendError` for what is none: dialects would leave it
    out, and the others move up."""
    if not isinstance(score, Score | Unscored):
        raise BackendError(f"the scorer gave {type(score).__name__}, no score")
    return Reading(score=score)


def work_of(group: Group, *, together: bool = True) -> Work:
    """Return a group as work: its key is all of the prompt that a scorer may look at.

    together: whether other groups of the same prompt may be made one with it.
    """
    prompt, responses = group.prompt, group.responses
    # Texts of unknown prompts have nothing in common: under one key each would wait for all.
    alone = "" if prompt.messages else repr([response.rendered for response in responses])
    key = hashlib.sha256((prompt.model_dump_json() + alone).encode()).hexdigest()
    if not together:
        key = uuid.uuid4().hex
    size = _size(prompt.text) + sum(_length(response) for response in responses)
    items = tuple((prompt, response) for response in responses)
    return Work(key=key, items=items, tokens=size)


def _length(response: Response) -> int:
    given = response.rendered
    return len(given) if isinstance(given, tuple) else _size(given or response.text)


def _size(text: str) -> int:
    return estimated_tokens(len(text))
