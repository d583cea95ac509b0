"""HealthBench (arXiv:2505.08775): a conversation, and criteria with points that a physician wrote
for it.

A record is the prompt, with the rubric in `meta["rubric"]`; the ideal completion, where there is
one, stays in `meta["ideal_completions_data"]`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.data.rubrics.answered import SAID, answered
from assay.data.rubrics.layouts import KEY, healthbench_rows, required, rubric_from, stored
from assay.types import Prompt, Record

__all__ = ["Healthbench"]


@dataclass(frozen=True, kw_only=True)
class Healthbench:
    """{prompt, rubrics: [{criterion, points, tags}], prompt_id?, example_tags?,
    ideal_completions_data?, response? or responses?: [text]}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A prompt, and rubrics with points."""
        rows = row.get("rubrics")
        first = rows[0] if isinstance(rows, list) and rows else None
        return "prompt" in row and isinstance(first, dict) and {"criterion", "points"} <= {*first}

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One prompt, or the group of its responses."""
        id = fields.text(row, "prompt_id") if row.get("prompt_id") is not None else ""
        rubric = rubric_from(fields.mappings(row, "rubrics"))
        more = fields.rest(row, "prompt", "rubrics", "prompt_id", *SAID)
        messages = conversations.turns(row, "prompt")
        meta = {**more, KEY: stored(rubric)}
        yield answered(fields.make(Prompt, messages=messages, id=id, meta=meta), row)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Prompts with a rubric of points and tags alone."""
        return fields.written(self, records, Prompt, _row)


def _row(record: Prompt) -> dict[str, Any]:
    more = fields.rest(record.meta, KEY)
    return {
        "prompt": conversations.column(record.messages),
        "rubrics": healthbench_rows(required(record)),
        "prompt_id": record.id,
        **more,
    }
