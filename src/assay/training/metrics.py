"""A run's `metrics.jsonl`: a row a step, which a run that goes on cuts back to where its checkpoint left off."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["METRICS", "metrics_file"]

METRICS = "metrics.jsonl"


@contextmanager
def metrics_file(path: Path, size: int) -> Iterator[Callable[[Mapping[str, Any]], int]]:
    """A function that appends a row and returns the file's length; what a killed run wrote beyond `size` goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.truncate(size)

        def write(row: Mapping[str, Any]) -> int:
            if row:
                file.write(json.dumps(row).encode() + b"\n")
            file.flush()
            return file.tell()

        yield write
