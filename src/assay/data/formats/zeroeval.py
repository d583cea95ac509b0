"""Pools of many models' greedy answers to one question (WildEval/ZeroEval): reasoning, answer,
correctness.

The answer stands apart from the reasoning, and either may be missing. The response is the reasoning
and then "The answer is X.", so that a reader of the text finds it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import fields
from assay.types import Message, Prompt, Ranking, Record, Response

__all__ = ["Zeroeval"]

LEFT_OUT: Final = frozenset({"raw_output"})
"""Columns of a candidate in the public file that are left out."""
READ: Final = "reasoning", "answer", "correct"


@dataclass(frozen=True, kw_only=True)
class Zeroeval:
    """{id, question, gold, candidates: [{model, reasoning, answer, correct}]}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The three columns."""
        return {"question", "gold", "candidates"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One pool, graded 1 and 0; the response's `meta` names the model."""
        question = fields.make(Message, role="user", content=fields.text(row, "question"))
        candidates = fields.mappings(row, "candidates")
        yield fields.make(
            Ranking,
            prompt=fields.make(
                Prompt,
                messages=(question,),
                reference=_number(fields.value(row, "gold")),
                id=str(row.get("id", "")),
                meta=fields.rest(row, "id", "question", "gold", "candidates"),
            ),
            responses=tuple(
                fields.make(
                    Response,
                    steps=(_text(c),),
                    meta={"model": fields.text(c, "model"), **fields.rest(c, *READ, *LEFT_OUT)},
                )
                for c in candidates
            ),
            grades=tuple(
                fields.yes_no(c.get("correct"), f"candidates.{i}.correct")
                for i, c in enumerate(candidates)
            ),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _number(gold: object) -> str:
    return str(int(gold)) if isinstance(gold, float) and gold.is_integer() else str(gold)


def _text(candidate: Mapping[str, Any]) -> str:
    reasoning, answer = candidate.get("reasoning"), candidate.get("answer")
    parts = [] if reasoning is None else [fields.text(candidate, "reasoning").rstrip()]
    if answer is not None:
        shown = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        parts.append(f"The answer is {shown}.")
    return "\n".join(parts)
