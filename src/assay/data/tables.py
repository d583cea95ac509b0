"""Rows of tables: CSV and TSV, whose cells are text, and Parquet and Arrow, whose columns have
types."""

import base64
import codecs
import csv
import datetime
import decimal
import io
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from assay.data.fields import Cell
from assay.data.lines import DAMAGE, LIMIT, UNDECODED, Bad, Row, reason
from assay.errors import DataError, MissingExtra

__all__ = ["arrow", "parquet", "separated", "values"]

BATCH = 1024
"""Rows of a typed table that are held as Python's values at once."""
SEPARATOR = re.compile(r"sep=([^\w\s\"]|\t)\s*", re.IGNORECASE)
"""First line by which Excel says what stands between cells."""
PLAIN = frozenset((str, int, float, bool, type(None)))


def separated(chunks: Iterable[bytes], name: str, delimiter: str) -> Iterator[Row | Bad]:
    """The rows of a table of text. Every cell is a `Cell`: a layout that wants a number or a list
    reads it as that. An empty cell is no value.

    delimiter: a comma stands for the semicolon, tab or bar of a table without commas, too; Excel's
    first line `sep=;` says it.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LIMIT))
    lines = _lines(chunks)
    try:
        first = next(lines, "")
    except DAMAGE as error:
        yield Bad(name, reason(error), io.BytesIO())
        return
    above = 1  # lines above the first row
    if said := SEPARATOR.fullmatch(first):
        delimiter, first, above = said[1], next(lines, ""), 2
    elif delimiter not in first:
        delimiter = max(",;\t|", key=first.count)
    header = _header(first, delimiter, name)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        where = f"{name}:{rows.line_num + above + 1}"
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield Bad(where, f"not {Path(name).suffix[1:].upper()} ({error})", io.BytesIO())
            continue
        except DAMAGE as error:
            yield Bad(where, reason(error), io.BytesIO())
            return
        if cells is None:
            return
        if cells:
            yield _row(cells, header, where)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines with their ends; bytes that are not UTF-8 survive as lone surrogates."""
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    held, start = "", True
    for chunk in chunks:
        text = decode(chunk)
        if start and text:
            text, start = text.removeprefix("\ufeff"), False
        *whole, held = (held + text).split("\n")
        yield from (f"{line}\n" for line in whole)
        if len(held) > LIMIT:
            raise OSError(f"a line is longer than {LIMIT >> 20} MiB")
    if held := held + decode(b"", final=True):
        yield held


def _header(line: str, delimiter: str, name: str) -> list[str]:
    try:
        cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise DataError(f"{name}: the line of column names cannot be read ({error})") from error
    if UNDECODED.search(line):
        raise DataError(f"{name}: the column names are not UTF-8; save the file as UTF-8")
    header = [cell.strip() or f"column {i}" for i, cell in enumerate(cells, 1)]
    if twice := [cell for i, cell in enumerate(header) if cell in header[:i]]:
        raise DataError(f"{name}: two columns are called {twice[0]!r}; rename one")
    return header


def _row(cells: list[str], header: list[str], where: str) -> Row | Bad:
    problem = None
    if len(cells) != len(header):
        problem = f"the row has {len(cells)} cells, and the header {len(header)}"
    elif any(map(UNDECODED.search, cells)):
        problem = "not UTF-8; save the file as UTF-8"
    if problem:
        return Bad(where, problem, io.BytesIO(json.dumps(cells).encode()))
    named = zip(header, cells, strict=True)
    return Row({name: _cell(text) for name, text in named if text}, where)


def _cell(text: str) -> Any:
    """A cell; a conversation where its text is JSON of one."""
    if not text.startswith("["):
        return Cell(text)
    cell = Cell(text)
    found = cell.parsed()
    is_chat = isinstance(found, list) and all(
        isinstance(each, dict) and not {"role", "from"}.isdisjoint(each) for each in found
    )
    return found if found and is_chat else cell


def parquet(path: Path) -> Iterator[Row | Bad]:
    """The rows of a Parquet file."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra(f"reading {path.name}", "parquet") from error
    try:
        with parquet.ParquetFile(path) as file:
            yield from _rows(file.iter_batches(batch_size=BATCH), str(path))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a readable parquet file ({error}); get it again") from error


def arrow(path: Path) -> Iterator[Row | Bad]:
    """The rows of an Arrow IPC file or stream."""
    try:
        import pyarrow
        from pyarrow import ipc
    except ImportError as error:
        raise MissingExtra(f"reading {path.name}", "parquet") from error
    try:
        with pyarrow.OSFile(str(path)) as file:
            is_file = file.read(6) == b"ARROW1"
            file.seek(0)
            opened = (ipc.open_file if is_file else ipc.open_stream)(file)
            batches = map(opened.get_batch, range(opened.num_record_batches)) if is_file else opened
            pieces = (
                batch.slice(start, BATCH)
                for batch in batches
                for start in range(0, batch.num_rows, BATCH)
            )
            yield from _rows(pieces, str(path))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a readable Arrow file ({error}); get it again") from error


def _rows(batches: Iterable[Any], name: str) -> Iterator[Row]:
    index = 0
    for batch in batches:
        of_json = list(filter(_holds_json, batch.schema))
        for value in batch.to_pylist():
            yield Row(_decoded(values(value), of_json), f"{name}[{index}]")
            index += 1


def _decoded(value: Any, fields: Iterable[Any]) -> Any:
    """A row or a struct whose columns of JSON are values: `datasets` keeps those of mixed types so,
    and their texts would stand in quotes."""
    for field in fields:
        if value.get(field.name) is not None:
            value = {**value, field.name: _decoded_as(value[field.name], field)}
    return value


def _decoded_as(value: Any, field: Any) -> Any:
    if _is_json(field):
        return json.loads(value)
    if isinstance(value, list):
        each = field.type.field(0)
        return [None if one is None else _decoded_as(one, each) for one in value]
    return _decoded(value, filter(_holds_json, field.type)) if isinstance(value, dict) else value


def _holds_json(field: Any) -> bool:
    inner = range(field.type.num_fields)
    return _is_json(field) or any(_holds_json(field.type.field(i)) for i in inner)


def _is_json(field: Any) -> bool:
    noted = (field.metadata or {}).get(b"ARROW:extension:name", b"").decode()
    return "arrow.json" in (getattr(field.type, "extension_name", ""), noted)


def values(value: Any, *, nulls: bool = False) -> Any:
    """Return a value of a typed table as JSON has it.

    Dates are ISO 8601 text, and bytes are {"base64": ...}, which nothing mistakes for a text.
    Tables fill absent fields with nulls, so those are left out unless asked for; lists keep theirs.
    """
    if type(value) in PLAIN:
        return value
    if isinstance(value, dict):
        return {
            key: values(each, nulls=nulls)
            for key, each in value.items()
            if nulls or each is not None
        }
    if isinstance(value, (list, tuple)):
        return [values(each, nulls=nulls) for each in value]
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return Cell(value)
    return str(value) if isinstance(value, (datetime.timedelta, uuid.UUID)) else value
