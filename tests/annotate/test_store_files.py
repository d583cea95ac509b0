"""Stores that are killed, shared, copied, old or not there."""

import json
import multiprocessing
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from assay.annotate import schema
from assay.annotate.records import Annotator, Project
from assay.annotate.store import Store
from assay.annotate.tables import METADATA, TRUTH
from assay.annotate.tasks import Task
from assay.errors import BackendError, ConfigError, DataError
from tests.annotate.stores import FIRST, OPEN, pairs, projections, store

Place = Callable[[], "str | Path"]


def opened(where: "str | Path") -> Store:
    OPEN.append(Store.open(where))
    return OPEN[-1]


def work(some: Store, who: Annotator, most: int) -> int:
    """Label until nothing is left; return how many labels."""
    for i in range(most):
        if (given := some.next(who)) is None:
            return i
        assert some.save(given.id, who, FIRST, key=given.id, seconds=i)
    return most


def work_apart(where: str, people: list[Annotator]) -> None:
    """The same in a process of its own, two people at once."""
    some = Store.open(where)
    threads = [threading.Thread(target=work, args=(some, who, 99)) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    some.close()


def test_threads_of_processes_share_a_store(place: Place) -> None:
    where = place()
    some = store(where, 12, labels_per_item=2)
    people = [some.invite(f"p{i}")[0] for i in range(4)]
    context = multiprocessing.get_context("forkserver")
    processes = [
        context.Process(target=work_apart, args=(str(where), people[i : i + 2])) for i in (0, 2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    labels = some.given()
    assert Counter(Counter(kept.task for kept in labels).values()) == {2: 12}
    assert len({(kept.task, kept.annotator) for kept in labels}) == 24
    assert [event["seq"] for event in some.events()] == list(range(1, 1 + 2 + 4 + 48))
    before = projections(some)
    some.rebuild()
    assert projections(some) == before


WRITER = """
import sys
from assay.annotate.labels import Pair
from assay.annotate.store import Store

some = Store.open(sys.argv[1])
who = some.annotator(sys.argv[2])
while given := some.next(who):
    some.save(given.id, who, Pair(choice="first"), key=given.id)
    print(given.id, flush=True)
"""


def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    where = tmp_path / "labels.db"
    some, answered = store(where, 500), list[str]()
    _, token = some.invite("Ann")
    rng = random.Random(0)
    for _ in range(2):
        command = [sys.executable, "-c", WRITER, str(where), token]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            answered += [process.stdout.readline().strip() for _ in range(rng.randint(3, 9))]
            process.send_signal(signal.SIGKILL)
            answered += [line.strip() for line in process.stdout if line.endswith("\n")]
    saved = [event["assignment"] for event in some.events() if event["kind"] == "saved"]
    assert set(answered) <= set(saved)
    assert len(saved) == len(set(saved)) == len(some.given()) > 5
    # A label that was kept and not yet answered is one a kill, at most.
    assert len(saved) <= len(answered) + 2
    before = projections(some)
    some.rebuild()
    assert projections(some) == before


def test_a_backup_becomes_a_store_of_either_database(place: Place, tmp_path: Path) -> None:
    some = store(place(), 4, labels_per_item=2, extra={"pool": "ü\x00"})
    who, token = some.invite("Ann")
    other, _ = some.invite("Bob")
    work(some, who, 3)
    given = some.next(other)
    assert given is not None
    some.skip(given.id, other, "other", key="s", comment="so\nso")
    some.next(other)
    file = tmp_path / "b" / "labels.gz"
    some.backup(file)
    copies = [Store.restore(file, place()), Store.restore(file, tmp_path / "copy.db")]
    OPEN.extend(copies)
    for copy in copies:
        assert copy.project == some.project
        assert list(copy.events()) == list(some.events())
        assert copy.tasks() == some.tasks()
        assert (copy.given(), copy.skips()) == (some.given(), some.skips())
        assert projections(copy) == projections(some)
        # Links work as before, and labelling goes on.
        assert copy.annotator(token) == who
        assert work(copy, who, 9) == 1
    again = tmp_path / "again.gz"
    Store.restore(file, tmp_path / "third.db").backup(again)
    assert again.read_bytes() == file.read_bytes()
    with pytest.raises(DataError, match="is there already"):
        Store.restore(file, tmp_path / "copy.db")


def test_a_backup_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    some = store(tmp_path / "l.db", 30)
    file, broken = tmp_path / "b.gz", tmp_path / "broken.gz"
    some.backup(file)
    whole = file.read_bytes()
    for body in (
        b"",
        b"no gzip",
        whole[:-40],
        whole[:200] + bytes([whole[200] ^ 255]) + whole[201:],
    ):
        broken.write_bytes(body)
        with pytest.raises(DataError, match=r"broken\.gz is"):
            Store.restore(broken, tmp_path / "new.db")
        assert not (tmp_path / "new.db").exists()


def test_a_store_of_version_0_is_brought_to_todays(place: Place) -> None:
    """Version 0 had events, tasks and annotators, and nothing that is made of them."""
    where = place()
    some = store(where, 5, labels_per_item=2)
    who, _ = some.invite("Ann")
    work(some, who, 3)
    before, labels = projections(some), some.given()
    with some._writing() as connection:
        for table in reversed(METADATA.sorted_tables):
            if table not in TRUTH:
                table.drop(connection)
        triggers = ("update", "delete") if some._engine.name == "sqlite" else ("append_only",)
        for table in ("events", "tasks"):
            on = f" ON {table}" if some._engine.name == "postgresql" else ""
            for name in triggers:
                connection.exec_driver_sql(f"DROP TRIGGER {table}_{name}{on}")
        connection.exec_driver_sql("UPDATE meta SET value = '0' WHERE name = 'version'")
    new = opened(where)
    assert projections(new) == before
    assert new.given() == labels
    assert work(new, who, 9) == 2
    with (
        pytest.raises(sa.exc.DBAPIError, match="can only be appended to"),
        new._engine.connect().execution_options(writes=True) as connection,
    ):
        connection.exec_driver_sql("DELETE FROM tasks")


def test_a_step_that_fails_leaves_the_older_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tmp_path / "l.db"
    store(where, 1).close()

    def step(connection: sa.Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE half (x INTEGER)")
        raise RuntimeError("no space")

    monkeypatch.setattr(schema, "STEPS", [*schema.STEPS, step])
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(RuntimeError, match="no space"):
        opened(where)
    monkeypatch.undo()
    assert opened(where).tasks() == pairs(1)
    assert "half" not in sa.inspect(OPEN[-1]._engine).get_table_names()


def test_what_is_no_store_is_refused_in_one_line(tmp_path: Path) -> None:
    where = tmp_path / "l.db"
    with pytest.raises(DataError, match="no store of labels is there"):
        opened(where)
    assert not where.exists()
    store(where, 1)
    with pytest.raises(DataError, match="is there already"):
        store(where, 1)
    with sqlite3.connect(where) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
    connection.close()
    with pytest.raises(DataError, match="of version 99, this assay knows up to 1"):
        opened(where)
    (tmp_path / "text").write_text("no database, whatever its name says " * 50)
    for path in (tmp_path, tmp_path / "text"):
        with pytest.raises((DataError, BackendError), match=str(path)):
            opened(path)
    with sqlite3.connect(tmp_path / "others.db") as connection:
        connection.execute("CREATE TABLE tasks (x)")
    connection.close()
    with pytest.raises(DataError, match="tables tasks are there"):
        store(tmp_path / "others.db", 1)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("mysql://ann:hush@host/labels", ConfigError),
        ("postgresql://ann:hu@sh:hush@host:x/labels", ConfigError),
        ("postgresql://ann:hush@127.0.0.1:1/labels", BackendError),
    ],
)
def test_no_error_prints_a_password(url: str, error: type[Exception]) -> None:
    pytest.importorskip("psycopg")
    for make in (lambda: opened(url), lambda: store(url, 1)):
        with pytest.raises(error) as raised:
            make()
        assert "hush" not in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_new_store_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    where = tmp_path / "l.db"
    with pytest.raises(RuntimeError, match="the pool broke off"):
        Store.create(where, Project(), _broken())
    store(where, 2)
    with sqlite3.connect(where) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
    connection.close()
    assert (mode, events) == ("wal", 2)


def _broken() -> Iterator[Task]:
    yield from pairs(2)
    raise RuntimeError("the pool broke off")


def test_a_network_file_system_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_file_system", lambda path: "nfs4")
    with pytest.warns(UserWarning, match="network file system"):
        store(tmp_path / "l.db", 1)
    monkeypatch.undo()
    assert schema._file_system(Path("/proc/x")) in ("proc", "")


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 30, 0))
    with pytest.raises(ConfigError, match=r"needs 3\.35 or later"):
        store(tmp_path / "l.db", 1)


def test_events_are_json_of_plain_values(tmp_path: Path) -> None:
    some = store(tmp_path / "l.db", 2)
    who, _ = some.invite("Ann")
    work(some, who, 1)
    some.undo(who, key="u")
    assert [json.loads(json.dumps(event)) for event in some.events()] == list(some.events())
