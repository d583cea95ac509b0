r"""Nectar (Berkeley's Starling, 2023): a dialog and seven models' answers, ranked by GPT-4.

The prompt is a dialog of "\n\nHuman: ..." and "\n\nAssistant: ...", cut into messages (white space
around a turn is dropped).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.data.pairs import prompted
from assay.errors import DataError
from assay.types import Ranking, Record

__all__ = ["Nectar"]


@dataclass(frozen=True, kw_only=True)
class Nectar:
    """{prompt, answers: [{answer, model, rank}]}: rank 1 is the best, and equal ranks are ties."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A prompt and ranked answers."""
        answers = row.get("answers")
        ranked = isinstance(answers, list) and all(
            isinstance(each, dict) and {"answer", "rank"} <= each.keys() for each in answers
        )
        return "prompt" in row and ranked

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One ranking, graded minus the rank; what else an answer has is the response's `meta`."""
        answers = fields.mappings(row, "answers")
        turns = prompted(fields.value(row, "prompt"), "prompt")
        yield fields.make(
            Ranking,
            prompt=fields.prompt(turns, row, "prompt", "answers"),
            responses=tuple(
                conversations.reply(
                    fields.text(each, "answer"),
                    turns,
                    f"answers.{i}.answer",
                    meta=fields.rest(each, "answer", "rank"),
                )
                for i, each in enumerate(answers)
            ),
            grades=tuple(
                -fields.number(each.get("rank"), f"answers.{i}.rank")
                for i, each in enumerate(answers)
            ),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Rankings of unsplit responses, by minus their grades."""
        return fields.written(self, records, Ranking, _row)


def _row(record: Ranking) -> dict[str, Any]:
    speakers = {"user": "Human", "assistant": "Assistant"}
    turns = record.prompt.messages
    if foreign := {turn.role for turn in turns} - speakers.keys():
        raise DataError(f"nectar has no {' or '.join(sorted(foreign))} turn")
    said = [f"\n\n{speakers[turn.role]}: {turn.content}" for turn in turns]
    return {
        "prompt": "".join([*said, "\n\nAssistant: "]),
        "answers": [
            {**response.meta, "answer": response.text, "rank": -grade}
            for response, grade in zip(record.responses, record.grades, strict=True)
        ],
        **fields.columns(record.prompt),
    }
