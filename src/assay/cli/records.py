"""Records to train on and to hold out, for commands that set bad rows aside in a folder."""

from pathlib import Path
from typing import Any

from assay.data import sides as reading
from assay.data.sides import Sides

__all__ = ["Sides", "sides"]


def sides(*given: Any, aside: Path | None, **more: Any) -> Sides[Any]:
    """Read the records; `aside` is a folder."""
    file = None if aside is None else aside / "set_aside.jsonl"
    return reading.sides(*given, aside=file, **more)
