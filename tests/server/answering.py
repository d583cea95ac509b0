"""A server of another stack, on the loopback: it answers every body as a function says."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@contextmanager
def answering(
    answer: Callable[[Any], tuple[int, Any]], get: Callable[[], tuple[int, Any]] | None = None
) -> Iterator[str]:
    """A server that answers each body with a status and JSON, and a GET where that is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send(*answer(body))

        def do_GET(self) -> None:
            self.send(*(get() if get else (404, {})))

        def send(self, status: int, content: Any) -> None:
            sent = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
