"""Rows of texts or of conversations, as the libraries that train on them want them.

The arguments of calls become objects, for chat templates.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Literal, TypeVar

from assay.data import conversations, fields
from assay.data.records import responses_of
from assay.errors import DataError
from assay.protocols import Format
from assay.types import Group, Record, StepLabels

__all__ = ["Style", "styled"]

Style = Literal["", "text", "chat"]
"""How rows are written: texts, conversations, or texts where a record is no more than that."""
R = TypeVar("R", bound=Record)
Rows = Callable[[R, bool], dict[str, Any]]


def styled(
    format: Format, records: Iterable[Record], kind: type[R], row_of: Rows[R], style: Style
) -> Iterator[dict[str, Any]]:
    """Return one row a record, each checked by reading it back.

    row_of: the row of a record, as a conversation or not.
    """

    def row(record: R) -> dict[str, Any]:
        return row_of(record, style != "text")

    for record in map(_with_objects, records):
        if not style and type(record) is kind and (text := _text(format, record, row_of)):
            yield text
        else:
            yield from fields.written(format, [record], kind, row)


def _with_objects(record: Record) -> Record:
    """The record with the arguments of its calls as JSON writes objects."""
    if not isinstance(record, (Group, StepLabels)):
        return record
    turns = chain(record.prompt.messages, *(each.turns for each in responses_of(record)))
    if not any(turn.tool_calls for turn in turns):
        return record
    messages = conversations.parsed(record.prompt.messages)
    changes: dict[str, Any] = {"prompt": record.prompt.model_copy(update={"messages": messages})}
    if isinstance(record, StepLabels):
        changes["response"] = conversations.called(record.response)
    else:
        changes["responses"] = tuple(map(conversations.called, record.responses))
    return record.model_copy(update=changes)


def _text(format: Format, record: R, row_of: Rows[R]) -> dict[str, Any] | None:
    """The row of a record as texts, where it is read back so."""
    if any(response.turns for response in responses_of(record)):
        return None
    row = row_of(record, False)
    try:
        return row if tuple(format.read(row)) == (record,) else None
    except DataError:
        return None  # the other style says what is wrong
