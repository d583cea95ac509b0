"""TRL's preference data: `chosen` and `rejected`, with or without a `prompt`, as text or as
conversations.

Without a prompt, it is what both begin with: whole turns of a conversation, which may stand in one
text. A `margin` column is the preference's margin, and `system` a message before the prompt.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Any, Literal

from assay.chat import openai
from assay.data import conversations, fields
from assay.data.pairs import pair, unread
from assay.errors import DataError
from assay.types import Preference, Record, Response

__all__ = ["TrlPreference"]

HELD = 2**24
"""Bytes of rows held in memory until the style of a file is known; the rest is on the disk."""


@dataclass(frozen=True, kw_only=True)
class TrlPreference:
    """{prompt?, chosen, rejected, margin?}: strings, or lists of {role, content} messages."""

    implicit: bool = False
    """Texts without a prompt are cut as TRL does: the prompt is their common beginning, up to the
    last white space before which something is left for either."""
    style: Literal["", "text", "chat"] = ""
    """How rows are written: texts, conversations, or by default texts where every record is one
    user's message and two texts."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Both columns, and neither the dialogs of HH-RLHF, lists of texts nor the steps before an
        answer of Step-DPO."""
        dialog = "prompt" not in row and str(row.get("chosen")).lstrip().startswith("Human:")
        others = row.get("rejected")
        many = isinstance(others, list) and any(isinstance(each, str) for each in others)
        both = {"chosen", "rejected"} <= row.keys()
        return both and not (dialog or many or row.get("initial_reason_steps"))

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One preference for the chosen response."""
        used = ["prompt", "chosen", "rejected", "margin"]
        said = _cut(row) if self.implicit else row
        others = fields.rest(row, *used)
        messages, responses = pair(said, others)
        unread(said, others)
        if name := conversations.system(row):
            used.append(name)
            messages = conversations.instructed(messages, row[name])
        margin = None if row.get("margin") is None else fields.number(row["margin"], "margin")
        prompt = fields.prompt(messages, row, *used)
        yield fields.make(Preference, prompt=prompt, responses=responses, prefer=1.0, margin=margin)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Decided preferences between unsplit responses; with an explicit prompt.

        A file is of one style, or other readers would not take it. The arguments of calls become
        objects.
        """
        records = map(_parsed, fields.oriented(records))
        if not self.style:
            return self._styled(records)
        chat = self.style == "chat"
        return fields.written(self, records, Preference, lambda record: _row(record, chat=chat))

    def _styled(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Rows of texts if every record allows it; they are held back until that is known."""
        chat = TrlPreference(style="chat")
        with SpooledTemporaryFile(HELD, "w+", encoding="ascii") as held:
            for record in records:
                if (line := self._line(record)) is None:
                    break
                held.write(line)
            else:
                held.seek(0)
                yield from map(json.loads, held)
                return
            held.seek(0)
            for line in held:
                yield from chat.write(self.read(json.loads(line)))
            yield from chat.write(chain([record], records))

    def _line(self, record: Record) -> str | None:
        """The row of a record that is plain text; None where it would not be read back so."""
        if not isinstance(record, Preference) or record.prefer != 1:
            return None
        row = _row(record, chat=False)
        try:
            return f"{json.dumps(row)}\n" if tuple(self.read(row)) == (record,) else None
        except (DataError, TypeError, ValueError):
            return None  # the other style says what is wrong


def _cut(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with a prompt that two texts begin with; as it is, where it has one."""
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if "prompt" in row or not (isinstance(chosen, str) and isinstance(rejected, str)):
        return row
    common = chosen[: fields.shared(chosen, rejected)]
    if len(common) == min(len(chosen), len(rejected)):
        common = common.rstrip()  # something has to be left of the shorter one
    boundary = re.match(r"(.*\S)(?=\s)", common, re.DOTALL)
    if boundary is None:
        raise DataError(
            "fields 'chosen' and 'rejected' share no beginning to be the prompt; add a 'prompt'"
            " column"
        )
    prompt = boundary[1]
    asked = [{"role": "user", "content": prompt}]
    return {"prompt": asked, "chosen": chosen[len(prompt) :], "rejected": rejected[len(prompt) :]}


def _parsed(record: Record) -> Record:
    """The record with the arguments of its calls as JSON writes objects."""
    if not isinstance(record, Preference) or not _calls(record):
        return record
    prompt = record.prompt.model_copy(
        update={"messages": conversations.parsed(record.prompt.messages)}
    )
    responses = tuple(map(_called, record.responses))
    return record.model_copy(update={"prompt": prompt, "responses": responses})


def _calls(record: Preference) -> bool:
    turns = chain(record.prompt.messages, *(response.turns for response in record.responses))
    return any(turn.tool_calls for turn in turns)


def _called(response: Response) -> Response:
    turns = conversations.parsed(response.turns)
    steps = Response.trajectory(turns).steps if turns else response.steps
    return response.model_copy(update={"turns": turns, "steps": steps})


def _row(record: Preference, *, chat: bool) -> dict[str, Any]:
    if record.prefer != 1:
        raise DataError(
            f"trl-preference has no column for a preference of {record.prefer}; leave ties and"
            " votes out"
        )
    messages = record.prompt.messages
    prompt = [openai(m, arguments="parsed") for m in messages] if chat else record.prompt.text
    chosen, rejected = (
        conversations.said(each, chat=chat, arguments="parsed") for each in record.responses
    )
    margin = {} if record.margin is None else {"margin": record.margin}
    return {
        "prompt": prompt,
        "chosen": chosen,
        "rejected": rejected,
        **margin,
        **fields.columns(record.prompt),
    }
