"""Rubrics as Rewards (arXiv:2507.17746): a question, a reference answer, and criteria with weights;
a pitfall's is negative.

A record is the prompt, with the rubric in `meta["rubric"]`. The weights are those of the files;
the paper trained with 1, .7, .3 and .9 for essential, important and optional criteria and pitfalls.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.data.rubrics.answered import SAID, answered
from assay.data.rubrics.layouts import KEY, required, rubric_from, stored
from assay.types import Prompt, Record

__all__ = ["Rar"]


@dataclass(frozen=True, kw_only=True)
class Rar:
    """{question, reference_answer, rubric: [{title, description, weight}], question_source?,
    rubric_list?, rubric_count?}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A question, a reference answer and a rubric."""
        return {"question", "reference_answer", "rubric"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One prompt, or the group of its responses."""
        rubric = rubric_from(fields.value(row, "rubric"))
        more = fields.rest(row, "question", "reference_answer", "rubric", *SAID)
        prompt = fields.make(
            Prompt,
            messages=conversations.turns(row, "question"),
            reference=fields.text(row, "reference_answer"),
            meta={**more, KEY: stored(rubric)},
        )
        yield answered(prompt, row)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Prompts with a reference and a rubric of titles and weights."""
        return fields.written(self, records, Prompt, _row)


def _row(record: Prompt) -> dict[str, Any]:
    rows = [
        {"title": c.id, "description": c.text, "weight": c.points}
        for c in required(record).criteria
    ]
    return {
        "question": conversations.column(record.messages),
        "reference_answer": record.reference,
        "rubric": rows,
        **fields.rest(record.meta, KEY),
    }
