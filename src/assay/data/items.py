"""Items of OpenAI's Responses API as messages, and back: reasoning, what is said and the calls of
one turn are one message of the assistant."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from assay.data import conversations, fields
from assay.errors import DataError
from assay.types import Message, ToolCall

__all__ = ["items", "messages", "stop_of"]

TEXTS: Final = "input_text", "output_text", "text"
CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
"""Types of calls, each with the key of what the tool is given."""
ANSWERS: Final = "function_call_output", "custom_tool_call_output"
_SILENT: Final = Message(role="assistant", content="")


def messages(value: object, field: str) -> list[Message]:
    """Read a text, or items. Raises `DataError` for a type that has no place in a message."""
    if isinstance(value, str):
        return [fields.make(Message, role="user", content=value)]
    found: list[Message] = []
    fresh = True  # whether the next item of the assistant begins a turn
    for i, item in enumerate(fields.mappings({field: value}, field)):
        place, kind = f"{field}.{i}", fields.text({"type": item.get("type") or "message"}, "type")
        if kind in ANSWERS or (kind == "message" and item.get("role") != "assistant"):
            found.append(_other(item, kind, place))
            fresh = True
            continue
        turn = None if fresh else _grown(found[-1], item, kind, place)
        fresh = False
        if turn is not None:
            found[-1] = turn
        elif (turn := _grown(_SILENT, item, kind, place)) is not None:
            found.append(turn)
    return found


def _other(item: Mapping[str, Any], kind: str, field: str) -> Message:
    """A message of somebody else, or what a tool answered."""
    if kind == "message":
        role, said, id = item.get("role"), item.get("content"), None
    else:
        role, said, id = "tool", item.get("output"), item.get("call_id")
    more = {"type": kind} if kind == "custom_tool_call_output" else {}
    read = {"role": role, "content": _parts(said), "tool_call_id": id, "name": item.get("name")}
    return conversations.message({**read, **more}, field)


def _grown(last: Message, item: Mapping[str, Any], kind: str, field: str) -> Message | None:
    """The assistant's turn with an item more; None where the item begins another turn."""
    if kind == "reasoning":
        return None if last != _SILENT else last.model_copy(update={"reasoning": _thought(item)})
    if kind == "message":
        if last.content or last.parts or last.tool_calls:
            return None
        said = conversations.message(
            {"role": "assistant", "content": _parts(item.get("content"))}, field
        )
        return last.model_copy(update={"content": said.content, "parts": said.parts})
    if kind in CALLS:
        call = fields.make(
            ToolCall,
            name=item.get("name"),
            arguments=item.get(CALLS[kind]),
            id=item.get("call_id"),
            extra={} if kind == "function_call" else {"type": kind},
        )
        return last.model_copy(update={"tool_calls": (*last.tool_calls, call)})
    raise DataError(
        f"field {field!r}: an item of type {kind!r} has no place in a conversation; there is"
        f" message, reasoning, {', '.join([*CALLS, *ANSWERS])}"
    )


def _thought(item: Mapping[str, Any]) -> str:
    """The text of a reasoning item, else of its summary; of what is encrypted, empty."""
    for key in ("content", "summary"):
        if item.get(key):
            parts = fields.mappings(item, key)
            return "\n\n".join(fields.text(part, "text") for part in parts)
    return ""


def _parts(value: object) -> object:
    """Parts in the form of OpenAI's chat."""
    if value is None:
        return ""
    if not isinstance(value, list):
        return value
    return [_part(part) if isinstance(part, dict) else part for part in value]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("type") in TEXTS:
        return {"type": "text", "text": part.get("text")}
    if part.get("type") == "input_image" and isinstance(part.get("image_url"), str):
        image = {"url": part["image_url"], **fields.rest(part, "type", "image_url")}
        return {"type": "image_url", "image_url": image}
    return dict(part)


def items(said: Iterable[Message]) -> list[dict[str, Any]]:
    """Write messages as items, those of a turn in the order in which it is read."""
    found: list[dict[str, Any]] = []
    for message in said:
        found += _answered(message) if message.role == "assistant" else [_asked(message)]
    return found


def _asked(message: Message) -> dict[str, Any]:
    content = _written(message, "input_text")
    name = {} if message.name is None else {"name": message.name}
    if message.role != "tool":
        return {"type": "message", "role": message.role, "content": content, **name}
    kind = message.extra.get("type", "function_call_output")
    return {"type": kind, "call_id": message.tool_call_id, "output": content, **name}


def _answered(message: Message) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if message.reasoning is not None:
        summary = [{"type": "summary_text", "text": message.reasoning}] if message.reasoning else []
        found.append({"type": "reasoning", "summary": summary})
    if message.content or message.parts or not (message.tool_calls or found):
        content = _written(message, "output_text")
        if isinstance(content, str):
            content = [{"type": "output_text", "text": content}]
        found.append({"type": "message", "role": "assistant", "content": content})
    for call in message.tool_calls:
        kind = call.extra.get("type", "function_call")
        if kind not in CALLS:
            raise DataError(f"a call of type {kind!r} is no item of the Responses API")
        found.append(
            {"type": kind, "call_id": call.id, "name": call.name, CALLS[kind]: call.arguments}
        )
    return found


def _written(message: Message, text: str) -> str | list[dict[str, Any]]:
    """The content of a message as it stands in an item."""
    if not message.parts:
        return message.content
    return [_part_written(part, text) for part in message.parts]


def _part_written(part: Mapping[str, Any], text: str) -> dict[str, Any]:
    if part["type"] == "text":
        return {**part, "type": text}
    if part["type"] == "image_url" and isinstance(part.get("image_url"), dict):
        image = part["image_url"]
        return {"type": "input_image", "image_url": image.get("url"), **fields.rest(image, "url")}
    return dict(part)


def stop_of(response: Mapping[str, Any]) -> str | None:
    """Return why a response is incomplete, as it says."""
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    return reason if isinstance(reason, str) else None
