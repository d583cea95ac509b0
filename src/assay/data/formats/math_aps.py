"""Prefixes of solutions with their Monte-Carlo values (openreasoner/openr, OmegaPRM:
arXiv:2406.06592).

`mc_value` is the share of completions decoded from a prefix that reached the answer: a soft label
of all that stands there so far. A prefix begins with the question; the question's own value is the
problem's solve rate.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import fields
from assay.errors import DataError
from assay.types import Message, Prompt, Record, Response, StepLabels

__all__ = ["MathAps"]

LEFT_OUT: Final = frozenset({"question_id"})
"""Columns of the public file that are left out."""


@dataclass(frozen=True, kw_only=True)
class MathAps:
    """{question, final_answer, reasoning_steps: [{solution_prefix, mc_value}]}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A list of prefixes."""
        return "question" in row and isinstance(row.get("reasoning_steps"), list)

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record a prefix, labelled at its end; the solve rate is in the prompt's `meta`."""
        question = fields.text(row, "question")
        values: dict[str, float] = {}
        others: dict[str, dict[str, Any]] = {}
        for entry in fields.mappings(row, "reasoning_steps"):
            text = fields.text(entry, "solution_prefix")
            if not text.startswith(question):
                raise DataError(
                    "field 'reasoning_steps.solution_prefix': does not begin with the question"
                )
            said = text[len(question) :].strip()
            values[said] = fields.number(entry.get("mc_value"), "reasoning_steps.mc_value")
            others[said] = fields.rest(entry, "solution_prefix", "mc_value")
        message = fields.make(Message, role="user", content=question)
        meta = fields.rest(row, "question", "final_answer", "reasoning_steps", *LEFT_OUT)
        if "" in values:
            meta |= {**others[""], "solve_rate": values.pop("")}
        prompt = fields.make(
            Prompt, messages=(message,), reference=row.get("final_answer"), meta=meta
        )
        for text, value in values.items():
            response = fields.make(Response, steps=(text,), meta=others[text])
            yield fields.make(
                StepLabels, prompt=prompt, response=response, labels=(value,), meaning="monte_carlo"
            )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)
