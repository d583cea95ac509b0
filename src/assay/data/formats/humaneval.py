"""HumanEval (arXiv:2107.03374) and sets of its layout: the start of a program, and a
`check(candidate)` that asserts.

A record is the prompt, with the tests in `meta["tests"]` (see `verifiers.suites`) and the rest of
the program in `meta["solution"]`. What the prompt defines before the function to write, the tests
may use.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.types import Prompt, Record

__all__ = ["Humaneval"]


@dataclass(frozen=True, kw_only=True)
class Humaneval:
    """{task_id, prompt, entry_point, canonical_solution, test: "def check(candidate): ..."}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """An entry point, and a test that checks."""
        return {"prompt", "entry_point"} <= row.keys() and "def check(" in str(row.get("test"))

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One prompt."""
        stub = fields.text(row, "prompt")
        tests = {
            "kind": "assertions",
            "tests": [fields.text(row, "test")],
            "entry": fields.text(row, "entry_point").strip(),
            "before": f"{stub}\n    pass\n",
            "stub": stub,
        }
        more = fields.rest(row, "prompt", "test", "entry_point", "task_id", "canonical_solution")
        if "canonical_solution" in row:
            more["solution"] = fields.text(row, "canonical_solution")
        id = str(row.get("task_id", ""))
        yield fields.make(
            Prompt,
            messages=conversations.turns(row, "prompt"),
            id=id,
            meta={**more, "tests": tests},
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)
