"""Records that commands learn from: read with bad rows set aside, and split by prompt. No command of its own."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from assay.types import Record

__all__ = ["records_of", "split"]

R = TypeVar("R", bound=Record)


def records_of(source: str, format: str | None, aside: Path | None) -> Iterator[Record]:
    """The records of a source; malformed rows go to `aside`, and are counted aloud, or stop the reading."""
    from assay.data import io

    counts = io.Counts()
    if aside is not None:
        # Rows of an earlier start of this run; they are found again.
        aside.unlink(missing_ok=True)
        aside.parent.mkdir(parents=True, exist_ok=True)
    yield from io.read(source, format=format, set_aside=aside, counts=counts)
    if counts.bad:
        print(f"{source}: {counts.bad} of {counts.rows} rows are malformed and set aside in {aside}", file=sys.stderr)


def split(records: Sequence[R], share: float, seed: int) -> tuple[list[R], list[R]]:
    """Records to train on, and about this share of the prompts held out."""
    from assay.data.split import side

    sides = [side(record, {"valid": share}, seed) for record in records]
    train = [record for record, where in zip(records, sides, strict=True) if where == "train"]
    return train, [record for record, where in zip(records, sides, strict=True) if where == "valid"]
