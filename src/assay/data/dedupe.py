"""Duplicates among records: what is the same, and what is nearly the same."""

import json
from collections.abc import Iterable, Iterator

from assay.data.records import digest, normalised, prompt_of, responses_of, texts_of
from assay.types import Preference, Prompt, Ranking, Record, StepLabels

__all__ = ["labels_of", "unique", "wordless"]


def labels_of(record: Record) -> str:
    """Return what is said about the responses, as a text to compare."""
    if isinstance(record, Prompt):
        return f"reference {record.reference}"
    if isinstance(record, StepLabels):
        said = f"steps {record.labels}"
    elif isinstance(record, Preference):
        said = f"prefer {record.prefer} {record.margin}"
    else:
        said = f"grades {record.grades}" if isinstance(record, Ranking) else ""
    rewards = [response.rewards for response in responses_of(record)]
    return f"{said} rewards {rewards}" if any(rewards) else said


def wordless(record: Record) -> str:
    """Return what tells records of the same texts apart: tools, images, and what tools answered."""
    prompt = prompt_of(record)
    turns = [turn for response in responses_of(record) for turn in response.turns]
    parts = [message.parts for message in (*prompt.messages, *turns) if message.parts]
    answers = [turn.content for turn in turns if turn.role == "tool"]
    if not (prompt.tools or parts or answers):
        return ""
    return json.dumps([prompt.tools, parts, answers], sort_keys=True, default=dict)


def unique(records: Iterable[Record], *, near: bool = False) -> Iterator[Record]:
    """The records without later ones of the same kind, prompt, responses and labels; `near`: after
    `normalised`."""
    seen: set[int] = set()
    for record in records:
        shape = normalised if near else str
        texts = (prompt_of(record).text, *texts_of(record))
        said = (type(record).__name__, labels_of(record), wordless(record))
        key = digest(*said, *map(shape, texts))
        if key not in seen:
            seen.add(key)
            yield record
