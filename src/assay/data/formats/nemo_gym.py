"""Rollouts of NeMo Gym (rollouts.jsonl): the request, the items of the whole episode, and the
reward. A rollout that is marked as failed or masked has no reward: the 0 in its row says nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import fields, items, trajectories
from assay.data.records import prompt_of
from assay.types import Prompt, Record

__all__ = ["NemoGym"]


@dataclass(frozen=True, kw_only=True)
class NemoGym:
    """{responses_create_params: {input, tools?, ...}, response?: {output: [items], ...}, reward?}:
    without a response, a prompt."""

    reward: trajectories.Means = "auto"
    """What a reward says: the chance of success, or a grade; auto tells by [0, 1]."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The request under its name."""
        return isinstance(row.get("responses_create_params"), dict)

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """A label, a ranking of one, a group of one, or a prompt."""
        request = fields.mapping(row, "responses_create_params")
        place = "responses_create_params.input"
        asked = items.messages(fields.value(request, "input"), place)
        if row.get("response") is None:
            known = {"responses_create_params": request} | fields.rest(row, "response")
            yield fields.prompt(tuple(asked), known | {"tools": request.get("tools")})
            return
        response = fields.mapping(row, "response")
        stop = items.stop_of(response)
        masked = row.get("_ng_failure_class") or row.get("mask_sample") is True
        record = trajectories.record(
            [*asked, *items.messages(fields.mappings(response, "output"), "response.output")],
            len(asked),
            known={"tools": request.get("tools")},
            reward=None if masked else trajectories.reward_of(row, "reward"),
            means=self.reward,
            stop=stop,
            finished=not trajectories.is_cut(stop),
        )
        yield trajectories.attached(self, record, row, _default(record))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Labels, rankings and groups of one answer, and prompts."""
        return trajectories.rows(self, records, _default)


def _default(record: Record) -> dict[str, Any]:
    messages, response, reward = trajectories.parts_of(record)
    prompt = prompt_of(record)
    begin = len(prompt.messages)
    request: dict[str, Any] = {"input": items.items(messages[:begin])}
    if prompt.tools:
        request["tools"] = [dict(tool) for tool in prompt.tools]
    if isinstance(record, Prompt):
        return {"responses_create_params": request, **prompt.meta}
    answer: dict[str, Any] = {"output": items.items(messages[begin:])}
    if response.stop is not None:
        answer["incomplete_details"] = {"reason": response.stop}
    return {"responses_create_params": request, "response": answer, "reward": reward}
