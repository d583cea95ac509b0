"""Verdicts without adding: each cheat is wrong, under every protocol, by tests of each kind."""

import functools
import itertools
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from assay.sandbox import Limits
from assay.verifiers.code.suites import Assertions
from assay.verifiers.code.verifier import Code
from tests.sandbox.verdict_cheats import CHEATS, HONEST, KINDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")

PROTOCOLS: Final = ("strict", "joint")
"""`auto` is the one after the other; `python -m experiments.verdict_cheats` tries it, too."""
PATIENT: Final = Limits(seconds=5, wall=20.0)
QUICK: Final = Limits(seconds=1, wall=0.8)
UNDER_PYTEST: Final = Limits(seconds=3, wall=4.0)
IN_ONE_PROCESS: Final = frozenset({"a value of the tests' own class"})
"""Kinds of tests that need not be decided where an object of theirs cannot reach the program."""
NUMBERS: Final = {cheat: number for number, cheat in enumerate(CHEATS)}
EVERY: Final = 8
"""After so many cheats an honest program is run again."""


def outcome(program: str, suite: Assertions, protocol: str, limits: Limits = PATIENT) -> str:
    settings: dict[str, Any] = {"protocol": protocol}
    return Code(limits=limits, extract="text", **settings).check(program, suite).outcome


@functools.cache
def honest(kind: str, protocol: str) -> str:
    return outcome(HONEST, KINDS[kind], protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_program_passes(kind: str, protocol: str) -> None:
    found = honest(kind, protocol)
    assert found == "right" or (
        found == "undecided" and protocol == "strict" and kind in IN_ONE_PROCESS
    )


def tried() -> Iterator[tuple[str, str, str]]:
    """Cheat, kind of tests, protocol: the plainest kind, and another by turns, one in three of them
    pytest's, which takes most of a second.

    `python -m experiments.verdict_cheats --pytest` tries all against all.
    """
    plain = itertools.cycle(
        kind for kind, suite in KINDS.items() if not suite.pytest and kind != "bare"
    )
    for_pytest = itertools.cycle(kind for kind, suite in KINDS.items() if suite.pytest)
    for number, cheat in enumerate(CHEATS):
        # Kinds go round at another pace than protocols, so that all of both meet.
        turn = number + number // len(KINDS)
        yield cheat, "bare", PROTOCOLS[number % 2]
        other = next(for_pytest if number % 3 == 0 else plain)
        yield cheat, other, PROTOCOLS[(turn + 1) % 2]


@pytest.mark.parametrize(("cheat", "kind", "protocol"), list(tried()))
def test_a_cheat_is_wrong(cheat: str, kind: str, protocol: str) -> None:
    if honest(kind, protocol) == "undecided":
        pytest.skip("such tests are undecided whatever the program")
    limits = UNDER_PYTEST if KINDS[kind].pytest else QUICK
    assert outcome(CHEATS[cheat], KINDS[kind], protocol, limits) == "wrong"
    if NUMBERS[cheat] % EVERY == 0:  # and the next program is none the worse for it
        assert honest.__wrapped__(kind, protocol) == "right"
