"""GSM8K (arXiv:2110.14168): a question, and an answer whose last line is "#### " and the gold
number.

A record is the prompt, with the number as reference and the worked solution in `meta`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.data.solutions import MARK
from assay.errors import DataError
from assay.types import Prompt, Record

__all__ = ["Gsm8k"]


@dataclass(frozen=True, kw_only=True)
class Gsm8k:
    """{question, answer: "solution\\n#### number"}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A question, and the mark in the answer."""
        return "question" in row and "####" in str(row.get("answer"))

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One prompt."""
        solution, mark, gold = fields.text(row, "answer").rpartition(MARK)
        if not mark or not gold.strip():
            raise DataError("field 'answer': expected a last line of '#### ' and the gold answer")
        more = fields.rest(row, "question", "answer")
        yield fields.make(
            Prompt,
            messages=conversations.turns(row, "question"),
            reference=gold.strip(),
            meta={**more, "solution": solution},
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Prompts of one user message with a reference."""
        return fields.written(self, records, Prompt, _row)


def _row(record: Prompt) -> dict[str, Any]:
    more = dict(record.meta)
    solution = more.pop("solution", "")
    return {"question": record.text, "answer": f"{solution}{MARK}{record.reference or ''}", **more}
