"""What every test may use, and what makes all of them fast."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# Before torch and numpy are imported, here and in processes that tests start: there is a worker a
# core already, and threads that wait for each other take the cores from both.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def assay_data() -> Path:
    """Folder of the public data sets; tests that need it are skipped where there is none."""
    folder = Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no public data at {folder}; set ASSAY_DATA")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """What a test breaks off is a program, not the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


SOUND: set[tuple[Any, ...]] = set()
"""Ways to run a network that were tried in this process and give what plain batches give."""


@pytest.fixture(autouse=True)
def _each_path_is_tried_once(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network is tried on random groups before its prefixes are shared; of networks that are
    built alike the first is enough, but where the trial itself is tested."""
    trial = sys.modules.get("assay.packing.trial")
    if trial is None or "/packing/" in str(request.path):
        return
    fault = trial.fault

    def tried(path: Any, backbone: Any, **settings: Any) -> str | None:
        parameters = [(p.dtype, p.device.type, p.requires_grad) for p in backbone.parameters()]
        engine = (path.keywords["engine"].path, path.keywords["engine"].attention)
        config = json.dumps(backbone.config.to_dict(), sort_keys=True, default=str)
        modules = [type(module).__qualname__ for module in backbone.modules()]
        how = (backbone.training, getattr(backbone, "is_activation_checkpointing", None))
        key = (engine, config, backbone.config._attn_implementation, how, tuple(modules))
        key += tuple(parameters)
        if key in SOUND:
            return None
        found: str | None = fault(path, backbone, **settings)
        if found is None:
            SOUND.add(key)
        return found

    monkeypatch.setattr(trial, "fault", tried)


LONGEST_FIRST = (
    "golden_runs",
    "e2e",
    "studies",
    "cli",
    "models",
    "rl",
    "training",
    "engines",
    "labelling",
    "packing",
    "scorers",
    "sandbox",
    "losses",
    "verifiers",
)
"""Folders whose files take longest; the others' are short, and fill the end evenly."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first, for workers that take file after file (`--no-loadscope-reorder`)."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    tests = Path(__file__).parent
    items.sort(
        key=lambda item: places.get(item.path.relative_to(tests).parts[0], len(LONGEST_FIRST))
    )


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
