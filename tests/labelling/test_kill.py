"""Killed at random, run again until done: every batch once, the labels of a run that nobody
disturbed."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

KILLS = 4


def start(folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.labelling.killed", str(folder)], cwd=Path(__file__).parents[2]
    )


def batches(folder: Path) -> list[tuple[str, int]]:
    rows = [json.loads(line) for line in (folder / "ledger.jsonl").read_bytes().splitlines()]
    return [(row["prefix"], row["first"]) for row in rows]


def test_labelling_survives_being_killed(tmp_path: Path) -> None:
    calm, torn = tmp_path / "calm", tmp_path / "torn"
    undisturbed = start(calm)
    rng = random.Random(0)
    ledger = torn / "ledger.jsonl"
    killed = 0
    for _ in range(KILLS):
        before = ledger.stat().st_size if ledger.exists() else 0
        process = start(torn)
        # Not before it works: a process killed while it imports shows nothing.
        while process.poll() is None and (not ledger.exists() or ledger.stat().st_size <= before):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed == KILLS
    assert start(torn).wait() == 0
    assert undisturbed.wait() == 0
    assert len(batches(torn)) == len(set(batches(torn)))
    assert sorted(batches(torn)) == sorted(batches(calm))
    assert (torn / "labels.json").read_text() == (calm / "labels.json").read_text()
