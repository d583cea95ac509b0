"""What an annotator, a browser or a database can do wrong: answered in words, and nothing leaks."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from markdown_it.rules_block import StateBlock
from starlette.testclient import TestClient

from assay.annotate.labels import Pair
from assay.annotate.tasks import Task
from assay.annotate_app import app
from assay.annotate_app.rendering import LINES, code, rich
from assay.errors import BackendError
from assay.report.maths import FORMULA
from assay.types import Prompt, Response
from tests.annotate_app import pool
from tests.annotate_app.pool import Browser, store_of


def unshielded(one: Browser) -> TestClient:
    """The client of a browser, to which the server's failures are answers."""
    return TestClient(
        one.http.app, base_url=pool.ORIGIN, headers={"Origin": pool.ORIGIN},
        cookies=one.http.cookies, raise_server_exceptions=False, follow_redirects=False,
    )  # fmt: skip


def test_a_reference_is_sent_where_the_project_shows_it_and_nowhere_else(tmp_path: Path) -> None:
    for shown in (False, True):
        (tmp_path / str(shown)).mkdir()
        store = store_of(tmp_path / str(shown), [pool.pair()], references=shown)
        one = Browser(store)
        page = one.page()
        part = one.http.get(f"/part?assignment={pool.hidden(page, 'assignment')}&at=reference")
        assert (f"{pool.SECRET}-reference" in page) is shown
        assert part.status_code == (200 if shown else 404)


def test_what_is_no_number_is_answered_in_words(tmp_path: Path) -> None:
    one = Browser(store_of(tmp_path, [pool.steps()]))
    page = one.page()
    for mark in ("--1", "---1", "-", "1e1", "²", " 1", "9999", "-9"):
        assert one.post("/save", page, **{"mark-0": mark}).status_code == 422


@pytest.mark.parametrize("error", [BackendError("the disk is full"), RuntimeError("a bug")])
@pytest.mark.parametrize("json", [False, True])
def test_failures_are_answered_with_all_headers_and_without_their_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, json: bool
) -> None:
    one = Browser(store_of(tmp_path, [pool.pair()]))
    http = unshielded(one)

    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr("assay.annotate.store.Store.next", fails)
    page = {"headers": {"Content-Type": "application/json"}} if json else {}
    answer = http.get("/task", **page)
    assert answer.status_code == (503 if isinstance(error, BackendError) else 500)
    assert str(error) not in answer.text
    for name, value in app.HEADERS.items():
        assert answer.headers[name] == value


def test_hosts_that_are_none_are_refused(tmp_path: Path) -> None:
    store = store_of(tmp_path, [pool.pair()])
    _, token = store.invite("Ada")
    http = TestClient(app.make_app(store))
    for host in ("127.0.0.1:81;x", "127.0.0.1:81,x", "127.0.0.1:x", "a:99999"):
        assert http.get(f"/i/{token}", headers={"Host": host}).status_code == 421
    assert http.get(f"/i/{token}", headers={"Host": "127.0.0.1:81"}).status_code == 200


def test_a_slow_post_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import anyio

    monkeypatch.setattr(app, "SLOWEST", 0.01)
    site = app.make_app(store_of(tmp_path, [pool.pair()]))
    sent: list[Any] = []

    async def receive() -> Any:
        await anyio.sleep(5)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/save", "raw_path": b"/save", "headers": [],
        "query_string": b"", "http_version": "1.1", "scheme": "http", "server": ("x", 1),
        "root_path": "",
    }  # fmt: skip
    anyio.run(site, scope, receive, send)
    assert sent[0]["status"] == 408


def test_who_adjudicates_sees_no_labels_of_a_task_before_giving_one(tmp_path: Path) -> None:
    store = store_of(tmp_path, [pool.pair()], labels_per_item=3)
    for name, choice in (("Ada", "first"), ("Bob", "second")):
        who, _ = store.invite(name)
        given = store.next(who)
        store.save(given.id, who, Pair(choice=choice, comment=f"so says {name}"), key=name * 4)
    judge = Browser(store, "Eve", "adjudicator")
    assert "so says" not in judge.page("/disputed")
    page = judge.page()
    assert judge.post("/save", page, choice="tie").status_code == 200
    assert "so says Ada" in judge.page("/disputed")


def test_no_text_keeps_the_server_busy_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """An end is looked for within bounds; lexers that take seconds for blank lines are not used."""
    for start, end in (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")):
        assert FORMULA.match(f"{start}{'x' * 500}{end}")
        assert not FORMULA.match(f"{start}{'x' * 3000}{end}")
    read: list[int] = []
    own = StateBlock.getLines
    monkeypatch.setattr(StateBlock, "getLines", lambda *a: read.append(1) or own(*a))
    rich("\\[\n" * 4000)
    assert len(read) < 4000 * 2 * LINES
    for language in ("c", "cpp", "c++", "java"):
        assert code("int x;", language) == "int x;"
    assert "span" in code("x = 1", "python")


def test_a_file_that_was_deleted_takes_no_labels(tmp_path: Path) -> None:
    one = Browser(store_of(tmp_path, [pool.pair(), pool.pair(1)]))
    page = one.page()
    (tmp_path / "labels.db").rename(tmp_path / "kept.db")
    assert unshielded(one).get("/healthz").status_code == 200
    answer = one.post("/save", page, choice="tie")
    assert (answer.status_code, answer.json().keys()) == (503, {"error"})
    (tmp_path / "kept.db").rename(tmp_path / "labels.db")
    assert one.post("/save", page, choice="tie").status_code == 200


def test_a_locked_store_is_answered_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.annotate.schema.WAIT_S", 0.05)
    one = Browser(store_of(tmp_path, [pool.pair(), pool.pair(1)]))
    page = one.page()
    with sqlite3.connect(tmp_path / "labels.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert one.post("/save", page, choice="tie").status_code == 503
        other.execute("ROLLBACK")
    other.close()
    assert one.post("/save", page, choice="tie").json()["said"] == "Saved."


def test_many_responses_and_empty_ones_are_shown_and_ranked(tmp_path: Path) -> None:
    texts = ["", " ", "\u202eRTL", "\u200b\u200d", "\x00", *map(str, range(21))]
    task = Task(
        kind="ranking", prompt=Prompt.of(""), responses=tuple(Response.of(text) for text in texts)
    )
    store = store_of(tmp_path, [task])
    one = Browser(store)
    page = one.page()
    assert ">Z</h2>" in page
    ranks = {f"rank-{k}": str(k + 1) for k in range(26)}
    assert one.post("/save", page, **ranks).status_code == 200
    assert sorted(store.given()[0].label.ranks) == [*range(1, 27)]
