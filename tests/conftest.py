"""What every test may use."""

import os
from collections import Counter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def assay_data() -> Path:
    """Folder of the public data sets; tests that need it are skipped where there is none."""
    folder = Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no public data at {folder}; set ASSAY_DATA")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many of the verdicts that are owed were given, by severity."""
    counts = {outcome: Counter[object]() for outcome in ("passed", "failed")}
    for outcome, found in counts.items():
        for report in terminalreporter.stats.get(outcome, []):
            if report.when == "call":
                found.update(value for name, value in report.user_properties if name == "owed")
    every = counts["passed"] + counts["failed"]
    if every:
        shares = [
            f"severity {level}: {counts['passed'][level]} of {every[level]}"
            for level in sorted(every, key=str)
        ]
        terminalreporter.write_line(f"verdicts as owed: {', '.join(shares)}")
