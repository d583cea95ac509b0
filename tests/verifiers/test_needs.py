"""What is read off the sources of assertions before they run."""

import ast

import pytest

from assay.sandbox.inside.sources import future_first, names, takes_candidate
from assay.verifiers.code.needs import least_tests, needs, unreadable
from assay.verifiers.code.suites import Assertions
from assay.verifiers.code.verifier import Code


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("from unittest.mock import patch\nwith patch('time.sleep'): f()", "replace parts"),
        ("def test_f(monkeypatch):\n    monkeypatch.setattr('a.b', 1)", "replace parts"),
        ("open('x', 'w').write('1')\nassert f('x') == 1", "share files"),
        ("def test_f(tmp_path): assert f(tmp_path)", "share files"),
        ("from pathlib import Path\nassert Path('x').read_text() == f()", "share files"),
        ("import inspect\nassert inspect.isabstract(F)", "look into"),
        ("from inspect import isabstract\nassert isabstract(F)", "look into"),
        ("import dataclasses\nassert dataclasses.asdict(f()) == {}", "look into"),
        ("def test_f(caplog): f()", "listen"),
        ("import pytest\nwith pytest.warns(UserWarning): f()", "listen"),
        ("import sys, io\nsys.stdin = io.StringIO('1')\nassert f() == 1", "change sys.stdin"),
        ("import os\nos.environ['A'] = '1'\nassert f() == '1'", "share files"),
        ("import builtins\nbuiltins.input = lambda: '1'", "change builtins.input"),
    ],
)
def test_what_two_processes_lack(source: str, what: str) -> None:
    assert what in needs(Assertions(tests=(source,)))


@pytest.mark.parametrize(
    "source",
    [
        "assert f(1) == 2",
        "import math, datetime, pathlib, collections\nassert f(1) == pathlib.PurePath('a')",
        "assert f('a b'.replace(' ', '')) == 'ab'",
        "xs = [1]\nxs.remove(1)\nassert f(xs) == 0",
        "import solution\nsolution.LIMIT = 3\nassert solution.f(1)",
        "import io, sys\nsys.stdout = io.StringIO()",
        (
            "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nassert f(A(1).x)"
            " == 1"
        ),
        "assert graph.exists('a')",
        "import inspect\nassert inspect.isfunction(f)",
        "from importlib import import_module\nassert import_module('solution').f(1) == 2",
    ],
)
def test_what_they_do_not_lack(source: str) -> None:
    assert needs(Assertions(tests=(source,))) == ""


def test_what_cannot_be_read_is_said() -> None:
    assert unreadable(Assertions(tests=("assert f(1)", "def ("))).startswith(
        "test 2 of the suite cannot be read"
    )
    assert unreadable(Assertions(tests=("x = 1",), before="a b")).startswith("before of the suite")
    assert unreadable(Assertions(tests=("assert f(1)",))) == ""
    for protocol in ("strict", "joint"):
        verdict = Code(protocol=protocol).check(
            "def f(x): return 1", Assertions(tests=("assert f(1) ==",))
        )
        assert verdict.outcome == "undecided"
        assert "cannot be read" in verdict.reason


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("def test_a(): pass\ndef test_b(): pass\ndef helper(): pass", 2),
        ("def test_a(): pass\ndef test_a(): pass", 1),
        (
            (
                "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): pass\n    def"
                " setUp(self): pass"
            ),
            1,
        ),
        ("class TestA:\n    def test_a(self): pass\nclass Helper:\n    def test_b(self): pass", 1),
        (
            (
                "class Base:\n    def test_a(self): pass\nclass TestA(Base):\n    def test_b(self):"
                " pass"
            ),
            0,
        ),
        ("if True:\n    def test_a(): pass", 0),
        ("class TestA:\n    def __init__(self): pass\n    def test_a(self): pass", 0),
        ("x = 1", 0),
    ],
)
def test_how_many_tests_there_are_at_least(source: str, count: int) -> None:
    assert least_tests([source]) == count
    assert least_tests([source, source]) == 2 * count


def test_names_that_only_own_attributes() -> None:
    found = names(ast.parse("import os\nqueue.get(1)\nheap([1])\nmath.isclose(f(x), 1)"))
    assert found.owners["queue"] == {"get"}
    assert "heap" in found.read
    assert "heap" not in found.owners
    assert "os" in found.made


@pytest.mark.parametrize(
    ("source", "takes"),
    [
        ("def check(candidate):\n    assert candidate(1) == 2", True),
        ("def check(f):\n    assert f(1) == 2", True),
        ("def check():\n    assert f(1) == 2\ncheck()", False),
        ("def check(x, want):\n    assert f(x) == want\ncheck(1, 2)", False),
        (
            "def check(candidate):\n    assert candidate(1) == 2\ndef run():\n    check(f)\nrun()",
            False,
        ),
        ("assert f(1) == 2", False),
    ],
)
def test_a_check_that_waits_to_be_called(source: str, takes: bool) -> None:
    assert takes_candidate(ast.parse(source)) is takes


def test_future_imports_come_first() -> None:
    made = future_first("import math", "from __future__ import annotations\nx: y = 1")
    assert made.startswith("from __future__ import annotations\nimport math\n")
    compile(made, "test", "exec")
