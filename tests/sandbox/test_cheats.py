"""Verdicts without solving: none is "right", and none leaves the next honest program worse off."""

import functools
import itertools
import sys
from collections.abc import Iterator

import pytest

from assay.sandbox import Limits
from assay.verifiers.code.compare import Comparison
from assay.verifiers.code.suites import Assertions, Calls, Input, Reference, Stream, Streams, Suite
from assay.verifiers.code.verifier import Code
from tests.sandbox.cheats import FUNCTIONS, MAINS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")

LIMITS = Limits(seconds=1, wall=0.8)
CODE = Code(limits=LIMITS, credit="share")
PATIENT = Code(limits=Limits(seconds=5, wall=20.0), credit="share")
"""For pytest, which itself takes most of a second."""
RIGHT = "def f(x):\n    return (x * 7919 + 13) % 1009"
INPUTS = (3, 58, 711)
EXPECTED = tuple((x * 7919 + 13) % 1009 for x in INPUTS)
LINES = tuple(f"assert f({x}) == {y}" for x, y in zip(INPUTS, EXPECTED, strict=True))
INDENTED = "\n    ".join(LINES)
SUITES: dict[str, Suite] = {
    "calls": Calls.of("f", [((x,), y) for x, y in zip(INPUTS, EXPECTED, strict=True)]),
    "reference": Reference(
        entry="f", solution=RIGHT, cases=tuple(Input(arguments=(x,)) for x in INPUTS)
    ),
    "check": Assertions(
        entry="f", tests=(f"def check(candidate):\n    {INDENTED.replace('f(', 'candidate(')}\n",)
    ),
    "lines": Assertions(entry="f", tests=LINES),
    "close": Assertions(
        entry="f",
        tests=tuple(
            f"assert abs(f({x}) - {y}) < 0.5" for x, y in zip(INPUTS, EXPECTED, strict=True)
        ),
    ),
    "pairs": Assertions(
        entry="f", tests=(f"for x, y in zip({INPUTS}, {EXPECTED}):\n    assert f(x) == y",)
    ),
    "mapped": Assertions(
        entry="f", tests=(f"for x, y in zip(map(f, {INPUTS}), {EXPECTED}):\n    assert x == y",)
    ),
    "pytest": Assertions(
        entry="f",
        tests=(f"from solution import f\n\ndef test_f():\n    {INDENTED}\n",),
        pytest=True,
    ),
}
STREAMS = Streams(
    cases=tuple(
        Stream(stdin=f"{x}\n", stdout=f"{y}\n") for x, y in zip(INPUTS, EXPECTED, strict=True)
    )
)
MAIN = "x = int(input())\nprint((x * 7919 + 13) % 1009)"
THROUGH_PYTEST = frozenset(
    "exits hard in the call, an int that equals all, a stranger that equals all, a mock, writes"
    " verdicts to every descriptor, patches the built-in names, patches pytest, skips by pytest,"
    " leaves a conftest, raises what skips a test, answers a call twice, prints that it passed,"
    " raises SystemExit in the call".split(", ")
)
"""Half a second each: those that aim at pytest or at what is around it."""


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


@functools.cache
def honest(kind: str) -> bool:
    suite = STREAMS if kind == "streams" else SUITES[kind]
    return PATIENT.check(fenced(MAIN if kind == "streams" else RIGHT), suite).outcome == "right"


@pytest.mark.parametrize("kind", [*SUITES, "streams"])
def test_an_honest_program_passes(kind: str) -> None:
    assert honest(kind)


def tried() -> Iterator[tuple[str, str]]:
    """Each cheat against calls and against one other kind in turn; pytest's only where it is aimed
    at that, for time."""
    turns = itertools.cycle(kind for kind in SUITES if kind not in ("calls", "pytest"))
    for cheat in FUNCTIONS:
        yield from ((cheat, "calls"), (cheat, next(turns)), (cheat, next(turns)))
        if cheat in THROUGH_PYTEST:
            yield cheat, "pytest"


@pytest.mark.parametrize(("cheat", "kind"), list(tried()))
def test_a_cheat_is_wrong(cheat: str, kind: str) -> None:
    assert honest(kind)
    verdict = (PATIENT if kind == "pytest" else CODE).check(fenced(FUNCTIONS[cheat]), SUITES[kind])
    assert verdict.outcome == "wrong" or (
        verdict.outcome == "undecided" and verdict.stage == "tests"
    )
    assert not verdict.credit
    assert verdict.reason
    verdict.model_dump_json().encode()  # whatever the program says can be written down
    if kind == "calls":  # and the next program is none the worse for it
        assert PATIENT.check(fenced(RIGHT), SUITES[kind]).outcome == "right"


@pytest.mark.parametrize("cheat", MAINS)
def test_a_cheat_that_prints_is_wrong(cheat: str) -> None:
    assert honest("streams")
    loose = Comparison(numbers="equal", absolute=1e-6, relative=1e-6)
    for code in (CODE, Code(limits=LIMITS, comparison=loose)):
        verdict = code.check(fenced(MAINS[cheat]), STREAMS)
        assert verdict.outcome == "wrong"
        assert not verdict.credit
        verdict.model_dump_json().encode()
    assert PATIENT.check(fenced(MAIN), STREAMS).outcome == "right"


WEAK = [
    pytest.param(
        Assertions(
            entry="f", tests=("try:\n    f(-1)\n    assert False\nexcept Exception:\n    pass",)
        ),
        "import os\ndef f(x): os._exit(0)",
        id="its end is no error of the program's",
    ),
    pytest.param(
        Assertions(
            entry="f", tests=("import contextlib\nwith contextlib.suppress(Exception):\n    f(1)",)
        ),
        "import os\ndef f(x): os._exit(0)",
        id="its end is not suppressed",
    ),
    pytest.param(
        Assertions(
            entry="f",
            tests=(
                (
                    "import pytest\nfrom solution import f\ndef test_f():\n  with"
                    " pytest.raises(Exception):\n    f(-1)"
                ),
            ),
            pytest=True,
        ),
        "import os\ndef f(x): os._exit(0)",
        id="pytest does not take its end for an error",
    ),
    pytest.param(
        Assertions(entry="f", tests=("assert all(map(f, [1, 2]))",)),
        "def f(x): raise StopIteration",
        id="it does not end a loop of the tests",
    ),
    pytest.param(
        Assertions(entry="f", tests=("from solution import *\nassert abs(f(1) - 101) < 1e-9",)),
        "abs = lambda x: 0\ndef f(x): return 0",
        id="star import: built-in names stay the tests'",
    ),
    pytest.param(
        Assertions(
            entry="f",
            tests=("from solution import *\ndef test_f():\n    assert abs(f(1) - 101) < 1e-9",),
            pytest=True,
        ),
        "abs = lambda x: 0\ndef f(x): return 0",
        id="star import in pytest: built-in names stay the tests'",
    ),
    pytest.param(
        Assertions(entry="f", tests=("assert math.isclose(f(1), 101)",)),
        "class math:\n    isclose = staticmethod(lambda a, b: True)\ndef f(x): return 0",
        id="a module that the tests forgot to import is not the program's",
    ),
    pytest.param(
        Assertions(entry="f", tests=("xs = [3, 1, 2]\nassert f(xs) == sorted(xs)",)),
        "def f(x):\n    x.clear()\n    return []",
        id="arguments changed so that the test agrees",
        marks=pytest.mark.xfail(
            strict=True,
            reason="honest programs too change arguments in place",
        ),
    ),
]


@pytest.mark.parametrize(("suite", "cheat"), WEAK)
def test_a_weak_test_is_not_turned_against_itself(suite: Assertions, cheat: str) -> None:
    assert PATIENT.check(fenced(cheat), suite).outcome != "right"
