"""Rows of `metrics.jsonl`: JSON for every reader, and what they were when they are read again."""

import json
import math
from pathlib import Path

from assay.runs.metrics import METRICS, metrics_file, read_rows


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_a_number_that_does_not_exist_is_null_in_the_file_and_nan_when_read(tmp_path: Path) -> None:
    path = tmp_path / METRICS
    watch = {
        "kl": [0.0, math.nan, math.nan, 9, 0],
        "gold": {"g": [math.nan, -math.inf, math.inf, 0, 9]},
    }
    with metrics_file(path, 0) as write:
        size = write({"step": 0, "eval": watch, "spread": {"g": None}})
        write({"step": 1, "loss": math.nan})
    for line in path.read_text().splitlines():
        json.loads(line, parse_constant=refuse)
    first, second = read_rows(path)
    assert first["eval"]["kl"][0] == 0
    assert first["eval"]["kl"][3:] == [9, 0]
    assert all(math.isnan(x) for x in first["eval"]["kl"][1:3] + first["eval"]["gold"]["g"][:3])
    assert first["spread"] == {"g": None}
    assert second == {"step": 1, "loss": None}
    assert len(read_rows(path, size)) == 1


def test_a_file_of_bare_constants_is_still_read(tmp_path: Path) -> None:
    (tmp_path / METRICS).write_text('{"kl": [0.0, NaN, NaN, 9, 0]}\n')
    [row] = read_rows(tmp_path / METRICS)
    assert math.isnan(row["kl"][1])
