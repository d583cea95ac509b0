"""EvalPlus (arXiv:2305.01210): HumanEval+ and MBPP+, a reference solution and many inputs.

A record is the prompt; the tests, in `meta["tests"]` (see `verifiers.suites`), are the inputs, and
what the reference solution returns for them is what a right program returns. Where EvalPlus takes
other results too, the tests are assertions that ask the reference. JSON has no tuples, sets and
complex numbers: what an argument is made of is told by the row's contract. As in EvalPlus, 2 is
2.0, and floats may be off by the row's `atol` and by 1e-7 of what is expected.

Unlike it, a share of an integer is never given away, and for two tasks of MBPP+ the reference
decides: EvalPlus takes any result of `are_equivalent` and a 0 of `sum_div`, which a constant would
pass.

The first HumanEval+ was published as inputs alone; `{**task, "base_input": row["inputs"]}`, of a
row of HumanEval and the row with its inputs, is of this layout.
"""

import ast
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Final

from assay import syntax
from assay.data import conversations, fields
from assay.errors import DataError
from assay.types import Prompt, Record

__all__ = ["Evalplus"]

TOLERANCE: Final = 1e-6
"""How far floats may be off where a row's `atol` is 0, as EvalPlus has it."""
SHARE: Final = 1e-7
"""How far they may be off besides, as a share of what is expected:
`numpy.testing.assert_allclose`'s own."""
MAX_DEPTH: Final = 60
"""Deepest nesting of an argument: little more does not get into a sandbox."""

_AS_SETS: Final = "set(found) == set(expected)"
_FOUND_OR_NOT: Final = (
    "(found if isinstance(found, bool) else found is not None) == (expected is not None)"
)
_A_NUMBER: Final = "type(found) in (int, float, Fraction, Decimal)"
# The height is the pyramid's slant height, as in the reference, or its own; digits are paired from
# the left, as there, or from the right.
_AREA: Final = "round(arguments[0] ** 2 + 2 * arguments[0] * hypot(arguments[0] / 2, arguments[1]))"
_PADDED: Final = (
    "(str(number).zfill(max(len(str(each)) for each in arguments)) for number in arguments)"
)
_ORACLES: Final = {
    **dict.fromkeys(
        ("Diff", "common_in_nested_lists", "extract_singly", "find_char_long"), _AS_SETS
    ),
    **dict.fromkeys(
        ("find_dissimilar", "intersection_array", "larg_nnum", "similar_elements"), _AS_SETS
    ),
    **dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), _FOUND_OR_NOT),
    "find_zero": f"{_A_NUMBER} and abs(poly(*arguments, found)) <= tolerance",
    "surface_Area": (
        f"{_A_NUMBER} and any(isclose(each, found, rel_tol={SHARE}, abs_tol=tolerance) "
        f"for each in (expected, {_AREA}))"
    ),
    "digit_distance_nums": (
        f"found in (expected, sum(abs(int(a) - int(b)) for a, b in zip(*{_PADDED})))"
    ),
}
"""When a result is right that need not equal the reference's."""
_USED: Final = (
    "from decimal import Decimal\nfrom fractions import Fraction\nfrom math import hypot, inf,"
    " isclose, nan\n"
)
_UNTOLD: Final = {
    "count_first_elements": "tuple of tuples",
    "empty_dit": "sets",
    "extract_even": "tuple all through",
    "remove_nested": "tuple all through",
}
"""What the contracts of these tasks leave open about their one argument."""
_ITEMS: Final = {
    "tuples": "tuple",
    "tuple of tuples": "tuple",
    "tuple all through": "tuple all through",
    "sets": "set",
}
"""The kind of an argument's items, by the argument's own kind."""
_SCALARS: Final = {
    "tuple": "tuple",
    "complex": "complex",
    "(int, float, complex)": "complex",
    "(int, float)": "number",
}
"""The kind of an argument, by the type that its contract asserts."""


@dataclass(frozen=True, kw_only=True)
class Evalplus:
    """{task_id, prompt, entry_point, canonical_solution, base_input: [arguments], plus_input, atol,
    contract}."""

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
        whole = stub + solution if continues else solution
        kinds = _kinds(whole, entry, str(row.get("contract") or ""))
        inputs = _inputs(row, "base_input", kinds)
        if self.plus and "plus_input" in row:
            inputs += _inputs(row, "plus_input", kinds)
        tolerance = fields.number(row.get("atol") or 0, "atol") or TOLERANCE
        tests = (
            _asserted(entry, whole, inputs, tolerance)
            if entry in _ORACLES
            else _called(whole, inputs, tolerance)
        )
        more = fields.rest(
            row,
            *("prompt", "entry_point", "canonical_solution", "contract"),
            *("base_input", "plus_input", "atol", "task_id"),
        )
        meta = {
            **more,
            "solution": solution,
            "tests": {**tests, "entry": entry, "stub": stub if continues else ""},
        }
        yield fields.make(
            Prompt,
            messages=conversations.turns(row, "prompt"),
            id=str(row.get("task_id", "")),
            meta=meta,
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _called(solution: str, inputs: list[list[Any]], tolerance: float) -> dict[str, Any]:
    """Tests that compare with the reference solution's results."""
    return {
        "kind": "reference",
        "solution": solution,
        "cases": [{"arguments": [*map(_tagged, arguments)]} for arguments in inputs],
        "values": "tagged",
        "distinct": 1,  # judged as published: some tasks have inputs with one answer only
        "absolute": tolerance,
        "relative": SHARE,
        "numbers": "equal",
    }


def _asserted(
    entry: str, solution: str, inputs: list[list[Any]], tolerance: float
) -> dict[str, Any]:
    """Tests that ask the reference solution, each with arguments that the program has not had in
    its hands."""
    source = (
        "arguments = {0!r}\nexpected = reference(*{0!r})\nfound = candidate(*{0!r})\nassert {1}\n"
    )
    return {
        "kind": "assertions",
        "tests": [source.format(arguments, _ORACLES[entry]) for arguments in inputs],
        "before": f"{solution}\n{_USED}reference = {entry}\ntolerance = {tolerance!r}\n",
    }


def _inputs(row: Mapping[str, Any], field: str, kinds: list[str]) -> list[list[Any]]:
    """The arguments of each call, as Python values."""
    found = fields.value(row, field)
    if found == {}:  # as MBPP+ writes that there is none
        return []
    if not isinstance(found, list) or not all(isinstance(arguments, list) for arguments in found):
        raise DataError(f"field {field!r}: expected a list of lists of arguments")
    try:
        return [[*map(_value, arguments, chain(kinds, repeat("")))] for arguments in found]
    except (ValueError, TypeError) as error:
        raise DataError(
            f"field {field!r}: an argument is not what the contract says: {error}"
        ) from error


def _kinds(solution: str, entry: str, contract: str) -> list[str]:
    """Return what the contract says of each parameter, "" where nothing that JSON does not tell."""
    body = syntax.parse(solution, "canonical_solution").body
    asserts = syntax.parse(textwrap.dedent(contract.strip("\n")), "contract")
    functions = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == entry]
    names = [each.arg for each in functions[-1].args.args] if functions else []
    if entry in _UNTOLD:
        return [_UNTOLD[entry]]
    found = dict.fromkeys(names, "")
    of_tuples = set()
    for node in ast.walk(asserts):
        match node:
            case ast.Call(func=ast.Name("isinstance"), args=[ast.Name(name), kind]) if (
                not found.get(name, "-")
            ):
                found[name] = _SCALARS.get(ast.unparse(kind), "")
            case ast.GeneratorExp(
                elt=said, generators=[ast.comprehension(target=ast.Name(item), iter=over)]
            ):
                match over:
                    case (
                        ast.Name(name)
                        | ast.Call(func=ast.Attribute(value=ast.Name(name), attr="values"))
                    ):
                        if f"isinstance({item}, tuple)" in ast.unparse(said):
                            of_tuples.add(name)
    both = {"": "tuples", "tuple": "tuple of tuples"}
    return [both.get(kind, kind) if name in of_tuples else kind for name, kind in found.items()]


def _value(value: Any, kind: str = "", depth: int = 0) -> Any:
    """An argument as Python's value. Raises `ValueError` where it is not of its kind, or nested too
    deep."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if kind == "complex":
        return complex(value)
    if kind == "number" and isinstance(value, str):
        return float(value)
    items = _ITEMS.get(kind, "")
    if isinstance(value, dict):
        return {key: _value(item, items, depth + 1) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    found = [_value(item, items, depth + 1) for item in value]
    if kind == "set":
        return (
            set(found) if found else {}
        )  # the task is of empty dicts, and its tests have sets among them
    return tuple(found) if kind.startswith("tuple") and kind != "tuples" else found


def _tagged(value: Any) -> Any:
    """A value in the tagged form, which tells tuples from lists."""
    if isinstance(value, (list, tuple, set)):
        return [type(value).__name__, *map(_tagged, value)]
    if isinstance(value, dict):
        return ["dict", *([key, _tagged(item)] for key, item in value.items())]
    if isinstance(value, complex):
        return ["complex", value.real.hex(), value.imag.hex()]
    if isinstance(value, int) and abs(value) >= 2**53:
        return ["int", hex(value)]
    if isinstance(value, float) and not math.isfinite(value):
        return ["float", repr(value)]
    return value
