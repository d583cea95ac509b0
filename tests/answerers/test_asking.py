"""Requests through the ledger: what a server that fails, or dies, leaves behind."""

import json
from typing import Any

import pytest

from assay.answerers.asking import Asked, Prices, Server, ask_all
from assay.answerers.ledger import Ledger, Usage
from assay.errors import BackendError
from assay.http.client import Pace
from assay.types import Unscored
from tests.engines.fake_server import OK, FakeServer, Reply, Script
from tests.engines.fake_server import Asked as Seen

DOWN = Reply(status=500)


def read(payload: Any) -> tuple[Any, Usage]:
    """Take what the fake server said."""
    return payload["choices"][0]["message"]["content"], Usage(tokens_in=1000, tokens_out=10)


def asked(count: int) -> list[Asked]:
    bodies = [
        {"seed": 0, "messages": [{"role": "user", "content": f"<{i}>"}]} for i in range(count)
    ]
    return [Asked(key=json.dumps(body), body=body) for body in bodies]


def ask(script: Script, count: int, ledger: Ledger, **settings: Any) -> tuple[list[Any], int]:
    """What came of so many requests, and how many the server saw."""
    with FakeServer(script) as fake:
        server = Server(
            base_url=fake.url, tries=2, backoff_s=0.001, **{"concurrency": 4, **settings}
        )
        found = ask_all(server, "chat/completions", asked(count), read, ledger=ledger, pace=Pace())
        return found, len(fake.asked)


def test_what_was_answered_is_not_asked_again() -> None:
    with Ledger() as ledger:
        first, many = ask(lambda seen: OK, 20, ledger, prices=Prices(tokens_in=1.0, tokens_out=2.0))
        again, none = ask(lambda seen: DOWN, 20, ledger)
        total = ledger.total()
    assert (first, many, none) == (again, 20, 0)
    assert total.money == pytest.approx(20 * (1000 * 1.0 + 10 * 2.0) / 1e6)


def test_a_server_that_dies_ends_the_run_and_what_it_said_is_kept() -> None:
    def dies(seen: Seen) -> Reply:
        return OK if seen.number < 30 else DOWN

    with Ledger() as ledger:
        with pytest.raises(BackendError, match="What was answered is kept"):
            ask(dies, 500, ledger)
        kept = len(ledger)
        found, seen = ask(lambda seen: OK, 500, ledger)
    assert 25 <= kept <= 30
    assert seen == 500 - kept
    assert not any(isinstance(one, Unscored) for one in found)


def test_one_request_that_always_fails_ends_no_run_that_resumes() -> None:
    def bad(seen: Seen) -> Reply:
        return DOWN if "<7>" in seen.text else OK

    with Ledger() as ledger:
        for _ in range(2):
            found, _ = ask(bad, 20, ledger)
            assert [i for i, one in enumerate(found) if isinstance(one, Unscored)] == [7]
    with Ledger() as ledger, pytest.raises(BackendError, match="answers nothing"):
        ask(lambda seen: DOWN, 20, ledger)
