"""GSM8K test questions with the solutions of four GPT-3 systems (openai/grade-school-math,
arXiv:2110.14168)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import fields
from assay.types import Message, Prompt, Ranking, Record, Response

__all__ = ["Gsm8kSolutions"]

SYSTEMS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
LEFT_OUT: Final = frozenset({"ground_truth"})
"""Columns of the public file that are left out: the worked solution, but for its last line."""


@dataclass(frozen=True, kw_only=True)
class Gsm8kSolutions:
    """{question, ground_truth, 6b_finetuning: {solution, is_correct}, 6b_verification,
    175b_finetuning, ...}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The four systems."""
        return {"question", "ground_truth", *SYSTEMS} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One pool, graded 1 and 0; the response's `meta` names the system."""
        gold = re.search(r"A: (.+)\s*\Z", fields.text(row, "ground_truth"))
        question = fields.make(Message, role="user", content=fields.text(row, "question"))
        meta = fields.rest(row, "question", *SYSTEMS, *LEFT_OUT)
        answers = [fields.mapping(row, name) for name in SYSTEMS]
        yield fields.make(
            Ranking,
            prompt=fields.make(
                Prompt,
                messages=(question,),
                reference=gold[1].strip() if gold else None,
                meta=meta,
            ),
            responses=tuple(
                fields.make(
                    Response,
                    steps=(fields.text(answer, "solution"),),
                    meta={**fields.rest(answer, "solution", "is_correct"), "model": name},
                )
                for name, answer in zip(SYSTEMS, answers, strict=True)
            ),
            grades=tuple(
                fields.yes_no(answer.get("is_correct"), "is_correct") for answer in answers
            ),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)
