"""Math-Shepherd (arXiv:2312.08935): the tag ки ends each step of `input`; `label` is the same text
with + or - for it.

+ says that at least one of the completions decoded from there reached the answer. The question
stands before "Step 1:". A step keeps its own text; the blank before its tag goes, and the newline
after it becomes the step's end.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.errors import DataError
from assay.types import Record, Response, StepLabels

__all__ = ["MathShepherd"]

TAG = "ки"


@dataclass(frozen=True, kw_only=True)
class MathShepherd:
    """{input: "question Step 1: ... ки\\nStep 2: ... ки", label: the same with + and -, task}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Tags in the input, and a text as label."""
        return TAG in str(row.get("input")) and isinstance(row.get("label"), str)

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record; 1 for +, 0 for -."""
        *pieces, tail = fields.text(row, "input").split(TAG)
        marks = _marks(pieces, fields.text(row, "label"))
        start = pieces[0].rfind("Step 1:") if pieces else -1
        if start < 0:
            raise DataError(
                f"field 'input': expected a question, then 'Step 1:', then steps that end in {TAG}"
            )
        question, first = pieces[0][:start].strip(), pieces[0][start:]
        if tail.strip():
            raise DataError(
                f"field 'input': text after the last {TAG} has no label: {tail.strip()[:40]!r}"
            )
        # A line break behind a tag is its step's end.
        breaks = ["\r\n" if text.startswith("\r\n") else "\n" for text in pieces[1:]]
        texts = [first, *(t.removeprefix(b) for t, b in zip(pieces[1:], breaks, strict=True))]
        steps = [
            text.removesuffix(" ") + end for text, end in zip(texts, [*breaks, ""], strict=True)
        ]
        yield fields.make(
            StepLabels,
            prompt=fields.prompt(
                conversations.turns({"input": question}, "input"), row, "input", "label"
            ),
            response=fields.make(Response, steps=tuple(steps)),
            labels=marks,
            meaning="monte_carlo",
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Fully labelled steps, each right or wrong, the first beginning with "Step 1:"."""
        return fields.written(self, records, StepLabels, _row)


def _marks(pieces: list[str], label: str) -> tuple[float, ...]:
    """The sign after each piece of the input, in the label."""
    marks, position = [], 0
    for i, piece in enumerate(pieces):
        position += len(piece)
        sign = label[position : position + 1]
        if not label.startswith(piece, position - len(piece)) or sign not in ("+", "-"):
            raise DataError(
                f"field 'label': {len(pieces)} steps in the input, and the label has marks for {i}"
                f" of them; step {i + 1} is not the input's step followed by + or -"
            )
        marks.append(1.0 if sign == "+" else 0.0)
        position += 1
    return tuple(marks)


def _row(record: StepLabels) -> dict[str, Any]:
    if not record.response.steps:
        raise DataError("math-shepherd cannot hold a response without steps")
    signs = ["+" if label == 1 else "-" for label in record.labels]
    *steps, last = record.response.steps
    ends = ["\r\n" if step.endswith("\r\n") else "\n" for step in steps]
    texts = [*(step.removesuffix(end) for step, end in zip(steps, ends, strict=True)), last]

    def text(marks: list[str]) -> str:
        lines = zip(texts, marks, [*ends, ""], strict=True)
        said = "".join(f"{step} {mark}{end}" for step, mark, end in lines)
        return f"{record.prompt.text} {said}"

    return {
        "input": text([TAG] * len(texts)),
        "label": text(signs),
        **fields.columns(record.prompt),
    }
