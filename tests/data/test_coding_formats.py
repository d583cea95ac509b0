"""Coding tasks: what each layout's tests become, and that their solutions pass them."""

import base64
import json
import os
import pickle
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest

from assay.data.formats.evalplus import Evalplus
from assay.data.formats.humaneval import Humaneval
from assay.data.formats.livecodebench import Livecodebench
from assay.data.formats.mbpp import Mbpp
from assay.data.io import read
from assay.errors import DataError
from assay.sandbox.inside.codec import decode
from assay.types import Prompt
from assay.verifiers.code.suites import Assertions, Calls, Reference, Streams, Suite, suite_of

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def tasks(name: str) -> list[tuple[Prompt, Suite]]:
    found = []
    for prompt in read(GOLDEN / f"{name}.jsonl"):
        assert isinstance(prompt, Prompt)
        suite = suite_of(prompt)
        assert suite is not None
        found.append((prompt, suite))
    return found


def row(name: str, index: int = 0) -> dict[str, Any]:
    return json.loads((GOLDEN / f"{name}.jsonl").read_text().splitlines()[index])  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["humaneval", "mbpp", "evalplus"])
def test_the_solutions_pass_and_planted_bugs_do_not(name: str) -> None:
    pytest.importorskip("pyseccomp")
    from assay.verifiers.code.verifier import Code

    found = Code().validate([(prompt.meta["solution"], suite) for prompt, suite in tasks(name)])
    assert found["solutions"] == 3
    assert found["planted"] == 12


def test_livecodebench_functions_find_what_they_are_run_with() -> None:
    """Starter code names `List`, and nobody imports it; a stack of 5,000 calls is usual in
    contests."""
    pytest.importorskip("pyseccomp")
    from assay.verifiers.code.verifier import Code

    _, suite = tasks("livecodebench")[1]
    start = "class Solution:\n    def twice(self, xs: List[int], n: int) -> List[int]:\n        "
    bodies = (
        "return xs * n",
        "return list(chain(*repeat(xs, n)))",
        "return math.prod([n]) * xs",
        "return xs",
    )
    assert [
        Code().check(f"```python\n{start}{body}\n```", suite).outcome for body in bodies
    ] == 3 * ["right"] + ["wrong"]
    assert Code(extract="completion").check("        return xs * n", suite).outcome == "right"
    deep = "def down(k): return k and down(k - 1)\n" + start + "down(5000)\n        return n * xs"
    assert Code().check(f"```python\n{deep}\n```", suite).outcome == "right"


def test_livecodebench_runs() -> None:
    pytest.importorskip("pyseccomp")
    from assay.verifiers.code.verifier import Code

    programs = (
        "print(float(sum(map(int, input().split()))))",  # compared as numbers
        (
            "from typing import List\nclass Solution:\n    def twice(self, xs: List[int], n: int):"
            " return tuple(xs * n)"
        ),
        "print(open(0).read())",
    )
    for program, wrong, (_, suite) in zip(programs, (1, 2, 0), tasks("livecodebench"), strict=True):
        assert Code().check(program, suite).outcome == "right"
        assert Code().check(programs[wrong], suite).outcome == "wrong"


def test_humaneval_helpers_are_for_the_tests() -> None:
    _, suite = tasks("humaneval")[1]
    assert isinstance(suite, Assertions)
    assert "def half(x)" in suite.before
    assert suite.stub.endswith('"""Half of each."""\n')
    assert suite.entry == "halves"


def test_mbpp_tests_apart_and_the_function_found() -> None:
    found = [suite for _, suite in tasks("mbpp")]
    assert all(isinstance(suite, Assertions) for suite in found)
    assert [suite.entry for suite in found] == ["add", "root", "larger"]
    assert [len(suite.tests) for suite in found if isinstance(suite, Assertions)] == [3, 2, 2]
    (without,) = Mbpp(challenge=False).read(row("mbpp"))
    assert isinstance(without, Prompt)
    assert len(without.meta["tests"]["tests"]) == 2
    assert "10**20" not in without.text
    (third,) = Mbpp().read({**row("mbpp", 2), "test_imports": ["import math"]})
    assert isinstance(third, Prompt)
    tests = third.meta["tests"]
    assert (tests["before"], tests["tests"][1]) == (
        "import math",
        "P = (1, 2)\nassert larger((0, 1), (5, 5)) == (5, 5)",
    )
    with pytest.raises(DataError, match="no Python"):
        list(Mbpp().read({**row("mbpp"), "code": "def"}))


def test_evalplus_inputs_tolerance_and_stub() -> None:
    first, second, _ = (suite for _, suite in tasks("evalplus"))
    assert isinstance(first, Reference)
    assert isinstance(second, Reference)
    assert len(first.cases) == 4
    assert (first.stub, first.absolute) == ("", 1e-6)  # EvalPlus' own, where the row says 0
    assert (first.relative, first.numbers, first.sequences) == (
        1e-7,
        "equal",
        None,
    )  # and these, everywhere
    assert second.stub.startswith("def third")
    assert second.solution == second.stub + "    return x / 3\n"
    assert second.absolute == 0.01
    (base,) = Evalplus(plus=False).read(row("evalplus"))
    assert isinstance(base, Prompt)
    assert len(base.meta["tests"]["cases"]) == 2


def evalplus(**changed: Any) -> Suite:
    """The tests of a row of EvalPlus."""
    (prompt,) = Evalplus().read({**row("evalplus"), "plus_input": {}, "contract": "", **changed})
    assert isinstance(prompt, Prompt)
    assert "contract" not in prompt.meta
    suite = suite_of(prompt)
    assert suite is not None
    return suite


def arguments(suite: Suite) -> list[list[Any]]:
    assert isinstance(suite, Reference)
    return [[decode(argument) for argument in case.arguments] for case in suite.cases]


@pytest.mark.parametrize(
    ("contract", "given", "expected"),
    [
        ("isinstance(x, tuple)", [1, [2]], (1, [2])),
        ("all(isinstance(y, tuple) for y in x)", [[1], [[2]]], [(1,), ([2],)]),
        ("isinstance(x, tuple) and all(isinstance(y, tuple) for y in x)", [[1], [2]], ((1,), (2,))),
        ("all(isinstance(y, tuple) for y in x.values())", {"a": [1, [2]]}, {"a": (1, [2])}),
        ("all(isinstance(y, list) for y in x)", [[1], [2]], [[1], [2]]),
        (
            "all(isinstance(y, list) for y in x) and all(isinstance(y, tuple) for y in z)",
            [[1]],
            [[1]],
        ),
        ("isinstance(x, complex) or isinstance(x, float)", "1j", 1j),
        ("isinstance(x, (int, float, complex))", "(1+2j)", 1 + 2j),
        ("isinstance(x, (int, float, complex))", 3, 3 + 0j),
        ("isinstance(x, (int, float))", "0.5", 0.5),
        ("isinstance(x, str)", "12", "12"),
        ("isinstance(x, list)", [1, {"a": [2**60, -(2**53)]}, float("inf"), True, None], None),
    ],
)
def test_evalplus_contracts_tell_what_json_does_not(
    contract: str, given: Any, expected: Any
) -> None:
    suite = evalplus(
        entry_point="f",
        canonical_solution="def f(x, z=()):\n    return x",
        base_input=[[given]],
        contract=f"\n  assert {contract}, 'invalid inputs' # $_CONTRACT_$\n",
    )
    ((found,),) = arguments(suite)
    expected = given if expected is None else expected
    assert (found, repr(found)) == (expected, repr(expected))


def test_evalplus_contracts_are_kept() -> None:
    with pytest.raises(DataError, match=r"base_input.*what the contract says"):
        evalplus(base_input=[["x", 1]], contract="assert isinstance(a, complex)")
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises(DataError, match=r"base_input.*nested deeper"):
        evalplus(base_input=[[deep, 1]])


@pytest.mark.parametrize(
    ("entry", "reference", "inputs", "right", "wrong"),
    [
        (
            "similar_elements",
            "return tuple(set(a) & set(b))",
            [[[3, 1, 2], [1, 2, 3]], [[1], [2]]],
            "return [x for x in a if x in b]",
            ["return a", "a.clear()", "b[:] = a\n    return ()"],
        ),
        (
            "check_str",
            "import re\n    return re.search('^' + b, a)",
            [["ab", "a"], ["ab", "b"]],
            "return a.startswith(b)",
            ["return None", "return True", "return a", "return object()"],
        ),
        (
            "find_zero",
            "return -a[0] / a[1]\ndef poly(a, b, x): return a[0] + a[1] * x",
            [[[1, 2], 0], [[-3, 1], 0]],
            "return -a[0] / a[1] + 1e-9",
            ["return 0", "a[:] = [0, 0]\n    return 0", "return float('nan')", "return [0]"],
        ),
        (
            "surface_Area",
            "return 2 * a * b + a ** 2",
            [[3, 4], [1.5, 2.25]],
            "return round(a ** 2 + 2 * a * ((a / 2) ** 2 + b ** 2) ** 0.5)",
            [
                "return a * b",
                "return float('nan')",
                "return str(2 * a * b + a ** 2)",
                "return None",
            ],
        ),
        (
            "digit_distance_nums",
            "return sum(abs(int(x) - int(y)) for x, y in zip(str(a), str(b)))",
            [[12, 123], [7, 1000]],
            "return sum(abs(a // 10**i % 10 - b // 10**i % 10) for i in range(9))",
            ["return 0", "return abs(a - b)"],
        ),
    ],
)
def test_evalplus_takes_other_results_where_they_are_right(
    entry: str, reference: str, inputs: list[Any], right: str, wrong: list[str]
) -> None:
    pytest.importorskip("pyseccomp")
    from assay.verifiers.code.verifier import Code

    head = f"def {entry}(a, b):\n    "
    suite = evalplus(entry_point=entry, canonical_solution=head + reference, base_input=inputs)
    assert isinstance(suite, Assertions)
    assert len(suite.tests) == 2
    code = Code()
    outcomes = [code.check(head + body, suite).outcome for body in (reference, right, *wrong)]
    assert outcomes == ["right", "right", *("wrong" for _ in wrong)]


def test_evalplus_compares_as_evalplus_does() -> None:
    """Without a setting: 2 is 2.0, a large float may be off by its rounding, and a tuple is no
    list."""
    pytest.importorskip("pyseccomp")
    from assay.verifiers.code.verifier import Code

    cases = [
        (
            "return math.pi * r * r * h",
            [[2e10, 3e12], [1.5, 2.7]],
            "return r * h * r * math.pi",
            "return r * h * r * 3.14159",
        ),
        (
            "return r / h",
            [[8, 2], [9, 2]],
            "return r // h if r % h == 0 else r / h",
            "return r // h",
        ),
        ("return r * h", [[3, 4], [10**9, 10**9]], "return h * r", "return float(h) * r + 256"),
        ("return (r, h)", [[1.5, 2.5]], "return (r + 1e-7, h)", "return [r, h]"),
        ("return [r, h]", [[1.5, 2.5]], "return [r, h]", "return (r, h)"),
        ("return r / h + 1j", [[1, 3]], "return complex(r / h, 1 + 1e-8)", "return r / h"),
        ("return r ** 3 / h", [[10**6, 3]], "return r * r * r / h", "return r ** 3 // h"),
    ]
    for reference, inputs, right, wrong in cases:
        head = "import math\ndef volume(r, h):\n    "
        suite = evalplus(
            entry_point="volume", canonical_solution=head + reference, base_input=inputs, atol=0
        )
        outcomes = [Code().check(head + body, suite).outcome for body in (reference, right, wrong)]
        assert outcomes == ["right", "right", "wrong"], reference


def test_livecodebench_hidden_tests_and_methods() -> None:
    first, second, _ = (suite for _, suite in tasks("livecodebench"))
    assert isinstance(first, Streams)
    assert [case.stdout for case in first.cases] == ["3\n", "11"]
    assert isinstance(second, Calls)
    assert second.entry == "Solution.twice"
    assert [case.arguments for case in second.cases] == [([1, 2], 2), ([], 3)]
    (shown,) = Livecodebench(hidden=False).read(row("livecodebench"))
    assert isinstance(shown, Prompt)
    assert len(shown.meta["tests"]["cases"]) == 1


class Bomb:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/assay-was-here",)


def packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


@pytest.mark.parametrize(
    "hostile",
    [
        packed(pickle.dumps(Bomb())),
        packed(pickle.dumps([1, 2])),
        packed(pickle.dumps("not json")),
        packed(b"\x80\x04garbage"),
        packed(b"cos\nsystem\n(S'touch /tmp/assay-was-here'\ntR."),
        packed(pickle.dumps("[" * 10**5)),
        packed(pickle.dumps(("[]", "[]"))),
        packed(b"."),
        packed(b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"[]."),
        packed(b"\x80\x05\x96" + struct.pack("<Q", 2**33) + b"[]."),
        base64.b64encode(zlib.compress(pickle.dumps("[]"))[:-2]).decode(),
        "[" * 10**5,
        "[1]",
        base64.b64encode(b"not compressed").decode(),
        "not base64 ?",
        "{",
    ],
)
def test_livecodebench_packs_are_read_as_text_or_refused(hostile: str) -> None:
    with pytest.raises(DataError, match="private_test_cases"):
        list(Livecodebench().read({**row("livecodebench"), "private_test_cases": hostile}))
    assert not Path("/tmp/assay-was-here").exists()


def test_livecodebench_packs_have_a_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.data.formats.livecodebench.MAX_BYTES", 1000)
    for size in (990, 10**4, 10**6):
        big = packed(
            pickle.dumps(json.dumps([{"input": "x" * size, "output": "", "testtype": "stdin"}]))
        )
        with pytest.raises(DataError, match="more than 1,000 bytes"):
            list(Livecodebench().read({**row("livecodebench"), "private_test_cases": big}))


def test_livecodebench_packs_take_no_more_memory_than_they_hold() -> None:
    """An unpickler makes room for as many objects as a pickle numbers, a gigabyte here."""
    numbered = b"\x80\x04\x8c\x02[]r" + struct.pack("<I", 2**26) + b"."
    tracemalloc.start()
    try:
        (prompt,) = Livecodebench().read(
            {**row("livecodebench"), "private_test_cases": packed(numbered)}
        )
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10**6
    assert isinstance(prompt, Prompt)
    assert len(prompt.meta["tests"]["cases"]) == 1


@pytest.mark.parametrize("protocol", range(6))
def test_livecodebench_packs_of_any_protocol(protocol: int) -> None:
    cases = [
        {"input": "é\u2028\n" * 10**5, "output": "x", "testtype": "stdin"}
    ]  # long enough for frames to matter
    content = packed(pickle.dumps(json.dumps(cases, ensure_ascii=False), protocol))
    (prompt,) = Livecodebench().read({**row("livecodebench"), "private_test_cases": content})
    assert isinstance(prompt, Prompt)
    assert prompt.meta["tests"]["cases"][1] == {"stdin": cases[0]["input"], "stdout": "x"}


def test_livecodebench_arguments_end_where_lines_end() -> None:
    """U+2028 and its like end lines for `splitlines`, and are plain characters in JSON."""
    cases = json.dumps(
        [{"input": '"a\u2028b\x85"\n\n3', "output": '"\u2028"', "testtype": "functional"}]
    )
    (prompt,) = Livecodebench().read({**row("livecodebench", 1), "private_test_cases": cases})
    assert isinstance(prompt, Prompt)
    assert prompt.meta["tests"]["cases"][1] == {
        "arguments": ["a\u2028b\x85", 3],
        "expected": "\u2028",
    }
    for field, value in (
        ("input", "[" * 10**5),
        ("output", "{"),
        ("metadata", "[" * 10**5),
        ("metadata", "[]"),
    ):
        case = {"input": "1", "output": "1", "testtype": "functional", field: value}
        changed = {"private_test_cases": json.dumps([case])} | (
            {"metadata": value} if field == "metadata" else {}
        )
        with pytest.raises(DataError, match=field):
            list(Livecodebench().read({**row("livecodebench", 1), **changed}))


def test_rows_without_a_test_function_are_refused() -> None:
    with pytest.raises(DataError, match="func_name"):
        list(Livecodebench().read({**row("livecodebench", 1), "metadata": "{}"}))
    mixed = json.dumps(
        [{"input": "", "output": "", "testtype": kind} for kind in ("stdin", "functional")]
    )
    with pytest.raises(DataError, match="testtype"):
        list(Livecodebench().read({**row("livecodebench"), "public_test_cases": mixed}))
    assert Humaneval().matches(row("humaneval"))
    assert not Humaneval().matches(row("evalplus"))
