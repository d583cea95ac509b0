"""Prompts of open-instruct whose label is a rubric (arXiv:2511.19399): JSON with criteria and their
weights.

A record is the prompt, with the rubric in `meta["rubric"]`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.chat import openai
from assay.data import conversations, fields
from assay.data.rubrics.answered import SAID, answered
from assay.data.rubrics.layouts import KEY, required, rubric_from, stored
from assay.types import Prompt, Record

__all__ = ["OpenInstructRubrics"]


@dataclass(frozen=True, kw_only=True)
class OpenInstructRubrics:
    """{messages, ground_truth: "{query, rubrics: [{description, weight, title}]}", dataset?}; a
    description may be a rubric_item or an Ingredient."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Messages, and rubrics in the ground truth."""
        return "messages" in row and '"rubrics"' in str(_label(row))

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One prompt, or the group of its responses."""
        rubric = rubric_from(_label(row))
        more = fields.rest(row, "messages", "ground_truth", *SAID)
        prompt = fields.make(
            Prompt,
            messages=conversations.turns(row, "messages"),
            meta={**more, KEY: stored(rubric)},
        )
        yield answered(prompt, row)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Prompts with a rubric of titles and weights."""
        return fields.written(self, records, Prompt, _row)


def _label(row: Mapping[str, Any]) -> Any:
    """The label, which may be a list of one."""
    label = row.get("ground_truth")
    return label[0] if isinstance(label, list) and len(label) == 1 else label


def _row(record: Prompt) -> dict[str, Any]:
    rows = [
        {"description": c.text, "weight": c.points, "title": c.id}
        for c in required(record).criteria
    ]
    label = {"query": record.messages[-1].content if record.messages else "", "rubrics": rows}
    return {
        "messages": [*map(openai, record.messages)],
        "ground_truth": json.dumps(label),
        **fields.rest(record.meta, KEY),
    }
