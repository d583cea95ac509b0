"""MBPP (arXiv:2108.07732), whole or sanitized: a task in words, a solution, and lines that assert.

A record is the prompt with its tests shown below it, as the paper asks it: they name the function.
The tests are in `meta["tests"]` (see `verifiers.suites`), each a source of its own, and the
solution in `meta["solution"]`.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay import syntax
from assay.data import fields
from assay.errors import DataError
from assay.types import Message, Prompt, Record

__all__ = ["Mbpp"]


@dataclass(frozen=True, kw_only=True)
class Mbpp:
    """{task_id, text or prompt, code, test_list: ["assert ..."], test_setup_code or
    test_imports}."""

    challenge: bool = True
    """Test with `challenge_test_list` too, which the prompt does not show."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A solution and a list of tests."""
        return {"code", "test_list"} <= row.keys() and bool({"text", "prompt"} & row.keys())

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One prompt."""
        words = fields.text(row, "text" if "text" in row else "prompt")
        code, shown = fields.text(row, "code"), fields.texts(row, "test_list")
        if not shown:
            raise DataError("field 'test_list': expected at least one test")
        hidden = (
            fields.texts(row, "challenge_test_list")
            if row.get("challenge_test_list") and self.challenge
            else []
        )
        imports = fields.texts(row, "test_imports") if row.get("test_imports") else []
        setup = fields.text(row, "test_setup_code") if row.get("test_setup_code") else ""
        start = (
            f"{setup}\n" if setup.strip() else ""
        )  # with each test: it may build objects of the program's classes
        tests = {
            "kind": "assertions",
            "tests": [f"{start}{test}" for test in (*shown, *hidden)],
            "entry": _entry(code, shown),
            "before": "\n".join(imports),
        }
        used = (
            "text",
            "prompt",
            "code",
            "test_list",
            "challenge_test_list",
            "test_imports",
            "test_setup_code",
            "task_id",
        )
        asked = Message(
            role="user",
            content="\n".join([words, "Your code should pass these tests:", "", *shown]),
        )
        meta = {**fields.rest(row, *used), "solution": code, "tests": tests}
        yield fields.make(Prompt, messages=(asked,), id=f"MBPP/{row.get('task_id', '')}", meta=meta)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _entry(code: str, tests: Sequence[str]) -> str:
    """The function under test: the one that the solution defines and the first test calls."""
    nodes = ast.walk(syntax.parse(code, "code"))
    defined = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    called = [
        node.id
        for node in ast.walk(syntax.parse(tests[0], "test_list"))
        if isinstance(node, ast.Name)
    ]
    return next((name for name in called if name in defined), "")
