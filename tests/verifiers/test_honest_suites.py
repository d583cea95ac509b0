"""No honest program is judged wrong because of how its tests reach it."""

import dataclasses
from typing import Any, Final

import pytest

from assay.sandbox import Limits
from assay.verifiers.code.needs import needs
from assay.verifiers.code.verifier import Code
from tests.verifiers.honest.item import Item
from tests.verifiers.honest_suites import TABLE, generated, in_plain_python

pytest.importorskip("pyseccomp")

ITEMS: Final = [*TABLE, *generated(seed=0, count=60), *generated(seed=1, count=8, under_pytest=1.0)]
NAMES: Final = [f"{number}-{item.feature}" for number, item in enumerate(ITEMS)]
PROTOCOLS: Final = (
    ("strict", "joint") if "protocol" in {f.name for f in dataclasses.fields(Code)} else ("strict",)
)
LIMITS: Final = Limits(seconds=4, wall=8.0)


def checker(protocol: str) -> Code:
    settings: dict[str, Any] = {"protocol": protocol} if len(PROTOCOLS) > 1 else {}
    return Code(limits=LIMITS, extract="text", **settings)


def test_every_pair_passes_in_plain_python_and_no_mutant_does() -> None:
    why = in_plain_python([(item.program, item.suite) for item in ITEMS])
    assert [(name, reason) for name, reason in zip(NAMES, why, strict=True) if reason] == []
    mutants = [(name, item) for name, item in zip(NAMES, ITEMS, strict=True) if item.mutant]
    why = in_plain_python([(item.mutant, item.suite) for _, item in mutants])
    assert [name for (name, _), reason in zip(mutants, why, strict=True) if not reason] == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("item", ITEMS, ids=NAMES)
def test_an_honest_program_is_not_wrong_and_its_mutant_is(item: Item, protocol: str) -> None:
    code = checker(protocol)
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
