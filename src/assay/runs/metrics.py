"""A run's `metrics.jsonl`: a row a step, which a run that goes on cuts back to where its checkpoint
left off.

JSON has no NaN: an end of an interval that does not exist is null in the file, and NaN again when
rows are read.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assay.runs.settings import dumps

__all__ = ["METRICS", "metrics_file", "read_rows"]

METRICS = "metrics.jsonl"


@contextmanager
def metrics_file(path: Path, size: int) -> Iterator[Callable[[Mapping[str, Any]], int]]:
    """A function that appends a row and returns the file's length; what a killed run wrote beyond
    `size` goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.truncate(size)

        def write(row: Mapping[str, Any]) -> int:
            if row:
                file.write(dumps(row).encode() + b"\n")
            file.flush()
            return file.tell()

        yield write


def read_rows(path: Path, size: int | None = None) -> list[dict[str, Any]]:
    """The rows as they were before they were written, of the first `size` bytes, or of the whole
    file.

    null in a list, as in an estimate, is NaN; null by itself stays None, for what was never
    measured.
    """
    return [_measured(json.loads(line)) for line in path.read_bytes()[:size].decode().splitlines()]


def _measured(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _measured(v) for key, v in value.items()}
    if isinstance(value, list):
        return [math.nan if v is None else _measured(v) for v in value]
    return value
