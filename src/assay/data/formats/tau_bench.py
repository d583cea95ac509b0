"""tau-bench (arXiv:2406.12045): an agent, a simulated user and tools, with the reward of the
episode. An episode that failed before its first message gives no record.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.chat import openai
from assay.data import conversations, fields, trajectories
from assay.data.records import prompt_of
from assay.types import Record

__all__ = ["TauBench"]


@dataclass(frozen=True, kw_only=True)
class TauBench:
    """{task_id, trial, traj: [messages], reward, info}: the reward is 1 for success, 0 for
    failure."""

    reward: trajectories.Means = "success"
    """What a reward says: the chance of success, or a grade; auto tells by [0, 1]."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The messages under their name, and the reward."""
        return {"traj", "reward", "task_id"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One label of the outcome; the answer begins at the agent's first turn."""
        messages = conversations.conversation(fields.value(row, "traj"), "traj")
        if not messages:
            return
        reward = trajectories.reward_of(row, "reward")
        # The benchmark counts what is 1 but for rounding as success.
        close = reward is not None and abs(reward - 1) <= 1e-6
        record = trajectories.record(
            messages,
            trajectories.first_answer(messages),
            known={} if row.get("task_id") is None else {"id": f"{row['task_id']}"},
            reward=1.0 if close else reward,
            means=self.reward,
        )
        yield trajectories.attached(self, record, row, _default(record))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Labels, rankings and groups of one answer."""
        return trajectories.rows(self, records, _default)


def _default(record: Record) -> dict[str, Any]:
    messages, _, reward = trajectories.parts_of(record)
    id = prompt_of(record).id
    return {
        "task_id": int(id) if id.isdecimal() else id or None,
        "reward": reward,
        "traj": [*map(openai, messages)],
    }
