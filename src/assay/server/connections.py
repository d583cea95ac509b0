"""Connections that cost little: few, and none that says nothing for long.

Uvicorn bounds neither the time until a request's head is there nor how many connections are open.
"""

import asyncio
import functools
import resource
from typing import Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from assay.http.listener import Server, listening

__all__ = ["listening", "web_server"]

CLOSE_HEADER: Final = (b"connection", b"close")

LAST_S: Final = 1.0
"""Seconds for which idle connections stay open once the server is to end: what clients had sent by
then, and was not read yet, is answered."""
SPARE: Final = 256
"""File descriptors that are left to everything but connections."""

KEPT: Final = 75
"""Seconds for which a connection is kept between requests: longer than clients keep theirs, so
that none sends its next request into one that is just closed."""


class Connection(H11Protocol):
    """A connection with a deadline for each request's head.

    idle: all that wait for a request, the longest first. Beyond `most` connections that one is
    closed, so that a new one finds room.
    """

    def __init__(
        self, *args: Any, idle: dict["Connection", None], most: int, head_s: float, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self._idle, self._most, self._head_s = idle, most, head_s
        self._deadline: asyncio.TimerHandle | None = None
        self._ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first request."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self._most and self._idle:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.connections.discard(oldest)
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on; the deadline is that of the head's end, not of its next byte."""
        super().data_received(data)
        if self._ending:
            self._answer_last()
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._go()

    def on_response_complete(self) -> None:
        """Count as idle until the next request; uvicorn's own time limit holds."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._idle[self] = None

    def shutdown(self) -> None:
        """Answer what is asked by now, and close."""
        self._ending = True
        if not self._answer_last():
            self.loop.call_later(LAST_S, self._close_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._go()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Say that this is not HTTP, unless an answer was begun already."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _answer_last(self) -> bool:
        """Say in the answer under way that no other will follow; whether there is one."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        cycle.keep_alive = False
        if not cycle.response_started and CLOSE_HEADER not in cycle.default_headers:
            cycle.default_headers = [*cycle.default_headers, CLOSE_HEADER]
        return True

    def _close_idle(self) -> None:
        if not self._answer_last():
            self.transport.close()

    def _wait(self) -> None:
        self._idle[self] = None
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._head_s, self.transport.close)

    def _go(self) -> None:
        self._idle.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def web_server(app: Any, *, connections: int, head_s: float, drain_s: float) -> Server:
    """Return a server of an application.

    connections: most at a time, fewer where the system allows fewer open files. head_s: longest
    time for a request's head. drain_s: longest time for running requests once it is to end.
    """
    most = _allowed(connections)
    protocol: Any = functools.partial(Connection, idle={}, most=most, head_s=head_s)
    return Server(
        uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEPT,
            timeout_graceful_shutdown=max(1, round(drain_s)),
        )
    )


def _allowed(connections: int) -> int:
    """So many connections, or as many as the system lets this process have open files for."""
    files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if files == resource.RLIM_INFINITY or wanted <= files:
        return connections
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(1, most - SPARE)
