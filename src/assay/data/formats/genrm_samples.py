"""Samples of the GSM8K training questions labelled by their final answer
(genrm-star/genrm-critiques).

The pool was rebalanced to at most 16 right and 16 wrong a question, so its share of right answers
is no model's accuracy. `split` is by question.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import fields
from assay.types import Message, Prompt, Record, Response, StepLabels

__all__ = ["GenrmSamples"]


@dataclass(frozen=True, kw_only=True)
class GenrmSamples:
    """{question_id, sample_id, question, solution, correct, split}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A solution by its ids."""
        return {"question_id", "sample_id", "question", "solution", "correct"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One outcome label."""
        question = fields.make(Message, role="user", content=fields.text(row, "question"))
        more = fields.rest(row, "question_id", "sample_id", "question", "solution", "correct")
        prompt = fields.make(
            Prompt, messages=(question,), id=str(fields.value(row, "question_id")), meta=more
        )
        meta = {"sample_id": fields.value(row, "sample_id")}
        response = fields.make(Response, steps=(fields.text(row, "solution"),), meta=meta)
        yield StepLabels.outcome(prompt, response, fields.yes_no(row.get("correct"), "correct"))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)
