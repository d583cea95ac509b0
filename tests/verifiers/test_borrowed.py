"""Names that tests use and do not import: Python's where the program imported them, no proof where
it made them up."""

from typing import Any

import pytest

from assay.verifiers.code.suites import Assertions
from assay.verifiers.code.verifier import Code

pytest.importorskip("pyseccomp")

MADE_UP = {
    "a module": (
        "class np: allclose = staticmethod(lambda *a: True)\ndef add(a, b): return 0",
        "assert np.allclose(add(1, 2), 3)",
    ),
    "a class": (
        "def Counter(x): return 0\ndef add(a, b): return []",
        "assert Counter([add(1, 2)]) == Counter([3])",
    ),
    "what tests draw": (
        "def randint(a, b): return 0\ndef add(a, b): return 0",
        "a, b = randint(1, 9), randint(1, 9)\nassert add(a, b) == a + b",
    ),
    "what compares": (
        "def isclose(a, b): return True\ndef add(a, b): return 0",
        "assert isclose(add(1, 2), 3)",
    ),
    "by star": (
        "def isclose(a, b): return True\ndef add(a, b): return 0",
        "from solution import *\nassert isclose(add(1, 2), 3)",
    ),
}


@pytest.mark.parametrize("protocol", ["strict", "joint"])
@pytest.mark.parametrize("entry", ["add", ""])
@pytest.mark.parametrize("name", MADE_UP)
def test_what_a_program_makes_up_in_pythons_name_proves_nothing(
    name: str, entry: str, protocol: Any
) -> None:
    program, source = MADE_UP[name]
    code = Code(extract="text", protocol=protocol)
    verdict = code.check(program, Assertions(tests=(source,), entry=entry))
    assert verdict.outcome == "undecided"
    assert "makes up" in verdict.reason


@pytest.mark.parametrize("protocol", ["strict", "joint"])
@pytest.mark.parametrize(
    ("program", "source", "entry"),
    [
        (
            "from collections import Counter\ndef f(xs): return xs",
            "assert Counter(f([1, 1])) == Counter([1, 1])",
            "f",
        ),
        (
            "from math import *\ndef f(x): return sqrt(x)",
            "assert isclose(f(4), 2)\nassert f(pi) == sqrt(pi)",
            "f",
        ),
        ("def gcd(a, b): return b", "assert gcd(1, 2) == 2", ""),
        ("def permutations(xs): return [xs]", "assert permutations([1]) == [[1]]", "permutations"),
        ("def f(x): return 2 * x", "class T:\n    v = f(2)\nassert T.v == 4", "f"),
    ],
)
def test_what_it_imports_or_is_asked_for_is_what_it_is(
    program: str, source: str, entry: str, protocol: Any
) -> None:
    verdict = Code(extract="text", protocol=protocol).check(
        program, Assertions(tests=(source,), entry=entry)
    )
    assert verdict.outcome == "right", verdict.reason
