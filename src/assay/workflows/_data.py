"""Data given by name or in memory, as the jobs take it."""

from collections.abc import Iterable
from pathlib import Path

from assay.data import io
from assay.errors import ConfigError
from assay.types import Record

__all__ = ["Data", "aside_in", "named", "read"]

Data = str | Path | Iterable[Record]
"""A file, a folder or a data set by name, or records in memory."""


def named(*given: object) -> list[Path]:
    """The names among what was given, for hashes of the files in `run.json`."""
    return [Path(str(x)) for x in given if isinstance(x, (str, Path))]


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
