"""Trajectories of software agents, as nebius/SWE-rebench-openhands-trajectories has them: the
conversation under `trajectory`, and whether the issue is resolved.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.chat import openai
from assay.data import conversations, fields, trajectories
from assay.data.records import prompt_of
from assay.types import Record

__all__ = ["SweRebench"]


@dataclass(frozen=True, kw_only=True)
class SweRebench:
    """{instance_id, trajectory: [messages], tools?, exit_status?, resolved?}: resolved is 1 or 0,
    or null."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The issue, and messages under their name."""
        turns = row.get("trajectory")
        said = isinstance(turns, list) and all(isinstance(x, dict) and "role" in x for x in turns)
        return said and "instance_id" in row

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One label of the outcome, or a group of one where it is not known."""
        messages = conversations.turns(row, "trajectory")
        stop = trajectories.text_of(row, "exit_status")
        record = trajectories.record(
            messages,
            trajectories.first_answer(messages),
            known={"id": fields.text(row, "instance_id"), "tools": row.get("tools")},
            reward=trajectories.reward_of(row, "resolved"),
            means="success",
            stop=stop,
            finished=not trajectories.is_cut(stop),
        )
        yield trajectories.attached(self, record, row, _default(record))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Labels of the outcome, and groups of one."""
        return trajectories.rows(self, records, _default)


def _default(record: Record) -> dict[str, Any]:
    messages, response, resolved = trajectories.parts_of(record)
    prompt = prompt_of(record)
    return {
        "instance_id": prompt.id,
        "trajectory": [*map(openai, messages)],
        "tools": [dict(tool) for tool in prompt.tools] or None,
        "exit_status": response.stop,
        "resolved": resolved,
    }
