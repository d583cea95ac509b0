"""Chat templates: the text that a tokenizer's own template makes of a conversation, and where a
response is in it.

Templates change what they are given: they trim it (Llama 3, Gemma), rewrite or drop its reasoning
(Qwen3, DeepSeek), or want it as a list of parts (vision-language models). So every response is
rendered by the template itself, and found in the result by what the template writes around a
marker.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

from assay.chat import openai
from assay.errors import ConfigError, DataError
from assay.types import Message

__all__ = [
    "SENTINEL",
    "Show",
    "Surroundings",
    "aligned",
    "common",
    "cut_out",
    "marker",
    "only_text",
    "render",
    "surroundings",
    "takes_parts",
    "template_hash",
    "unclosed",
]

SENTINEL = "\u2063response\u2063"
"""Stands for a response, or for a place in it, while a chat template is rendered; templates leave
it alone."""

_FIXED_DATE = "{%- macro strftime_now(format) -%}{{ date_string }}{%- endmacro -%}"
"""Put before a template that asks for today's date, so that it gets the layout's."""

_THOUGHT = "<think>", "</think>"


Show = Callable[[Sequence[Message]], str]
"""Renders messages: `render` with everything else given."""


class Surroundings(NamedTuple):
    """What a template writes before and after a response that is one marker."""

    head: str
    tail: str


def render(
    tokenizer: Any,
    messages: Sequence[Message],
    *,
    date: str,
    parts: bool = False,
    tools: Sequence[Mapping[str, Any]] = (),
    begin: bool = False,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """The chat template's text for a conversation, on a fixed date.

    The template is given whole messages: calls with their arguments as JSON, reasoning, names.
    parts: give contents as lists of parts, `[{"type": "text", "text": ...}]`. begin: add what the
    template has a model go on from. settings: the template's own, such as `enable_thinking`. Raises
    `DataError` when the template refuses the conversation or there is more than text in it,
    `ConfigError` when it gives no text.
    """
    from jinja2 import TemplateError

    only_text(messages)
    turns = [openai(message, arguments="parsed") for message in messages]
    for turn, message in zip(turns, messages, strict=True):
        turn["content"] = [{"type": "text", "text": message.content}] if parts else message.content
    try:
        # Of several templates the tokenizer knows which is meant.
        given = {"tools": [dict(tool) for tool in tools]} if tools else {}
        template = tokenizer.get_chat_template(**given)
        text = tokenizer.apply_chat_template(
            turns,
            chat_template=_FIXED_DATE + template if "strftime_now" in template else None,
            tokenize=False,
            add_generation_prompt=begin,
            **{"date_string": date, **settings, **given},
        )
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
        roles = ", ".join(m.role for m in messages)
        raise DataError(
            f"the chat template refuses a conversation of {roles}: {error}; use the template plain"
        ) from error
    if not isinstance(text, str):
        raise ConfigError("the chat template gives no text; give the template plain")
    return text


def template_hash(tokenizer: Any, known: str | None) -> str:
    """Return the chat template's hash. Raises `ConfigError` where there is no template, or another
    one than is known."""
    template = tokenizer.chat_template
    if template is None:
        raise ConfigError(
            "the tokenizer has no chat template, as those of base models; give the template plain"
            " (`--template plain`), or a tokenizer that has one"
        )
    found = hashlib.sha256(str(template).encode()).hexdigest()
    if known not in (None, found):
        raise ConfigError(
            f"the chat template's hash is {found[:12]}, but the model was trained with"
            f" {str(known)[:12]}: scores would drift; restore the tokenizer"
            " saved with the model"
        )
    return found


def only_text(messages: Sequence[Message]) -> None:
    """Raise `DataError` where a message holds what a model of text cannot see."""
    kinds = {str(part["type"]) for message in messages for part in message.parts} - {"text"}
    if kinds:
        raise DataError(
            f"a message holds {', '.join(sorted(kinds))}, and the model reads text alone; leave"
            " such records out"
        )


def takes_parts(tokenizer: Any, date: str) -> bool:
    """Return whether the template writes contents only where they are lists of parts, as
    vision-language models' do."""
    probe = [Message(role="user", content=SENTINEL), Message(role="assistant", content=SENTINEL)]

    def writes(parts: bool) -> bool:
        try:
            return render(tokenizer, probe, date=date, parts=parts).count(SENTINEL) == len(probe)
        except (ConfigError, DataError):
            return False

    return not writes(False) and writes(True)


def surroundings(
    show: Show, before: Sequence[Message], after: Sequence[Message] = ()
) -> Surroundings:
    """Return what the template writes around an assistant's answer that is one text.

    show: renders messages. Raises `ConfigError` where it does not write the answer.
    """
    mark = marker([m.content for m in (*before, *after)])
    text = show([*before, Message(role="assistant", content=mark), *after])
    head, found, tail = text.rpartition(mark)
    if not found:
        raise ConfigError(
            "the chat template does not write the assistant's text, neither as a text nor as a list"
            " of parts; give the template plain, or a tokenizer whose template does"
        )
    return Surroundings(head, tail)


def marker(texts: Sequence[str]) -> str:
    """A marker that none of the texts holds."""
    mark = SENTINEL
    while any(mark in text for text in texts):
        mark += "\u2063"
    return mark


def cut_out(around: Surroundings, text: str) -> tuple[str, str, str]:
    """A rendered conversation as what stands before the response, the response, and what stands
    after it.

    Where the template writes something else around this response than around a marker (a block of
    reasoning that is not empty), what both have in common stands before and after.
    """
    head, tail = around
    if not text.startswith(head):
        head = common(head, text)
    rest = text[len(head) :]
    if not rest.endswith(tail):
        tail = common(tail[::-1], rest[::-1])[::-1]
    return head, rest[: len(rest) - len(tail)], tail


def unclosed(text: str) -> bool:
    """Return whether the text ends within a block of reasoning."""
    begin, end = _THOUGHT
    return text.rfind(begin) > text.rfind(end)


def aligned(steps: Sequence[str], text: str) -> list[str]:
    """The steps as they stand in a text that has them with other white space, or without some of
    their beginning.

    Cuts follow the characters that are not white space, counted from the end.
    """
    whole = "".join(steps)
    if text == whole:
        return list(steps)
    places = [i for i, character in enumerate(text) if not character.isspace()]
    after = len("".join(whole.split()))
    cuts = [0]
    for step in steps[:-1]:
        after -= len("".join(step.split()))
        index = len(places) - after
        if index <= 0:
            cuts.append(0)
            continue
        start = places[index - 1] + 1
        end = places[index] if index < len(places) else len(text)
        # White space at the end of a step stays with it, as far as the template left any.
        cuts.append(max(cuts[-1], min(start + len(step) - len(step.rstrip()), end)))
    return [text[a:b] for a, b in pairwise([*cuts, len(text)])]


def common(a: str, b: str) -> str:
    """Return what both texts begin with."""
    least = min(len(a), len(b))
    return a[: next((i for i in range(least) if a[i] != b[i]), least)]
