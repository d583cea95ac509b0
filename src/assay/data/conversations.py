"""Conversations as others write them (OpenAI, Hugging Face, ShareGPT), as messages and back.

Nothing that a source says is dropped: calls of tools, reasoning and parts have places of their own,
and a key that nothing here stands for goes to `Message.extra`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

from pydantic import ValidationError

from assay.chat import openai
from assay.data import fields, transcripts
from assay.errors import DataError
from assay.types import Message, Response, ToolCall

__all__ = [
    "asked",
    "called",
    "column",
    "conversation",
    "instructed",
    "is_context",
    "message",
    "parsed",
    "reply",
    "response",
    "said",
    "sharegpt",
    "system",
    "transcript",
    "turn",
    "turns",
    "unpacked",
    "whole",
]

SPEAKERS: Final = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "observation": "tool",
    "function_response": "tool",
    "function": "tool",
}
"""Other layouts' words for a role."""
PYTHON: Final = re.compile(r"\s*\[?\s*\{\s*'(role|from|content|value)'\s*:")
"""How messages begin that Python printed."""
CONTEXT: Final = frozenset(
    "article audio background body choices context document documents history image image_path"
    " image_url images input options paragraph passage picture premise story table video"
    " videos".split()
)
"""Columns that a question may need to be understood."""
QUESTIONS: Final = frozenset(("instruction", "problem", "prompt", "query", "question"))
"""Columns that are the prompt in many layouts."""
SYSTEM: Final = "system", "system_prompt"
"""Columns of a message that stands before the prompt."""
REASONING: Final = "reasoning_content", "reasoning", "thinking"
TEXTS: Final = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Types of parts that are text, each with the key of its text."""
KNOWN: Final = frozenset(
    ("role", "from", "content", "value", "tool_calls", "tool_call_id", "name", "function_call")
)


def turns(row: Mapping[str, Any], field: str) -> tuple[Message, ...]:
    """Read a prompt: a string is one user message, or a dialog that the assistant is to go on with;
    else a conversation that is not empty."""
    found = unpacked(fields.value(row, field), field)
    if isinstance(found, str):
        dialog = transcripts.transcript(found)
        if dialog and len(dialog) > 1 and dialog[-1] == Message(role="assistant", content=""):
            return dialog[:-1]  # "\n\nHuman: 2+3?\n\nAssistant:"
        return (fields.make(Message, role="user", content=found),)
    if isinstance(found, dict) and {"role", "from", "content", "value"}.isdisjoint(found):
        inside = next((key for key, each in found.items() if isinstance(each, list)), "KEY")
        raise DataError(
            f"field {field!r}: an object of {', '.join(found) or 'nothing'} is no message; name"
            f" what is inside of it: --columns {field}=COLUMN.{inside}, and the answers"
        )
    messages = conversation([found] if isinstance(found, dict) else found, field)
    if not messages:
        raise fields.wrong(field, "at least one message", found)
    return messages


def asked(
    row: Mapping[str, Any], field: str, found: tuple[Message, ...] = ()
) -> tuple[tuple[Message, ...], Mapping[str, Any]]:
    """Read a prompt with the row's system message before it; return it, and the row without that.

    found: the prompt's turns, where they are known. Raises `DataError` where another column looks
    like a part of a text that is the prompt.
    """
    found = found or turns(row, field)
    if isinstance(row[field], str):
        whole(row[field], row)
    if (name := system(row)) is None:
        return found, row
    return instructed(found, row[name]), fields.rest(row, name)


def system(row: Mapping[str, Any]) -> str | None:
    """Return the column of the system message, where it says something."""
    there = (name for name in SYSTEM if isinstance(row.get(name), str) and row[name])
    return next(there, None)


def instructed(messages: tuple[Message, ...], system: str) -> tuple[Message, ...]:
    """Put a system message before a conversation, once."""
    if not messages or messages[0].role not in ("system", "developer"):
        return (fields.make(Message, role="system", content=system), *messages)
    if messages[0].content != system:
        raise DataError(
            "field 'system' differs from the system message of the conversation; leave one out"
        )
    return messages


def is_context(name: str) -> bool:
    """Tell that a question may need this column to be understood."""
    return name.lower().rstrip("0123456789").rstrip("_") in CONTEXT


def whole(prompt: str, others: Mapping[str, Any], questions: frozenset[str] = QUESTIONS) -> None:
    """Refuse columns that a question may need to be understood, and that it does not repeat, and
    texts under the names of questions that say something else."""
    for name, value in others.items():
        if not value or (isinstance(value, str) and value.strip() in prompt):
            continue
        asks = name in questions or name.lower() in questions
        if is_context(name) or (asks and isinstance(value, str) and prompt.strip() not in value):
            part = "history" if name.lower() == "history" else "input"
            raise DataError(
                f"column {name!r} looks like a part of the prompt, and is not read; name the"
                f" columns that make it: --columns prompt=...,{part}={name},..."
            )


def conversation(value: object, field: str) -> tuple[Message, ...]:
    """Read a list of messages."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise fields.wrong(field, "a string or a list of {role, content} messages", value)
    return tuple(message(each, f"{field}.{i}") for i, each in enumerate(value))


def unpacked(value: object, field: str) -> object:
    """Return messages that a string holds as JSON, as tables have them; anything else as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    if PYTHON.match(value):
        raise DataError(f"field {field!r} holds messages as Python prints them; write JSON")
    try:
        found = json.loads(value)
    except ValueError:
        return value
    every = found if isinstance(found, list) else [found]
    return found if every and all(_is_message(each) for each in every) else value


def _is_message(value: object) -> bool:
    if not isinstance(value, dict) or {"content", "value", "tool_calls"}.isdisjoint(value):
        return False
    role = value.get("role", value.get("from"))
    return role in SPEAKERS or role in get_args(Message.model_fields["role"].annotation)


def message(value: Mapping[str, Any], field: str) -> Message:
    """Read one message of OpenAI's, Hugging Face's or ShareGPT's form."""
    speaker = value.get("role", value.get("from"))
    role = SPEAKERS.get(speaker, speaker) if isinstance(speaker, str) else speaker
    content = value.get("content", value.get("value"))
    if len(value) == 2 and value.get("role") == role and isinstance(value.get("content"), str):
        # By far the most, so that reading a file stays quick.
        return fields.make(Message, role=role, content=content)
    calls = _calls(value, field)
    if speaker == "function_call" and isinstance(content, str):
        calls, content = _said_call(content, f"{field}.value"), ""
    if (result := _result(content, f"{field}.content")) is not None:
        return message({"role": "tool", **result}, field)
    said, parts = _content(content, f"{field}.content")
    calls, parts = (*calls, *_used(parts, f"{field}.content")), _without(parts, "tool_use")
    thoughts = {key: value[key] for key in REASONING if isinstance(value.get(key), str)}
    signed: dict[str, Any] = {}
    if not thoughts and (thought := _thought(parts)) is not None:
        for part in parts:
            if part["type"] in ("thinking", "reasoning"):
                signed |= fields.rest(part, "type", part["type"], "text")
        thoughts, parts = {"thinking": thought}, _without(parts, "thinking", "reasoning")
    if len(parts) == 1 and parts[0] == {"type": "text", "text": said}:
        parts = ()
    first = next(iter(thoughts), None)
    extra = signed | {
        key: each
        for key, each in value.items()
        if key not in KNOWN and key != first and each is not None
    }
    if said is None:
        if not (calls or thoughts):
            raise DataError(f"field '{field}.content': a message without content says nothing")
        said = ""
    return fields.make(
        Message,
        role=role,
        content=said,
        reasoning=thoughts[first] if first else None,
        tool_calls=calls,
        tool_call_id=value.get("tool_call_id"),
        name=value.get("name"),
        parts=parts,
        extra=extra,
    )


def _content(value: object, field: str) -> tuple[str | None, tuple[dict[str, Any], ...]]:
    """The text of a content, and its parts where it is more than one text."""
    if value is None or isinstance(value, str):
        return value, ()
    if not isinstance(value, list):
        raise fields.wrong(field, "a string or a list of parts", value)
    parts = []
    for i, part in enumerate(value):
        part = {"type": "text", "text": part} if isinstance(part, str) else part
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise fields.wrong(f"{field}.{i}", "a part with a type", part)
        # Tables give every part the keys of all, with nulls.
        part = {key: each for key, each in part.items() if each is not None}
        if key := TEXTS.get(part["type"]):
            part = {
                "type": "text",
                "text": fields.text(part, key),
                **fields.rest(part, "type", key),
            }
        elif part.get("text") and part["type"] not in REASONING:
            raise DataError(
                f"field '{field}.{i}': a part of type {part['type']!r} with a text is not read; a"
                f" text is of type {', '.join(TEXTS)}"
            )
        parts.append(part)
    return "".join(part["text"] for part in parts if part["type"] == "text"), tuple(parts)


def _without(parts: tuple[dict[str, Any], ...], *types: str) -> tuple[dict[str, Any], ...]:
    return tuple(part for part in parts if part["type"] not in types)


def _thought(parts: tuple[dict[str, Any], ...]) -> str | None:
    """The reasoning that Anthropic's and others' parts hold; None where none does."""
    found = [
        part.get(part["type"], part.get("text"))
        for part in parts
        if part["type"] in ("thinking", "reasoning")
    ]
    texts = [text for text in found if isinstance(text, str)]
    return "\n\n".join(texts) if texts and len(texts) == len(found) else None


def _used(parts: tuple[dict[str, Any], ...], field: str) -> tuple[ToolCall, ...]:
    """Calls of tools as Anthropic's parts: {type: tool_use, id, name, input}."""
    used = (part for part in parts if part["type"] == "tool_use")
    return tuple(
        call({"arguments": each.get("input"), **fields.rest(each, "type", "input")}, field)
        for each in used
    )


def _result(value: object, field: str) -> dict[str, Any] | None:
    """The one result of a tool that a message of Anthropic's form is; None where it is none."""
    parts = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    results = [part for part in parts if part.get("type") == "tool_result"]
    if not results:
        return None
    if len(parts) > 1:
        raise DataError(
            f"field {field!r}: a tool's result beside other parts is not read; give each a message"
            " of its own, {role: tool, tool_call_id, content}"
        )
    (only,) = results
    said = only.get("content")
    return {"tool_call_id": only.get("tool_use_id"), "content": "" if said is None else said}


def _calls(value: Mapping[str, Any], field: str) -> tuple[ToolCall, ...]:
    found = value.get("tool_calls")
    if isinstance(found, str):
        found = _json(found, f"{field}.tool_calls")
    if isinstance(found, list):  # Tables hold calls of unlike arguments as JSON.
        found = [_json(x, f"{field}.tool_calls") if isinstance(x, str) else x for x in found]
    if found is None:
        found = []
    if isinstance(value.get("function_call"), dict):
        found = [*found, value["function_call"]]
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise fields.wrong(f"{field}.tool_calls", "a list of calls", found)
    return tuple(call(each, f"{field}.tool_calls.{i}") for i, each in enumerate(found))


def call(value: Mapping[str, Any], field: str) -> ToolCall:
    """Read one call: {id, type, function: {name, arguments}}, or flat {id, name, arguments}."""
    inner = value.get("function")
    function = inner if isinstance(inner, dict) else value
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = json.dumps({} if arguments is None else arguments, ensure_ascii=False)
    known = ("id", "function", "name", "arguments")
    extra = {key: each for key, each in value.items() if key not in known and each is not None}
    if extra.get("type") == "function":
        del extra["type"]
    if inner is function and (more := fields.rest(function, "name", "arguments")):
        extra["function"] = more
    name = fields.text(function, "name") if "name" in function else None
    if name is None:
        raise DataError(f"field {field!r}: a call needs the name of its tool")
    return fields.make(ToolCall, name=name, arguments=arguments, id=value.get("id"), extra=extra)


def _said_call(text: str, field: str) -> tuple[ToolCall, ...]:
    """Calls that ShareGPT writes as JSON in the text of a turn."""
    found = _json(text, field)
    every = found if isinstance(found, list) else [found]
    if not every or not all(isinstance(each, dict) for each in every):
        raise fields.wrong(field, "a call of a tool as JSON", found)
    return tuple(call(each, f"{field}.{i}") for i, each in enumerate(every))


def _json(text: str, field: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"field {field!r} is no JSON: {error}") from error


def response(messages: Sequence[Message], **others: Any) -> Response:
    """Make a response of the messages that answer: one text, or a trajectory of several turns.

    others: the response's other fields.
    """
    if len(messages) == 1 and messages[0] == Message(role="assistant", content=messages[0].content):
        text = messages[0].content
        return fields.make(Response, steps=(text,) if text else (), **others)
    try:
        return Response.trajectory(messages, **others)
    except ValidationError as error:
        raise DataError(fields.explain(error)) from error


def reply(value: object, prompt: Sequence[Message], field: str, **others: Any) -> Response:
    """Read an answer to a prompt: a text, a message, or messages that may repeat the prompt."""
    value = unpacked(value, field)
    if isinstance(value, str):
        return fields.make(Response, steps=(value,) if value else (), **others)
    if isinstance(value, dict):
        value = [value]
    messages = conversation(value, field)
    if messages[: len(prompt)] == tuple(prompt):
        messages = messages[len(prompt) :]
    if not messages:
        raise DataError(f"field {field!r}: there is no answer after the prompt")
    if messages[0].role != "assistant":
        raise DataError(
            f"field {field!r}: expected the assistant's answer, or the prompt's messages and then"
            f" the answer; its first other message is the {messages[0].role}'s"
        )
    return response(messages, **others)


def column(messages: Sequence[Message]) -> str | list[dict[str, Any]]:
    """Write a prompt as `turns` reads it: one user's text is a string."""
    if len(messages) == 1 and messages[0] == Message(role="user", content=messages[0].content):
        return messages[0].content
    return [openai(each) for each in messages]


def said(
    response: Response, *, chat: bool, arguments: Literal["raw", "parsed"] = "raw"
) -> str | list[dict[str, Any]]:
    """Write an answer as `reply` reads it: as messages beside a conversation."""
    if response.turns:
        return [openai(each, arguments=arguments) for each in response.turns]
    return [{"role": "assistant", "content": response.text}] if chat else response.text


def parsed(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return messages with the arguments of calls as they are read from objects."""
    return tuple(
        message(openai(each, arguments="parsed"), "messages") if each.tool_calls else each
        for each in messages
    )


def called(response: Response) -> Response:
    """Return a response with the arguments of its calls as they are read from objects."""
    if not any(turn.tool_calls for turn in response.turns):
        return response
    turns = parsed(response.turns)
    steps = Response.trajectory(turns).steps
    return response.model_copy(update={"turns": turns, "steps": steps})


def transcript(response: Response) -> str:
    """Write a response for a reader: of a trajectory every turn, with who speaks."""
    if not response.turns:
        return response.text
    return "\n\n".join(map(turn, response.turns))


def turn(message: Message) -> str:
    """Write a turn for a reader: who speaks, then all that is said."""
    speaker = message.role if message.name is None else f"{message.role} {message.name}"
    return f"[{speaker}] {message.text}"


def sharegpt(message: Message) -> dict[str, Any]:
    """Write a message of text as ShareGPT has it. Raises `DataError` for what it has no place
    for."""
    names = {"user": "human", "assistant": "gpt", "tool": "observation"}
    plain = Message(role=message.role, content=message.content)
    if message.role == "assistant" and message.tool_calls and not message.content:
        called = [{"name": c.name, "arguments": c.parsed()} for c in message.tool_calls]
        plain = plain.model_copy(update={"tool_calls": message.tool_calls})
        row = {"from": "function_call", "value": json.dumps(called, ensure_ascii=False)}
    else:
        row = {"from": names.get(message.role, message.role), "value": message.content}
    if message != plain:
        raise DataError("a conversation of ShareGPT holds texts, and calls that stand alone")
    return row
