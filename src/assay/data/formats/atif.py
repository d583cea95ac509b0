"""ATIF, the Agent Trajectory Interchange Format (versions 1.0 to 1.8): steps of system, user and
agent, with what the environment answered. Rewards have no field of their own: they are read from
`extra.reward` of the trajectory and of its steps.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.chat import openai
from assay.data import conversations, fields, trajectories
from assay.data.records import prompt_of
from assay.errors import DataError
from assay.types import Message, Record, ToolCall

__all__ = ["Atif"]

ROLES: Final = {"system": "system", "user": "user", "agent": "assistant"}
PARTS: Final = {"text", "image", "audio"}
SOURCES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "agent"}


@dataclass(frozen=True, kw_only=True)
class Atif:
    """{schema_version: ATIF-v1.x, agent, steps: [{step_id, source, message, tool_calls?,
    observation?, ...}], extra?, ...}."""

    reward: trajectories.Means = "auto"
    """What `extra.reward` says: the chance of success, or a grade; auto tells by [0, 1]."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A version of the format, and steps."""
        return str(row.get("schema_version", "")).startswith("ATIF-") and "steps" in row

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """A label, a ranking of one, or, without a reward, a group of one."""
        if not str(row.get("schema_version")).startswith("ATIF-v1."):
            raise DataError(
                f"field 'schema_version': {row.get('schema_version')!r} is no ATIF-v1.x"
            )
        steps = fields.mappings(row, "steps")
        messages = [m for i, step in enumerate(steps) for m in _messages(step, f"steps.{i}")]
        rewards = [_extra(step, f"steps.{i}.extra.reward") for i, step in enumerate(steps)]
        by_agent = [r for r, step in zip(rewards, steps, strict=True) if step["source"] == "agent"]
        agent = row.get("agent")
        record = trajectories.record(
            messages,
            trajectories.first_answer(messages),
            known={"tools": agent.get("tool_definitions") if isinstance(agent, dict) else None},
            reward=_extra(row, "extra.reward"),
            means=self.reward,
            rewards=tuple(by_agent) if any(r is not None for r in by_agent) else (),
            # What goes on in another file did not end here.
            finished=row.get("continued_trajectory_ref") is None,
        )
        yield trajectories.attached(self, record, row, _default(record))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Labels, rankings and groups of one answer."""
        return trajectories.rows(self, records, _default)


def _messages(step: Mapping[str, Any], field: str) -> list[Message]:
    """What was said in a step, and one message of a tool for each result."""
    source = step.get("source")
    if not isinstance(source, str) or source not in ROLES:
        raise fields.wrong(f"{field}.source", " or ".join(ROLES), source)
    said = {"role": ROLES[source], "content": step.get("message") or ""}
    if step.get("reasoning_content") is not None:
        said["reasoning_content"] = fields.text(step, "reasoning_content")
    if step.get("tool_calls"):
        said["tool_calls"] = [
            {
                "id": call.get("tool_call_id"),
                "name": call.get("function_name"),
                "arguments": _read_arguments(call),
            }
            for call in fields.mappings(step, "tool_calls")
        ]
    found = [conversations.message(said, field)]
    if step.get("observation") is None:
        return found
    results = fields.mappings(fields.mapping(step, "observation"), "results")
    for i, result in enumerate(results):
        extra = result.get("extra")
        answer = {
            "role": "tool",
            "content": result.get("content") or "",
            "tool_call_id": result.get("source_call_id"),
            "name": extra.get("name") if isinstance(extra, dict) else None,
        }
        found.append(conversations.message(answer, f"{field}.observation.results.{i}"))
    return found


def _extra(row: Mapping[str, Any], field: str) -> float | None:
    """The reward in what a trajectory or a step has of its own."""
    extra = row.get("extra")
    found = extra.get("reward") if isinstance(extra, dict) else None
    return trajectories.reward_of({field: found}, field)


def _default(record: Record) -> dict[str, Any]:
    messages, response, reward = trajectories.parts_of(record)
    steps: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "tool" and steps:
            results = steps[-1].setdefault("observation", {"results": []})["results"]
            name = {} if message.name is None else {"extra": {"name": message.name}}
            said = {"source_call_id": message.tool_call_id, "content": _content(message)}
            results.append({**said, **name})
        else:
            steps.append({"step_id": len(steps) + 1, **_step(message)})
    acted = (step for step in steps if step["source"] == "agent")
    for step, each in zip(acted, response.rewards, strict=False):
        if each is not None:
            step["extra"] = {"reward": each}
    tools = [dict(tool) for tool in prompt_of(record).tools]
    agent = {"name": "unknown", "version": "unknown"}
    row: dict[str, Any] = {
        "schema_version": "ATIF-v1.7",
        "agent": {**agent, "tool_definitions": tools} if tools else agent,
        "steps": steps,
    }
    return {**row, "extra": None if reward is None else {"reward": reward}}


def _step(message: Message) -> dict[str, Any]:
    if message.role not in SOURCES:
        raise DataError("a conversation of ATIF does not begin with a tool's message")
    step: dict[str, Any] = {"source": SOURCES[message.role], "message": _content(message)}
    if message.reasoning is not None:
        step["reasoning_content"] = message.reasoning
    if message.tool_calls:
        step["tool_calls"] = [*map(_call, message.tool_calls)]
    return step


def _read_arguments(call: Mapping[str, Any]) -> Any:
    """The arguments as they were written, where the call keeps that text, too."""
    arguments, extra = call.get("arguments"), call.get("extra")
    text = extra.get("arguments") if isinstance(extra, dict) else None
    try:
        return text if isinstance(text, str) and json.loads(text) == arguments else arguments
    except ValueError:
        return arguments


def _call(call: ToolCall) -> dict[str, Any]:
    """A call with its arguments by name, and as a text where that is another than ours."""
    arguments = call.parsed()
    if not isinstance(arguments, dict) or call.id is None:
        raise DataError(
            f"ATIF holds calls with an id and arguments by name, and a call of {call.name} has"
            f" {call.id} and {arguments!r}"
        )
    row = {"tool_call_id": call.id, "function_name": call.name, "arguments": arguments}
    same = json.dumps(arguments, ensure_ascii=False) == call.arguments
    return row if same else {**row, "extra": {"arguments": call.arguments}}


def _content(message: Message) -> Any:
    if other := {part["type"] for part in message.parts} - PARTS:
        raise DataError(f"ATIF holds parts of type {', '.join(sorted(PARTS))}, not {other.pop()}")
    return openai(message)["content"]
