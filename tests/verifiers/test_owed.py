"""Verdicts that are owed: cases that verifiers got wrong once, with what is right. `pytest -m owed`
prints the count.

`owed.jsonl` first lists programs, a line each, then the cases; "wrong|undecided" allows either. A
suite that needs one process with the program may be undecided strictly, and is judged by the
protocol that its needs choose.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from assay.sandbox import Limits
from assay.types import Verdict
from assay.verifiers import Math, Numeric
from assay.verifiers.code.suites import Suite
from assay.verifiers.code.verifier import Code
from tests.sandbox.reach import CLOSED

LINES = [
    json.loads(line)
    for line in (Path(__file__).parent / "owed.jsonl").read_text("utf-8").splitlines()
]
PROGRAMS = [line["source"] for line in LINES if "source" in line]
CASES = [line for line in LINES if "owed" in line]
ANSWERS: dict[str, Callable[[], Math | Numeric]] = {
    "math": Math,
    "numeric": Numeric,
    "choice": lambda: Math(find=("choice",)),
}
SUITE: TypeAdapter[Any] = TypeAdapter(Suite)


def verdict_of(case: dict[str, Any], protocol: str) -> Verdict:
    if case["verifier"] != "code":
        text, times = case.get("repeated", ("", 0))
        return ANSWERS[case["verifier"]]().check(case["text"] + text * times, case["reference"])
    settings = {**case.get("settings", {})}
    if settings:  # at this level the program's user must be able to read its Python
        settings["python"] = Path("/usr/bin/python3")
    code = Code(limits=Limits(seconds=5, wall=30.0), **settings, **{"protocol": protocol})
    program = PROGRAMS[case["program"]]
    text = program if "```" in program else f"```python\n{program}\n```"
    return code.check(text, SUITE.validate_python(case["suite"]))


@pytest.mark.owed
@pytest.mark.parametrize(
    "case", CASES, ids=[f"{i}-{case['verifier']}" for i, case in enumerate(CASES)]
)
def test_the_verdict_is_the_owed_one(
    case: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    record_property("owed", case["severity"])
    if case.get("settings") and not Path("/usr/bin/python3").exists():
        pytest.skip("there is no Python that any user may read")
    if case.get("settings") and CLOSED:
        pytest.skip(CLOSED)
    found = verdict_of(case, "auto")
    assert found.outcome in case["owed"].split("|"), (
        f"{case['kind']}: {found.outcome}: {found.reason}"
    )
    if case["verifier"] == "code" and case["suite"]["kind"] == "assertions":
        assert verdict_of(case, "strict").outcome in (*case["owed"].split("|"), "undecided")
