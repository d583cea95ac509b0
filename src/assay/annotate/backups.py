"""One file that holds a store, of either database, and can become a store of either.

Compressed lines of JSON: a head, a row of a table a line, and the hash of all lines before the
last. It holds names and the hashes of tokens, so that links still work after a restore; drafts and
leases are not in it.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from assay.annotate.projection import pages
from assay.annotate.tables import ANNOTATORS, EVENTS, META, TASKS
from assay.errors import DataError
from assay.files import atomic

__all__ = ["check", "read", "write"]

FORMAT: Final = "assay.annotate backup 1"
NUMBERED: Final = (ANNOTATORS, TASKS, EVENTS)


def write(connection: sa.Connection, path: Path) -> None:
    """Write what a transaction sees, whole or not at all. Raises `DataError` for the store's own
    file."""
    own = connection.engine.url.database or ""
    if connection.dialect.name == "sqlite" and path.exists() and path.samefile(own):
        raise DataError(f"{path} is the store itself; name another file for the backup")
    digest = hashlib.sha256()
    with atomic(path) as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:

        def line(body: Any) -> None:
            text = json.dumps(body).encode() + b"\n"
            digest.update(text)
            packed.write(text)

        line(FORMAT)
        for name, value in connection.execute(sa.select(META.c.name, META.c.value)):
            if name != "version":
                line(["meta", {"name": name, "value": value}])
        for table in NUMBERED:
            for rows in pages(connection, table):
                for row in rows:
                    line([table.name, row])
        line(digest.hexdigest())


def check(path: Path) -> None:
    """Raise `DataError` where a backup is none, or not whole."""
    for _ in _lines(path):
        pass


def read(path: Path, connection: sa.Connection) -> None:
    """Put a backup's rows into empty tables."""
    tables = {table.name: table for table in (META, *NUMBERED)}
    for name, row in _lines(path):
        connection.execute(tables[name].insert(), row)


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    digest = hashlib.sha256()
    end = ""
    try:
        with gzip.open(path, "rb") as file:
            if json.loads(file.readline(1000) or "null") != FORMAT:
                raise DataError(f"{path} is no backup of a store of labels")
            digest.update(json.dumps(FORMAT).encode() + b"\n")
            for line in file:
                body = json.loads(line)
                if isinstance(body, str):
                    end = body
                    break
                digest.update(line)
                yield tuple(body)
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is no whole backup of a store of labels: {error}") from error
    if end != digest.hexdigest():
        raise DataError(f"{path} is damaged: its hash is not that of its lines")
