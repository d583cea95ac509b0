"""No honest program is judged wrong because of how its tests reach it."""

from typing import Any, Final

import pytest

from assay.sandbox import Limits
from assay.verifiers.code.needs import needs
from assay.verifiers.code.verifier import Code
from tests.verifiers.honest_suites import TABLE, generated, in_plain_python

pytest.importorskip("pyseccomp")

ITEMS: Final = [*TABLE, *generated(seed=0, count=30), *generated(seed=1, count=4, under_pytest=1.0)]
NAMES: Final = [f"{number}-{item.feature}" for number, item in enumerate(ITEMS)]
PROTOCOLS: Final = ("strict", "joint")
LIMITS: Final = Limits(seconds=4, wall=8.0)


def test_every_pair_passes_in_plain_python_and_no_mutant_does() -> None:
    why = in_plain_python([(item.program, item.suite) for item in ITEMS])
    assert [(name, reason) for name, reason in zip(NAMES, why, strict=True) if reason] == []
    mutants = [(name, item) for name, item in zip(NAMES, ITEMS, strict=True) if item.mutant]
    why = in_plain_python([(item.mutant, item.suite) for _, item in mutants])
    assert [name for (name, _), reason in zip(mutants, why, strict=True) if not reason] == []


@pytest.mark.parametrize("number", range(len(ITEMS)), ids=NAMES)
def test_an_honest_program_is_not_wrong_and_its_mutant_is(number: int) -> None:
    """By either protocol in turn; `python -m experiments.honest_suites` tries all by both."""
    item, protocol = ITEMS[number], PROTOCOLS[number % 2]
    settings: dict[str, Any] = {"protocol": protocol}
    code = Code(limits=LIMITS, extract="text", **settings)
    verdict = code.check(item.program, item.suite)
    if protocol == "joint":
        assert verdict.outcome == "right", verdict.reason
    else:
        assert verdict.outcome in ("right", "undecided"), verdict.reason
    assert (verdict.outcome == "right") == (not verdict.reason)  # undecided names what cannot cross
    if item.mutant:
        found = code.check(item.mutant, item.suite).outcome
        # Of tests that need more than they are given, a failure says nothing.
        lacking = protocol == "strict" and (
            verdict.outcome == "undecided" or needs(item.suite) != ""
        )
        assert found == "wrong" or (found == "undecided" and lacking)
