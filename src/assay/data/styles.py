"""Files of one style: texts, or conversations as soon as one record needs them.

Other readers want one type a column, and a writer sees a record at a time. The arguments of calls
become objects, as chat templates want them.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Any, Final, Literal, TypeVar

from assay.data import conversations, fields
from assay.data.records import responses_of
from assay.errors import DataError
from assay.protocols import Format
from assay.types import Group, Record, StepLabels

__all__ = ["Style", "styled"]

Style = Literal["", "text", "chat"]
"""How rows are written: texts, conversations, or whichever every record allows."""
HELD: Final = 2**24
"""Bytes of rows held in memory until the style is known; more are on the disk."""
R = TypeVar("R", bound=Record)
Rows = Callable[[R, bool], dict[str, Any]]


def styled(
    format: Format, records: Iterable[Record], kind: type[R], row_of: Rows[R], style: Style
) -> Iterator[dict[str, Any]]:
    """Return one row a record, each checked by reading it back; all of one style.

    row_of: the row of a record, as a conversation or not.
    """
    records = map(_with_objects, records)
    if style:
        yield from fields.written(format, records, kind, lambda each: row_of(each, style == "chat"))
        return
    with SpooledTemporaryFile(HELD, "w+", encoding="ascii") as held:
        for record in records:
            if type(record) is not kind or any(each.turns for each in responses_of(record)):
                break
            row = row_of(record, False)
            if not _holds(format, row, record):
                break
            held.write(f"{json.dumps(row)}\n")
        else:
            held.seek(0)
            yield from map(json.loads, held)
            return
        held.seek(0)
        for line in held:
            earlier = format.read(json.loads(line))
            yield from styled(format, earlier, kind, row_of, "chat")
        yield from styled(format, chain([record], records), kind, row_of, "chat")


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


def _holds(format: Format, row: dict[str, Any], record: Record) -> bool:
    """Tell that a row of texts is read back as it was; where not, the other style says why."""
    try:
        json.dumps(row)
        return tuple(format.read(row)) == (record,)
    except (DataError, TypeError, ValueError):
        return False
