"""Samples of Inspect's logs (EvalSample), one a row or all of a log in one: the conversation with
the scores of the scorers. A score that is NaN or null is none.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from assay.chat import openai
from assay.data import conversations, fields, trajectories
from assay.data.records import prompt_of
from assay.errors import DataError
from assay.types import Message, Record

__all__ = ["InspectSample"]

WORDS: Final = {
    "c": 1.0, "p": 0.5, "i": 0.0, "n": 0.0,
    "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0,
}  # fmt: skip
"""Inspect's letters (correct, partial, incorrect, no answer) and words for a value."""
OF_MESSAGE: Final = "role", "content", "tool_call_id"
"""Keys of a message; the others say how it came to be."""
LEFT_OUT: Final = frozenset(
    "version status eval plan results stats error invalidated log_updates tags metadata"
    " reductions location etag".split()
)
"""Keys of a log that are left out: they say nothing of one sample."""


@dataclass(frozen=True, kw_only=True)
class InspectSample:
    """{id, epoch, input, target, messages, scores: {scorer: {value, ...}}, ...}: values are C, P,
    I, N, truth values or numbers. A log {eval, samples: [...]} is read whole."""

    nan_is_null: ClassVar = True
    """Inspect writes NaN, which is no JSON, for a score that there is not."""
    scorer: str = ""
    """The scorer whose score is the reward, or SCORER.KEY of a value with parts; empty where there
    is but one."""
    reward: trajectories.Means = "auto"
    """What a number says: the chance of success, or a grade; auto tells by [0, 1]."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The columns of a sample, or a log with samples."""
        return {"epoch", "input", "target", "messages"} <= row.keys() or (
            isinstance(row.get("samples"), list) and isinstance(row.get("eval"), dict)
        )

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """A label, a ranking of one, or, without a score, a group of one, for each sample."""
        if "samples" in row and "messages" not in row:
            others = fields.rest(row, "samples", *LEFT_OUT)
            for sample in fields.mappings(row, "samples"):
                yield from self.read({**sample, "log": others} if others else sample)
            return
        found = fields.mappings(row, "messages")
        messages = [_message(each, f"messages.{i}") for i, each in enumerate(found)]
        # Turns of the assistant in the input are examples, not answers.
        begin = next(
            (
                i
                for i, (turn, each) in enumerate(zip(messages, found, strict=True))
                if turn.role == "assistant" and each.get("source") != "input"
            ),
            len(found),
        )
        limit = row.get("limit") or {}
        stop = limit.get("type") if isinstance(limit, dict) else None
        stop = stop if isinstance(stop, str) else _stop(row)
        target = row.get("target")
        value, means = self._value(row)
        record = trajectories.record(
            messages,
            begin,
            known={
                "id": None if row.get("id") is None else f"{row['id']}",
                "reference": target if isinstance(target, str) else None,
            },
            reward=value,
            means=means,
            stop=stop,
            finished=not (bool(limit) or trajectories.is_cut(stop)),
        )
        yield trajectories.attached(self, record, row, _default(record))

    def _value(self, row: Mapping[str, Any]) -> tuple[float | None, trajectories.Means]:
        """The score that counts, and what it says."""
        scores = row.get("scores") or {}
        if not isinstance(scores, dict):
            raise fields.wrong("scores", "an object with a score for each scorer", scores)
        name, _, key = self.scorer.partition(".")
        if not name and len(scores) > 1:
            raise DataError(
                f"field 'scores': there are {', '.join(scores)}; say which is the reward"
                " (--set scorer=NAME)"
            )
        score = scores.get(name) if name else next(iter(scores.values()), None)
        value = score.get("value") if isinstance(score, dict) else None
        if isinstance(value, dict) and key:
            value = value.get(key)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None, "auto"
        if isinstance(value, str) and value.lower() in WORDS:
            return WORDS[value.lower()], "success"
        if isinstance(value, bool):
            return float(value), "success"
        return fields.number(value, f"scores.{name or next(iter(scores))}.value"), self.reward

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Labels, rankings and groups of one answer."""
        return trajectories.rows(self, records, _default)


def _message(value: Mapping[str, Any], field: str) -> Message:
    """One message without how it came to be: that differs between samples of one task."""
    said = {key: value[key] for key in OF_MESSAGE if isinstance(value.get(key), (str, list))}
    if isinstance(said.get("tool_call_id"), list):  # a user's message may say whom it follows
        del said["tool_call_id"]
    calls = value.get("tool_calls") or []
    if calls:
        said["tool_calls"] = [
            {"id": call.get("id"), "name": call.get("function"), "arguments": call.get("arguments")}
            for call in fields.mappings(value, "tool_calls")
        ]
    if isinstance(value.get("function"), str):
        said["name"] = value["function"]
    message = conversations.message(said, field)
    thoughts = [part.get("reasoning") for part in message.parts if part["type"] == "reasoning"]
    texts = [each for each in thoughts if isinstance(each, str)]
    return message.model_copy(update={"reasoning": "\n\n".join(texts)}) if texts else message


def _stop(row: Mapping[str, Any]) -> str | None:
    """The reason why the last answer ended."""
    output = row.get("output")
    choices = output.get("choices") if isinstance(output, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    reason = first.get("stop_reason") if isinstance(first, dict) else None
    return reason if isinstance(reason, str) else None


def _default(record: Record) -> dict[str, Any]:
    messages, response, reward = trajectories.parts_of(record)
    prompt = prompt_of(record)
    return {
        "id": int(prompt.id) if prompt.id.isdecimal() else prompt.id or None,
        "epoch": 1,
        "input": conversations.column(prompt.messages),
        "target": prompt.reference or "",
        "messages": [_said(message) for message in messages],
        "scores": None if reward is None else {"reward": {"value": reward}},
        "output": response.stop and {"choices": [{"stop_reason": response.stop}]},
    }


def _said(message: Message) -> dict[str, Any]:
    row = openai(message.model_copy(update={"reasoning": None, "name": None}), arguments="parsed")
    if message.tool_calls:
        calls = zip(row["tool_calls"], message.tool_calls, strict=True)
        row["tool_calls"] = [
            {"id": call.id, "function": call.name, "arguments": said["function"]["arguments"]}
            for said, call in calls
        ]
    return row if message.name is None else {**row, "function": message.name}
