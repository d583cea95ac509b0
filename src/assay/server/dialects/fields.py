"""Read the fields of a request, with errors that name the field."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from assay.errors import DataError
from assay.server.dialects import Refused, Schema
from assay.server.dialects.schemas import UNUSED
from assay.types import Group, Message, Prompt, Response

__all__ = [
    "Given",
    "conversation",
    "flag",
    "inputs",
    "known",
    "laid_out",
    "message",
    "messages",
    "one_of",
    "optional",
    "reference",
    "said",
    "text",
    "texts",
    "token_ids",
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


def text(value: Any, field: str) -> str:
    """Return a text. Raises `Refused` where it is none."""
    if not isinstance(value, str):
        raise Refused(field, f"must be a text, got {type(value).__name__}")
    return value


def optional(body: Mapping[str, Any], key: str, at: str = "") -> str:
    """Return a field that is a text; "" where it is null or not there. at: as in `known`."""
    return "" if body.get(key) is None else text(body[key], f"{at}{key}")


def texts(value: Any, field: str) -> list[str]:
    """Return a list of texts. Raises `Refused` where it is none."""
    if not isinstance(value, list):
        raise Refused(field, f"must be a list of texts, got {type(value).__name__}")
    return [text(one, f"{field}[{i}]") for i, one in enumerate(value)]


def flag(body: Mapping[str, Any], field: str, default: bool = False) -> bool:
    """Return a field that is true or false; null is the default."""
    value = body.get(field)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise Refused(field, f"must be true or false, got {value!r}")
    return value


def one_of(body: Mapping[str, Any], field: str, there: Sequence[str]) -> str:
    """Return a field that is one of a few words; the first where it is null or not there."""
    value = body.get(field)
    if value is not None and value not in there:
        raise Refused(field, f"must be one of {', '.join(there)}, got {value!r}")
    return value or there[0]


def known(body: Mapping[str, Any], schema: Schema, at: str = "") -> None:
    """Raise `Refused` for a field that a schema does not have, or that cannot be honoured.

    at: the place of the body, such as "questions[0].".
    """
    fields = schema["properties"]
    for key, value in body.items():
        if key not in fields:
            raise Refused(f"{at}{key}", f"is no field; there is {', '.join(sorted(fields))}")
        if fields[key].get("enum") is UNUSED and value is not None and value is not False:
            raise Refused(f"{at}{key}", fields[key]["description"])


def message(value: Any, field: str) -> Message:
    """Return a message as OpenAI's chat has it."""
    from assay.data.conversations import message as read

    if not isinstance(value, Mapping):
        raise Refused(field, "must be a message, an object with role and content")
    try:
        return read(value, field)
    except (ValidationError, ValueError) as error:
        raise Refused(field, str(error)) from error


def messages(value: Any, field: str) -> tuple[Message, ...]:
    """Return a list of messages. Raises `Refused` where there is none in it."""
    if not isinstance(value, list) or not value:
        raise Refused(field, "must be a list of messages, one at least")
    return tuple(message(one, f"{field}[{i}]") for i, one in enumerate(value))


def conversation(value: Any, field: str) -> tuple[tuple[Message, ...], Response]:
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


def token_ids(value: Any, field: str) -> tuple[int, ...]:
    """Return token ids. Raises `Refused` where one is no whole number from 0 on."""
    if not isinstance(value, list) or not all(type(i) is int and i >= 0 for i in value):
        raise Refused(field, "must be a list of token ids, whole numbers from 0 on")
    return tuple(value)


def inputs(value: Any, field: str) -> list[Given]:
    """Return what is to be read: a text, token ids, or a list of one kind of these."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise Refused(field, "must be a text, a list of texts, or lists of token ids")
    if value and not isinstance(value[0], str | list):
        return [token_ids(value, field)]
    if value and isinstance(value[0], list):
        return [token_ids(one, f"{field}[{i}]") for i, one in enumerate(value)]
    return [*texts(value, field)]


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


def reference(value: Any, field: str) -> str | None:
    """Return a reference answer: a text or a number; None where there is none."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise Refused(field, f"must be a text or a number, got {type(value).__name__}")


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
