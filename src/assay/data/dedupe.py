"""Duplicates among records: what is the same, and what is nearly the same."""

from collections.abc import Iterable, Iterator

from assay.data.records import digest, normalised, texts_of
from assay.types import Preference, Ranking, Record, StepLabels

__all__ = ["labels_of", "unique"]


def labels_of(record: Record) -> str:
    """Return what is said about the responses, as a text to compare."""
    if isinstance(record, StepLabels):
        return f"steps {record.labels}"
    if isinstance(record, Preference):
        return f"prefer {record.prefer} {record.margin}"
    return f"grades {record.grades}" if isinstance(record, Ranking) else ""


def unique(records: Iterable[Record], *, near: bool = False) -> Iterator[Record]:
    """The records without later ones of the same kind, prompt, responses and labels; `near`: after
    `normalised`."""
    seen: set[int] = set()
    for record in records:
        shape = normalised if near else str
        key = digest(type(record).__name__, labels_of(record), *map(shape, texts_of(record)))
        if key not in seen:
            seen.add(key)
            yield record
