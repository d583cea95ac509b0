"""Answers of OpenAI's Responses API with what was asked: items, of which those of one turn are one
message."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import fields, items, trajectories
from assay.data.records import prompt_of
from assay.types import Message, Record

__all__ = ["OpenaiResponses"]


@dataclass(frozen=True, kw_only=True)
class OpenaiResponses:
    """{input, output: [items], instructions?, tools?, reward?, incomplete_details?}: input is a
    text, or items."""

    reward: trajectories.Means = "auto"
    """What a reward says: the chance of success, or a grade; auto tells by [0, 1]."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A question, and items that answer it."""
        output = row.get("output")
        return "input" in row and isinstance(output, list) and all(map(_is_item, output))

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """A label, a ranking of one, or, without a reward, a group of one."""
        asked = items.messages(fields.value(row, "input"), "input")
        if instructions := trajectories.text_of(row, "instructions"):
            asked.insert(0, fields.make(Message, role="developer", content=instructions))
        stop = items.stop_of(row)
        record = trajectories.record(
            [*asked, *items.messages(fields.mappings(row, "output"), "output")],
            len(asked),
            known={"tools": row.get("tools")},
            reward=trajectories.reward_of(row, "reward"),
            means=self.reward,
            stop=stop,
            finished=not trajectories.is_cut(stop),
        )
        yield trajectories.attached(self, record, row, _default(record))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Labels, rankings and groups of one answer."""
        return trajectories.rows(self, records, _default)


def _is_item(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("type"), str)


def _default(record: Record) -> dict[str, Any]:
    messages, response, reward = trajectories.parts_of(record)
    prompt = prompt_of(record)
    begin = len(prompt.messages)
    return {
        "input": items.items(messages[:begin]),
        "output": items.items(messages[begin:]),
        "tools": [dict(tool) for tool in prompt.tools] or None,
        "incomplete_details": response.stop and {"reason": response.stop},
        "reward": reward,
    }
