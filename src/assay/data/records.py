"""Prompt and responses of any record, and when two records have the same prompt.

There are three notions of the same prompt. `prompt_key` is exact: the same conversation, message by
message, is what a sample was drawn for. `cluster_key` leaves out case and white space: records of
one prompt in that sense are resampled together. `normalised_prompt_key` leaves out punctuation,
too: what belongs to one prompt in that sense falls on one side of a split and counts as a leak.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from assay.data.cells import parsed
from assay.errors import DataError
from assay.types import Group, Prompt, Record, Response, StepLabels

__all__ = [
    "all_pairs",
    "all_responses",
    "as_group",
    "as_groups",
    "cluster_key",
    "digest",
    "normalised",
    "normalised_prompt_key",
    "pairs_of",
    "prompt_key",
    "prompt_of",
    "prompts_of",
    "responses_of",
    "single",
    "subset",
    "texts_of",
]

TOKEN = re.compile(r"\d+(?:\.\d+)*|[^\W\d_]+|[+\-*/=<>^%$]")
"""Numbers, words and the signs of arithmetic: another comma is the same text, another sign is
not."""


def prompt_of(record: Record) -> Prompt:
    """Return the prompt of a record of data. Raises `DataError` for what has none."""
    if isinstance(record, Prompt):
        return record
    if isinstance(record, (Group, StepLabels)):
        return record.prompt
    raise DataError(f"a {type(record).__name__} has no prompt; give prompts, or records with one")


def responses_of(record: Record) -> tuple[Response, ...]:
    """Return the responses of a record of data; of a prompt alone there are none."""
    if isinstance(record, StepLabels):
        return (record.response,)
    return record.responses if isinstance(record, Group) else ()


def pairs_of(record: Record) -> list[tuple[Prompt, Response]]:
    """Return the responses of a record, each with the prompt."""
    return [(prompt_of(record), response) for response in responses_of(record)]


def single(group: Group, place: int) -> tuple[Prompt, Response]:
    """Return one response of a group with its prompt, apart from the others.

    A list in the prompt's `meta` that has a number for each response leaves it: the response has
    its own entry, unless it has that column already.
    """
    prompt, response = group.prompt, group.responses[place]
    if not (lists := _a_number_each(group)):
        return prompt, response
    own = {key: values[place] for key, values in lists.items()}
    meta = {key: value for key, value in prompt.meta.items() if key not in lists}
    return prompt.model_copy(update={"meta": meta}), response.model_copy(
        update={"meta": {**own, **response.meta}}
    )


def subset(group: Group, places: Sequence[int]) -> Group:
    """Return some responses of a group; lists in the prompt's `meta` that have a number for each
    keep those of these."""
    lists = _a_number_each(group)
    prompt = group.prompt
    if lists and len(places) < len(group.responses):
        kept = {key: [values[i] for i in places] for key, values in lists.items()}
        prompt = prompt.model_copy(update={"meta": {**prompt.meta, **kept}})
    return Group(prompt=prompt, responses=tuple(group.responses[i] for i in places))


def _a_number_each(group: Group) -> dict[str, Sequence[Any]]:
    """Lists in the prompt's `meta` as long as the group, of numbers, of lists of them (a number a
    step) and of nulls; of one response no list can be told from one of its steps."""
    count = len(group.responses)
    found = {key: parsed(value) for key, value in group.prompt.meta.items()}
    return {
        key: value
        for key, value in found.items()
        if count > 1 and isinstance(value, (list, tuple)) and len(value) == count
        if _numbers(value)
    }


def _numbers(value: Sequence[Any]) -> bool:
    """Return whether there are numbers, nulls and lists of them only, and not nulls alone."""
    flat = [x for each in value for x in (each if isinstance(each, (list, tuple)) else (each,))]
    there = [x for x in flat if x is not None]
    return bool(there) and all(isinstance(x, (int, float)) for x in there)


def all_responses(records: Iterable[Record]) -> list[Response]:
    """Return the responses of all records, in order."""
    return list(chain.from_iterable(map(responses_of, records)))


def all_pairs(records: Iterable[Record]) -> list[tuple[Prompt, Response]]:
    """Return the responses of all records, each with its prompt."""
    return list(chain.from_iterable(map(pairs_of, records)))


def as_groups(records: Iterable[Record]) -> list[Group]:
    """Return what a scorer is given: prompt and responses of each record, without its labels.

    Raises `DataError` for a record without responses.
    """
    return [as_group(record) for record in records]


def as_group(record: Record) -> Group:
    """Return prompt and responses of one record. Raises `DataError` where it has no responses."""
    if not isinstance(record, (Group, StepLabels)):
        raise DataError(
            f"{type(record).__name__} records cannot be scored, for they hold no responses; give"
            " Preference, Ranking or StepLabels, or groups of responses"
        )
    return Group(prompt=record.prompt, responses=responses_of(record))


def prompts_of(records: Iterable[Record], limit: int | None = None) -> list[Prompt]:
    """Return the prompts of records, each once, and so many at most.

    A prompt counts as another where anything but its id differs: a scorer or a verifier may read
    the reference and the columns in `meta`. No more records are read than needed.
    """
    found: dict[str, Prompt] = {}
    for record in records:
        if limit is not None and len(found) >= limit:
            break
        prompt = prompt_of(record)
        found.setdefault(prompt.model_dump_json(exclude={"id"}), prompt)
    return list(found.values())


def prompt_key(record: Record) -> str:
    """Return 24 hexadecimal digits of the record's conversation, whatever its id, reference or
    columns."""
    prompt = prompt_of(record)
    body: list[Any] = [message.model_dump(mode="json") for message in prompt.messages]
    if prompt.tools:
        body.append({"tools": prompt.tools})
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:24]


def cluster_key(record: Record) -> str:
    """Return the record's prompt without differences of case and white space in its text: what
    statistics cluster by.

    Punctuation stays: "2 + 3" and "2 - 3" are two prompts, and brackets may be all of one.
    """
    prompt = prompt_of(record)
    said, shown = " ".join(prompt.text.casefold().split()), _wordless(prompt)
    return f"{said}\n{shown}" if shown else said


def normalised_prompt_key(record: Record) -> int:
    """Return 64 bits of the record's prompt without differences of case, white space and
    punctuation in its text."""
    prompt = prompt_of(record)
    said, shown = _digest_of(prompt.text), _wordless(prompt)
    return digest(str(said), shown) if shown else said


def _wordless(prompt: Prompt) -> str:
    """Return what tells prompts of one text apart: tools, images and the like, and calls."""
    parts = [part for m in prompt.messages for part in m.parts if part.get("type") != "text"]
    calls = [(call.name, call.arguments) for m in prompt.messages for call in m.tool_calls]
    if not (prompt.tools or parts or calls):
        return ""
    return json.dumps([prompt.tools, parts, calls], sort_keys=True, default=dict)


@lru_cache(maxsize=1024)
def _digest_of(text: str) -> int:
    return digest(normalised(text))


def normalised(text: str) -> str:
    """Return a text as compared for near duplicates and leaks: its tokens, in Unicode's
    compatibility form, case folded."""
    return " ".join(TOKEN.findall(unicodedata.normalize("NFKC", text).casefold()))


def digest(*parts: str) -> int:
    """Return 64 bits of the parts, in order; the chance that any two of a million differ and
    collide is 3e-8."""
    pieces: list[bytes] = []
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        pieces += (len(data).to_bytes(8, "big"), data)
    return int.from_bytes(hashlib.blake2b(b"".join(pieces), digest_size=8).digest(), "big")


def texts_of(record: Record) -> tuple[str, ...]:
    """Return the texts of a record's responses."""
    return tuple(response.text for response in responses_of(record))
