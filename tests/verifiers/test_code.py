import importlib.util
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from assay import Group, Prompt, Response, Score, Unscored, Verdict
from assay.errors import ConfigError, DataError
from assay.sandbox import Job, Limits, Sandbox
from assay.scorers.code import Executed
from assay.verifiers.code.compare import Comparison
from assay.verifiers.code.planted import bugs
from assay.verifiers.code.suites import (
    Assertions,
    Call,
    Calls,
    Input,
    Reference,
    Stream,
    Streams,
    Suite,
    suite_of,
    with_suite,
)
from assay.verifiers.code.verifier import Code

pytest.importorskip("pyseccomp")

CODE = Code()
SHARE = Code(credit="share")
QUICK = Code(limits=Limits(seconds=1, wall=2.0))

ADD = "def add(a, b):\n    return a + b\n"
CALLS = Calls.of("add", [((1, 2), 3), (("a", "b"), "ab"), (([1], [2]), [1, 2])])
ASSERTIONS = Assertions(tests=("assert add(1, 2) == 3", "assert add(b=2, a=-2) == 0"), entry="add")
STREAMS = Streams(cases=(Stream(stdin="1 2\n", stdout="3\n"), Stream(stdin="5 6", stdout="11")))
SUM = "print(sum(map(int, input().split())))"


def outcome(code: str, suite: Suite, checker: Code = CODE) -> str:
    return checker.check(code, suite).outcome


@pytest.mark.parametrize(
    "suite",
    [
        CALLS,
        ASSERTIONS,
        Assertions(
            tests=(
                "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert add(2, 2) == 4",
            ),
            entry="add",
        ),
    ],
)
def test_a_right_program_passes_and_a_wrong_one_does_not(suite: Suite) -> None:
    assert outcome(ADD, suite) == "right"
    verdict = CODE.check("def add(a, b):\n    return 4\n", suite)
    assert verdict.outcome == "wrong"
    assert verdict.stage == "tests"
    for name, bad in bugs(ADD, "add"):
        assert outcome(bad, suite) == "wrong", name


def test_a_program_that_reads_and_prints() -> None:
    assert outcome(SUM, STREAMS) == "right"
    assert (
        outcome(
            "import sys\nprint(sum(int(x) for line in sys.stdin for x in line.split()))", STREAMS
        )
        == "right"
    )
    assert outcome("print(sum(map(int, open(0).read().split())))\nexit()", STREAMS) == "right"
    verdict = CODE.check("print(3)", STREAMS)
    assert verdict.outcome == "wrong"
    assert "1 of 2" in verdict.reason or "run 2 prints '3'" in verdict.reason
    assert SHARE.check("print(3)", STREAMS).score == Score(value=0.5)
    assert "ZeroDivisionError" in CODE.check("1 / 0", STREAMS).reason
    # the right output, but the program says that it failed
    assert outcome(SUM + "\nraise SystemExit(3)", STREAMS) == "wrong"
    # half of the output
    assert outcome("print(1)", Streams(cases=(Stream(stdout="1\n2\n"),))) == "wrong"


def test_the_verdict_says_what_was_run_and_why_it_is_wrong() -> None:
    text = f"Here:\n```python\n{ADD}```\nDone."
    verdict = CODE.check(text, CALLS)
    assert verdict.answer == ADD
    assert verdict.source == "fence"
    assert verdict.span is not None
    assert text[slice(*verdict.span)] == ADD
    cases = [
        ("def add(a, b): return [a]", CALLS, "tests", 'call 1 gives ["list", 1]'),
        ("def add(a, b): raise KeyError(a)", CALLS, "tests", "KeyError: 1"),
        ("def sub(a, b): return a - b", CALLS, "load", "KeyError"),
        ("def add(a, b) return", CALLS, "load", "SyntaxError"),
        ("def add(a, b) return", ASSERTIONS, "load", "SyntaxError"),
        ("def add(a, b): return 0", ASSERTIONS, "tests", "AssertionError at line 1"),
        ("def add(a, b): raise ValueError('no')", ASSERTIONS, "tests", "ValueError at line 1: no"),
        ("import os\nos._exit(0)", CALLS, "died", "status 0"),
        ("I cannot.", Calls.of("add", [((1, 2), 3)]), "load", "SyntaxError"),
        ("", CALLS, "extract", "no program"),
    ]
    for code, suite, stage, reason in cases:
        verdict = CODE.check(code, suite)
        assert verdict.outcome == "wrong"
        assert verdict.stage == stage, verdict
        assert reason in verdict.reason


def test_results_are_compared_by_type_and_value_unless_told_otherwise() -> None:
    pairs = Calls.of("f", [((), (1, 2))])
    assert outcome("def f(): return (1, 2)", pairs) == "right"
    assert outcome("def f(): return [1, 2]", pairs) == "wrong"
    assert (
        outcome("def f(): return [1, 2]", pairs, Code(comparison=Comparison(sequences="equal")))
        == "right"
    )
    half = Calls.of("f", [((), 0.5)])
    assert outcome("def f(): return 0.5000001", half) == "wrong"
    assert (
        outcome("def f(): return 0.5000001", half, Code(comparison=Comparison(absolute=1e-6)))
        == "right"
    )
    assert (
        outcome("def f(): return 0.5000001", half.model_copy(update={"absolute": 1e-6})) == "right"
    )
    assert (
        outcome("def f(): return 0.5000001", half.model_copy(update={"relative": 1e-6})) == "right"
    )
    assert (
        outcome("def f(): return [1, 2.0]", pairs.model_copy(update={"numbers": "equal"}))
        == "wrong"
    )
    loose = pairs.model_copy(update={"numbers": "equal", "sequences": "equal"})
    assert outcome("def f(): return [1, 2.0]", loose) == "right"
    printed = Streams(cases=(Stream(stdout="2.50 x"),))
    assert outcome("print('2.5 x')", printed) == "wrong"
    assert outcome("print('2.5 x')", printed.model_copy(update={"numbers": "equal"})) == "right"


def test_an_error_may_be_what_is_expected() -> None:
    suite = Calls(
        entry="f",
        cases=(
            Call(arguments=(0,), raises="ZeroDivisionError"),
            Call(arguments=(2,), expected=0.5),
        ),
    )
    assert outcome("def f(x): return 1 / x", suite) == "right"
    assert outcome("def f(x): return 1 / x if x else None", suite) == "wrong"


def test_a_method_of_a_class_and_keyword_arguments() -> None:
    suite = Calls(
        entry="Solution.scale",
        cases=(Call(arguments=([1, 2],), keywords={"by": 2}, expected=[2, 4]),),
    )
    assert (
        outcome("class Solution:\n    def scale(self, xs, by): return [x * by for x in xs]", suite)
        == "right"
    )


def test_arguments_of_one_call_are_not_those_of_the_next() -> None:
    suite = Calls(
        entry="f",
        cases=(
            Call(arguments=([3, 1],), expected=[1, 3]),
            Call(arguments=([3, 1],), expected=[1, 3]),
        ),
    )
    assert outcome("def f(xs):\n    xs.sort()\n    return xs", suite) == "right"


def test_partial_credit() -> None:
    code = "def add(a, b):\n    return a + b if isinstance(a, int) else None"
    assert CODE.check(code, CALLS).score == Score(value=0.0)
    verdict = SHARE.check(code, CALLS)
    assert verdict.outcome == "wrong"
    assert verdict.credit == verdict.score.value == pytest.approx(1 / 3)  # type: ignore[union-attr]
    one = "def add(a, b):\n    return 3"
    assert SHARE.check(one, ASSERTIONS).credit == 0.5
    assert "1 of 2" in SHARE.check(one, ASSERTIONS).reason


def test_a_reference_solution_gives_the_expected_values() -> None:
    inputs = tuple(Input(arguments=(n,)) for n in range(5))
    suite = Reference(entry="f", solution="def f(n): return n * n", cases=inputs)
    assert outcome("def f(n): return n ** 2", suite) == "right"
    assert (
        outcome("def f(n): return {0: 0, 1: 1, 2: 4}.get(n)", suite) == "wrong"
    )  # learned by heart
    constant = suite.model_copy(update={"solution": "def f(n): return 7"})
    verdict = CODE.check("def f(n): return 7", constant)
    assert verdict.outcome == "undecided"
    assert "constant" in verdict.reason
    assert outcome("def f(n): return 7", constant.model_copy(update={"distinct": 1})) == "right"
    broken = suite.model_copy(update={"solution": "def f(n): return open('x')"})
    assert outcome("def f(n): return n", broken) == "undecided"
    # inputs that the reference refuses are no tests
    partial = suite.model_copy(update={"solution": "def f(n): return 12 // n"})
    assert outcome("def f(n): return 12 // n if n else 'whatever'", partial) == "right"
    pairs = Reference(entry="f", solution="def f(n): return (n, {n})", cases=inputs)
    assert outcome("def f(n): return (n, {n})", pairs) == "right"
    assert outcome("def f(n): return [n, {n}]", pairs) == "wrong"


def test_a_reference_is_asked_no_more_than_it_answers_in_half_the_limits() -> None:
    """So that a right program is not condemned by an input that takes as long as it may."""
    slow = "def f(n):\n    while n == 2: pass\n    return n"
    suite = Reference(
        entry="f", solution=slow, cases=tuple(Input(arguments=(n,)) for n in range(4))
    )
    assert outcome(slow, suite, Code(limits=Limits(seconds=2))) == "right"
    assert (
        outcome("def f(n): return n if n < 2 else None", suite, Code(limits=Limits(seconds=2)))
        == "right"
    )
    flood = "def f(n): return 'x' * (300_000 if n == 3 else n)"
    suite = suite.model_copy(update={"solution": flood})
    assert outcome(flood, suite) == "right"


def test_modules_that_tests_left_to_the_program_to_import_are_pythons_own() -> None:
    suite = Assertions(tests=("assert math.isclose(add(0.1, 0.2), 0.3)",), entry="add")
    assert outcome("import math\n" + ADD, suite) == "right"
    fake = "class math:\n    isclose = staticmethod(lambda a, b: True)\ndef add(a, b): return 5"
    assert outcome(fake, suite) == "wrong"


def test_assertions_may_change_arguments_use_helpers_objects_and_errors() -> None:
    tests = (
        "xs = [3, 1, 2]\nassert sort(xs) is None\nassert xs == [1, 2, 3]",
        "import math\nassert math.isclose(twice(0.1) / 2, half(0.2))",
        (
            "s = Stack()\ns.push(4)\ns.push(5)\nassert s.pop() == 5\nassert len(s) == 1\nassert"
            " s.items == [4]"
        ),
        (
            "try:\n    fail()\nexcept ValueError as error:\n    assert str(error) == 'no'\nelse:\n "
            "   raise AssertionError"
        ),
        "from solution import twice as f\nassert f(2) == 4",
        "s = Stack()\nassert same(s) == s",
        "s = Stack()\nassert not s\ns.push(1)\nassert s",
        "s = Stack()\nassert isinstance(s, Stack)\nassert not isinstance(3, Stack)",
        "d = {'a': [1]}\ngrow(d)\nassert d == {'a': [1, 1]}",
    )
    suite = Assertions(tests=tests, before="def half(x):\n    return x / 2")
    code = """
def sort(xs): xs.sort()
def twice(x): return 2 * x
def fail(): raise ValueError("no")
def same(x): return x
def grow(d): d["a"] = d["a"] * 2
class Stack:
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x)
    def pop(self): return self.items.pop()
    def __len__(self): return len(self.items)
"""
    verdict = CODE.check(code, suite)
    assert verdict.outcome == "right", verdict.reason


def test_a_program_cannot_stop_an_iteration_of_the_tests() -> None:
    suite = Assertions(tests=("assert all(map(add, [1], [2]))",))
    assert outcome("def add(a, b): raise StopIteration", suite) == "wrong"
    assert outcome(ADD, suite) == "right"


@pytest.mark.parametrize("by_pytest", [False, True])
def test_a_program_that_ends_passes_no_test_that_expects_errors(by_pytest: bool) -> None:
    source = """
from solution import add
def test_it():
    try:
        add(1, 2)
    except BaseException:
        return
    raise AssertionError
""" + ("" if by_pytest else "test_it()")
    suite = Assertions(tests=(source,), entry="add", pytest=by_pytest)
    assert outcome("def add(a, b): raise ValueError", suite) == "right"
    assert outcome("import os\ndef add(a, b): os._exit(0)", suite) == "wrong"


def test_tests_that_never_ask_the_program_say_nothing() -> None:
    verdict = CODE.check("def gcd(a, b): return 0", Assertions(tests=("assert sum([1, 2]) == 3",)))
    assert verdict.outcome == "undecided"
    assert "without asking the program" in verdict.reason
    # a function of the program's that has the name of one of Python's
    suite = Assertions(tests=("assert gcd(4, 6) == 2",))
    assert outcome("def gcd(a, b): return 0", suite) == "wrong"
    assert (
        outcome(
            "def sum(xs): return 0", Assertions(tests=("assert sum([1, 2]) == 3",), entry="sum")
        )
        == "wrong"
    )
    star = Assertions(tests=("from solution import *\nassert sum([1]) == gcd(1, 1)",), entry="sum")
    assert outcome("def sum(xs): return 5\ndef gcd(a, b): return 5", star) == "right"
    assert outcome("def sum(xs): return 5\ndef gcd(a, b): return 1", star) == "wrong"


@pytest.mark.parametrize("by_pytest", [False, True])
def test_import_star_takes_nothing_that_is_pythons(by_pytest: bool) -> None:
    source = """
import math
from solution import *
def test_it():
    assert all([math.isclose(add(1, 2), 3), abs(add(0, 1)) == 1])
"""
    suite = Assertions(tests=(source + ("" if by_pytest else "test_it()\n"),), pytest=by_pytest)
    assert outcome(ADD, suite) == "right"
    cheat = (
        "def all(x): return True\ndef abs(x): return 1\nclass math: isclose = print\ndef add(a, b):"
        " return 0"
    )
    assert outcome(cheat, suite) == "wrong"


def test_a_sandbox_may_be_used_in_a_fork() -> None:
    with Sandbox(workers=1) as sandbox:
        job = Job("program", {"code": "print(1)", "stdin": ""}, Limits(), speaks=True)
        assert sandbox.run(job)[0].stdout == b"1\n"
        pid = os.fork()
        if pid == 0:
            os._exit(0 if all(sandbox.run(job)[0].stdout == b"1\n" for _ in range(20)) else 1)
        assert all(sandbox.run(job)[0].stdout == b"1\n" for _ in range(20))
        assert os.waitpid(pid, 0)[1] == 0


def test_what_a_program_says_can_be_printed() -> None:
    verdict = CODE.check("def add(a, b): raise ValueError('\\ud800')", CALLS)
    assert verdict.reason.encode()
    verdict = CODE.check("def add(a, b): raise ValueError('\\ud800')", ASSERTIONS)
    assert verdict.reason.encode()


OWN = """
class Own:
    def half(self, x):
        return x / 2
"""


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (OWN + "assert call(Own(), 4) == 2", "passes a Own to the program"),
        ("class Mine(Base):\n    pass\nassert Mine().one() == 1", "derives the class Mine"),
        (
            (
                "from unittest.mock import patch\nwith patch('time.time', lambda: 5):\n    assert"
                " now() == 5"
            ),
            "patch",
        ),
        ("assert Money(3) == 3", "the program's Money with a value of theirs"),
        ("assert (Money(3) + 1).cents == 4", "by its __add__"),
    ],
)
@pytest.mark.parametrize("by_pytest", [False, True])
def test_what_tests_need_is_said_and_had_in_one_process(
    source: str, what: str, by_pytest: bool
) -> None:
    program = """
import time
class Base:
    def one(self): return 1
class Money:
    def __init__(self, cents): self.cents = cents
    def __eq__(self, other): return self.cents == getattr(other, "cents", other)
    def __add__(self, other): return Money(self.cents + other)
def call(own, x): return own.half(x)
def now(): return time.time()
"""
    if by_pytest:
        body = "\n    ".join(source.split("\n"))
        source = f"from solution import *\n\ndef test_it():\n    {body}\n"
    suite = Assertions(tests=(source,), pytest=by_pytest)
    verdict = CODE.check(program, suite)
    assert verdict.outcome == "undecided"
    assert what in verdict.reason
    bad = program.replace("return 1", "return 2").replace("self.cents =", "self.cents = 1 +")
    bad = bad.replace("half(x)", "half(3)").replace("time.time()", "6")
    for protocol in ("joint", "auto"):
        code = replace(CODE, protocol=protocol)
        assert outcome(program, suite, code) == "right"
        assert outcome(bad, suite, code) == "wrong"


def test_functions_and_iterators_of_the_tests_reach_the_program() -> None:
    tests = (
        "assert twice(lambda x: x + 1, 1) == 3",
        "assert twice(str.upper, 'a') == 'A'",
        "heard = []\ntwice(lambda x: heard.append(x), 1)\nassert heard == [1, None]",
        "it = iter([1, 2, 3])\nassert first(it) == 1\nassert next(it) == 2",
        (
            "def steps():\n    yield 5\n    raise KeyError('end')\ng = steps()\nassert first(g) =="
            " 5\ntry:\n    first(g)\nexcept KeyError as error:\n    assert error.args =="
            " ('end',)\nelse:\n    assert False"
        ),
    )
    code = "def twice(f, x): return f(f(x))\ndef first(xs): return next(iter(xs))"
    verdict = CODE.check(code, Assertions(tests=tests))
    assert verdict.outcome == "right", verdict.reason
    assert outcome(code.replace("f(f(x))", "f(x)"), Assertions(tests=tests[:1])) == "wrong"


@pytest.mark.parametrize("protocol", ["strict", "joint"])
def test_tests_that_end_themselves_say_nothing(protocol: Any) -> None:
    code = replace(CODE, protocol=protocol)
    ends = (
        "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):"
        " self.fail()\nunittest.main()"
    )
    for source in (ends, "import sys\nassert add(1, 2) == 3\nsys.exit(0)"):
        verdict = code.check(ADD, Assertions(tests=(source,)))
        assert verdict.outcome == "undecided"
        assert "SystemExit" in verdict.reason
    for program in ("import sys\ndef add(a, b): sys.exit(0)", "def add(a, b): raise SystemExit(0)"):
        assert outcome(program, Assertions(tests=("assert add(1, 2) == 3",)), code) == "wrong"


def test_tests_that_do_not_run_have_not_passed() -> None:
    """What the sources hold is counted outside, whatever the process that judges says."""
    source = "import sys\nfrom solution import add\ndef test_a():\n    assert add(1, 2) == 3\n"
    for more in (
        "def test_b():\n    sys.exit(0)\n",
        "def test_b():\n    raise KeyboardInterrupt\n",
    ):
        for protocol in ("strict", "joint"):
            verdict = replace(SHARE, protocol=protocol).check(
                ADD, Assertions(tests=(source + more,), pytest=True)
            )
            assert verdict.outcome == "wrong"
            assert verdict.credit == 0.5


def test_pytest_files() -> None:
    source = """
import pytest
from solution import add

@pytest.fixture
def two():
    return 2

@pytest.mark.parametrize("a, b, c", [(1, 2, 3), (0, 0, 0)])
def test_sums(a, b, c):
    assert add(a, b) == c

def test_fixture(two):
    assert add(two, two) == 4

def test_errors():
    with pytest.raises(TypeError):
        add(1, "x")

def test_close():
    assert add(0.1, 0.2) == pytest.approx(0.3)

@pytest.mark.skip
def test_not_run():
    assert False
"""
    suite = Assertions(tests=(source,), pytest=True)
    assert outcome(ADD, suite) == "right"
    verdict = SHARE.check("def add(a, b):\n    return a + b if a else 0", suite)
    assert verdict.outcome == "right"
    verdict = SHARE.check("def add(a, b):\n    return a + b if a != 2 else 0", suite)
    assert verdict.credit == 0.8
    assert "test_fixture" in verdict.reason
    nothing = Assertions(tests=("x = 1",), pytest=True)
    assert outcome(ADD, nothing) == "undecided"
    assert outcome(ADD, Assertions(tests=("import nowhere",), pytest=True)) == "wrong"


@pytest.mark.parametrize(
    ("code", "stage"),
    [
        ("def add(a, b):\n    while True: pass", "time"),
        ("import time\ndef add(a, b): time.sleep(60)", "time"),
        ("def add(a, b): return 'x' * 10**7", "output"),
        ("import os\ndef add(a, b): os.abort()", "died"),
    ],
)
@pytest.mark.parametrize("suite", [CALLS, ASSERTIONS])
def test_a_program_that_does_not_answer_is_wrong(code: str, stage: str, suite: Suite) -> None:
    verdict = QUICK.check(code, suite)
    assert verdict.outcome == "wrong"
    assert verdict.stage == stage or (stage == "output" and "too long" in verdict.reason)
    assert outcome(ADD, suite, QUICK) == "right"


def test_limits_of_memory_disk_and_output() -> None:
    for code in (
        "def add(a, b): return len(bytearray(1 << 31))",
        "def add(a, b): open('x', 'wb').write(b'0' * (64 << 20))",
    ):
        assert outcome(code, CALLS) == "wrong"
    assert CODE.check("while True: print('x' * 1000)", STREAMS).stage == "output"
    assert (
        outcome("print('3', end='')\nimport sys\nsys.stderr.write('x' * 2**21)", STREAMS) == "wrong"
    )


def test_many_at_once_in_order_and_each_content_once(monkeypatch: pytest.MonkeyPatch) -> None:
    items: list[tuple[str, Suite]] = [
        (ADD if i % 2 else "def add(a, b): return a", CALLS) for i in range(20)
    ]
    seen, shown = [], []
    run = Code._run
    monkeypatch.setattr(
        Code, "_run", lambda self, found, *rest: seen.append(found) or run(self, found, *rest)
    )
    verdicts = CODE.check_all(items, shown.append)
    assert [v.outcome for v in verdicts] == ["wrong", "right"] * 10
    assert len(seen) == 2
    assert shown == list(range(1, 21))
    assert CODE.check_all([]) == []
    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(lambda _: outcome(ADD, ASSERTIONS), range(30))) == {"right"}


def test_interrupted_it_ends_what_runs_and_can_be_used_again() -> None:
    slow = "def add(a, b):\n    import time\n    time.sleep({})\n    return a + b"
    items: list[tuple[str, Suite]] = [(slow.format(seconds), CALLS) for seconds in (0, 9, 8, 7, 6)]
    places: list[int] = []

    def interrupt(place: int, _: Verdict) -> None:
        places.append(place)
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        CODE.check_all(items, reached=interrupt)
    assert time.monotonic() - start < 5.0
    assert set(places) == {0}
    assert [v.outcome for v in CODE.check_all(items[:1])] == ["right"]


def test_as_a_scorer() -> None:
    prompt = with_suite(Prompt.of("Write add.", id="p"), CALLS)
    assert suite_of(prompt) == CALLS
    assert suite_of(Prompt.model_validate_json(prompt.model_dump_json())) == CALLS
    groups = [
        Group(
            prompt=prompt,
            responses=(
                Response.of(ADD),
                Response(steps=("def add(a, b):", " return 0")),
                Response.of(ADD),
            ),
        ),
        Group(prompt=Prompt.of("no tests"), responses=(Response.of(ADD),)),
    ]
    scorer = Executed(CODE)
    expected = [[Score(value=1.0), Score(value=0.0), Score(value=1.0)]]
    scored, (without,) = scorer.score(groups)
    assert [scored] == expected
    assert isinstance(without, Unscored)
    assert scorer.score(groups[:1]) == expected
    assert len(scorer._known) == 2
    bad = prompt.model_copy(
        update={"meta": {"tests": {"kind": "calls", "entry": "f", "cases": []}}}
    )
    with pytest.raises(DataError, match=r"prompt 'p': meta\.tests\.calls\.cases"):
        scorer.score([Group(prompt=bad, responses=(Response.of(ADD),))])


def test_validation_finds_tests_that_test_nothing() -> None:
    found = CODE.validate([(ADD, CALLS), (ADD, ASSERTIONS), (SUM, STREAMS)])
    assert found == {"solutions": 3, "planted": 10, "passed by a constant": 0}
    with pytest.raises(DataError, match=r"record 0: passes with a planted bug \(altered\)"):
        CODE.validate([(ADD, Assertions(tests=("add(1, 2)",), entry="add"))])
    with pytest.raises(DataError, match="record 1: the solution is wrong"):
        CODE.validate([(ADD, CALLS), ("def add(a, b): return 0", CALLS)])
    assert CODE.validate([(ADD, Calls.of("add", [((1, 2), 3)]))])["passed by a constant"] == 1
    with pytest.raises(DataError, match="no record"):
        CODE.validate([])


def test_packages_may_be_shown_to_programs(tmp_path: Path) -> None:
    (tmp_path / "extra.py").write_text("answer = 42")
    tmp_path.chmod(0o755)
    suite = Calls.of("f", [((), 42)])
    code = "import extra\ndef f(): return extra.answer"
    assert outcome(code, suite) == "wrong"
    assert outcome(code, suite, Code(packages=(tmp_path,))) == "right"
    with pytest.raises(ConfigError, match="no folder"):
        Code(packages=(tmp_path / "nowhere",)).check(code, suite)


@pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="needs numpy")
def test_numpy_works_behind_the_filter() -> None:
    numpy = Path(str(importlib.util.find_spec("numpy").origin)).parents[1]  # type: ignore[union-attr]
    code = "import numpy as np\ndef f(n): return np.linalg.inv(np.eye(n)).sum().item()"
    assert outcome(code, Calls.of("f", [((3,), 3.0)]), Code(packages=(numpy,))) == "right"


class Service(BaseHTTPRequestHandler):
    """Just enough of SandboxFusion: it runs what it is sent. For this test's own programs only."""

    answers: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        import base64
        import subprocess
        import sys
        import tempfile

        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.answers:
            status, body = self.answers.pop(0)
        else:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in request.get("files", {}).items():
                    path = Path(folder) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(base64.b64decode(content))
                done = subprocess.run(
                    [sys.executable, "-c", request["code"]],
                    input=request.get("stdin"),
                    capture_output=True,
                    text=True,
                    cwd=folder,
                    timeout=60,
                )
                names = [n for n in request.get("fetch_files", ()) if (Path(folder) / n).exists()]
                files = {
                    name: base64.b64encode((Path(folder) / name).read_bytes()).decode()
                    for name in names
                }
            run = {
                "status": "Finished",
                "return_code": done.returncode,
                "stdout": done.stdout,
                "stderr": done.stderr,
            }
            status, body = (
                200,
                {
                    "status": "Failed" if done.returncode else "Success",
                    "run_result": run,
                    "files": files,
                },
            )
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service():  # type: ignore[no-untyped-def]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Service.answers = []
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_remote_service_runs_and_the_verdict_is_made_here(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.sandbox.remote.time.sleep", lambda _: None)
    remote = Code(remote=service)
    assert outcome(ADD, CALLS, remote) == "right"
    assert outcome("def add(a, b): return 0", CALLS, remote) == "wrong"
    assert outcome("import sys\nsys.exit(0)", CALLS, remote) == "wrong"
    assert outcome("import os\ndef add(a, b): os._exit(0)", CALLS, remote) == "wrong"
    assert (
        outcome(
            "class A:\n    def __eq__(s, o): return True\ndef add(a, b): return A()", CALLS, remote
        )
        == "wrong"
    )
    assert outcome(SUM, STREAMS, remote) == "right"
    assert outcome("print(3)", STREAMS, remote) == "wrong"
    with pytest.raises(ConfigError, match="one program alone"):
        remote.check(ADD, ASSERTIONS)
    Service.answers = [(503, {}), (200, {"status": "SandboxError", "message": "no room"})]
    assert outcome(ADD, CALLS, remote) == "right"  # the third try
    Service.answers = [(200, {"status": "SandboxError", "message": "no room"})] * 3
    verdict = remote.check(ADD, CALLS)
    assert verdict.outcome == "undecided"
    assert "no room" in verdict.reason
    timed_out = {"status": "Failed", "run_result": {"status": "TimeLimitExceeded"}, "files": {}}
    Service.answers = [(200, timed_out)]
    assert remote.check(ADD, CALLS).stage == "time"
    with pytest.raises(ConfigError, match="no address"):
        Code(remote="here").check(ADD, CALLS)


def test_a_fork_of_the_host_has_a_sandbox_of_its_own() -> None:
    assert outcome(ADD, CALLS) == "right"
    pid = os.fork()
    if pid == 0:
        os._exit(0 if outcome(ADD, CALLS) == "right" else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert outcome(ADD, CALLS) == "right"
