"""Killed at random, run again until done: every sample once, the results of a run that nobody
disturbed."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

KILLS = 3


def start(folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.search.killed", str(folder)], cwd=Path(__file__).parents[2]
    )


def lines(folder: Path, kind: str) -> list[str]:
    """Every sample by its place, or every scored text."""
    rows = [json.loads(line) for line in (folder / "record.jsonl").read_bytes().splitlines()]
    if kind == "scores":
        return [said["of"] for row in rows if row["kind"] == kind for said in row[kind]]
    return [
        json.dumps([row["prompt"], row["prefix"], row["sampling"], row["first"] + i])
        for row in rows
        if row["kind"] == kind
        for i in range(len(row[kind]))
    ]


def test_a_search_survives_being_killed(tmp_path: Path) -> None:
    calm, torn = tmp_path / "calm", tmp_path / "torn"
    undisturbed = start(calm)
    rng = random.Random(0)
    record = torn / "record.jsonl"
    killed = 0
    for _ in range(KILLS):
        before = record.stat().st_size if record.exists() else 0
        process = start(torn)
        # Not before it works: a process killed while it imports shows nothing.
        while process.poll() is None and (not record.exists() or record.stat().st_size <= before):
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed == KILLS
    assert start(torn).wait() == 0
    assert undisturbed.wait() == 0
    for kind in ("samples", "scores"):
        assert len(lines(torn, kind)) == len(set(lines(torn, kind)))
        assert sorted(lines(torn, kind)) == sorted(lines(calm, kind))
    assert (torn / "results.json").read_text() == (calm / "results.json").read_text()
