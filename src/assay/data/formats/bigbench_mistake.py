"""BIG-Bench Mistake (arXiv:2311.08516): PaLM 2 chains of thought with the first mistake marked.

`mistake_index` counts from 0; null says that there is none, though the answer may still be wrong.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import fields
from assay.data.steps import first_error, joined
from assay.types import Message, Prompt, Record, Response, StepLabels

__all__ = ["BIGBenchMistake"]


@dataclass(frozen=True, kw_only=True)
class BIGBenchMistake:
    """{input, target, answer, steps: [string], mistake_index}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Steps and a mistake's place."""
        return {"input", "steps", "mistake_index"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record: 1 before the mistake, 0 at it, nothing after it; all 1 where there is
        none."""
        steps, at = fields.texts(row, "steps"), fields.value(row, "mistake_index")
        question = fields.make(Message, role="user", content=fields.text(row, "input"))
        place = None if at is None else fields.index(at, "mistake_index")
        meta = fields.rest(row, "input", "target", "answer", "steps", "mistake_index")
        yield fields.make(
            StepLabels,
            prompt=fields.make(
                Prompt, messages=(question,), reference=row.get("target"), meta=meta
            ),
            response=fields.make(Response, steps=joined(steps), meta={"answer": row.get("answer")}),
            labels=first_error(len(steps), place, "mistake_index"),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)
