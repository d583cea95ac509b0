"""PRMBench (arXiv:2501.03124): solutions with errors put in on purpose.

`error_steps` counts from 1. In 100 of 6,211 rows it names a step that is not there;
`multi_solutions` has no errors. `original_process` is the solution before the change, shared by
many rows.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from assay.data import fields
from assay.data.steps import joined
from assay.errors import DataError
from assay.types import Message, Prompt, Record, Response, StepLabels

__all__ = ["PRMBench"]

LEFT_OUT: Final = frozenset(
    "source_file question original_question original_process modified_steps reason"
    " ground_truth".split()
)
"""Columns of the public file that are left out, but for `process=original`."""
READ: Final = "idx", "classification", "modified_question", "modified_process", "error_steps"


@dataclass(frozen=True, kw_only=True)
class PRMBench:
    """{original_question, original_process, modified_question, modified_process, error_steps,
    classification, ...}."""

    process: Literal["modified", "original"] = "modified"
    """Which solution is read; every step of the original is right."""
    out_of_range: Literal["refuse", "ignore"] = "refuse"
    """What to do with an error step that is not there."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A modified process with its error steps."""
        return {"modified_process", "error_steps"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record: 0 at the error steps, 1 elsewhere."""
        steps = fields.texts(row, f"{self.process}_process")
        stated = fields.value(row, "error_steps")
        if not isinstance(stated, list):
            raise DataError(
                f"field 'error_steps': expected a list of whole numbers, got {stated!r}"
            )
        wrong = {fields.index(step, "error_steps") for step in stated}
        beyond = sorted(step for step in wrong if not 1 <= step <= len(steps))
        if self.process == "original":
            wrong = set()
        elif beyond and self.out_of_range == "refuse":
            raise DataError(
                "field 'error_steps': names a step beyond the last; leave such steps out by `assay"
                " data convert --format prmbench --set out_of_range=ignore`"
            )
        question = fields.make(
            Message, role="user", content=fields.text(row, f"{self.process}_question")
        )
        meta = {"classification": row.get("classification")}
        yield fields.make(
            StepLabels,
            prompt=fields.make(Prompt, messages=(question,), id=str(row.get("idx", "")), meta=meta),
            # Columns that the public file has not are somebody's scores.
            response=fields.make(
                Response, steps=joined(steps), meta=fields.rest(row, *READ, *LEFT_OUT)
            ),
            labels=tuple(0.0 if i in wrong else 1.0 for i in range(1, len(steps) + 1)),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)
