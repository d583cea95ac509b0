"""Verdicts without adding: each cheat is wrong, under every protocol, by tests of each kind."""

import dataclasses
import functools
import sys
from typing import Any, Final

import pytest

from assay.verifiers.code import Code
from assay.verifiers.sandbox import Limits
from assay.verifiers.suites import Assertions
from tests.verifiers.sandbox.verdict_cheats import CHEATS, HONEST, KINDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")

PROTOCOLS: Final = (
    ("strict", "joint", "auto") if "protocol" in {f.name for f in dataclasses.fields(Code)} else ("strict",)
)
LIMITS: Final = Limits(seconds=1, wall=1.5)
PATIENT: Final = Limits(seconds=5, wall=10.0)
"""For pytest, which itself takes a good part of a second."""
TURNS: Final = 2
"""So many kinds beside the plain one each cheat is tried against here, and one of pytest's; by turns, for time.
`python -m bench.verdict_cheats` tries all against all."""

IN_ONE_PROCESS: Final = frozenset({"a value of the tests' own class"})
"""Kinds of tests that need not be decided where an object of theirs cannot reach the program."""


def outcome(program: str, suite: Assertions, protocol: str) -> str:
    settings: dict[str, Any] = {"protocol": protocol} if len(PROTOCOLS) > 1 else {}
    limits = PATIENT if suite.pytest else LIMITS
    return Code(limits=limits, extract="text", **settings).check(program, suite).outcome


@functools.cache
def honest(kind: str, protocol: str) -> str:
    return outcome(HONEST, KINDS[kind], protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_program_passes(kind: str, protocol: str) -> None:
    found = honest(kind, protocol)
    assert found == "right" or (found == "undecided" and protocol == "strict" and kind in IN_ONE_PROCESS)


def chosen(number: int) -> list[str]:
    """The kinds of tests for the cheat of that number."""
    plain = [kind for kind, suite in KINDS.items() if not suite.pytest and kind != "bare"]
    for_pytest = [kind for kind, suite in KINDS.items() if suite.pytest]
    some = [plain[(number * TURNS + turn) % len(plain)] for turn in range(TURNS)]
    return ["bare", *some, for_pytest[number % len(for_pytest)]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("cheat", "kind"),
    [pytest.param(cheat, kind, id=f"{cheat}-{kind}") for n, cheat in enumerate(CHEATS) for kind in chosen(n)],
)
def test_a_cheat_is_wrong(cheat: str, kind: str, protocol: str) -> None:
    if honest(kind, protocol) == "undecided":
        pytest.skip("such tests are undecided whatever the program")
    assert outcome(CHEATS[cheat], KINDS[kind], protocol) == "wrong"
    if not KINDS[kind].pytest:  # and the next program is none the worse for it
        assert outcome(HONEST, KINDS[kind], protocol) == "right"
