"""TRL's preference data: `chosen` and `rejected`, with or without a `prompt`, as text or as
conversations.

Without a prompt, it is what both begin with: whole messages of a conversation; of a text, its
common beginning up to the last white space before which something is left for either completion. A
`margin` column is the preference's margin.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.errors import DataError
from assay.types import Message, Preference, Record, Response

__all__ = ["TrlPreference"]


@dataclass(frozen=True, kw_only=True)
class TrlPreference:
    """{prompt?, chosen, rejected, margin?}: strings, or lists of {role, content} messages."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Both columns, and neither the dialogs of HH-RLHF nor lists of texts."""
        dialog = "prompt" not in row and str(row.get("chosen")).startswith("\n\nHuman:")
        others = row.get("rejected")
        many = isinstance(others, list) and any(isinstance(each, str) for each in others)
        return {"chosen", "rejected"} <= row.keys() and not dialog and not many

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One preference for the chosen response."""
        chat = isinstance(row.get("chosen"), list)
        messages, texts = _conversational(row) if chat else _standard(row)
        margin = None if row.get("margin") is None else fields.number(row["margin"], "margin")
        prompt = fields.prompt(messages, row, "prompt", "chosen", "rejected", "margin")
        responses = tuple(Response.of(text) for text in texts)
        yield fields.make(Preference, prompt=prompt, responses=responses, prefer=1.0, margin=margin)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Decided preferences between unsplit responses; with an explicit prompt."""
        return fields.written(self, fields.oriented(records), Preference, _row)


def _standard(row: Mapping[str, Any]) -> tuple[tuple[Message, ...], tuple[str, str]]:
    chosen, rejected = fields.text(row, "chosen"), fields.text(row, "rejected")
    if "prompt" in row:
        return conversations.turns(row, "prompt"), (chosen, rejected)
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
    return conversations.turns({"prompt": prompt}, "prompt"), (
        chosen[len(prompt) :],
        rejected[len(prompt) :],
    )


def _conversational(row: Mapping[str, Any]) -> tuple[tuple[Message, ...], tuple[str, str]]:
    chosen, rejected = (
        conversations.conversation(row.get(name), name) for name in ("chosen", "rejected")
    )
    prompt = conversations.turns(row, "prompt") if "prompt" in row else ()
    common = chosen[: fields.shared(chosen[:-1], rejected[:-1])]
    if not prompt or (isinstance(row["prompt"], str) and common):
        # UltraFeedback's binarized form repeats the prompt's text beside whole conversations.
        if prompt and prompt[0].content not in [message.content for message in common]:
            raise DataError(
                "field 'prompt' is not part of the conversations in 'chosen' and 'rejected'"
            )
        prompt, chosen, rejected = common, chosen[len(common) :], rejected[len(common) :]
    for name, messages in (("chosen", chosen), ("rejected", rejected)):
        if len(messages) != 1 or messages[0].role != "assistant":
            raise DataError(
                f"field {name!r}: expected one assistant message after the prompt, got"
                f" {len(messages)}"
            )
    if not prompt:
        raise DataError(
            "fields 'chosen' and 'rejected' share no first message; add a 'prompt' column"
        )
    return tuple(prompt), (chosen[0].content, rejected[0].content)


def _row(record: Preference) -> dict[str, Any]:
    messages = record.prompt.messages
    chosen, rejected = (response.text for response in record.responses)
    margin = {} if record.margin is None else {"margin": record.margin}
    if record.prefer != 1:
        raise DataError(
            f"trl-preference has no column for a preference of {record.prefer}; leave ties and"
            " votes out"
        )
    if len(messages) == 1 and messages[0].role == "user":
        body: dict[str, Any] = {
            "prompt": messages[0].content,
            "chosen": chosen,
            "rejected": rejected,
        }
    else:
        replies = ([{"role": "assistant", "content": text}] for text in (chosen, rejected))
        body = {
            "prompt": [m.model_dump() for m in messages],
            **dict(zip(("chosen", "rejected"), replies, strict=True)),
        }
    return {**body, **margin, **fields.columns(record.prompt)}
