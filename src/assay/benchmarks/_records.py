"""The records of a benchmark's files, and the scores of their steps."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from assay.data import io, sources
from assay.data.lines import Bad
from assay.errors import ConfigError, DataError
from assay.protocols import Format
from assay.stats.intervals import Array
from assay.types import Score, StepLabels, Unscored

__all__ = [
    "NEVER",
    "Repeated",
    "Unreadable",
    "error_place",
    "known_error",
    "place",
    "read",
    "step_values",
]

NEVER = -1
"""Place of the first error where there is none."""
Unreadable = Literal["refuse", "leave_out"]
Repeated = Literal["refuse", "keep", "first"]


def read(
    data: Sequence[str],
    format: Format | None,
    identify: Callable[[StepLabels, str, str], tuple[str, str]],
    on_bad: Unreadable = "refuse",
    repeated: Repeated = "refuse",
) -> list[StepLabels]:
    """The step-labelled records of some files, each with an id of its own and the subset that it
    belongs to.

    data: files, folders or data sets of the hub. format: told by the columns where it is None.
    identify: (id, subset) from a record, its file's name without suffixes, and its row's number in
    that file, from 0 ("7", and "7/1" for a second record of that row). repeated: rows of one file
    whose id another has; kept, they are numbered, as in "a/2". Raises `DataError` for a row that
    cannot be read, or warns of how many were left out.
    """
    if not data:
        raise ConfigError(
            "data names no file; give the benchmark's files, a folder of them, or a data set of"
            " the hub"
        )
    records: dict[str, StepLabels] = {}
    bad: list[str] = []
    rows = 0
    for name in (name for source in data for name, _ in sources.parts(source, as_one=True)):
        stem = Path(name).name.split(".")[0]
        seen: Counter[str] = Counter()
        for number, item in enumerate(io.scan(name, format=format)):
            rows += 1
            if isinstance(item, Bad):
                item.raw.close()
                bad.append(f"{item.where}: {item.error}")
                continue
            for j, record in enumerate(item):
                if not isinstance(record, StepLabels):
                    raise DataError(
                        f"{name} holds {type(record).__name__} records; this benchmark needs step"
                        " labels"
                    )
                id, subset = identify(record, stem, f"{number}/{j}" if j else str(number))
                seen[id] += 1
                if seen[id] > 1 and repeated == "first":
                    continue
                if seen[id] > 1 and repeated == "keep":
                    id = f"{id}/{seen[id]}"
                if id in records:
                    raise DataError(f"{name}: two rows have the id {id!r}; give each file once")
                meta = {**record.prompt.meta, "subset": subset}
                if record.prompt.id not in ("", id):
                    meta["id"] = record.prompt.id
                prompt = record.prompt.model_copy(update={"id": id, "meta": meta})
                records[id] = record.model_copy(update={"prompt": prompt})
    if bad and on_bad == "refuse":
        more = f" (and {len(bad) - 1} more rows)" if len(bad) > 1 else ""
        raise DataError(
            f"{bad[0]}{more}; leave such rows out (--unreadable leave_out, unreadable='leave_out')"
        )
    if bad:
        warnings.warn(
            f"{len(bad)} of {rows} rows cannot be read and were left out, such as {bad[0]}",
            stacklevel=3,
        )
    return list(records.values())


def step_values(
    records: Sequence[StepLabels], scores: Sequence[Sequence[Score | Unscored]]
) -> list[Array | None]:
    """The step scores of each record, (steps,); None where it is unscored.

    Raises `DataError` where the records and scores do not fit together.
    """
    if not records:
        raise DataError("there is no record to measure")
    if len(scores) != len(records):
        raise DataError(
            f"{len(scores)} groups of scores for {len(records)} records; give one a record"
        )
    found: list[Array | None] = []
    for i, (record, group) in enumerate(zip(records, scores, strict=True)):
        if len(group) != 1:
            raise DataError(f"record {i}: {len(group)} scores for 1 response")
        (score,) = group
        if isinstance(score, Score) and len(score.steps) != len(record.labels):
            raise DataError(
                f"record {i} ({record.prompt.id}): {len(score.steps)} step scores for"
                f" {len(record.labels)} steps; use a scorer that scores every step"
            )
        found.append(np.array(score.steps, dtype=np.float64) if isinstance(score, Score) else None)
    return found


def place(values: Array, threshold: float) -> int:
    """Index of the first step that scores below the threshold; `NEVER` where none does."""
    below = np.flatnonzero(values < threshold)
    return int(below[0]) if len(below) else NEVER


def known_error(record: StepLabels) -> int | None:
    """Index of the first wrong step (label below one half), `NEVER` where there is none.

    None where a step without a label, or with one of exactly one half, leaves it open.
    """
    for i, label in enumerate(record.labels):
        if label is None or label == 0.5:
            return None
        if label < 0.5:
            return i
    return NEVER


def error_place(record: StepLabels) -> int:
    """The same. Raises `DataError` where it is open."""
    at = known_error(record)
    if at is None:
        raise DataError(
            f"response {record.prompt.id!r}: a step before the first wrong one has no label, so"
            " that the first error is not known; give records whose labels run up to it"
        )
    return at
