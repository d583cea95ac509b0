"""Prompts of verl whose reward is a rubric, as CHERRL (arXiv:2606.04923) has them.

A record is the prompt, with the rubric in `meta["rubric"]`; HealthBench's criteria inside.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.data.rubrics.answered import SAID, answered
from assay.data.rubrics.layouts import KEY, healthbench_rows, required, rubric_from, stored
from assay.types import Prompt, Record

__all__ = ["VerlRubrics"]


@dataclass(frozen=True, kw_only=True)
class VerlRubrics:
    """{prompt, data_source?, ability?, reward_model: {style, ground_truth?, rubrics: [{criterion,
    points, tags}]}, extra_info?}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A prompt, and rubrics as its reward."""
        reward = row.get("reward_model")
        return "prompt" in row and isinstance(reward, dict) and bool(reward.get("rubrics"))

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One prompt, or the group of its responses; a ground truth that is empty is none."""
        reward = fields.mapping(row, "reward_model")
        rubric = rubric_from(fields.mappings(reward, "rubrics"))
        stated = reward.get("ground_truth")
        more = fields.rest(row, "prompt", "reward_model", *SAID)
        prompt = fields.make(
            Prompt,
            messages=conversations.turns(row, "prompt"),
            reference=fields.reference(stated, "reward_model.ground_truth") if stated else None,
            meta={**more, KEY: stored(rubric)},
        )
        yield answered(prompt, row)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Prompts with a rubric of points and tags alone."""
        return fields.written(self, records, Prompt, _row)


def _row(record: Prompt) -> dict[str, Any]:
    rows = healthbench_rows(required(record))
    return {
        "prompt": conversations.column(record.messages),
        "reward_model": {
            "style": "rubric",
            "ground_truth": record.reference or "",
            "rubrics": rows,
        },
        **fields.rest(record.meta, KEY),
    }
