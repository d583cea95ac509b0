"""Honest programs with honest tests that assert: they pass in plain Python, so no verdict on them
may be *wrong*.

`TABLE` is written by hand, by feature of the language (`honest/*.txt`); `generated` combines values
with what is done with them and with the ways in which tests are written. `in_plain_python` says of
each pair whether it passes without any wall.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from assay.verifiers.code.suites import Assertions
from tests.verifiers.honest.generated import generated
from tests.verifiers.honest.item import Item
from tests.verifiers.honest.table import table

__all__ = ["TABLE", "generated", "in_plain_python"]

_FILES: Final = (
    "points",
    "kinds",
    "values",
    "structures",
    "iterators",
    "changes",
    "errors",
    "functions",
    "outside",
    "styles",
    "more",
    "under_pytest",
)
TABLE: Final[list[Item]] = [item for name in _FILES for item in table(name)]

PLAIN_PYTHON: Final = Path(__file__).parent / "honest" / "plain_python.py"


def in_plain_python(pairs: Sequence[tuple[str, Assertions]]) -> list[str]:
    """Of each pair of program and tests, why it fails in plain Python; "" where it passes."""
    lines = [json.dumps({"program": program, **suite.model_dump()}) for program, suite in pairs]
    done = subprocess.run(
        [sys.executable, str(PLAIN_PYTHON)],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
