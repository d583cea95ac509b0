"""A server on the loopback, for as long as a test needs it."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from assay.protocols import Scorer
from assay.server.app import application
from assay.server.connections import listening, web_server


@contextmanager
def running(
    scorers: Mapping[str, Scorer], *, connections: int = 1000, head_s: float = 10.0, **settings: Any
) -> Iterator[str]:
    """Serve scorers at the address that is given; the server ends with the block."""
    bound = listening("127.0.0.1", 0)
    port = bound.getsockname()[1]
    app = application(scorers, **settings)
    server = web_server(app, connections=connections, head_s=head_s, drain_s=10.0)
    thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
    thread.start()
    try:
        end = time.monotonic() + 20
        while not server.started and time.monotonic() < end:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def post(url: str, body: Any, **more: Any) -> httpx2.Response:
    """Send JSON, or bytes as they are."""
    given = {"content": body} if isinstance(body, bytes) else {"json": body}
    return httpx2.post(url, **given, timeout=90, **more)


def connected(url: str) -> socket.socket:
    """A plain connection to a server."""
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def request(body: bytes = b'{"prompt": "q", "responses": ["a"]}', *headers: str) -> bytes:
    """A request as bytes, by default a good one."""
    lines = ["POST /v1/score HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    try:
        while data := connection.recv(65536):
            found += data
    except ConnectionResetError:
        pass
    return found
