"""Ctrl-C in the middle of `assay verify`: it ends within a second, keeps what it reached, and the
next run resumes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assay import Prompt, Ranking, Response
from assay.data import io
from assay.verifiers.code.suites import Calls, with_suite

pytest.importorskip("pyseccomp")
pytest.importorskip("math_verify")

SECONDS = 1.0
"""In which it ends; measured: 0.2. On a machine that does other work it gets more."""
SLOWEST = 6.0


def programs() -> Iterator[Ranking]:
    suite = Calls.of("add", [((1, 2), 3)])
    for number in range(60):
        text = (
            "def add(a, b):\n    import time\n    time.sleep(1.0)\n    return a + b + 0 *"
            f" {number}\n"
        )
        yield Ranking(
            prompt=with_suite(Prompt.of("Add."), suite),
            responses=(Response.of(text),),
            grades=(1.0,),
        )


def formulas() -> Iterator[Ranking]:
    for number in range(2, 400):
        answer = rf"So \boxed{{\frac{{\sqrt{{{number}}}}}{{{number}}}}}."
        prompt = Prompt.of("How much?", reference=rf"\frac{{1}}{{\sqrt{{{number}}}}}")
        yield Ranking(prompt=prompt, responses=(Response.of(answer),), grades=(1.0,))


def numbers() -> Iterator[Ranking]:
    for number in range(5_000):
        prompt = Prompt.of("How many?", reference=str(number))
        yield Ranking(
            prompt=prompt, responses=(Response.of(f"The answer is {number}."),), grades=(1.0,)
        )


def verify(kind: str, data: Path, out: Path) -> "subprocess.Popen[str]":
    code = "import sys; from assay.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "verify", kind, str(data), "--out", str(out)]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


@pytest.mark.parametrize(
    ("kind", "records", "whole_group"),
    [
        ("code", programs, False),
        ("math", formulas, False),
        ("math", formulas, True),
        ("numeric", numbers, False),
    ],
)
def test_it_ends_at_once_and_keeps_every_verdict(
    kind: str, records: Callable[[], Iterator[Ranking]], whole_group: bool, tmp_path: Path
) -> None:
    data, out = tmp_path / "data.jsonl", tmp_path / "out"
    rows = list(records())
    io.write(rows, data)
    ledger = out / "verdicts.jsonl"
    process = verify(kind, data, out)
    give_up = time.monotonic() + 60.0
    while len(lines(ledger)) < 5 and time.monotonic() < give_up:
        time.sleep(0.02)
    reached = len(lines(ledger))
    began = time.monotonic()
    # A terminal sends it to everything in the foreground, a program to one process.
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60.0)
    assert time.monotonic() - began < (SECONDS if os.getloadavg()[0] < 1.0 else SLOWEST)
    assert process.returncode == 130
    kept = lines(ledger)
    assert reached <= len(kept) < len(rows)
    assert {json.loads(line)["outcome"] for line in kept} == {"right"}
    assert re.search(
        rf"interrupted; {len(kept):,} of {len(rows):,} verdicts are in .*; the same command", said
    )
    assert not _left_of(process.pid)

    if kind == "code":  # the rest would take its time
        io.write(rows[: len(kept)], data)
    again = verify(kind, data, out)
    _, said = again.communicate(timeout=120.0)
    assert again.returncode == 0
    assert f"{len(kept):,} of" in said
    whole = lines(ledger)
    assert whole[: len(kept)] == kept
    keys = [json.loads(line)["key"] for line in whole]
    assert len(set(keys)) == len(keys)
    assert len(keys) == (len(rows) if kind != "code" else len(set(keys)))


def _left_of(group: int) -> list[int]:
    """Processes of an ended session."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == group and fields[0] != "Z":
                found.append(int(folder.name))
    return found
