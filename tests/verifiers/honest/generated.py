"""Honest pairs by the thousand: values, what is done with them, and how the tests are written."""

import random
from collections.abc import Callable
from typing import Final

from assay.verifiers.code.suites import Assertions
from tests.verifiers.honest.item import Item

__all__ = ["generated"]

IMPORTS: Final = """
import array
import collections
import datetime
import math
import pathlib
from decimal import Decimal
from fractions import Fraction
"""

VALUES: Final = (
    ("1", "2"),
    ("-7", "7"),
    ("2**70", "2**70 + 1"),
    ("True", "False"),
    ("None", "0"),
    ("0.25", "0.5"),
    ("math.inf", "-math.inf"),
    ("1 + 2j", "1 - 2j"),
    ("'text'", "'texts'"),
    ("'\\u00e9\\n\\ud83d'", "'e'"),
    ("b'\\x00\\xff'", "b''"),
    ("bytearray(b'ab')", "bytearray(b'ba')"),
    ("(1, 'a', None)", "(1, 'a')"),
    ("()", "((),)"),
    ("[1, [2, [3]]]", "[1, [2, [4]]]"),
    ("{1, 2, 3}", "{1, 2}"),
    ("frozenset({1, (2, 3)})", "frozenset()"),
    ("{'a': {1: [None]}, (1, 2): {3}}", "{'a': {1: [0]}}"),
    ("range(1, 9, 2)", "range(1, 9, 3)"),
    ("slice(1, 2)", "slice(1, 3)"),
    ("Fraction(1, 3)", "Fraction(1, 4)"),
    ("Decimal('1.50')", "Decimal('1.51')"),
    ("datetime.date(2024, 2, 29)", "datetime.date(2024, 3, 1)"),
    ("datetime.timedelta(hours=3)", "datetime.timedelta(hours=4)"),
    ("pathlib.PurePosixPath('/a/b')", "pathlib.PurePosixPath('/a')"),
    ("collections.Counter('aab')", "collections.Counter('ab')"),
    ("collections.OrderedDict(a=1, b=2)", "collections.OrderedDict(b=2, a=1)"),
    ("collections.deque([1, 2])", "collections.deque([2, 1])"),
    ("array.array('i', [1, 2])", "array.array('i', [2])"),
    ("int", "float"),
)
"""Of each kind one value and another that is not equal to it."""
UNHASHABLE: Final = ("bytearray", "[", "{", "collections", "array", "slice")

PROGRAM: Final = """
class Box:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, Box) and self.value == other.value

    def __repr__(self):
        return f"Box({self.value!r})"

    def get(self):
        return self.value


class Oops(ValueError):
    pass


CONSTANT = VALUE


def f(x=None):
    return VALUE


def echo(x):
    return x


def put(xs, key=None):
    if key is None:
        xs.append(VALUE)
    else:
        xs[key] = VALUE


def each(n):
    for _ in range(n):
        yield VALUE


def fail():
    raise Oops(VALUE)


def ask(question):
    return question(VALUE)


def boxed():
    return Box(VALUE)


def many():
    return [Box(VALUE), VALUE]
"""

NAMES: Final = "Box, Oops, ask, boxed, each, echo, fail, many, put"

USES: Final = {
    "a value returned": "assert f() == VALUE\nassert f() != OTHER",
    "a value handed in": (
        "assert echo(VALUE) == VALUE\nassert f(VALUE) == VALUE\nassert type(f()) is type(VALUE)"
    ),
    "the value's type": "assert isinstance(f(), type(VALUE))\nassert repr(f()) == repr(VALUE)",
    "a value in a container": (
        "assert [f(), (f(),)] == [VALUE, (VALUE,)]\nassert f() in [OTHER, VALUE]"
    ),
    "a value in a list of the tests'": "xs = []\nput(xs)\nput(xs)\nassert xs == [VALUE, VALUE]",
    "a value in a dict of the tests'": "d = {'k': OTHER}\nput(d, 'k')\nassert d == {'k': VALUE}",
    "an attribute": (
        "b = boxed()\nassert b.value == VALUE\nb.value = OTHER\nassert b.get() == OTHER"
    ),
    "objects that are equal": "assert boxed() == Box(VALUE)\nassert boxed() != Box(OTHER)",
    "an object shown": "assert repr(boxed()) == 'Box(' + repr(VALUE) + ')'",
    "objects in a list": "assert many() == [Box(VALUE), VALUE]",
    "a generator": "assert list(each(2)) == [VALUE, VALUE]\nassert next(each(1)) == VALUE",
    "an error's arguments": (
        "try:\n    fail()\nexcept Oops as e:\n    assert e.args == (VALUE,)\nelse:\n    assert"
        " False"
    ),
    "a constant": "import solution\nassert solution.CONSTANT == VALUE",
    "a callback": "assert ask(lambda x: x == VALUE) is True\nassert ask(lambda x: [x]) == [VALUE]",
    "a key": "assert {f(): 1}[VALUE] == 1\nassert f() in {VALUE}",
}


def _indented(body: str, by: str = "    ") -> str:
    return "\n".join(by + line for line in body.splitlines())


def _bare(body: str) -> str:
    return f"{IMPORTS}{body}\n"


def _check(body: str) -> str:
    return f"{IMPORTS}def check(candidate):\n{_indented(body.replace('f()', 'candidate()'))}\n"


def _helper(body: str) -> str:
    return (
        f"{IMPORTS}def holds(put_, Box_=Box, n=2):\n{_indented(body)}\n    return n\nassert"
        " holds(put) == 2\n"
    )


def _star(body: str) -> str:
    return f"from __future__ import annotations\n{IMPORTS}from solution import *\n{body}\n"


def _function(body: str) -> str:
    return f"{IMPORTS}from solution import *\n\ndef test_it():\n{_indented(body)}\n"


def _table(body: str) -> str:
    head = f"{IMPORTS}import pytest\nfrom solution import {NAMES}, f\n"
    return (
        f"{head}\n@pytest.mark.parametrize('turn', [1, 2])\ndef test_it(turn):\n{_indented(body)}\n"
    )


def _fixture(body: str) -> str:
    head = f"{IMPORTS}import pytest\nimport solution\nfrom solution import {NAMES}\n"
    fixture = "@pytest.fixture\ndef f():\n    return solution.f\n"
    return f"{head}\n{fixture}\ndef test_it(f):\n{_indented(body)}\n"


def _unittest(body: str) -> str:
    head = f"{IMPORTS}import unittest\nfrom solution import *\n\nclass It(unittest.TestCase):\n"
    return (
        f"{head}    def setUp(self):\n        self.n = 1\n\n    def"
        f" test_it(self):\n{_indented(body, ' ' * 8)}\n"
    )


STYLES: Final[tuple[Callable[[str], str], ...]] = (_bare, _bare, _check, _helper, _star)
PYTEST_STYLES: Final[tuple[Callable[[str], str], ...]] = (_function, _table, _fixture, _unittest)


def generated(seed: int, count: int, under_pytest: float = 0.0) -> list[Item]:
    """So many pairs with their mutants; the share `under_pytest` of them are files for pytest."""
    chance = random.Random(seed)
    found = []
    while len(found) < count:
        value, other = chance.choice(VALUES)
        use = chance.choice(list(USES))
        if use == "a key" and value.startswith(UNHASHABLE):
            continue
        pytest = chance.random() < under_pytest
        style = chance.choice(PYTEST_STYLES if pytest else STYLES)
        test = style(USES[use].replace("VALUE", value).replace("OTHER", other))
        program = IMPORTS + PROGRAM.replace("VALUE", value)
        mutant = IMPORTS + PROGRAM.replace("VALUE", other)
        suite = Assertions(tests=(test,), entry="f", pytest=pytest)
        found.append(Item(f"generated: {use}", program, suite, mutant))
    return found
