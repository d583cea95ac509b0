"""Coding tasks: what each layout's tests become, and that their solutions pass them."""

import base64
import json
import os
import pickle
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
from assay.types import Prompt
from assay.verifiers.sandbox.inside.codec import decode
from assay.verifiers.suites import Assertions, Calls, Reference, Streams, Suite, suite_of

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
    from assay.verifiers.code import Code

    found = Code().validate([(prompt.meta["solution"], suite) for prompt, suite in tasks(name)])
    assert found["solutions"] == 3
    assert found["planted"] == 12


def test_livecodebench_runs() -> None:
    pytest.importorskip("pyseccomp")
    from assay.verifiers.code import Code

    programs = (
        "print(sum(map(int, input().split())))",
        "from typing import List\nclass Solution:\n    def twice(self, xs: List[int], n: int): return xs * n",
        "print(open(0).read())",
    )
    for program, wrong, (_, suite) in zip(programs, (1, 2, 0), tasks("livecodebench"), strict=True):
        assert Code().check(program, suite).outcome == "right"
        assert Code().check(programs[wrong], suite).outcome == "wrong"


def test_humaneval_helpers_are_for_the_tests() -> None:
    (_, suite) = tasks("humaneval")[1]
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
    with pytest.raises(DataError, match="no Python"):
        list(Mbpp().read({**row("mbpp"), "code": "def"}))


def test_evalplus_inputs_tolerance_and_stub() -> None:
    first, second, _ = (suite for _, suite in tasks("evalplus"))
    assert isinstance(first, Reference)
    assert isinstance(second, Reference)
    assert len(first.cases) == 4
    assert (first.stub, first.absolute) == ("", 0.0)
    assert second.stub.startswith("def third")
    assert second.solution == second.stub + "    return x / 3\n"
    assert second.absolute == 1e-6
    (base,) = Evalplus(plus=False).read(row("evalplus"))
    assert isinstance(base, Prompt)
    assert len(base.meta["tests"]["cases"]) == 2


def test_evalplus_contracts_tell_tuples_and_complex_numbers() -> None:
    contract = """
      assert isinstance(pair, tuple), "invalid inputs" # $_CONTRACT_$
      assert all(isinstance(x, tuple) for x in pairs), "invalid inputs" # $_CONTRACT_$
      assert isinstance(z, complex) or isinstance(z, float), "invalid inputs" # $_CONTRACT_$
      assert isinstance(n, (int, float)), "invalid inputs" # $_CONTRACT_$
    """
    new = {
        "entry_point": "f",
        "canonical_solution": "def f(pair, pairs, z, n, rest):\n    return pair, pairs, z, n, rest",
        "base_input": [[[1, 2], [[1], [2]], "1j", "3", [1, {"a": [2**60]}]], [[], [], 0.5, 2, [float("inf")]]],
        "plus_input": {},
        "contract": contract,
    }
    (prompt,) = Evalplus().read({**row("evalplus"), **new})
    assert isinstance(prompt, Prompt)
    suite = suite_of(prompt)
    assert isinstance(suite, Reference)
    first, second = ([decode(argument) for argument in case.arguments] for case in suite.cases)
    assert first == [(1, 2), [(1,), (2,)], 1j, 3, [1, {"a": [2**60]}]]
    assert second == [(), [], 0.5, 2, [float("inf")]]
    assert "contract" not in prompt.meta


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
    big = packed(pickle.dumps(json.dumps([{"input": "x" * 10**6, "output": "", "testtype": "stdin"}])))
    with pytest.raises(DataError, match="more than 1,000 bytes"):
        list(Livecodebench().read({**row("livecodebench"), "private_test_cases": big}))


def test_rows_without_a_test_function_are_refused() -> None:
    with pytest.raises(DataError, match="func_name"):
        list(Livecodebench().read({**row("livecodebench", 1), "metadata": "{}"}))
    mixed = json.dumps([{"input": "", "output": "", "testtype": kind} for kind in ("stdin", "functional")])
    with pytest.raises(DataError, match="testtype"):
        list(Livecodebench().read({**row("livecodebench"), "public_test_cases": mixed}))
    assert Humaneval().matches(row("humaneval"))
    assert not Humaneval().matches(row("evalplus"))
