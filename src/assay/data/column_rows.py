"""The parts of a record, as the rows of named columns have them: what `assay.data.columns` reads
back."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

from assay.chat import openai
from assay.data import conversations, winners
from assay.data.records import prompt_of, responses_of
from assay.data.steps import parted
from assay.errors import DataError
from assay.types import Group, Message, Preference, Ranking, Record, Response, StepLabels

__all__ = ["EACH", "MODELS", "SIDES", "as_sharegpt", "said"]

EACH: Final = "each."
"""Before the name that a column about each response has in their `meta`."""
MODELS: Final = {"response": "model", "first": "first_model", "second": "second_model"}
"""The part that names who gave a response."""
SIDES: Final = "chosen", "rejected"
LISTED: Final = "conversations", "messages", "trajectory"
"""Columns that hold messages, be it a single one."""


def said(record: Record, there: Mapping[str, str], separator: str) -> dict[str, Any]:
    """Return the parts of a record, as its row has them. there: paths of the layout's parts."""
    prompt = prompt_of(record)
    turns = prompt.messages
    parts: dict[str, Any] = {}
    if "system" in there and turns and turns[0].role == "system":
        parts["system"], turns = turns[0].content, turns[1:]
    elif "system" in there and not there["system"].endswith("?"):
        parts["system"] = ""
    if "history" in there and (pairs := conversations.paired(turns[:-1])):
        parts["history"], turns = pairs, turns[-1:]
    if "input" in there:
        parts["input"] = ""
    if prompt.tools:
        parts["tools"] = [dict(tool) for tool in prompt.tools]
    parts |= {key: value for key in ("id", "reference") if (value := getattr(prompt, key))}
    if "solution" in prompt.meta:
        parts["solution"] = parts["boxed"] = prompt.meta["solution"]
    asked: Any = conversations.column(turns)
    if there.get("prompt", "").rpartition(".")[2] in LISTED:
        asked = [openai(turn) for turn in turns]
    if "messages" in there:
        replied = [conversations.said(each, chat=True) for each in responses_of(record)[:1]]
        parts["messages"] = [*map(openai, turns), *chain.from_iterable(replied)]
    else:
        parts["prompt"] = asked
    chat = not isinstance(asked, str)
    if isinstance(record, Preference):
        judged = "first" in there
        answers = _judged(record, chat) if judged else _pair(record, there, turns, chat)
    elif isinstance(record, Group):
        answers = _several(record, there, chat)
    else:
        answers = _labelled(record, separator, chat) if isinstance(record, StepLabels) else {}
    return parts | answers


def _several(record: Group, there: Mapping[str, str], chat: bool) -> dict[str, Any]:
    """The parts of a group: its responses, or its only one, and their grades."""
    written = [conversations.said(each, chat=chat) for each in record.responses]
    parts: dict[str, Any] = {"responses": written, **_details(record.responses, there)}
    if len(written) == 1:
        parts |= {"response": written[0], **_models(record.responses, ("response",))}
    if isinstance(record, Ranking):
        parts["scores"] = list(record.grades)
        parts["ranks"] = [-grade for grade in record.grades]
        parts["score"] = record.grades[0] if record.grades else None
        graded = list(zip(written, record.grades, strict=True))
        parts["right"] = [each for each, grade in graded if grade == 1]
        parts["wrong"] = [each for each, grade in graded if grade == 0]
    return parts


def _labelled(record: StepLabels, separator: str, chat: bool) -> dict[str, Any]:
    """The parts of a response with labels."""
    return {
        "response": conversations.said(record.response, chat=chat),
        "label": record.labels[-1] if record.labels else None,
        "steps": parted(record.response.steps, separator),
        "labels": list(record.labels),
        **_models((record.response,), ("response",)),
    }


def _models(responses: Sequence[Response], sides: Sequence[str]) -> dict[str, Any]:
    """Who gave each response."""
    return {
        MODELS[side]: each.meta["model"]
        for side, each in zip(sides, responses, strict=True)
        if "model" in each.meta
    }


def _details(responses: Sequence[Response], there: Mapping[str, str]) -> dict[str, Any]:
    """Return what `_more` reads back."""
    found: dict[str, list[Any]] = {"finished": [each.finished for each in responses]}
    if any(each.stop is not None for each in responses):
        found["stop"] = [each.stop for each in responses]
    for part in there:
        name = part.removeprefix(EACH)
        if part.startswith(EACH) and any(name in each.meta for each in responses):
            found[part] = [each.meta.get(name) for each in responses]
    several = "responses" in there or not responses
    return found if several else {part: each[0] for part, each in found.items()}


def as_sharegpt(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts with messages as a column of the name `conversations` has them."""
    row = dict(said)
    for part in ("prompt", "messages"):
        if part in said:
            turns = conversations.turns(said, part)
            row[part] = [conversations.sharegpt(turn) for turn in turns]
    for side in SIDES:
        if side in said:
            reply = said[side]
            turns = conversations.turns({side: reply}, side)
            if len(turns) > 1:
                raise DataError("ShareGPT has a single message for an answer")
            if isinstance(reply, str):
                turns = (Message(role="assistant", content=reply),)
            (row[side],) = map(conversations.sharegpt, turns)
    if "tools" in said:
        row["tools"] = json.dumps(said["tools"], ensure_ascii=False)
    return row


def _pair(
    record: Preference, there: Mapping[str, str], asked: Sequence[Message], chat: bool
) -> dict[str, Any]:
    """The parts of a pair; the answers as whole conversations where the prompt is no part."""
    said: dict[str, Any] = {}
    responses = record.responses
    first, second = (response.steps for response in responses)
    if "opening" in there:
        shared = len(first) == len(second) == 2 and first[0] == second[0]
        said["opening"] = first[0] if shared else ""
        if shared:
            responses = tuple(Response(steps=each.steps[1:]) for each in responses)
    for side, response in zip(SIDES, responses, strict=True):
        said[side] = conversations.said(
            response, chat=chat and not there.get(side, "").endswith("response")
        )
        if {"prompt", "messages"}.isdisjoint(there):
            replied = conversations.said(response, chat=True)
            said[side] = [*map(openai, asked), *replied]
        if f"{side}_score" in there and "score" in response.meta:
            said[f"{side}_score"] = response.meta["score"]
    if record.margin is not None:
        said["margin"] = record.margin
    return said


def _judged(record: Preference, chat: bool) -> dict[str, Any]:
    """The parts of a pair that was judged."""
    said = winners.said(record.prefer, record.margin)
    for side, response in zip(("first", "second"), record.responses, strict=True):
        said[side] = conversations.said(response, chat=chat)
    return said | _models(record.responses, ("first", "second"))
