"""MR-Ben (arXiv:2406.13975): model solutions with the first error marked by experts.

The file maps a question's id to its solutions. The error's number is that of the step's own
heading, "Step 3: ...", not a place in the list: lines without a heading belong to the step above,
and some lists hold empty lines. Nine solutions number no step so, or several; they are refused.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import fields
from assay.data.steps import first_error, joined
from assay.errors import DataError
from assay.types import Message, Prompt, Record, Response, StepLabels

__all__ = ["MRBen"]

LEFT_OUT: Final = frozenset(
    "Subject Ground_Truth_Analysis Ground_Truth_Answer_Modified Model_Solution_Error_Reason"
    " Model_Solution_Rectified_First_Error_Step".split()
)
"""Columns of the public files that are left out."""
READ: Final = (
    "Question", "Options", "Ground_Truth_Answer", "Question_UUID", "Sampled_Model",
    "Model_Solution_Steps", "Model_Solution_Correctness", "Model_Solution_First_Error_Step",
)  # fmt: skip
HEADING = re.compile(r"\s*Step (\d+)\b")


@dataclass(frozen=True, kw_only=True)
class MRBen:
    """{Question, Options, Model_Solution_Steps, Model_Solution_Correctness,
    Model_Solution_First_Error_Step, ...}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Its own column names."""
        return {"Question", "Model_Solution_Steps", "Model_Solution_First_Error_Step"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record: 1 before the error, 0 at it, nothing after it; all 1 where there is none."""
        steps, numbers = _steps(fields.texts(row, "Model_Solution_Steps"))
        options = str(row.get("Options") or "").strip()
        question = "\n".join(part for part in (fields.text(row, "Question"), options) if part)
        yield fields.make(
            StepLabels,
            prompt=fields.make(
                Prompt,
                messages=(fields.make(Message, role="user", content=question),),
                reference=row.get("Ground_Truth_Answer"),
                id=str(row.get("Question_UUID", "")),
                meta=fields.rest(row, *READ, *LEFT_OUT),
            ),
            response=fields.make(
                Response, steps=joined(steps), meta={"model": row.get("Sampled_Model")}
            ),
            labels=first_error(len(steps), _place(row, numbers), "Model_Solution_First_Error_Step"),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _steps(lines: list[str]) -> tuple[list[str], list[int]]:
    """Steps with all their lines, and the numbers in their headings (0: none, which only the first
    can be)."""
    steps: list[str] = []
    numbers: list[int] = []
    for line in filter(str.strip, lines):
        if (heading := HEADING.match(line)) or not steps:
            steps.append(line)
            numbers.append(int(heading[1]) if heading else 0)
        else:
            steps[-1] += "\n" + line
    return steps, numbers


def _place(row: Mapping[str, Any], numbers: list[int]) -> int | None:
    field = "Model_Solution_First_Error_Step"
    stated = str(fields.value(row, field)).strip()
    found = row.get("Model_Solution_Correctness")
    if found not in ("correct", "incorrect", None):
        raise fields.wrong("Model_Solution_Correctness", "correct or incorrect", found)
    if found == "correct" and not stated.isdigit():
        return None
    if not stated.isdigit():
        raise DataError(f"field {field!r}: expected the number of a step, got {stated!r}")
    if numbers.count(int(stated)) != 1:
        raise DataError(
            f"field {field!r}: not one step, but {numbers.count(int(stated))}, are headed 'Step"
            f" {stated}'"
        )
    return numbers.index(int(stated))
