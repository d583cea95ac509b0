"""The parts of a record, as a row with named columns has them: what `Columns` reads, the other way
round."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

from assay.chat import openai
from assay.data import conversations, fields, paths, winners
from assay.data.records import prompt_of, responses_of
from assay.data.steps import parted
from assay.errors import DataError
from assay.types import Group, Message, Preference, Ranking, Record, Response, StepLabels

__all__ = ["EACH", "SIDES", "as_sharegpt", "history", "parts_of"]

EACH: Final = "each."
"""Before the name that a column about each response has in their `meta`."""
SIDES: Final = "chosen", "rejected"
LISTED: Final = "conversations", "messages", "trajectory"
"""Columns that hold messages, be it a single one."""


def parts_of(record: Record, there: Mapping[str, str], separator: str) -> dict[str, Any]:
    """The parts of a record, as its row has them."""
    prompt = prompt_of(record)
    turns = prompt.messages
    said: dict[str, Any] = {}
    if "system" in there and turns and turns[0].role == "system":
        said["system"], turns = turns[0].content, turns[1:]
    elif "system" in there and not there["system"].endswith("?"):
        said["system"] = ""
    if "history" in there and (pairs := _pairs(turns[:-1])):
        said["history"], turns = pairs, turns[-1:]
    if "input" in there:
        said["input"] = ""
    if prompt.tools:
        said["tools"] = [dict(tool) for tool in prompt.tools]
    said |= {key: value for key in ("id", "reference") if (value := getattr(prompt, key))}
    if "solution" in prompt.meta:
        said["solution"] = said["boxed"] = prompt.meta["solution"]
    asked: Any = conversations.column(turns)
    if paths.first(there.get("prompt", "")).rpartition(".")[2] in LISTED:
        asked = [openai(turn) for turn in turns]
    chat = not isinstance(asked, str)
    if "messages" in there:
        replied = [conversations.said(each, chat=True) for each in responses_of(record)[:1]]
        said["messages"] = [*map(openai, turns), *chain.from_iterable(replied)]
    else:
        said["prompt"] = asked
    if isinstance(record, Preference) and "first" in there:
        said |= _said_of_judged(record, chat)
    elif isinstance(record, Preference):
        said |= _said_of_pair(record, there, turns, chat)
    elif isinstance(record, Group):
        said |= _said_of_group(record, there, chat)
    elif isinstance(record, StepLabels):
        said |= _details([record.response], there)
        said["response"] = conversations.said(record.response, chat=chat)
        said["label"] = record.labels[-1] if record.labels else None
        said["steps"] = parted(record.response.steps, separator)
        said["labels"] = list(record.labels)
    return said


def _said_of_group(record: Group, there: Mapping[str, str], chat: bool) -> dict[str, Any]:
    """The parts of a pool, ranked or not."""
    said: dict[str, Any] = {}
    written = [conversations.said(each, chat=chat) for each in record.responses]
    said["responses"] = written
    said |= _details(record.responses, there)
    if len(written) == 1:
        said["response"] = written[0]
    if isinstance(record, Ranking):
        said["scores"] = list(record.grades)
        said["ranks"] = [-grade for grade in record.grades]
        said["score"] = record.grades[0] if record.grades else None
        graded = list(zip(written, record.grades, strict=True))
        said["right"] = [each for each, grade in graded if grade == 1]
        said["wrong"] = [each for each, grade in graded if grade == 0]
    return said


def _said_of_judged(record: Preference, chat: bool) -> dict[str, Any]:
    """The parts of a pair that was judged."""
    said = winners.said(record.prefer, record.margin)
    for side, response in zip(("first", "second"), record.responses, strict=True):
        said[side] = conversations.said(response, chat=chat)
        if "model" in response.meta:
            said[f"{side}_model"] = response.meta["model"]
    return said


def as_sharegpt(said: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a record, with messages as a column of the name `conversations` has them."""
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


def _said_of_pair(
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


def _details(responses: Sequence[Response], there: Mapping[str, str]) -> dict[str, Any]:
    """Return what `Columns` reads back."""
    found: dict[str, list[Any]] = {"finished": [each.finished for each in responses]}
    if any(each.stop is not None for each in responses):
        found["stop"] = [each.stop for each in responses]
    for part in there:
        name = part.removeprefix(EACH)
        if part.startswith(EACH) and any(name in each.meta for each in responses):
            found[part] = [each.meta.get(name) for each in responses]
    several = "responses" in there or not responses
    return found if several else {part: each[0] for part, each in found.items()}


def _pairs(turns: Sequence[Message]) -> list[list[str]]:
    """The inverse of `history`; none where the turns are no such pairs."""
    texts = [turn.content for turn in turns]
    pairs = [texts[i : i + 2] for i in range(0, len(texts) - 1, 2)]
    return pairs if history(pairs) == list(turns) else []


def history(value: object) -> list[Message]:
    """Turns before a question, as pairs of what was asked and what was answered."""
    value = fields.parsed(value)
    if not isinstance(value, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(each, str) for each in pair)
        for pair in value
    ):
        raise fields.wrong("history", "a list of pairs [question, answer]", value)
    return [
        Message(role="assistant" if i else "user", content=text)
        for pair in value
        for i, text in enumerate(pair)
    ]
