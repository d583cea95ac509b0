"""Rollouts as `verifiers` saves them up to 0.1 (results.jsonl): prompt, completion and reward.

A rollout that ended in an error has no reward: the 0 in its row says nothing of the answer.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import conversations, trajectories
from assay.data.records import prompt_of
from assay.types import Record

__all__ = ["Verifiers"]

OF_PROMPT: Final = "example_id", "task", "info"
"""Columns that say something of the prompt."""


@dataclass(frozen=True, kw_only=True)
class Verifiers:
    """{prompt, completion, reward, answer?, info?, task?, tool_defs?, is_truncated?,
    stop_condition?, error?}: texts, or messages whose calls may be JSON."""

    reward: trajectories.Means = "auto"
    """What a reward says: the chance of success, or a grade; auto tells by [0, 1]."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Prompt, completion and reward."""
        return {"prompt", "completion", "reward"} <= row.keys() and "label" not in row

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """A label, a ranking of one, or, without a reward, a group of one."""
        prompt = conversations.turns(row, "prompt")
        said = row.get("completion") or []
        if isinstance(said, str):
            said = [{"role": "assistant", "content": said}]
        answer = conversations.conversation(said, "completion")
        stop = trajectories.text_of(row, "stop_condition")
        record = trajectories.record(
            (*prompt, *answer),
            len(prompt),
            known={"reference": row.get("answer"), "tools": row.get("tool_defs")},
            meta={key: row[key] for key in OF_PROMPT if row.get(key) is not None},
            reward=None if row.get("error") else trajectories.reward_of(row, "reward"),
            means=self.reward,
            rewards=_rewards(row, sum(message.role == "assistant" for message in answer)),
            stop=stop,
            finished=not (row.get("is_truncated") is True or trajectories.is_cut(stop)),
        )
        yield trajectories.attached(self, record, row, _default(record))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Labels, rankings and groups of one answer."""
        return trajectories.rows(self, records, _default)


def _rewards(row: Mapping[str, Any], turns: int) -> tuple[float | None, ...]:
    """Rewards of the turns, where the state's steps were saved and are the turns."""
    steps = row.get("trajectory")
    if not isinstance(steps, list) or len(steps) != turns:
        return ()
    found = [step.get("reward") if isinstance(step, dict) else None for step in steps]
    given = any(each is not None for each in found)
    return trajectories.rewards_of({"trajectory": found}, "trajectory") if given else ()


def _default(record: Record) -> dict[str, Any]:
    _, response, reward = trajectories.parts_of(record)
    prompt = prompt_of(record)
    asked = conversations.column(prompt.messages)
    return {
        **{key: prompt.meta.get(key) for key in OF_PROMPT},
        "prompt": asked,
        "completion": (
            conversations.said(response, chat=not isinstance(asked, str)) if response.steps else []
        ),
        "answer": prompt.reference,
        "tool_defs": [dict(tool) for tool in prompt.tools] or None,
        "reward": reward,
        "trajectory": [{"reward": each} for each in response.rewards] or None,
        "stop_condition": response.stop,
        "is_truncated": trajectories.is_unsaid(response) or None,
        "error": None,
    }
