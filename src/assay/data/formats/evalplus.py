"""EvalPlus (arXiv:2305.01210): HumanEval+ and MBPP+, a reference solution and many inputs.

A record is the prompt; the tests, in `meta["tests"]` (see `verifiers.suites`), are the inputs, and what the reference
solution returns for them is what a right program returns.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import fields
from assay.errors import DataError
from assay.types import Prompt, Record

__all__ = ["Evalplus"]


@dataclass(frozen=True, kw_only=True)
class Evalplus:
    """{task_id, prompt, entry_point, canonical_solution, base_input: [arguments], plus_input, atol}."""

    plus: bool = True
    """Test on the added inputs too."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A solution and inputs."""
        return {"entry_point", "canonical_solution", "base_input"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One prompt."""
        stub, entry = fields.text(row, "prompt"), fields.text(row, "entry_point")
        solution = fields.text(row, "canonical_solution")
        continues = re.search(rf"^def\s+{re.escape(entry)}\b", solution, re.MULTILINE) is None
        inputs = [
            *_inputs(row, "base_input"),
            *(_inputs(row, "plus_input") if self.plus and "plus_input" in row else []),
        ]
        tests = {
            "kind": "reference",
            "entry": entry,
            "solution": stub + solution if continues else solution,
            "cases": [{"arguments": arguments} for arguments in inputs],
            "stub": stub if continues else "",
            "absolute": fields.number(row.get("atol") or 0, "atol"),
        }
        more = fields.rest(
            row, "prompt", "entry_point", "canonical_solution", "base_input", "plus_input", "atol", "task_id"
        )
        meta = {**more, "solution": solution, "tests": tests}
        yield fields.make(Prompt, messages=fields.turns(row, "prompt"), id=str(row.get("task_id", "")), meta=meta)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _inputs(row: Mapping[str, Any], field: str) -> list[list[Any]]:
    found = fields.value(row, field)
    if isinstance(found, list) and all(isinstance(arguments, list) for arguments in found):
        return found
    raise DataError(f"field {field!r}: expected a list of lists of arguments")
