"""Tables of a store, how its database is opened, and how an older one is brought to today's.

Truth is in `events`, `tasks` and `annotators`; the first two can only be appended to. All other
tables are made from them (`assay.annotate.projection`) and can be made again.
"""

import math
import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from assay.annotate import projection
from assay.annotate.records import Project
from assay.annotate.tables import APPENDED, META, METADATA, TABLES
from assay.errors import BackendError, ConfigError, DataError

__all__ = [
    "VERSION",
    "NoStore",
    "engine_of",
    "guarded",
    "lay_out",
    "opening",
    "project_of",
    "shown",
    "upgrade",
]

OLDEST_SQLITE: Final = (3, 35, 0)
WAIT_S: Final = 60
"""Seconds to wait for another process that writes."""
IDLE_S: Final = 2.0
"""Seconds after which a connection to PostgreSQL is asked whether it still is one."""
REMOTE: Final = ("nfs", "cifs", "smb", "fuse.sshfs", "afs", "9p", "lustre", "ceph", "glusterfs")
"""File systems over a network, on which locks of SQLite cannot be trusted."""


class NoStore(DataError):
    """There is no store in a place."""


def shown(where: str | Path) -> str:
    """Return the place of a store as errors print it: without its password."""
    if "://" not in str(where):
        return str(where)
    try:
        return sa.make_url(str(where)).render_as_string(hide_password=True)
    except (sa.exc.ArgumentError, ValueError):
        return "the given URL"


def engine_of(where: str | Path, *, new: bool) -> sa.Engine:
    """Open connections to a path (SQLite) or a URL of PostgreSQL.

    new: whether a file may be made. Raises `DataError` where it may not and there is none, and
    `ConfigError` for another database or a library that is too old.
    """
    if "://" in str(where):
        return _postgres(str(where))
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise ConfigError(
            f"SQLite is {sqlite3.sqlite_version}; a store needs 3.35 or later: use a newer Python,"
            " or PostgreSQL by its URL"
        )
    path = Path(where)
    if path.is_dir():
        raise DataError(f"{path} is a folder; a store is a file, such as {path / 'labels.db'}")
    if new:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.exists():
        raise NoStore(f"{path}: no store of labels is there; `assay annotate` makes one")
    if (kind := _file_system(path)).startswith(REMOTE):
        warnings.warn(
            f"{path} is on a network file system ({kind}), where SQLite's locks can fail; use a"
            " local disk, or PostgreSQL by its URL",
            stacklevel=3,
        )
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": WAIT_S},
        pool_size=8,
        max_overflow=56,
    )

    @sa.event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, record: Any) -> None:
        record.info["file"] = _file(path)
        connection.isolation_level = None  # The driver begins no transaction of its own.
        connection.execute(f"PRAGMA busy_timeout = {WAIT_S * 1000}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("writes") and connection.info["file"] != _file(path):
            # What is written to a file that was deleted is lost with its last reader.
            raise BackendError(f"the store at {path} was deleted or replaced; put it back")
        # FULL: on disk when a commit returns.
        level = "FULL" if options.get("durable", True) else "NORMAL"
        connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
        # A reader that becomes a writer cannot wait for its turn; a writer from the start can.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")

    return engine


def _postgres(where: str) -> sa.Engine:
    try:
        url = sa.make_url(where)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(
            "the store's URL cannot be read; write postgresql://user:password@host/database, with"
            " %-codes for special characters in the password"
        ) from None
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise ConfigError(
            f"a store at {url.drivername}:// is not supported; give a path, or postgresql://..."
        )
    url = url.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, pool_size=8, max_overflow=56)

    @sa.event.listens_for(engine, "checkin")
    def _back(_: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def _still_there(connection: Any, record: Any, _: Any) -> None:
        # A question before each use (pool_pre_ping) would be a round trip of it.
        if time.monotonic() > record.info.get("used", math.inf) + IDLE_S:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise sa.exc.DisconnectionError from error

    return engine


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _file_system(path: Path) -> str:
    """Kind of the file system that a path is on; "" where that is not known."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    folders = {str(folder) for folder in path.absolute().parents}
    return max(((at, kind) for at, kind in mounts if at in folders), key=lambda m: len(m[0]))[1]


@contextmanager
def guarded(engine: sa.Engine) -> Iterator[None]:
    """Turn a database's failure into a `BackendError` that names the store, not its password."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        place = shown(engine.url.database or "" if engine.name == "sqlite" else str(engine.url))
        why = " ".join(str(error.orig).split())
        raise BackendError(f"the store at {place} failed: {why}") from error


@contextmanager
def opening(engine: sa.Engine) -> Iterator[None]:
    """As `guarded`; what cannot be opened keeps no connection."""
    try:
        with guarded(engine):
            yield
    except BaseException:
        engine.dispose()
        raise


def lay_out(connection: sa.Connection, where: str, meta: dict[str, str]) -> None:
    """Make the tables in an empty database. Raises `DataError` where one is there."""
    there = set(sa.inspect(connection).get_table_names())
    if connection.dialect.name != "sqlite":  # A file is one program's, a database may be shared.
        there &= {table.name for table in TABLES}
    if "events" in there:
        raise DataError(f"{where}: a store of labels is there already; open it, or name another")
    if there:
        raise DataError(f"{where}: tables {', '.join(sorted(there))} are there; give an empty one")
    METADATA.create_all(connection)
    _append_only(connection)
    meta = {"version": str(VERSION)} | meta
    connection.execute(META.insert(), [{"name": k, "value": v} for k, v in meta.items()])


def _append_only(connection: sa.Connection) -> None:
    """Have the database itself refuse to change or delete what was written."""
    tables = [table.name for table in APPENDED]
    if connection.dialect.name == "sqlite":
        for name in tables:
            for verb in ("UPDATE", "DELETE"):
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {name}_{verb.lower()} BEFORE {verb} ON {name}"
                    f" BEGIN SELECT RAISE(ABORT, '{name} can only be appended to'); END"
                )
        return
    connection.exec_driver_sql(
        "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' can only be appended to';"
        " END $$"
    )
    for name in tables:
        connection.exec_driver_sql(
            f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name}"
            " FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )


def project_of(connection: sa.Connection) -> Project:
    """Read the project's settings."""
    query = sa.select(META.c.value).where(META.c.name == "project")
    value: str = connection.scalars(query).one()
    return Project.model_validate_json(value)


def _projected(connection: sa.Connection) -> None:
    """Version 0 kept events, tasks and annotators alone."""
    METADATA.create_all(connection)
    _append_only(connection)
    projection.rebuild(connection, project_of(connection))


STEPS: Final[list[Callable[[sa.Connection], None]]] = [_projected]
"""Step k brings a store of version k to version k + 1."""
VERSION: Final = len(STEPS)


def upgrade(connection: sa.Connection, where: str) -> None:
    """Bring a store's tables to today's, within one transaction.

    Raises `DataError` where there is no store, or one of a later version.
    """
    if not sa.inspect(connection).has_table("meta"):
        raise NoStore(f"{where}: no store of labels is there; `assay annotate` makes one")
    of_version = META.c.name == "version"
    query = sa.select(META.c.value).where(of_version).with_for_update()
    version = int(connection.scalar(query) or 0)
    if version > VERSION:
        raise DataError(
            f"{where}: the store is of version {version}, this assay knows up to {VERSION};"
            " install a later one"
        )
    for step in STEPS[version:]:
        step(connection)
    if version < VERSION:
        connection.execute(META.update().where(of_version).values(value=str(VERSION)))
