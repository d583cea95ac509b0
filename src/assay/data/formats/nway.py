"""N-way rankings as plain columns: a prompt, its responses, and a score or a rank for each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.errors import DataError
from assay.types import Ranking, Record, Response

__all__ = ["Nway"]


@dataclass(frozen=True, kw_only=True)
class Nway:
    """{prompt, responses (or candidates): [string], scores: [number] (higher is better), or ranks
    (1 is best)}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The three columns, under either name."""
        one, other = _names(row)
        return (
            "prompt" in row
            and one in row
            and other in row
            and isinstance(fields.parsed(row[one]), list)
            and "type" not in row
        )

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One ranking; of ranks, the grade is minus the rank."""
        if "ranks" in row and "scores" in row:
            raise DataError(
                "'ranks' and 'scores' both grade the responses; name one, as in --columns"
                " prompt=prompt,responses=responses,scores=scores"
            )
        answers, graded = _names(row)
        turns, row = conversations.asked(row, "prompt")
        said = fields.parsed(row.get(answers))
        if not isinstance(said, list):
            raise fields.wrong(answers, "a list of responses", said)
        values = fields.parsed(row.get(graded))
        if not isinstance(values, list) or len(values) != len(said):
            raise DataError(
                f"field {graded!r}: expected a number for each of the {len(said)} {answers}"
            )
        sign = 1.0 if graded == "scores" else -1.0
        yield fields.make(
            Ranking,
            prompt=fields.prompt(turns, row, "prompt", answers, graded),
            responses=tuple(
                fields.make(Response, steps=(each,))
                if isinstance(each, str)
                else conversations.reply(each, turns, f"{answers}.{i}")
                for i, each in enumerate(said)
            ),
            grades=tuple(
                sign * fields.number(value, f"{graded}.{i}") for i, value in enumerate(values)
            ),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Rankings of unsplit responses, with scores."""
        return fields.written(self, records, Ranking, _row)


def _names(row: Mapping[str, Any]) -> tuple[str, str]:
    return (
        "candidates" if "candidates" in row else "responses",
        "ranks" if "ranks" in row else "scores",
    )


def _row(record: Ranking) -> dict[str, Any]:
    return {
        "prompt": conversations.column(record.prompt.messages),
        "responses": [conversations.said(each, chat=False) for each in record.responses],
        "scores": list(record.grades),
        **fields.columns(record.prompt),
    }
