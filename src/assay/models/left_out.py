"""What a chat template leaves out of a conversation: found before anything is scored or trained.

Many templates know no tools, and write a conversation with calls as if there were none; some know
no system message, or the last turn only. What the assistant is told, does and is answered decides
whether it is right, so such records are refused.
Reasoning, and words beside a call, are left out by design of some templates: that is said.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import Any, Final

from assay.errors import ConfigError, DataError
from assay.models.rendering import render
from assay.types import Message, ToolCall

__all__ = ["LeftOut", "held", "ignored"]

REFUSED: Final = (
    "system messages",
    "earlier turns",
    "definitions of tools",
    "calls of tools",
    "arguments of calls",
    "all but one call of a turn",
    "answers of tools",
)
BY_DESIGN: Final = "reasoning", "text beside calls"
KINDS: Final = (*REFUSED, *BY_DESIGN)


@dataclass(frozen=True)
class LeftOut:
    """What a tokenizer's chat template leaves out; tried once, when it first matters."""

    tokenizer: Any
    date: str
    parts: bool

    @cached_property
    def _ignored(self) -> frozenset[str]:
        return ignored(self.tokenizer, date=self.date, parts=self.parts)

    def check(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> str | None:
        """Return what to say of what is left out of a conversation. Raises `ConfigError` where no
        score would mean anything."""
        if not (there := held(messages, tools)):
            return None
        left_out = there & self._ignored
        if refused := [name for name in REFUSED if name in left_out]:
            raise ConfigError(
                f"the chat template ignores {', '.join(refused)}, and the conversation has such;"
                " give a tokenizer whose template writes them, or the template plain"
            )
        names = " and ".join(name for name in BY_DESIGN if name in left_out)
        return f"the chat template leaves out {names}: no score knows of them" if names else None


def held(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return which of the things that templates leave out a conversation holds."""
    calls = [message.tool_calls for message in messages if message.tool_calls]
    given = any(call.arguments.strip() not in ("", "{}") for call in chain.from_iterable(calls))
    roles = [message.role for message in messages]
    there = (
        "system" in roles,
        roles.count("user") > 1,
        bool(tools),
        bool(calls),
        given,
        any(len(each) > 1 for each in calls),
        any(message.role == "tool" for message in messages),
        any(message.reasoning for message in messages),
        any(message.tool_calls and message.content.strip() for message in messages),
    )
    return frozenset(name for name, is_there in zip(KINDS, there, strict=True) if is_there)


def ignored(tokenizer: Any, *, date: str, parts: bool) -> frozenset[str]:
    """Return what a template does not write, tried on conversations with a tool.

    What the template refuses is not ignored: a record that has it will be refused.
    """
    marks = {name: f"mark{i}x" for i, name in enumerate(KINDS)}
    system, earlier, tools, calls, arguments, others, answers, thoughts, beside = marks.values()
    call = ToolCall(name=calls, arguments=json.dumps({"x": arguments}), id="call00001")
    other = call.model_copy(update={"name": others, "id": "call00002"})

    def asks(*made: ToolCall, content: str = "") -> list[Message]:
        answer = partial(Message, role="tool", content=answers)
        told = [answer(tool_call_id=each.id, name=each.name) for each in made]
        return [Message(role="assistant", content=content, tool_calls=made), *told]

    asked, said = Message(role="user", content="Do."), Message(role="assistant", content="Done.")

    def missing(turns: Sequence[Message], *among: str, before: Sequence[Message] = ()) -> set[str]:
        told = [] if before else [_tool(tools)]
        try:
            text = render(tokenizer, [*before, asked, *turns], date=date, parts=parts, tools=told)
        except DataError:
            return set()
        return {name for name in KINDS if marks[name] in among and marks[name] not in text}

    first = [asked.model_copy(update={"content": earlier}), said]
    return frozenset(
        missing([said], system, before=[Message(role="system", content=system)])
        | missing([said], earlier, before=first)
        | missing([said], tools)
        | missing(asks(call), calls, arguments, answers)
        | missing(asks(call, other), others)
        | missing([said.model_copy(update={"reasoning": thoughts})], thoughts)
        | missing(asks(call, content=beside), beside)
    )


def _tool(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"x": {"type": "string", "description": "X."}}}
    function = {"name": name, "description": "D.", "parameters": parameters}
    return {"type": "function", "function": function}
