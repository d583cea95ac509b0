"""Traces of `verifiers` 0.2 and later (traces.jsonl): a graph of messages, alone or within an
episode. Each path from a root to a leaf is a conversation, and the trace's rewards are all its
paths'.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.chat import openai
from assay.data import conversations, fields, trajectories
from assay.data.records import prompt_of
from assay.errors import DataError
from assay.types import Message, Record

__all__ = ["VerifiersTrace"]


@dataclass(frozen=True, kw_only=True)
class VerifiersTrace:
    """{task, nodes: [{parent, message, sampled, ...}], rewards: {name: {score, weight}}, tools,
    calls, stop_condition, ...}: a trace. An episode {task, traces: [...]} is read whole."""

    reward: trajectories.Means = "auto"
    """What a reward says: the chance of success, or a grade; auto tells by [0, 1]."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A graph with rewards, or traces of a task."""
        return {"nodes", "rewards"} <= row.keys() or {"traces", "task"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record for each path: a label, a ranking of one, or a group of one."""
        if "traces" not in row:
            yield from self._paths(row)
            return
        episode = fields.rest(row, "traces")
        for trace in fields.mappings(row, "traces"):
            yield from self._paths({**trace, "episode": episode})

    def _paths(self, trace: Mapping[str, Any]) -> Iterator[Record]:
        nodes = fields.mappings(trace, "nodes")
        for path in _paths(nodes):
            row = {**trace, **_branch(trace, nodes, path)}
            record = self._record(row)
            yield trajectories.attached(self, record, row, _default(record))

    def _record(self, row: Mapping[str, Any]) -> Record:
        """The record of a trace that is one path."""
        nodes = row["nodes"]
        messages = [_message(node, f"nodes.{i}.message") for i, node in enumerate(nodes)]
        sampled = [node.get("sampled") is True for node in nodes]
        begin = sampled.index(True) if any(sampled) else trajectories.first_answer(messages)
        calls = row.get("calls") or [{}]
        stop = trajectories.text_of(row, "stop_condition")
        cut = trajectories.is_cut(stop) or calls[-1].get("finish_reason") == "length"
        task = row.get("task")
        data = task.get("data") if isinstance(task, dict) else None
        answer = data.get("answer") if isinstance(data, dict) else None
        return trajectories.record(
            messages,
            begin,
            known={
                "reference": answer if isinstance(answer, str) else None,
                "tools": row.get("tools") or (nodes[0].get("tools") if nodes else None),
            },
            meta={} if task is None else {"task": task},
            reward=_reward(row),
            means=self.reward,
            stop=stop,
            finished=not cut,
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Labels, rankings and groups of one answer: each a graph of one path."""
        return trajectories.rows(self, records, _default)


def _paths(nodes: Sequence[Mapping[str, Any]]) -> Iterator[list[int]]:
    """The places of the nodes from a root to each leaf, in order of the leaves."""
    parents = [node.get("parent") for node in nodes]
    for i, parent in enumerate(parents):
        # A parent stands before its children, so that no path runs in a circle.
        if parent is not None and not 0 <= fields.index(parent, f"nodes.{i}.parent") < i:
            raise DataError(f"field 'nodes.{i}.parent': there is no earlier node {parent}")
    for leaf in range(len(nodes)):
        if leaf in parents:
            continue
        path = [leaf]
        while (parent := parents[path[-1]]) is not None:
            path.append(parent)
        yield path[::-1]


def _branch(
    trace: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]], path: Sequence[int]
) -> dict[str, Any]:
    """Nodes and calls of a path, numbered by their places in it."""
    place = {node: i for i, node in enumerate(path)}
    kept = [{**nodes[node], "parent": i - 1 if i else None} for i, node in enumerate(path)]
    if trace.get("calls") is None:
        return {"nodes": kept}
    made = []
    for i, call in enumerate(fields.mappings(trace, "calls")):
        if call.get("node") is None:
            made.append(call)
        elif fields.index(call["node"], f"calls.{i}.node") in place:
            made.append({**call, "node": place[call["node"]]})
    return {"nodes": kept, "calls": made}


def _message(node: Mapping[str, Any], field: str) -> Message:
    """The message of a node, with its known keys alone."""
    said = fields.mapping(node, "message")
    if said.get("content") is None and not said.get("tool_calls"):
        said = {**said, "content": ""}
    return conversations.message(fields.rest(said, "provider_state"), field)


def _reward(row: Mapping[str, Any]) -> float | None:
    """The weighted sum of the rewards; none where one of them is null, for that is not 0."""
    rewards = row.get("rewards") or {}
    if not isinstance(rewards, dict):
        raise fields.wrong("rewards", "an object of {score, weight}", rewards)
    total = 0.0
    for name, each in rewards.items():
        if each is None:
            return None
        if not isinstance(each, dict):
            raise fields.wrong(f"rewards.{name}", "{score, weight}", each)
        score = fields.number(each.get("score"), f"rewards.{name}.score")
        total += score * fields.number(each.get("weight", 1.0), f"rewards.{name}.weight")
    return total if rewards else None


def _default(record: Record) -> dict[str, Any]:
    messages, response, reward = trajectories.parts_of(record)
    prompt = prompt_of(record)
    begin = len(prompt.messages)
    return {
        "task": prompt.meta.get("task"),
        "tools": [dict(tool) for tool in prompt.tools] or None,
        "nodes": [
            {
                "parent": i - 1 if i else None,
                "message": _flat(openai(message)),
                "sampled": i >= begin and message.role == "assistant",
            }
            for i, message in enumerate(messages)
        ],
        "rewards": {} if reward is None else {"reward": {"score": reward, "weight": 1.0}},
        "stop_condition": response.stop,
    }


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A message whose calls are {id, type, name, arguments}."""
    calls = [
        {**fields.rest(call, "function"), **call["function"]} for call in row.get("tool_calls", [])
    ]
    return {**row, "tool_calls": calls} if calls else row
