"""A question, the steps of an answer, and a label or a rating for each, under the names that most
use.

A rating is PRM800K's: 1 right, -1 wrong, 0 neutral. Elsewhere 0 is wrong, so that a row with a 0
needs to be told which it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import conversations, fields
from assay.data.steps import SIGNS, Neutral, cut, joined, parted, rating
from assay.errors import DataError
from assay.types import LabelMeaning, Record, Response, StepLabels

__all__ = ["StepRatings"]

QUESTIONS: Final = "problem", "question", "prompt"
RATINGS: Final = "rating", "ratings"
LABELS: Final = "labels", "label", "step_labels"
TEXTS: Final = "step", "text", "content"


@dataclass(frozen=True, kw_only=True)
class StepRatings:
    """{problem (or question, prompt), steps: [string], rating (or ratings): [1, 0, -1], or labels:
    [number], response?}. A step may be {step, rating}."""

    neutral: Neutral | None = None
    """What becomes of a rating of 0; without it such a row is refused."""
    separator: str = "\n"
    """Text between two steps, where the row has no response that they make up."""
    meaning: LabelMeaning = "correctness"
    """What the labels were made from, which no row says."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A question, a list of texts and a list beside it."""
        row = _apart(row)
        judged = _first(row, (*RATINGS, *LABELS))
        steps = row.get("steps")
        return (
            _first(row, QUESTIONS) is not None
            and judged is not None
            and isinstance(row[judged], list)
            and isinstance(steps, list)
            and all(isinstance(step, str) for step in steps)
            and "type" not in row
        )

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record with a label a step; null is no label."""
        row = _apart(row)
        question, judged = _first(row, QUESTIONS), _first(row, (*RATINGS, *LABELS))
        if question is None or judged is None:
            raise DataError(
                f"the row has no {' or '.join(QUESTIONS)}, or no {' or '.join(RATINGS + LABELS)}"
            )
        asked, row = conversations.asked(row, question)
        steps, values = fields.texts(row, "steps"), row[judged]
        if not isinstance(values, list) or len(values) != len(steps):
            raise DataError(f"field {judged!r}: expected one for each of the {len(steps)} steps")
        whole = row.get("response")
        parts = cut(whole, steps) if isinstance(whole, str) else None
        other = {} if whole is None or parts else {"response": whole}
        yield fields.make(
            StepLabels,
            prompt=fields.prompt(asked, row, question, "steps", judged, "response"),
            response=fields.make(
                Response, steps=parts or joined(steps, self.separator), meta=other
            ),
            labels=tuple(self._label(v, judged, i) for i, v in enumerate(values)),
            meaning=self.meaning,
        )

    def _label(self, value: Any, column: str, index: int) -> float | None:
        field = f"{column}.{index}"
        if value is None:
            return None
        if column in LABELS:
            return SIGNS[value] if value in ("+", "-") else fields.share(value, field)
        if value == 0 and self.neutral is None:
            raise DataError(
                f"field {field!r}: 0 is neutral in some data and wrong in other; say what it is by"
                " --format step-ratings --set neutral=negative (or positive, ignore, half)"
            )
        return rating(value, field, self.neutral or "positive")

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Labelled steps."""
        return fields.written(self, records, StepLabels, self._row)

    def _row(self, record: StepLabels) -> dict[str, Any]:
        steps = parted(record.response.steps, self.separator)
        whole = {}
        if joined(steps, self.separator) != record.response.steps:
            steps = [step.strip() for step in steps]
            whole = {"response": record.response.text}
        return {
            "problem": conversations.column(record.prompt.messages),
            "steps": steps,
            "labels": list(record.labels),
            **whole,
            **record.response.meta,
            **fields.columns(record.prompt),
        }


def _apart(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with texts and ratings of steps that are objects as two lists."""
    lists = ("steps", *RATINGS, *LABELS)
    row = {key: fields.parsed(each) if key in lists else each for key, each in row.items()}
    steps = row.get("steps")
    if (
        not isinstance(steps, list)
        or not all(isinstance(each, dict) for each in steps)
        or not steps
    ):
        return row
    text, judged = _first(steps[0], TEXTS), _first(steps[0], (*RATINGS, *LABELS))
    # What is said beside them has no place.
    if not text or not judged or judged in row or any({text, judged} != set(s) for s in steps):
        return row
    column = judged if judged in RATINGS else "labels"
    return {**row, "steps": [s[text] for s in steps], column: [s[judged] for s in steps]}


def _first(row: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next((name for name in names if name in row), None)
