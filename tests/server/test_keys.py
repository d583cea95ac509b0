"""Keys let in who has one, as often as theirs allows."""

import hashlib
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2
import pytest

from assay.errors import ConfigError
from assay.server.dialects import Refused
from assay.server.keys import Access, Spent, read_keys
from assay.types import Group, Score, Unscored
from tests.server.running import post, running
from tests.server.scorers import Characters

BODY = {"prompt": "q", "responses": ["aaa"]}


def line(key: str, rest: str) -> str:
    return f"{hashlib.sha256(key.encode()).hexdigest()}  {rest}"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_keys_are_read() -> None:
    text = f"# ours\n{line('a', 'ann 60 2')}\n\n{line('b', 'bob')} # no limits; {line('c', 'c 1')}"
    ann, bob, c = read_keys(text, "keys")
    assert (ann.name, ann.per_minute, ann.concurrent) == ("ann", 60, 2)
    assert (bob.name, bob.per_minute, bob.concurrent) == ("bob", None, None)
    assert (c.per_minute, c.digest) == (1, hashlib.sha256(b"c").digest())


def test_files_of_other_editors_are_read() -> None:
    (ann,) = read_keys(f"\ufeff# ours\r\n{line('a', 'ann 60')}\r\n", "keys")
    assert (ann.name, ann.per_minute) == ("ann", 60)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "secret ann",
        line("a", ""),
        line("a", "ann 0"),
        line("a", "ann -1"),
        line("a", "ann 1.5"),
        line("a", "ann 1 2 3"),
        line("a", "ann")[1:],
        line("a", "ann") + "\n" + line("a", "bob"),
        line("a", "ann") + "\n" + line("b", "ann"),
    ],
)
def test_what_is_no_file_of_keys_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="keys"):
        read_keys(text, "keys")


def test_a_minute_has_so_many_requests_and_they_come_back_evenly() -> None:
    now = [0.0]
    access = Access(read_keys(line("a", "ann 6"), "keys"), clock=lambda: now[0])

    def taken() -> int:
        for count in range(100):
            try:
                with access.of(bearer("a")):
                    pass
            except Spent:
                return count
        return 100

    assert taken() == 6
    now[0] = 9.9
    assert taken() == 0
    now[0] = 20.1
    assert taken() == 2
    now[0] = 1e6
    assert taken() == 6


def test_only_so_many_are_under_way_and_failures_give_their_place_back() -> None:
    access = Access(read_keys(line("a", "ann 1000 2") + "\n" + line("b", "bob"), "keys"))
    with ExitStack() as held:
        for key in "aab":
            held.enter_context(access.of(bearer(key)))
        with pytest.raises(Spent, match="2 requests"):
            held.enter_context(access.of(bearer("a")))
    with pytest.raises(ValueError, match="x"), access.of(bearer("a")):
        raise ValueError("x")
    with access.of(bearer("a")) as name, access.of(bearer("a")):
        assert name == "ann"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("A"),
        bearer("a a"),
        {"authorization": "a"},
        {"authorization": "Basic !"},
        {"authorization": "Basic /w=="},
        {"x-api-key": "b"},
    ],
)
def test_no_other_key_is_let_in(headers: dict[str, str]) -> None:
    access = Access(read_keys(line("a", "ann"), "keys"))
    with pytest.raises(Refused) as raised, access.of(headers):
        pass
    assert raised.value.status == 401


def test_the_port_is_shut_without_a_key() -> None:
    keys = read_keys(line("secret", "ann 1000") + "\n" + line("other", "bob 1"), "keys")
    with running({"rm": Characters()}, keys=keys) as url:
        path = f"{url}/v1/score"
        refused = post(path, BODY)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert post(path, BODY, headers=bearer("wrong")).status_code == 401
        assert httpx2.get(f"{url}/metrics").status_code == 401
        assert httpx2.get(f"{url}/v1/models").status_code == 401
        assert httpx2.get(f"{url}/nothing").status_code == 401
        assert httpx2.get(f"{url}/health/ready").status_code == 200
        assert post(path, BODY, headers=bearer("secret")).status_code == 200
        assert post(path, BODY, headers={"X-API-Key": "secret"}).status_code == 200
        # For stacks whose only setting is a URL.
        within = path.replace("http://", "http://any:secret@")
        assert post(within, BODY).status_code == 200
        assert post(path, BODY, headers=bearer("other")).status_code == 200
        spent = post(path, BODY, headers=bearer("other"))
        assert spent.status_code == 429
        assert 1 <= int(spent.headers["retry-after"]) <= 60


class Waiting(Characters):
    """Scores when it is told to."""

    go = threading.Event()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        self.go.wait(20)
        return super().score(groups)


def test_a_key_has_no_more_under_way_than_its_own() -> None:
    keys = read_keys(line("a", "ann 1000 3"), "keys")
    with running({"rm": Waiting()}, keys=keys) as url, ThreadPoolExecutor(5) as pool:

        def ask(_: int) -> int:
            return post(f"{url}/v1/score", BODY, headers=bearer("a")).status_code

        asked = [pool.submit(ask, i) for i in range(5)]
        end = time.monotonic() + 20
        while sum(one.done() for one in asked) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        Waiting.go.set()
        assert sorted(one.result() for one in asked) == [200, 200, 200, 429, 429]
