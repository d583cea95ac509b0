"""Deleted and half-made files, full disks, a database that goes and comes back, guessed orders."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from assay.annotate.imports import tasks_of
from assay.annotate.records import Project
from assay.annotate.store import NotYours, Store
from assay.annotate.tasks import Task
from assay.errors import BackendError, DataError, MissingExtra
from assay.types import Preference, Prompt, Response
from assay.workflows.annotate import annotate
from tests.annotate import postgres
from tests.annotate.stores import FIRST, OPEN, store

PAIR = Preference(prompt=Prompt.of("q"), responses=(Response.of("a"), Response.of("b")), prefer=1.0)


def test_an_order_shown_does_not_tell_the_order_of_the_pool(tmp_path: Path) -> None:
    """An annotator knows what is shown, their own number, and the seed by default."""
    from assay.annotate.assigning import order_of

    some, wrong = store(tmp_path / "l.db", 60), 0
    who, _ = some.invite("Ann")
    for turn in range(60):
        given = some.next(who)
        assert given
        shown = [given.task.responses[place] for place in given.order]
        guesses = []
        for order in ((0, 1), (1, 0)):
            own = Task.pair(given.task.prompt, *(shown[place] for place in order))
            if order_of(str(some.project.seed), own.id, who.id, 2) == order:
                guesses.append(order)
        wrong += len(guesses) == 1 and guesses != [given.order]
        some.save(given.id, who, FIRST, key=str(turn))
    # With the seed alone, half of them were known, and no guess was ever wrong.
    assert wrong


def test_orders_are_the_same_after_a_restore(tmp_path: Path) -> None:
    some = store(tmp_path / "l.db", 9)
    who, _ = some.invite("Ann")
    some.backup(tmp_path / "b.gz")
    OPEN.append(Store.restore(tmp_path / "b.gz", tmp_path / "again.db"))
    for task in some.tasks():
        assert some.order(task, who) == OPEN[-1].order(task, who)


def test_a_backup_is_not_written_over_a_store(tmp_path: Path) -> None:
    some = store(tmp_path / "l.db", 2)
    with pytest.raises(DataError, match="is the store itself"):
        some.backup(tmp_path / "l.db")
    for _ in range(2):
        some.backup(tmp_path / "b.gz")


def test_what_was_cut_short_while_it_was_made_is_made_again(tmp_path: Path) -> None:
    def broken() -> "list[Task]":
        raise KeyboardInterrupt

    def tasks():  # type: ignore[no-untyped-def]
        yield from broken()

    with pytest.raises(KeyboardInterrupt):
        Store.create(tmp_path / "labels.db", Project(), tasks())
    assert (tmp_path / "labels.db").exists()
    made = annotate([PAIR], out=tmp_path)
    OPEN.append(made.store)
    assert made.tasks == 1


def test_half_a_character_is_refused_in_one_line() -> None:
    for text, other in (("a\ud800", "b"), ("a", "b\udc00")):
        record = Preference(
            prompt=Prompt.of("q", id="7"),
            responses=(Response.of(text), Response.of(other)),
            prefer=1.0,
        )
        with pytest.raises(DataError, match=r"record '7' .* half a character") as raised:
            tasks_of(record)
        assert "\n" not in str(raised.value)
    meta = Prompt(messages=Prompt.of("q").messages, meta={"note": "\udc00"})
    with pytest.raises(DataError, match="half a character"):
        tasks_of(Preference(prompt=meta, responses=PAIR.responses, prefer=1.0))


def test_gold_alone_is_nothing_to_label(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to label but gold"):
        annotate([PAIR], gold=[PAIR], out=tmp_path)


def test_ids_that_no_database_can_hold_are_nobodys(place) -> None:  # type: ignore[no-untyped-def]
    some = store(place(), 1)
    who, _ = some.invite("Ann")
    for id in ("\x00", "a\x00b", "\ud800"):
        with pytest.raises(NotYours):
            some.assignment(id, who)


FULL = """
import resource, sys
from assay.annotate.labels import Pair
from assay.annotate.store import Store
from assay.errors import BackendError

some, saved = Store.open(sys.argv[1]), []
who = some.annotator(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    while given := some.next(who):
        some.save(given.id, who, Pair(choice="first", comment="x" * 2000), key=given.id)
        saved.append(given.id)
except BackendError as error:
    print(error, file=sys.stderr)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
given = some.next(who)
some.save(given.id, who, Pair(choice="tie"), key=given.id + "-again")
print(*saved, given.id)
"""


def test_a_full_disk_is_said_and_nothing_that_was_saved_is_lost(memory: Path) -> None:
    some = store(memory / "l.db", 200)
    _, token = some.invite("Ann")
    some.close()
    size = sum(one.stat().st_size for one in memory.iterdir())
    command = [sys.executable, "-c", FULL, str(memory / "l.db"), token, str(size + 800_000)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"the store at {memory / 'l.db'} failed" in done.stderr
    OPEN.append(Store.open(memory / "l.db"))
    saved = [one["assignment"] for one in OPEN[-1].events() if one["kind"] == "saved"]
    assert saved == done.stdout.split()
    assert len(saved) > 5


def test_postgresql_goes_and_comes_back() -> None:
    with postgres.server() as url:
        some = store(postgres.database(url, "gone"), 30)
        who, token = some.invite("Ann")
        given = some.next(who)
        assert given
        import psycopg

        with psycopg.connect(f"{url}/postgres", autocommit=True) as admin:
            for turn in range(3):
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'gone'"
                )
                # One request meets the end, and all that follow a new connection.
                with suppress(BackendError):
                    some.annotator(token)
                assert some.save(given.id, who, FIRST, key=f"key{turn}")
                given = some.next(who)
                assert given
        assert len(some.given()) == 3


def test_links_of_a_database_are_known_the_next_time(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    where = postgres.database(postgres_url, f"links-{tmp_path.name}")
    tokens = []
    for pool in ([PAIR], None):
        made = annotate(pool, store=where)
        tokens.append(made.tokens["admin"])
        made.store.close()
    assert tokens[0] == tokens[1]
    (kept,) = tmp_path.rglob("links.txt")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "secret" not in str(kept)


def test_what_is_there_is_not_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[int] = []

    def scores(records, scorers, compute):  # type: ignore[no-untyped-def]
        scored.append(len(records))
        return [None] * len(records)

    monkeypatch.setattr("assay.workflows.annotate._scores", scores)
    for n in (3, 3, 5):
        pool = [PAIR.model_copy(update={"prompt": Prompt.of(f"q{i}")}) for i in range(n)]
        made = annotate(pool, out=tmp_path, scorers=("length",))
        made.store.close()
    assert (scored, made.tasks) == ([3, 0, 2], 5)


def test_what_the_page_lacks_is_called_by_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.cli.annotate import Command

    monkeypatch.setitem(sys.modules, "assay.annotate_app.serve", None)
    for module in ("fastapi", "assay.annotate_app.app"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match="annotate"):
        Command(pool="pool.jsonl")()
