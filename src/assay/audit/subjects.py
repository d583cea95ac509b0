"""What probes are tried on: labelled responses, some per prompt, out of records of any kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from assay.audit.probe import Expects, Labelled, Subject
from assay.data.records import cluster_key, prompt_of
from assay.errors import DataError
from assay.types import Group, Preference, Prompt, Ranking, Record, Response, StepLabels

__all__ = ["Item", "items_of", "sampled", "subjects_of"]

T = TypeVar("T")

STRANGERS = 4
"""Responses to other prompts that each subject knows."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A prompt with its responses."""

    prompt: Prompt
    responses: tuple[Labelled, ...]
    key: str
    """What is resampled together."""


def items_of(records: Sequence[Record], *, prompts: int | None = None, seed: int = 0) -> list[Item]:
    """Return an item per prompt, at most so many, drawn by the seed.

    A preference's preferred response is right; of a ranking, those of the highest grade and of the
    lowest are right and wrong; a solution is right where its last label and all others say so.
    Trajectories are left out, for probes change texts. Raises `DataError` where nothing is left.
    """
    found: dict[object, tuple[Prompt, dict[tuple[str, ...], Labelled]]] = {}
    for record in records:
        if isinstance(record, Prompt):
            continue
        prompt = prompt_of(record)
        # What else is known of the prompt stays: functions read it.
        _, there = found.setdefault((prompt.shown, prompt.reference), (prompt, {}))
        for one in _labelled(record):
            if not one.response.turns and one.response.rendered is None:
                there.setdefault(one.response.steps, one)
    items = [
        # Right ones first: what a judge compares the others with.
        Item(
            prompt=prompt,
            responses=tuple(sorted(there.values(), key=_rank)),
            key=cluster_key(prompt),
        )
        for prompt, there in found.values()
        if there
    ]
    if not items:
        raise DataError(
            "there is no response to audit with; give preferences, pools or step labels of texts"
        )
    return items if prompts is None else sampled(items, prompts, seed)


def sampled(things: Sequence[T], most: int, seed: int) -> list[T]:
    """Return at most so many of some things, drawn by the seed, in their order."""
    if len(things) <= most:
        return list(things)
    chosen = np.random.default_rng(seed).choice(len(things), most, replace=False)
    return [things[i] for i in sorted(chosen)]


def _rank(one: Labelled) -> int:
    return {True: 0, None: 1, False: 2}[one.right]


def _labelled(record: Record) -> list[Labelled]:
    if isinstance(record, StepLabels):
        return [Labelled(record.response, _solved(record), record.labels)]
    assert isinstance(record, Group)
    right: list[bool | None] = [None] * len(record.responses)
    if isinstance(record, Preference) and record.prefer != 0.5:
        right = [record.prefer > 0.5, record.prefer < 0.5]
    if isinstance(record, Ranking) and min(record.grades) < max(record.grades):
        ends = {max(record.grades): True, min(record.grades): False}
        right = [ends.get(grade) for grade in record.grades]
    return [
        Labelled(response.model_copy(update={"meta": {}}), label)
        for response, label in zip(record.responses, right, strict=True)
    ]


def _solved(record: StepLabels) -> bool | None:
    """Right where the last step is and none is wrong; not known without a label there."""
    known = [label for label in record.labels if label is not None]
    if any(label < 0.5 for label in known):
        return False
    last = record.labels[-1] if record.labels else None
    return True if last is not None and last > 0.5 else None


def subjects_of(items: Sequence[Item], expects: Expects) -> list[tuple[int, Subject]]:
    """Return the responses that a probe changes, each with its item's number.

    What must not gain is tried on a wrong response, where there is most to gain; what must fall on
    a right one; what must stay on both; what is last replaces one response per prompt. Where the
    side has no response, any serves.
    """
    sides: dict[Expects, tuple[bool, ...]] = {
        "no gain": (False,),
        "lower": (True,),
        "unchanged": (True, False),
        "last": (False,),
    }
    strangers = _strangers(items)
    found = []
    for number, item in enumerate(items):
        places = [_first(item, side) for side in sides[expects]]
        kept = dict.fromkeys(place for place in places if place is not None) or {0: None}
        for place in kept:
            one = item.responses[place]
            others = tuple(x for i, x in enumerate(item.responses) if i != place)
            subject = Subject(
                prompt=item.prompt,
                response=one.response,
                right=one.right,
                labels=one.labels,
                others=others,
                strangers=strangers[number],
            )
            found.append((number, subject))
    return found


def _first(item: Item, right: bool) -> int | None:
    places = [i for i, one in enumerate(item.responses) if one.right is right]
    return places[0] if places else None


def _strangers(items: Sequence[Item]) -> list[tuple[Response, ...]]:
    """Responses to other prompts, of the lengths nearest to the item's own, right ones first."""
    best = [next((x for x in item.responses if x.right), item.responses[0]) for item in items]
    # Of equal lengths by text, so that the order of the prompts decides nothing.
    texts = [one.response.text for one in best]
    order = np.array(sorted(range(len(items)), key=lambda i: (len(texts[i]), texts[i])))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    found = []
    for item, at in zip(items, place, strict=True):
        near = [at + d for d in (1, -1, 2, -2, 3, -3, 4, -4)]
        there = [int(order[i]) for i in near if 0 <= i < len(items)]
        others = [best[i].response for i in there if items[i].key != item.key]
        found.append(tuple(others[:STRANGERS]))
    return found
