"""Data given by name or in memory, as the jobs take it."""

from collections.abc import Iterable
from pathlib import Path

from assay.data import io, sources
from assay.data.lines import Row
from assay.errors import ConfigError, DataError
from assay.protocols import Scorer
from assay.scorers.column import Column
from assay.types import Ranking, Record

__all__ = ["Data", "aside_in", "check_column", "name_of", "named", "read"]

Data = str | Path | Iterable[Record]
"""A file, a folder or a data set by name, or records in memory."""


def named(*given: object) -> list[Path]:
    """The names among what was given, for hashes of the files in `run.json`."""
    return [Path(str(x)) for x in given if isinstance(x, (str, Path))]


def name_of(data: Data) -> str:
    """The name of some data, for a reader."""
    return str(data) if isinstance(data, (str, Path)) else "the data"


def check_column(scorer: Scorer, records: Iterable[Record], data: Data) -> None:
    """Refuse a column of scores that the rows have and no record does: it was read as gold."""
    column = getattr(scorer, "scorer", scorer)
    if not isinstance(column, Column) or not isinstance(data, (str, Path)):
        return
    ranked = [record for record in records if isinstance(record, Ranking)]
    if not ranked or any(
        column.name in meta
        for record in ranked
        for meta in (record.prompt.meta, *(response.meta for response in record.responses))
    ):
        return
    row = next(sources.rows(str(data)), None)
    if isinstance(row, Row) and column.name in row.value and "type" not in row.value:
        raise DataError(
            f"{column.name!r} was read as the gold grades of {data}, and gold is not measured"
            " against itself; where it holds a scorer's scores, call the column otherwise, such as"
            f" reward_{column.name}"
        )


def aside_in(set_aside: str | Path | bool | None, out: str | Path | None) -> Path | None:
    """The file for malformed rows; True is `set_aside.jsonl` in the run's folder."""
    if set_aside is None or set_aside is False:
        return None
    if set_aside is not True:
        return Path(set_aside)
    if out is None:
        raise ConfigError("set_aside is True, and there is no folder; give out, or a file")
    return Path(out) / "set_aside.jsonl"


def read(data: Data, format: str | None, set_aside: Path | None) -> list[Record]:
    """The records of some data."""
    if not isinstance(data, (str, Path)):
        return list(data)
    return list(io.read(str(data), format=format, set_aside=set_aside))
