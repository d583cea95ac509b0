"""MR-GSM8K (arXiv:2312.17080) and ReasonEval's MR-MATH (arXiv:2404.05692): solutions with the first
wrong step, counted from 1, or with a rating for each step.

A rating of 0 is a step that is right and of no use. A step may be a list of its lines.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import conversations, fields
from assay.data.steps import Neutral, cut, first_error, joined, rating
from assay.errors import DataError
from assay.types import Record, Response, StepLabels

__all__ = ["ReasonEval"]

STEPS: Final = "model_output_step_format", "model_output_steps"
CORRECT: Final = "model_output_solution_correctness"
ERROR: Final = "model_output_solution_first_error_step"


@dataclass(frozen=True, kw_only=True)
class ReasonEval:
    """{question, model_output_step_format (or model_output_steps),
    model_output_solution_correctness, model_output_solution_first_error_step, or rating}."""

    neutral: Neutral = "positive"
    """What becomes of a rating of 0: the step is right."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Its own column names."""
        return (
            "question" in row
            and any(name in row for name in STEPS)
            and (CORRECT in row or isinstance(fields.parsed(row.get("rating")), list))
        )

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record: 1 before the error, 0 at it, nothing after it; or what the ratings say."""
        column = next((name for name in STEPS if name in row), STEPS[0])
        steps = _steps(fields.parsed(fields.value(row, column)), column)
        whole = row.get("model_output")
        parts = cut(whole, steps) if isinstance(whole, str) else None
        about = {k: v for k, v in row.items() if k.startswith(("model_output_a", "generator"))}
        if whole is not None and not parts:
            about["model_output"] = whole
        if "rating" in row:
            about["rating"] = fields.parsed(row["rating"])
            labels = self._rated(about["rating"], len(steps))
        else:
            labels = first_error(len(steps), _place(row), ERROR)
        reference = row.get("ground_truth_answer")
        more = {} if reference is None else {"reference": fields.reference(reference)}
        used = (*about, column, "question", "model_output", "ground_truth_answer", CORRECT, ERROR)
        yield fields.make(
            StepLabels,
            prompt=fields.prompt(
                conversations.turns(row, "question"), {**fields.rest(row, *used), **more}
            ),
            response=fields.make(Response, steps=parts or joined(steps), meta=about),
            labels=labels,
        )

    def _rated(self, values: object, steps: int) -> tuple[float | None, ...]:
        if not isinstance(values, list) or len(values) != steps:
            raise DataError(f"field 'rating': expected a rating for each of the {steps} steps")
        return tuple(rating(v, f"rating.{i}", self.neutral) for i, v in enumerate(values))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _steps(value: object, field: str) -> list[str]:
    """Steps, of which each is a text or a list of its lines."""
    if not isinstance(value, list):
        raise fields.wrong(field, "a list of steps", value)
    lines = [[each] if isinstance(each, str) else each for each in value]
    for i, step in enumerate(lines):
        if not isinstance(step, list) or not all(isinstance(line, str) for line in step):
            raise fields.wrong(f"{field}.{i}", "a text or a list of lines", step)
    return ["\n".join(step) for step in lines]


def _place(row: Mapping[str, Any]) -> int | None:
    """Index of the first wrong step; None where there is none."""
    judged = str(fields.value(row, CORRECT)).strip().lower()
    if judged == "correct":
        return None
    stated = str(fields.value(row, ERROR)).strip()
    if judged not in ("wrong", "incorrect") or not stated.isdecimal():
        raise DataError(
            f"field {ERROR!r}: expected the number of the first wrong step of a solution that is"
            f" {judged!r}, got {stated!r}"
        )
    return int(stated) - 1
