"""What questions are about, as decision servers take it.

* Items: OpenAI's input items, one a message, call of a tool or answer to one. A call without an id
  is given one, and answers without one go to the calls in order. Reasoning has no item of its own:
  it stands in `<think>` tags before what the turn says.
* Text: the user's words as they are. Of several turns, the JSON of OpenAI's chat messages: no text
  can forge a turn there. What the system says first stands before it, after which comes a blank
  line, or apart, for servers that have a place for it.

Definitions of tools are not sent.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assay.chat import openai
from assay.data.items import ANSWERS, CALLS
from assay.data.items import items as written
from assay.errors import DataError
from assay.types import Message, Prompt

__all__ = ["has_pictures", "items", "text"]

LEADS = "system", "developer"


def has_pictures(prompt: Prompt) -> bool:
    """Whether a message holds anything but text."""
    parts = (part for message in prompt.messages for part in message.parts)
    return any(part.get("type") != "text" for part in parts)


def text(prompt: Prompt) -> tuple[str, str]:
    """Return what the system says first, and all the rest as one text."""
    messages = prompt.messages
    start = next((i for i, one in enumerate(messages) if one.role not in LEADS), len(messages))
    lead, rest = messages[:start], messages[start:]
    said = rest[0].content if len(rest) == 1 and rest[0].role == "user" else _turns(rest)
    return "\n\n".join(message.content for message in lead), said


def _turns(messages: Iterable[Message]) -> str:
    return json.dumps([openai(message) for message in messages], ensure_ascii=False)


def items(prompt: Prompt) -> str | list[dict[str, Any]]:
    """Return input items; a text where there is nothing but one.

    Raises `DataError` for an answer of a tool that was not called.
    """
    if [message.role for message in prompt.messages] == ["user"] and not prompt.messages[0].parts:
        return prompt.messages[0].content
    return list(_matched(written(map(_spoken, prompt.messages))))


def _spoken(message: Message) -> Message:
    """The message with its reasoning as words."""
    if message.reasoning is None:
        return message
    thought = f"<think>{message.reasoning}</think>"
    parts = ({"type": "text", "text": thought}, *message.parts) if message.parts else ()
    said = f"{thought}\n{message.content}" if message.content else thought
    return message.model_copy(update={"content": said, "parts": parts, "reasoning": None})


def _matched(found: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The items, each answer with the id of a call; a speaker's name has no place in them."""
    waiting: list[str] = []
    for number, item in enumerate(found):
        if item["type"] in CALLS:
            id = item["call_id"] or f"call_{number}"
            waiting.append(id)
            yield {**item, "call_id": id}
            continue
        plain = {key: value for key, value in item.items() if key != "name"}
        if item["type"] in ANSWERS:
            id = item["call_id"] or (waiting[0] if waiting else None)
            if id not in waiting:
                raise DataError("a tool answers that was not called")
            waiting.remove(id)
            plain["call_id"] = id
        yield plain
