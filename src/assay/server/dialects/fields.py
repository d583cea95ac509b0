"""Read the fields of a request, with errors that name the field."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from assay.errors import DataError
from assay.server.dialects import Refused
from assay.types import Group, Message, Prompt, Response

__all__ = [
    "Given",
    "conversation",
    "inputs",
    "laid_out",
    "message",
    "messages",
    "reference",
    "said",
]

Given = str | tuple[int, ...]
"""What others laid out: a text with its special tokens, or token ids."""

ENDS: Final = re.compile(r"(?:<\|[^<>|\s]+\|>|<｜[^<>｜]+｜>|</s>|<eos>|<end_of_turn>)\Z")
"""Special tokens with which chat templates end a turn or a text."""
LONGEST: Final = 64
"""Characters of such a token, at most."""
BEGINS: Final = re.compile(
    r"<\|im_start\|>assistant\n|<\|start_header_id\|>assistant<\|end_header_id\|>\n\n"
    r"|<start_of_turn>model\n|<\|assistant\|>\n?|<｜Assistant｜>|\[/INST\]"
)
"""What chat templates write before an assistant's turn."""


def message(value: Mapping[str, Any], field: str) -> Message:
    """Return a message as OpenAI's chat has it."""
    from assay.data.conversations import message as read

    try:
        return read(value, field)
    except (ValidationError, ValueError) as error:
        raise Refused(field, str(error)) from error


def messages(value: Sequence[Mapping[str, Any]], field: str) -> tuple[Message, ...]:
    """Return messages as OpenAI's chat has them."""
    return tuple(message(one, f"{field}[{i}]") for i, one in enumerate(value))


def conversation(
    value: Sequence[Mapping[str, Any]], field: str
) -> tuple[tuple[Message, ...], Response]:
    """Cut a conversation behind its last user message: what is asked, and the response."""
    from assay.data.conversations import response

    every = messages(value, field)
    asked = max((i + 1 for i, each in enumerate(every) if each.role == "user"), default=0)
    if asked == len(every) or every[asked].role != "assistant":
        raise Refused(field, "must end with the assistant's response to the last user message")
    try:
        return every[:asked], response(every[asked:])
    except DataError as error:
        raise Refused(field, str(error)) from error


def inputs(value: Any) -> list[Given]:
    """Return what is to be read: a text, token ids, or a list of one kind of these."""
    if isinstance(value, str):
        return [value]
    if value and isinstance(value[0], int):
        return [tuple(value)]
    return [one if isinstance(one, str) else tuple(one) for one in value]


def said(text: str) -> str:
    """Return what a response says: its text without the special tokens that end it."""
    end = place = len(text)
    # From the end, token by token: a pattern of them all would take the square of their number.
    while place:
        if text[place - 1].isspace():
            place -= 1
        elif found := ENDS.search(text[max(0, place - LONGEST) : place]):
            end = place = place - len(found[0])
        else:
            break
    return text[:end]


def reference(body: Mapping[str, Any], field: str) -> str | None:
    """Return a reference answer, which may be a number; None where there is none."""
    return None if body.get(field) is None else str(body[field])


def _before(text: str) -> str:
    """The part of a text that stands before the assistant's last words, as chat templates write."""
    ends = [found.end() for found in BEGINS.finditer(text)]
    return text[: ends[-1]] if ends else ""


def laid_out(given: Given, *, prompt: str = "", reference: str | None = None) -> Group:
    """Return a group of one response that others laid out.

    Models read all of it as it is. Scorers that read texts get the prompt's part as the question
    and what follows as the response. Where the prompt is not known, it ends where the last turn of
    the assistant begins; without such turns all of the text is the response. Of token ids scorers
    of texts can get nothing.
    """
    steps: tuple[str, ...] = ()
    if isinstance(given, str):
        prompt = prompt or _before(given)
        place = given.find(prompt)
        steps = (said(given if place < 0 else given[place + len(prompt) :]),)
    question = (Message(role="user", content=prompt),) if prompt else ()
    return Group(
        prompt=Prompt(messages=question, reference=reference),
        responses=(Response(steps=steps, rendered=given),),
    )
