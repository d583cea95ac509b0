"""UltraFeedback (arXiv:2310.01377): an instruction and several models' completions, each with a
grade.

`overall_score` is the critique's 1 to 10; some rows say 10 where the critique says 1, so the mean
of the four aspects, `fine-grained_score`, is often preferred. Rows without completions exist; they
give no record.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assay.data import conversations, fields
from assay.types import Ranking, Record, Response

__all__ = ["Ultrafeedback"]


@dataclass(frozen=True, kw_only=True)
class Ultrafeedback:
    """{instruction, completions: [{response, model, overall_score, ...}]}."""

    grade: Literal["overall_score", "fine-grained_score"] = "overall_score"
    """The field of a completion that is its grade."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The two columns."""
        return {"instruction", "completions"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One ranking; what else a completion has is the response's `meta`."""
        completions = fields.mappings(row, "completions")
        if not completions:
            return
        yield fields.make(
            Ranking,
            prompt=fields.prompt(
                conversations.turns(row, "instruction"), row, "instruction", "completions"
            ),
            responses=tuple(
                fields.make(
                    Response,
                    steps=(fields.text(c, "response"),),
                    meta=fields.rest(c, "response", self.grade),
                )
                for c in completions
            ),
            grades=tuple(
                fields.number(c.get(self.grade), f"completions.{i}.{self.grade}")
                for i, c in enumerate(completions)
            ),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Rankings of unsplit responses to a single user message."""
        return fields.written(self, records, Ranking, self._row)

    def _row(self, record: Ranking) -> dict[str, Any]:
        completions = [
            {**response.meta, "response": response.text, self.grade: grade}
            for response, grade in zip(record.responses, record.grades, strict=True)
        ]
        return {
            "instruction": record.prompt.text,
            "completions": completions,
            **fields.columns(record.prompt),
        }
