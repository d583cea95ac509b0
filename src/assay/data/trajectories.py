"""Conversations with calls of tools as records: where the answer begins, what its reward says, and
what of a row a record has no place for.

Everything of a row that its record does not say, down to a call's key, is the response's `meta`: as
the difference between the row and what would be written for the record, so that it is written back.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from assay import components
from assay.data import conversations, fields
from assay.data.records import prompt_of
from assay.errors import DataError
from assay.protocols import Format
from assay.types import Group, Message, Prompt, Ranking, Record, Response, StepLabels

__all__ = [
    "Means",
    "attached",
    "begin",
    "differences",
    "first_answer",
    "is_cut",
    "is_unsaid",
    "parts_of",
    "record",
    "restored",
    "reward_of",
    "rewards_of",
    "rows",
    "text_of",
]

Means = Literal["auto", "success", "grade"]
"""What a reward says: the chance that the answer is right, which is a label, or any grade, which
ranks; auto: the former where it lies in [0, 1]."""

_OF_PROMPT: Final = "id", "reference", "tools"
"""Columns that are a prompt's in most layouts, and something else where they are not read."""
_CUT: Final = re.compile(r"length|max_|limit|truncat|exceeded")


def is_cut(stop: str | None) -> bool:
    """Return whether a reason to stop is a limit of length, turns or time."""
    return stop is not None and _CUT.search(stop) is not None


def is_unsaid(response: Response) -> bool:
    """Return whether a response was cut off, and its reason to stop does not say so."""
    return not response.finished and not is_cut(response.stop)


def begin(messages: Sequence[Message]) -> int:
    """Return where the answer in a conversation begins: after the last question, or, where tools
    are called, at the first turn of the assistant."""
    calls = any(message.tool_calls or message.role == "tool" for message in messages)
    asked = [i for i, message in enumerate(messages) if message.role == "user"]
    return first_answer(messages) if calls or not asked else asked[-1] + 1


def first_answer(messages: Sequence[Message]) -> int:
    """Return the place of the first assistant's turn: there a trajectory begins."""
    roles = [message.role for message in messages]
    return roles.index("assistant") if "assistant" in roles else len(roles)


def record(
    messages: Sequence[Message],
    begin: int,
    *,
    known: Mapping[str, Any] | None = None,
    meta: Mapping[str, Any] | None = None,
    reward: float | None = None,
    means: Means = "auto",
    labels: Sequence[float | None] | None = None,
    **others: Any,
) -> Record:
    """Make a record of a conversation whose answer begins at a place.

    known: the prompt's id, reference and tools, where there are any. meta: what else is known of
    it. reward: None = none was given. labels: one for each assistant's turn. others: the response's
    other fields. A prompt that nobody answered has an empty response.
    """
    if begin == 0:
        raise DataError("the conversation begins with the answer: nothing is asked in it")
    empty: tuple[Any, ...] = (None, "", [], {})
    given = {key: value for key, value in (known or {}).items() if value not in empty}
    prompt = fields.prompt(tuple(messages[:begin]), given)
    if meta:
        prompt = prompt.model_copy(update={"meta": {**prompt.meta, **meta}})
    turns = messages[begin:]
    response = (
        conversations.response(turns, **others)
        if turns
        else fields.make(Response, steps=(), **others)
    )
    if labels is not None:
        return fields.make(StepLabels, prompt=prompt, response=response, labels=tuple(labels))
    return _graded(prompt, response, reward, means)


def _graded(prompt: Prompt, response: Response, reward: float | None, means: Means) -> Record:
    """Return a label of the outcome, a ranking of one, or, without a reward, a group of one."""
    if reward is None:
        return fields.make(Group, prompt=prompt, responses=(response,))
    likely = 0 <= reward <= 1
    if means == "grade" or (means == "auto" and not likely):
        return fields.make(Ranking, prompt=prompt, responses=(response,), grades=(reward,))
    if not likely:
        raise DataError(
            f"a reward of {reward} is no chance of success; it is a grade (--set reward=grade)"
        )
    if response.turns and not response.steps:
        raise DataError("no turn is the assistant's, so there is nothing that was rewarded")
    if not response.steps:  # An answer that says nothing can be wrong, too.
        response = response.model_copy(update={"steps": ("",)})
    return StepLabels.outcome(prompt, response, reward)


def reward_of(row: Mapping[str, Any], field: str) -> float | None:
    """Read a reward; true is 1, and null and no field are none."""
    value = row.get(field)
    if value is None or isinstance(value, bool):
        return None if value is None else float(value)
    return fields.number(value, field)


def rewards_of(row: Mapping[str, Any], field: str) -> tuple[float | None, ...]:
    """Read one reward for each assistant's turn; null stays null."""
    found = row.get(field)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise fields.wrong(field, "a list with one entry per assistant's turn", found)
    each = {f"{field}.{i}": value for i, value in enumerate(found)}
    return tuple(reward_of(each, place) for place in each)


def text_of(row: Mapping[str, Any], field: str) -> str | None:
    """Read a text that may be null or missing."""
    return None if row.get(field) is None else fields.text(row, field)


def parts_of(record: Record) -> tuple[list[Message], Response, float | None]:
    """Return the conversation of a record, its response and its reward: the inverse of `record`."""
    prompt = prompt_of(record)
    reward = None
    if isinstance(record, Prompt):
        response = Response(steps=())
    elif isinstance(record, StepLabels):
        response = record.response
        reward = record.labels[-1] if record.labels else None
    elif isinstance(record, Group) and len(record.responses) == 1:
        (response,) = record.responses
        reward = record.grades[0] if isinstance(record, Ranking) else None
    else:
        raise DataError("a conversation holds one answer; convert to assay, which holds several")
    turns = response.turns or (
        (fields.make(Message, role="assistant", content=response.text),) if response.steps else ()
    )
    return [*prompt.messages, *turns], response, reward


def rows(
    format: Format, records: Iterable[Record], default: Callable[[Record], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Write one row a record: the default one, with what the response keeps of its own, and without
    nulls where the layout is known without them."""
    own = _key(format)

    def row(record: Record) -> dict[str, Any]:
        meta = parts_of(record)[1].meta
        kept = meta.get(own)
        changes = fields.rest(meta, own) | (dict(kept) if isinstance(kept, Mapping) else {})
        whole: dict[str, Any] = restored(default(record), changes)
        said = prompt_of(record).meta.keys()
        brief = {key: value for key, value in whole.items() if value is not None or key in said}
        return brief if format.matches(brief) else whole

    for record in records:
        yield from fields.written(format, [record], type(record), row)


def attached(
    format: Format, record: Record, row: Mapping[str, Any], default: Mapping[str, Any]
) -> Record:
    """Return a record whose response keeps what its row has beside the default one: other columns
    by their names, and changes of the layout's own under the layout's name.

    default: all columns of the layout's own, with null where the record says nothing of them.
    """
    found = differences(default, row)
    changes = {key: each for key, each in found.items() if key in default or key in _OF_PROMPT}
    meta = fields.rest(found, *changes) | ({_key(format): changes} if changes else {})
    if not meta:
        return record
    if isinstance(record, StepLabels):
        return record.model_copy(
            update={"response": record.response.model_copy(update={"meta": meta})}
        )
    assert isinstance(record, Group)
    (response,) = record.responses
    return record.model_copy(update={"responses": (response.model_copy(update={"meta": meta}),)})


def _key(format: Format) -> str:
    """The name under which a layout keeps changes of its own columns."""
    return f"{components.name_of(type(format)).removeprefix('formats/')} row"


def differences(default: Any, source: Any) -> Any:
    """Return what makes `source` of `default`, in `source`'s own keys; places in lists are keys.

    A null where the default has nothing is no difference: tables give every object the keys of all.
    """
    if _is_merged(default) and isinstance(source, dict):
        keys = [*source, *(key for key in default if key not in source)]
        pairs = {key: (default.get(key), source.get(key)) for key in keys}
    elif isinstance(default, list) and isinstance(source, list) and len(default) == len(source):
        pairs = {str(i): pair for i, pair in enumerate(zip(default, source, strict=True))}
    else:
        return source
    found = {}
    for key, (ours, theirs) in pairs.items():
        nothing = ours in (None, "", [])
        if ours != theirs and not (nothing and theirs is None):
            changes = differences(ours, theirs)
            if changes != {} or nothing:  # else there are nulls alone
                found[key] = changes
    return found


def restored(default: Any, changes: Any) -> Any:
    """Apply what `differences` found; a key whose value is null is left out."""
    if not isinstance(changes, Mapping) or not (_is_merged(default) or isinstance(default, list)):
        return changes
    if isinstance(default, list):
        return [
            restored(each, changes[str(i)]) if str(i) in changes else each
            for i, each in enumerate(default)
        ]
    whole = {key: restored(default.get(key), change) for key, change in changes.items()}
    return {
        key: value
        for key, value in {**default, **whole}.items()
        if not (value is None and key in changes)
    }


def _is_merged(default: Any) -> bool:
    """Return whether an object is changed key by key: an empty one is replaced."""
    return isinstance(default, dict) and bool(default)
