"""Programs that do not add, and the kinds of tests that they try to be passed by, or not to be judged by.

A program gets no better verdict than *wrong*: one that is *undecided* has escaped it. `CHEATS` are the programs, by
what they try; `KINDS` are the tests, each of which fails for every one of them.
"""

from typing import Final

from assay.verifiers.suites import Assertions
from tests.verifiers.sandbox.cheats_by_messages import FORGERIES, READERS
from tests.verifiers.sandbox.cheats_by_objects import ENDS, OBJECTS
from tests.verifiers.sandbox.cheats_by_patches import FILES, NAMES, PATCHES, RUNNERS

__all__ = ["CHEATS", "HONEST", "KINDS", "PYTEST_KINDS"]

CHEATS: Final[dict[str, str]] = {
    **OBJECTS,
    **ENDS,
    **FORGERIES,
    **READERS,
    **PATCHES,
    **NAMES,
    **RUNNERS,
    **FILES,
}
HONEST: Final = "def add(a, b):\n    return a + b\n"

_CLOSE: Final = "def close(a, b):\n    return abs(a - b) < 1e-6"
_FIRST: Final = "from solution import add\n\n\ndef test_1():\n    assert add(1, 2) == 3\n"
_SECOND: Final = "from solution import add\n\n\ndef test_2():\n    assert add(5, 7) == 12\n"
_THIRD: Final = "\n\ndef test_3():\n    assert add(-4, 4) == 0\n"
_LINES: Final = ("assert add(1, 2) == 3", "assert add(5, 7) == 12", "assert add(-4, 4) == 0")

_BARE: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "bare": ("", _LINES),
    "one source": ("", ("\n".join(_LINES),)),
    "check": (
        "",
        ("def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(5, 7) == 12\n",),
    ),
    "difference": ("", ("assert abs(add(1, 2) - 3) < 1e-6", "assert 0.5 > abs(12 - add(5, 7))")),
    "isclose": ("import math", ("assert math.isclose(add(0.5, 0.25), 0.75)\nassert math.isclose(12, add(5, 7))",)),
    "membership": ("", ("assert add(1, 2) in (3, 33)", "assert add(5, 7) in {12: 1}", "assert 12 in [add(5, 7)]")),
    "lists": ("", ("assert [add(1, 2), add(5, 7)] == [3, 12]", "assert sorted([add(5, 7), add(1, 2)]) == [3, 12]")),
    "sets": ("", ("assert {add(1, 2), add(5, 7)} == {3, 12}", "assert {'sum': add(1, 2)} == {'sum': 3}")),
    "types": ("", ("result = add(5, 7)\nassert isinstance(result, int)\nassert type(result) is int\nassert result == 12",)),
    "truth": ("", ("assert add(1, 2)\nassert not add(-4, 4)", "assert bool(add(-4, 4)) is False\nassert add(5, 7) == 12")),
    "order": ("", ("assert 2 < add(1, 2) < 4", "assert not add(5, 7) > 12\nassert not add(5, 7) < 12")),
    "unequal": ("", ("assert not add(1, 2) != 3\nassert add(1, 2) != 4", "if add(5, 7) != 12:\n    raise ValueError")),
    "reversed": ("", ("assert 3 == add(1, 2)\nassert (12,) == (add(5, 7),)", "assert str(add(-4, 4)) == '0'")),
    "mapped": ("", ("assert list(map(add, [1, 5], [2, 7])) == [3, 12]", "for a, b, c in [(1, 2, 3), (5, 7, 12)]:\n    assert add(a, b) == c")),
    "errors": ("", ("try:\n    add(1, 'x')\nexcept TypeError:\n    pass\nelse:\n    assert False\nassert add(5, 7) == 12",)),
    "star, own helper": (_CLOSE, ("from solution import *\nassert close(add(1, 2), 3)", "from solution import *\nassert close(add(5, 7), 12)")),
    "star, imported helper": ("from math import isclose", ("from solution import *\nassert isclose(add(1, 2), 3)\nassert isclose(add(5, 7), 12)", "from solution import *\nassert all([add(5, 7) == 12])")),
    "import": ("", ("import solution\nassert solution.add(1, 2) == 3\nassert solution.add(5, 7) == 12",)),
}  # fmt: skip
_PYTEST: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "pytest functions": ("", (_FIRST + _SECOND.partition("\n")[2] + _THIRD,)),
    "pytest two files": ("", (_FIRST, _SECOND)),
    "pytest table and raises": (
        "",
        (
            "import pytest\nfrom solution import add\n\n\n"
            "@pytest.mark.parametrize('a, b, c', [(1, 2, 3), (5, 7, 12)])\ndef test_sum(a, b, c):\n"
            "    assert add(a, b) == c\n\n\ndef test_raises():\n    with pytest.raises(TypeError):\n        add(1, 'x')\n",
        ),
    ),
    "pytest approx": (
        "",
        (
            "import pytest\nfrom solution import add\n\n\ndef test_near():\n    assert add(0.5, 0.25) == pytest.approx(0.75)\n"
            "    assert [add(5, 7)] == pytest.approx([12])\n    assert add(1, 2) != pytest.approx(4)\n",
        ),
    ),
    "pytest star": (
        f"from pytest import approx\n{_CLOSE}",
        (
            "from solution import *\n\n\ndef test_near():\n    assert add(0.5, 0.25) == approx(0.75)\n"
            "    assert close(add(1, 2), 3)\n    assert close(add(5, 7), 12)\n",
        ),
    ),
    "pytest class and fixture": (
        "",
        (
            "import pytest\nimport solution\n\n\n@pytest.fixture\ndef three():\n    return solution.add(1, 2)\n\n\n"
            "class TestAdd:\n    def test_1(self, three):\n        assert three == 3\n\n    def test_2(self, capsys):\n"
            "        assert solution.add(5, 7) == 12\n        assert capsys.readouterr().out == ''\n",
        ),
    ),
    "unittest": (
        "",
        (
            "import unittest\nfrom solution import add\n\n\nclass T(unittest.TestCase):\n    def test_1(self):\n"
            "        self.assertEqual(add(1, 2), 3)\n\n    def test_2(self):\n        self.assertEqual(add(5, 7), 12)\n"
            "        self.assertAlmostEqual(add(0.5, 0.25), 0.75)\n        self.assertTrue(add(1, 0) == 1)\n",
        ),
    ),
    "unittest raises": (
        "",
        (
            "import unittest\nfrom solution import add\n\n\nclass T(unittest.TestCase):\n    def setUp(self):\n"
            "        self.twelve = add(5, 7)\n\n    def test_1(self):\n        self.assertRaises(TypeError, add, 1, 'x')\n"
            "        self.assertIn(self.twelve, [12])\n\n    def test_2(self):\n        with self.subTest('less'):\n"
            "            self.assertLess(add(1, 2), 4)\n            self.assertGreater(add(1, 2), 2)\n",
        ),
    ),
}


def _suites(kinds: dict[str, tuple[str, tuple[str, ...]]], pytest: bool) -> dict[str, Assertions]:
    return {
        name: Assertions(entry="add", before=before, tests=tests, pytest=pytest)
        for name, (before, tests) in kinds.items()
    }


KINDS: Final = _suites(_BARE, pytest=False)
PYTEST_KINDS: Final = _suites(_PYTEST, pytest=True)
