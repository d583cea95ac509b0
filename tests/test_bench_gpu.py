"""The script for a GPU runs, in small and without one, and a part that fails sinks no other."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bench import gpu

ROOT = Path(__file__).parent.parent


def rows_of(out: Path, *words: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "bench.gpu", "--tiny", "--device", "cpu", "--rounds", "1"]
    paths = {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, "--out", str(out), *words], cwd=ROOT, env=paths, check=True, timeout=600
    )
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_every_part_runs_in_small(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "gpu.jsonl")
    assert not [row for row in rows if "failed" in row]
    measured = {row["part"]: row for row in rows if "seconds" in row}
    assert {*measured} == {*gpu.PARTS}
    for part in ("score", "train", "beam", "log-probabilities"):
        assert measured[part]["max_difference"] < 0.1, part
    assert rows[0]["device"] == "cpu"


def test_a_part_without_time_is_a_row_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> Any:
        while True:
            yield from ()

    monkeypatch.setattr(gpu, "beam", slow)
    monkeypatch.setattr(gpu, "PARTS", {"beam": 0.02, "log-probabilities": 0.98})
    words = ["gpu", "--tiny", "--device", "cpu", "--rounds", "1", "--worker", "tiny"]
    monkeypatch.setattr(
        sys, "argv", [*words, "--parts", *gpu.PARTS, "--out", f"{tmp_path}/g.jsonl"]
    )
    gpu.main()
    rows = [json.loads(line) for line in (tmp_path / "g.jsonl").read_text().splitlines()]
    assert "OutOfTime" in next(
        row["failed"] for row in rows if row["part"] == "beam" and "failed" in row
    )
    assert any("seconds" in row for row in rows if row["part"] == "log-probabilities")
