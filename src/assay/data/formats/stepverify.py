"""Wrong solutions of GSM8K questions with the first error marked by teachers (arXiv:2407.09136).

`incorrect_index` counts from 0. The last step is the bare final answer.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import fields
from assay.data.steps import first_error, joined
from assay.types import Message, Prompt, Record, Response, StepLabels

__all__ = ["Stepverify"]

LEFT_OUT: Final = frozenset(
    "reference_solution topic incorrect_step error_description student_correct_response"
    " dialog_history".split()
)
"""Columns of the public file that are left out, but for the last line of the reference."""
READ: Final = "problem", "student_incorrect_solution", "incorrect_index", "error_category"


@dataclass(frozen=True, kw_only=True)
class Stepverify:
    """{problem, reference_solution, student_incorrect_solution: [step], incorrect_index,
    error_category, ...}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A student's solution and where it goes wrong."""
        return {"problem", "student_incorrect_solution", "incorrect_index"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record: 1 before the error, 0 at it, nothing after it."""
        steps = fields.texts(row, "student_incorrect_solution")
        at = fields.index(fields.value(row, "incorrect_index"), "incorrect_index")
        question = fields.make(Message, role="user", content=fields.text(row, "problem"))
        reference = fields.text(row, "reference_solution").strip().splitlines()[-1:]
        yield fields.make(
            StepLabels,
            prompt=fields.make(
                Prompt,
                messages=(question,),
                reference=reference[0].strip() if reference else None,
                meta=fields.rest(row, *READ, *LEFT_OUT),
            ),
            response=fields.make(
                Response, steps=joined(steps), meta={"error_category": row.get("error_category")}
            ),
            labels=first_error(len(steps), at, "incorrect_index"),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)
