"""NeMo-RL's preference data: a context and completions, each with its rank; the lowest is the
best."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.chat import openai
from assay.data import conversations, fields
from assay.data.pairs import prompted
from assay.errors import DataError
from assay.types import Preference, Ranking, Record

__all__ = ["NemoPreference"]


@dataclass(frozen=True, kw_only=True)
class NemoPreference:
    """{context, completions: [{completion, rank}]}: messages."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The two columns, and ranks."""
        found = row.get("completions")
        ranked = isinstance(found, list) and all(isinstance(x, dict) and "rank" in x for x in found)
        return "context" in row and bool(found) and ranked

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """A preference where there are two completions of unlike rank, else a ranking."""
        messages = prompted(fields.value(row, "context"), "context")
        ranked = []
        for i, each in enumerate(fields.mappings(row, "completions")):
            field = f"completions.{i}.completion"
            meta = fields.rest(each, "completion", "rank")
            said = conversations.reply(fields.value(each, "completion"), messages, field, meta=meta)
            rank = fields.number(fields.value(each, "rank"), f"completions.{i}.rank")
            ranked.append((rank, said))
        prompt = fields.prompt(messages, row, "context", "completions")
        ranks, responses = [rank for rank, _ in ranked], tuple(said for _, said in ranked)
        if len(ranked) == 2 and ranks[0] != ranks[1]:
            prefer = float(ranks[0] < ranks[1])
            yield fields.make(Preference, prompt=prompt, responses=responses, prefer=prefer)
        else:
            grades = tuple(-rank for rank in ranks)
            yield fields.make(Ranking, prompt=prompt, responses=responses, grades=grades)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Decided preferences, and rankings."""
        for record in records:
            if not isinstance(record, (Preference, Ranking)):
                raise DataError(
                    f"nemo-preference holds Preference and Ranking records, not"
                    f" {type(record).__name__}"
                )
            yield from fields.written(self, [record], type(record), _row)


def _row(record: Preference | Ranking) -> dict[str, Any]:
    if isinstance(record, Ranking):
        ranks = [-grade for grade in record.grades]
    else:
        ranks = [1 - record.prefer, record.prefer]
    return {
        "context": [openai(each) for each in record.prompt.messages],
        "completions": [
            {
                "rank": int(rank) if rank.is_integer() else rank,
                "completion": conversations.said(response, chat=True),
                **response.meta,
            }
            for rank, response in zip(ranks, record.responses, strict=True)
        ],
        **fields.columns(record.prompt),
    }
