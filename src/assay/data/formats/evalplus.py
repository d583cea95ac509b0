"""EvalPlus (arXiv:2305.01210): HumanEval+ and MBPP+, a reference solution and many inputs.

A record is the prompt; the tests, in `meta["tests"]` (see `verifiers.suites`), are the inputs, and what the reference
solution returns for them is what a right program returns. JSON has no tuples and no complex numbers; where the row's
contract asserts that an argument is one, or that its elements are tuples, it is made one.
"""

import ast
import json
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from assay.data import fields, syntax
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
        stub, entry = fields.text(row, "prompt"), fields.text(row, "entry_point").strip()
        solution = fields.text(row, "canonical_solution")
        continues = re.search(rf"^def\s+{re.escape(entry)}\b", solution, re.MULTILINE) is None
        inputs = [
            *_inputs(row, "base_input"),
            *(_inputs(row, "plus_input") if self.plus and "plus_input" in row else []),
        ]
        types = _types(stub + solution if continues else solution, entry, str(row.get("contract") or ""))
        tests = {
            "kind": "reference",
            "entry": entry,
            "solution": stub + solution if continues else solution,
            "cases": [{"arguments": [*map(_tagged, arguments, chain(types, repeat("")))]} for arguments in inputs],
            "values": "tagged",
            "distinct": 1,  # judged as published: some tasks have inputs with one answer only
            "stub": stub if continues else "",
            "absolute": fields.number(row.get("atol") or 0, "atol"),
        }
        more = fields.rest(
            row,
            *("prompt", "entry_point", "canonical_solution", "contract"),
            *("base_input", "plus_input", "atol", "task_id"),
        )
        meta = {**more, "solution": solution, "tests": tests}
        yield fields.make(Prompt, messages=fields.turns(row, "prompt"), id=str(row.get("task_id", "")), meta=meta)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _inputs(row: Mapping[str, Any], field: str) -> list[list[Any]]:
    found = fields.value(row, field)
    if found == {}:  # as MBPP+ writes that there is none
        return []
    if isinstance(found, list) and all(isinstance(arguments, list) for arguments in found):
        return found
    raise DataError(f"field {field!r}: expected a list of lists of arguments")


def _types(solution: str, entry: str, contract: str) -> list[str]:
    """What the contract says of each parameter: "tuple", "complex", "number", "tuples" (its elements are), or ""."""
    body = syntax.parse(solution, "canonical_solution").body
    asserts = syntax.parse(textwrap.dedent(contract.strip("\n")), "contract")
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    names = next(([each.arg for each in f.args.args] for f in functions if f.name == entry), [])
    found = dict.fromkeys(names, "")
    for node in ast.walk(asserts):
        if (
            isinstance(node, ast.comprehension)
            and isinstance(node.iter, ast.Name)
            and isinstance(node.target, ast.Name)
        ):
            name, element = node.iter.id, node.target.id
            if name in found and f"isinstance({element}, tuple)" in contract:
                found[name] = "tuples"
        elif (
            isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance" and isinstance(node.args[0], ast.Name)
        ):
            name, kind = node.args[0].id, ast.unparse(node.args[1])
            if name in found and not found[name]:
                found[name] = {"tuple": "tuple", "complex": "complex", "(int, float)": "number"}.get(kind, "")
    return [*found.values()]


def _tagged(value: Any, kind: str = "") -> Any:
    """A value in the tagged form, which tells tuples from lists."""
    if kind == "complex" and isinstance(value, str):
        number = complex(value)
        return ["complex", number.real.hex(), number.imag.hex()]
    if kind == "number" and isinstance(value, str):
        return _tagged(json.loads(value))
    if isinstance(value, list):
        tag = "tuple" if kind == "tuple" else "list"
        return [tag, *(_tagged(item, "tuple" if kind == "tuples" else "") for item in value)]
    if isinstance(value, dict):
        return ["dict", *([key, _tagged(item)] for key, item in value.items())]
    if isinstance(value, int) and abs(value) >= 2**53:
        return ["int", hex(value)]
    if isinstance(value, float) and not math.isfinite(value):
        return ["float", repr(value)]
    return value
