"""A server on the loopback, for as long as a test needs it."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
import uvicorn

from assay.protocols import Scorer
from assay.server.app import application


@contextmanager
def running(scorers: Mapping[str, Scorer], **settings: Any) -> Iterator[str]:
    """Serve scorers at the address that is given; the server ends with the block."""
    config = uvicorn.Config(
        application(scorers, **settings), host="127.0.0.1", port=0, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        end = time.monotonic() + 20
        while not server.started and time.monotonic() < end:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def post(url: str, body: Any, **more: Any) -> httpx2.Response:
    """Send JSON, or bytes as they are."""
    given = {"content": body} if isinstance(body, bytes) else {"json": body}
    return httpx2.post(url, **given, timeout=30, **more)
