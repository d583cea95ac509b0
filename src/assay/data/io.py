"""Records in and out of files: sniff the format, read, refuse or set aside what is bad, write
atomically."""

import base64
import gzip
import importlib.util
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, cast

from pydantic import ValidationError

from assay.components import did_you_mean
from assay.data import fields, layouts, sources, tables, uniform
from assay.data.layouts import name_of, resolve
from assay.data.lines import LIMIT, Bad, Row, without_nan
from assay.data.sniff import sniff
from assay.errors import ConfigError, DataError, MissingExtra
from assay.files import atomic
from assay.protocols import Format
from assay.types import Record

__all__ = ["Counts", "put_aside", "read", "resolve", "scan", "write"]

SNIFF = 16
"""Rows looked at to tell a format."""
SHOWN = 20
"""Problems listed in a refusal."""
MISSING = re.compile(r"field '([^']*)' is missing; the row has (.*)", re.DOTALL)
"""Fault of a row without a field."""
DETAIL = re.compile(r", got .*|; the row has .*|\d+|'[^']*'(?! is missing|:)", re.DOTALL)
"""Parts of a message in which faults of one kind differ."""
BATCH = 4096
"""Rows a parquet row group."""


@dataclass
class Counts:
    """What went through a `read`; filled as it goes. Good rows + `bad` rows are all rows."""

    rows: int = 0
    bad: int = 0
    """Rows set aside."""
    without_records: int = 0
    """Good rows from which the format takes nothing, e.g. PRM800K's quality controls."""
    records: int = 0
    formats: set[str] = field(default_factory=set)


def read(
    source: str | Path,
    *,
    format: str | Format | None = None,
    set_aside: Path | None = None,
    counts: Counts | None = None,
    places: dict[int, str] | None = None,
) -> Iterator[Record]:
    """The records of a file, folder or hub data set, streamed.

    The format is told from the first rows unless it is given, by name or as a value. A bad row
    stops the reading with a `DataError` that lists every problem of the source, unless `set_aside`
    names a new file: then each bad row goes there as {"where", "error", "raw"} (or "raw_base64",
    where it is not UTF-8 or very long), and the reading goes on.

    places: filled with the file and line of every record, by `id(record)`, for whoever keeps the
    records.
    """
    counts = Counts() if counts is None else counts
    if set_aside is not None and set_aside.exists():
        raise ConfigError(
            f"{set_aside} exists and may hold rows of an earlier run; move it or name another file"
        )
    items = _placed(source, format, counts)
    for where, item in items:
        counts.rows += 1
        if not isinstance(item, Bad):
            counts.records += len(item)
            counts.without_records += not item
            if places is not None:
                places.update((id(record), where) for record in item)
            yield from item
            continue
        counts.bad += 1
        if set_aside is None:
            rest = chain([item], (later for _, later in items))
            raise DataError(_refusal(str(source), rest, alone=counts.rows == 1))
        with item.raw:
            _set_aside(set_aside, item)


def scan(
    source: str | Path,
    *,
    format: str | Format | None = None,
    counts: Counts | None = None,
    only: Sequence[int] | None = None,
) -> Iterator[tuple[Record, ...] | Bad]:
    """Each row of a source in order, as its records or as a `Bad` row (close its `raw`).

    only: a number per row, in order; no records are made of the rows with 0. Raises `DataError`
    when the source holds no rows or its format cannot be told.
    """
    for _, item in _placed(source, format, counts, only):
        yield item


def _placed(
    source: str | Path,
    format: str | Format | None,
    counts: Counts | None,
    only: Sequence[int] | None = None,
) -> Iterator[tuple[str, tuple[Record, ...] | Bad]]:
    """Each row's place, and its records or the bad row."""
    seen = 0
    for name, entries in sources.parts(source):
        if format is None:
            head = list(islice(entries, SNIFF))
            entries = chain(head, entries)
            readable = (without_nan(x) if isinstance(x, Bad) else x for x in head)
            reader = sniff(name, [x.value for x in readable if isinstance(x, Row)])
        else:
            reader = resolve(format)
        if counts is not None and reader is not None:
            counts.formats.add(name_of(reader))
        for entry in entries:
            seen += 1
            if isinstance(entry, Bad) and getattr(reader, "nan_is_null", False):
                entry = without_nan(entry)
            if isinstance(entry, Bad):
                yield entry.where, entry
            elif only is None or only[seen - 1]:
                found = _records(cast(Format, reader), entry)
                if format is None and isinstance(found, tuple):
                    found = _unless_astray(cast(Format, reader), entry, found)
                yield entry.where, found
            else:
                yield entry.where, ()
    if not seen:
        raise DataError(
            f"{source} holds no rows; give a file with one JSON object a line, or another of"
            f" {sources.READ}"
        )


def put_aside(source: str | Path, why: Mapping[str, str], path: Path) -> int:
    """Append rows to a file of bad ones, as `read` does; how many. why: what is wrong, by the row's
    place."""
    count = 0
    for entry in sources.rows(source):
        if isinstance(entry, Bad):
            entry.raw.close()
        elif entry.where in why:
            count += 1
            bad = entry.bad(why[entry.where])
            with bad.raw:
                _set_aside(path, bad)
    return count


def write(records: Iterable[Record], path: Path, format: str | Format = "assay") -> int:
    """Write records as rows of a format; returns how many. The whole file appears, or nothing.

    The suffix tells the kind of file. Raises `DataError`, naming the record, when the format cannot
    hold it.
    """
    if not path.name.endswith(sources.WRITTEN):
        raise ConfigError(f"{path} cannot be written; give {', '.join(sources.WRITTEN)}")
    if path.name.endswith(".parquet") and importlib.util.find_spec("pyarrow") is None:
        raise MissingExtra(f"writing {path.name}", "parquet")
    layout = resolve(format)
    seen: dict[str, set[str]] = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent, prefix=f".{path.name}.") as held:
        for count, row in enumerate(_numbered(layout, records), 1):
            uniform.note(row, seen)
            held.write(_json(row, count).encode() + b"\n")
        held.seek(0)
        lines: Iterable[bytes] = held
        if roles := uniform.roles(seen):
            rows = map(json.loads, held)
            wide = (uniform.as_messages(row, roles, seen, layout) for row in rows)
            lines = (_json(row, 0).encode() + b"\n" for row in wide)
        with atomic(path) as file:
            if path.name.endswith(".parquet"):
                return _write_parquet(lines, file, path)
            if not path.name.endswith(".gz"):
                return _write_json(lines, file, array=path.suffix == ".json")
            with gzip.GzipFile(
                filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0
            ) as packed:
                return _write_json(lines, packed, array=path.name.endswith(".json.gz"))


def _unless_astray(
    reader: Format, row: Row, records: tuple[Record, ...]
) -> tuple[Record, ...] | Bad:
    """The records of a row, or a bad row where it looks like another layout than the file's first
    rows do: read as they are, its answers or labels would be passed over."""
    if reader.matches(row.value):
        return records
    others = [name for name in layouts.names() if resolve(name).matches(row.value)]
    if not others:
        return records
    name = name_of(reader)
    return row.bad(
        f"the row looks like {' or '.join(others)}, and the file's first rows like {name}; make it"
        f" a file of its own, or give --format {name} to read it as that"
    )


def _records(reader: Format, row: Row) -> tuple[Record, ...] | Bad:
    """All records of a row, or the row as a bad one: never a part of it."""
    try:
        return tuple(reader.read(row.value))
    except DataError as error:
        return row.bad(str(error))
    except ValidationError as error:
        return row.bad(fields.explain(error))


def _refusal(source: str, items: Iterable[tuple[Record, ...] | Bad], *, alone: bool) -> str:
    """Every kind of fault on a line of its own: the first place, and how many there are; where
    all rows lack one field, its name is the fault. alone: whether no row came before the items."""
    problems: dict[str, tuple[str, int]] = {}
    bad = 0
    missing = None
    for item in items:
        if not isinstance(item, Bad):
            alone = False
            continue
        missing = missing or MISSING.fullmatch(item.error)
        item.raw.close()
        bad += 1
        kind = DETAIL.sub("", item.error)
        first, count = problems.get(kind, (f"{item.where}: {item.error}", 0))
        if count or len(problems) < SHOWN:
            problems[kind] = (first, count + 1)
    lines = [
        first + (f" (and {count - 1} more like it)" if count > 1 else "")
        for first, count in problems.values()
    ]
    if hidden := bad - sum(count for _, count in problems.values()):
        lines.append(f"... and {hidden} more")
    if alone and missing and len(problems) == 1:
        name, columns = missing.groups()
        hint = did_you_mean(name, columns.split(", "))
        return (
            f"{source}: no row has the field {name!r}{hint}; the first has {columns}. Name another"
            " column (--columns), or another layout (--format)"
        )
    head = (
        f"{source} has {bad} bad row{'s' * (bad > 1)}; repair them, or set them aside with"
        " --set-aside FILE (here, or in `assay data convert`)"
    )
    return "\n  ".join([head, *lines])


def _set_aside(path: Path, bad: Bad) -> None:
    """Append one bad row; a row too long to hold is copied in pieces."""
    head = json.dumps({"where": bad.where, "error": bad.error})[:-1]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="ascii") as file:
        piece = bad.raw.read(LIMIT)
        more = bad.raw.read(3 * 2**18)
        text = None if more else _decoded(piece)
        if text is not None:
            file.write(f'{head}, "raw": {json.dumps(text)}}}\n')
            return
        file.write(f'{head}, "raw_base64": "')
        bad.raw.seek(0)
        while piece := bad.raw.read(3 * 2**18):  # a multiple of 3, so that the pieces' codes join
            file.write(base64.b64encode(piece).decode())
        file.write('"}\n')


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _numbered(format: Format, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    """The format's rows; an error names the record it stopped at."""
    seen, reading = 0, False

    def counted() -> Iterator[Record]:
        nonlocal seen, reading
        reading = True  # an error of the records' own source has its place already
        for record in records:
            seen, reading = seen + 1, False
            yield record
            reading = True
        reading = False

    try:
        yield from format.write(counted())
    except DataError as error:
        if reading:
            raise
        raise DataError(f"record {seen}: {error}") from error


def _write_json(lines: Iterable[bytes], file: IO[bytes] | gzip.GzipFile, *, array: bool) -> int:
    count = 0
    for count, line in enumerate(lines, 1):
        before = (b"[\n" if count == 1 else b",\n") if array else b""
        file.write(before + (line[:-1] if array else line))
    if array:
        file.write(b"\n]\n" if count else b"[]\n")
    return count


def _json(row: dict[str, Any], number: int) -> str:
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"record {number} holds a value that JSON cannot ({error}); change it, or leave"
            " meta out"
        ) from error


def _write_parquet(lines: Iterable[bytes], file: IO[bytes], path: Path) -> int:
    """Row groups of the schema that all rows have together, each compared with what went in, for
    Arrow unifies types silently."""
    import pyarrow
    from pyarrow import ipc, parquet

    count, schema, lines = 0, pyarrow.schema([]), iter(lines)
    advice = (
        "parquet needs one type a column, whole numbers of 64 bits and no empty objects; write"
        " .jsonl.gz"
    )
    try:
        with tempfile.TemporaryFile(dir=path.parent, prefix=f".{path.name}.") as held:
            batches = 0
            while batch := [json.loads(line) for line in islice(lines, BATCH)]:
                table = pyarrow.Table.from_struct_array(pyarrow.array(batch))
                if [tables.values(row) for row in table.to_pylist()] != batch:
                    last = count + len(batch)
                    raise DataError(f"rows {count + 1} to {last} would change in {path}: {advice}")
                schema = pyarrow.unify_schemas([schema, table.schema], promote_options="permissive")
                with ipc.new_stream(held, table.schema) as stream:
                    stream.write_table(table)
                batches += 1
                count += len(batch)
            held.seek(0)
            with parquet.ParquetWriter(file, schema) as writer:
                for _ in range(batches):
                    table = ipc.open_stream(held).read_all()
                    whole = [schema.empty_table(), table]
                    writer.write_table(pyarrow.concat_tables(whole, promote_options="permissive"))
    except (pyarrow.ArrowException, OverflowError) as error:
        raise DataError(
            f"rows from {count + 1} on do not fit {path} ({error}): {advice}"
        ) from error
    if not count:
        raise DataError(f"{path}: there are no rows to take the columns from; write .jsonl")
    return count
