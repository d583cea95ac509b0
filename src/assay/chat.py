"""Messages as servers of OpenAI's chat and the chat templates of tokenizers take them."""

from typing import Any, Literal

from assay.errors import DataError
from assay.types import Message, ToolCall

__all__ = ["openai"]


def openai(message: Message, *, arguments: Literal["raw", "parsed"] = "raw") -> dict[str, Any]:
    """Write a message as OpenAI's chat has it; with parsed arguments, as chat templates want it.

    Arguments that are no JSON stay as they were written.
    """
    row: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.parts:
        row["content"] = [dict(part) for part in message.parts]
    if message.reasoning is not None:
        row["reasoning_content"] = message.reasoning
    if message.tool_calls:
        row["tool_calls"] = [_written(call, arguments) for call in message.tool_calls]
    for key in ("tool_call_id", "name"):
        if (found := getattr(message, key)) is not None:
            row[key] = found
    return {**row, **message.extra}


def _written(call: ToolCall, arguments: str) -> dict[str, Any]:
    said: Any = call.arguments
    if arguments == "parsed":
        try:
            said = call.parsed()
        except DataError:
            said = call.arguments
    extra = dict(call.extra)
    function = {"name": call.name, "arguments": said, **extra.pop("function", {})}
    id = {} if call.id is None else {"id": call.id}
    return {**id, "type": "function", "function": function, **extra}
