"""ProcessBench (arXiv:2412.06559): model solutions of four maths sets with the first wrong
paragraph marked by experts.

`label` counts from 0; -1 says that every step is right. A right final answer does not make the
steps right, nor a wrong one the label: `final_answer_correct` is kept beside the labels, as are
other columns, such as a model's `prediction`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import fields
from assay.data.steps import first_error, joined
from assay.errors import DataError
from assay.types import Message, Prompt, Record, Response, StepLabels

__all__ = ["ProcessBench"]

NEVER = -1


@dataclass(frozen=True, kw_only=True)
class ProcessBench:
    """{id, generator, problem, steps: [string], final_answer_correct, label}."""

    separator: str = "\n\n"
    """Put between the steps, which are paragraphs and may hold single line breaks."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A problem, its steps and the label of all of them."""
        return {"problem", "steps", "final_answer_correct", "label"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record: 1 before the error, 0 at it, nothing after it; all 1 where there is none."""
        steps = fields.texts(row, "steps")
        label = fields.index(fields.value(row, "label"), "label")
        right = fields.value(row, "final_answer_correct")
        if not isinstance(right, bool):
            raise DataError(f"field 'final_answer_correct': expected true or false, got {right!r}")
        question = fields.make(Message, role="user", content=fields.text(row, "problem"))
        meta = {"generator": fields.text(row, "generator"), "final_answer_correct": right}
        # People's own results are these rows with what a model says of them.
        meta |= fields.rest(row, "id", "generator", "problem", "steps", "label", *meta)
        yield fields.make(
            StepLabels,
            prompt=fields.make(Prompt, messages=(question,), id=fields.text(row, "id")),
            response=fields.make(Response, steps=joined(steps, self.separator), meta=meta),
            labels=first_error(len(steps), None if label == NEVER else label, "label"),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)
