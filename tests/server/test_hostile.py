"""Clients that are broken or mean harm cost the server little, and nobody else an answer."""

import gzip
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from assay.server.app import DIALECTS, Limits
from assay.server.body import DEEPEST, parsed
from assay.server.dialects import Dialect, Refused
from tests.server.running import answer, connected, post, request, running
from tests.server.scorers import Characters

BY_PATH = {one.path: one for one in DIALECTS if isinstance(one, Dialect)}
GOOD = {"prompt": "q", "responses": ["aaa"]}
MIB = 2**20


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    limits = Limits(body_bytes=MIB, body_s=0.5)
    with running({"rm": Characters()}, limits=limits, head_s=0.5, connections=50) as url:
        yield url


@pytest.fixture(autouse=True)
def _still_answers(url: str) -> Iterator[None]:
    yield
    assert post(f"{url}/v1/score", GOOD).json()["scores"] == [{"value": 3.0}]


def trickle(connection: socket.socket, text: bytes, most_s: float = 10.0) -> float:
    """Send a byte now and then until the other side closes; returns the seconds that it took."""
    start = time.monotonic()
    connection.settimeout(0.05)
    for i in range(int(most_s / 0.05)):
        try:
            connection.send(text[i % len(text) :][:1])
            if connection.recv(1) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - start


@pytest.mark.parametrize("before", [b"", request()])
def test_a_head_that_never_ends_is_cut_off(url: str, before: bytes) -> None:
    with connected(url) as connection:
        if before:
            connection.sendall(before)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"POST /v1/score HTTP/1.1\r\nX: ")
        assert trickle(connection, b"x") < 5


def test_a_body_that_never_ends_is_refused(url: str) -> None:
    with connected(url) as connection:
        connection.sendall(request(b"").replace(b"Length: 0", b"Length: 100") + b"{")
        found = answer(connection)
    assert found.startswith(b"HTTP/1.1 408")


def test_a_gigabyte_that_is_declared_is_not_read(url: str) -> None:
    with connected(url) as connection:
        connection.sendall(request(b"").replace(b"Length: 0", b"Length: 1073741824"))
        assert answer(connection).startswith(b"HTTP/1.1 413")


def test_a_gigabyte_in_chunks_is_not_read(url: str) -> None:
    head = request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    sent = 0
    with connected(url) as connection:
        connection.sendall(head)
        try:
            for _ in range(2**30 // 65536):
                connection.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
    # Some is read so that the client may see why; some MiB lie in the buffers of the two sockets.
    assert sent < 64 * MIB


def test_a_body_a_little_too_large_is_told_so(url: str) -> None:
    found = post(f"{url}/v1/score", b" " * (MIB + MIB // 2))
    assert found.status_code == 413
    assert "1048576" in found.json()["error"]["message"]


@pytest.mark.parametrize("expects", [True, False])
def test_who_waits_to_be_asked_for_a_body_is_refused_before(url: str, expects: bool) -> None:
    head = request(b"", *(["Expect: 100-continue"] if expects else []))
    with connected(url) as connection:
        connection.sendall(head.replace(b"Length: 0", b"Length: 33554432"))
        if not expects:
            connection.sendall(bytes(33554432))
        found = connection.recv(65536)
    assert found.startswith(b"HTTP/1.1 413")
    # Where all of the body was read, the connection can be used again.
    assert (b"connection: close" in found.lower()) == expects


def test_a_compressed_body_is_not_unpacked(url: str) -> None:
    bomb = gzip.compress(bytes(100 * MIB), 9)
    found = post(f"{url}/v1/score", bomb, headers={"Content-Encoding": "gzip"})
    assert found.status_code == 415


def test_idle_connections_make_room_for_others(url: str) -> None:
    idle = [connected(url) for _ in range(200)]
    try:
        start = time.monotonic()
        assert post(f"{url}/v1/score", GOOD).status_code == 200
        assert time.monotonic() - start < 5
        time.sleep(1)
        assert all(answer(connection) == b"" for connection in idle)
    finally:
        for connection in idle:
            connection.close()


def test_running_requests_are_not_closed_for_idle_connections() -> None:
    begun, there = threading.Event(), threading.Event()

    class Slow(Characters):
        def score(self, groups):  # type: ignore[no-untyped-def]
            begun.set()
            assert there.wait(60)
            return super().score(groups)

    with running({"rm": Slow()}, connections=3) as url, connected(url) as busy:
        busy.sendall(request(b'{"prompt": "q", "responses": ["a"]}', "Connection: close"))
        assert begun.wait(60)
        idle = [connected(url) for _ in range(20)]
        there.set()
        assert answer(busy).startswith(b"HTTP/1.1 200")
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(("files", "most"), [(2000, 1000), (300, 44), (100, 1)])
def test_connections_are_no_more_than_open_files_allow(files: int, most: int) -> None:
    code = (
        "import resource as r; from assay.server.connections import _allowed;"
        f" r.setrlimit(r.RLIMIT_NOFILE, (90, {files})); print(_allowed(1000))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == most


def test_pipelined_requests_are_answered_in_order(url: str) -> None:
    bodies = [b'{"prompt": "q", "responses": ["%s"]}' % (b"a" * n) for n in (1, 2, 3)]
    with connected(url) as connection:
        last = request(bodies[2], "Connection: close")
        connection.sendall(request(bodies[0]) + request(bodies[1]) + last)
        found = answer(connection)
    values = [found.index(b'"value":%d.0' % n) for n in (1, 2, 3)]
    assert values == sorted(values)


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01" * 50, b"\r\n\r\n\x00\xff", b"GET\r\n\r\n", b"}" * 9000],
)
def test_garbage_after_a_request_ends_the_connection(url: str, garbage: bytes) -> None:
    with connected(url) as connection:
        connection.sendall(request() + garbage + b"\r\n\r\n")
        found = answer(connection)
    assert found.startswith(b"HTTP/1.1 200")
    assert found.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 400" in found


def test_garbage_within_a_body_ends_the_connection(url: str) -> None:
    head = request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with connected(url) as connection:
        connection.sendall(head + b"zzz\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "path",
    [
        "//v1/score",
        "/v1/../v1/score",
        "/v1/%2e%2e/v1/score",
        "/v1/score/",
        "/v1%2Fscore%00",
        "/v1/score\\",
        "http://elsewhere/v1/score",
        "/models/..%2F..%2Fetc%2Fpasswd/v1/score",
        "/models/%2e%2e/v1/score",
        "/" + "a" * 9000,
        "/redoc",
    ],
)
def test_tricks_with_paths_find_nothing(url: str, path: str) -> None:
    with connected(url) as connection:
        wanted = request(b'{"prompt": "q", "responses": ["a"]}', "Connection: close")
        connection.sendall(wanted.replace(b"/v1/score", path.encode(), 1))
        found = answer(connection)
    assert found.split(b" ")[1] == b"404"
    assert b"ocation: " not in found


@pytest.mark.parametrize("headers", [["X: " + "x" * 2**22], [f"X{i}: x" for i in range(400_000)]])
def test_huge_heads_are_refused(url: str, headers: list[str]) -> None:
    with connected(url) as connection:
        try:
            connection.sendall(request(b"{}", *headers))
            found = answer(connection)
        except ConnectionError:
            found = b""
    assert found == b"" or b"Invalid HTTP request" in found


def test_connections_are_kept_between_requests(url: str) -> None:
    with connected(url) as connection:
        for path in (b"/health", b"/metrics", b"/nothing"):
            connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
            assert b"connection: close" not in connection.recv(65536).lower()
        for body in (b"{}", b'{"prompt": "q", "responses": ["a"]}'):
            connection.sendall(request(body))
            assert b"connection: close" not in connection.recv(65536).lower()


def test_pages_in_browsers_may_not_ask(url: str) -> None:
    found = post(f"{url}/v1/score", GOOD, headers={"Origin": "https://elsewhere.example"})
    assert found.status_code == 403
    assert not [name for name in found.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a": 1e999}', "finite"),
        (b'{"a": -Infinity}', "finite"),
        (b'{"a": NaN}', "finite"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "JSON"),
        (b'{"a": "\\uDC00"}', "UTF-8"),
        (b'{"a": {"b": 1, "b": 2}}', "twice"),
        (b'{"a": ' + b"9" * 5000 + b"}", "JSON"),
        (b'{"a": ' + b"[" * DEEPEST + b"]" * DEEPEST + b"}", "nested"),
        (b'{"a": [' + b"[]," * 4_000_000 + b"1]}", "values"),
        (b'{"a": "\\' + b'"' * 1_000_000, "JSON"),
        (b'{"a": [' + b'"\\"' * 1_000_000, "JSON"),
        (b"", "JSON"),
        (b"null", "object"),
    ],
)
def test_what_is_no_json_is_refused_soon(body: bytes, words: str) -> None:
    start = time.monotonic()
    with pytest.raises(Refused, match=words):
        parsed(body)
    assert time.monotonic() - start < 10


def test_brackets_and_commas_in_texts_do_not_count() -> None:
    text = '\\"[{' * 1000 + "," * 4_000_100 + "\\\\"
    deep = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    found = parsed(f'{{"a": "{text}", "b": {deep}, "c": "\\ud83d\\ude00"}}'.encode())
    assert found["c"] == "\U0001f600"


def many(before: str, item: str, behind: str, count: int = 5000) -> bytes:
    return f"{before}{f'{item},' * (count - 1)}{item}{behind}".encode()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/score", many('{"prompt": "q", "responses": [', '""', "]}")),
        ("/v1/score", many('{"groups": [', "{}", "]}")),
        ("/v1/score", many('{"groups": [{"prompt": "q", "responses": [', '""', "]}]}")),
        ("/v1/score", many('{"query": "q", "items": [', '""', "]}")),
        ("/get_reward", many('{"query": [', '""', "]}")),
        ("/classify", many('{"input": [', '""', "]}")),
        ("/classify", many('{"input_ids": [', "[]", "]}")),
        ("/pooling", many('{"input": [', "[]", "]}")),
        ("/v1/embeddings", many('{"input": [', '""', "]}")),
        ("/predict", many('{"inputs": [', "[]", "]}")),
        ("/v1/score/evaluation", many('{"messages": [', '""', "]}")),
        ("/compare", many('{"response_objs": [', "{}", "]}")),
    ],
)
def test_too_many_responses_are_refused_before_any_is_made(
    url: str, path: str, body: bytes
) -> None:
    found = post(f"{url}{path}", body)
    assert found.status_code == 413
    assert "5000 of them, and 4096 are allowed" in found.json()["error"]["message"]


def test_one_text_of_many_token_ids_is_one() -> None:
    body = {"input": [7] * 5000}
    assert BY_PATH["/classify"].bounded(body, 1) is body


def test_others_are_answered_while_a_large_body_is_read() -> None:
    # A conversation may be long: its messages are made one by one.
    turn = '{"role": "user", "content": ""}'
    body = many('{"responses": [], "prompt": [', turn, "]}", 40_000)
    waits: list[float] = []
    with running({"rm": Characters()}) as own, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(post, f"{own}/v1/score", body)
        while not asked.done():
            start = time.monotonic()
            assert httpx2.get(f"{own}/health/live", timeout=60).status_code == 200
            waits.append(time.monotonic() - start)
    assert asked.result().status_code == 200
    # Blocked, there would be one wait as long as all of it.
    assert len(waits) > 5
    assert max(waits) < 0.8 * sum(waits)


@pytest.mark.parametrize(
    "body",
    [{**GOOD, "model": "x" * 500_000}, {**GOOD, "x" * 500_000: 1}, {"prompt": "q", "groups": "x"}],
)
def test_what_was_sent_is_not_sent_back_whole(url: str, body: object) -> None:
    found = post(f"{url}/v1/score", body)
    assert found.status_code in (400, 404)
    assert len(found.content) < 5000
