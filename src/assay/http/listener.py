"""Where a server listens, and one that ends in order, however often it is told to."""

import asyncio
import signal
import socket
import warnings
from contextlib import suppress
from types import FrameType
from typing import Final

import uvicorn

from assay.errors import ConfigError

__all__ = ["Server", "listening"]

ENDING: Final = 5.0
"""Seconds for the application to end, once nobody's answer is waited for any more."""


class Server(uvicorn.Server):
    """Uvicorn's, in which a second Ctrl-C leaves running requests, and still ends the application.

    Uvicorn's own leaves the application where it is, whose wait for the end is then cut off with a
    traceback.
    """

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until it is told to end."""
        # An end that comes before the loop runs leaves a coroutine, which is nothing to be told.
        warnings.filterwarnings("ignore", "coroutine 'Server.serve' was never awaited")
        super().run(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take the first signal; a later Ctrl-C means that nothing is waited for."""
        if not self.should_exit:
            super().handle_exit(sig, frame)
        elif sig == signal.SIGINT:
            self.force_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End connections, then the application."""
        await super().shutdown(sockets)
        if self.force_exit:
            # Where it has ended already, this is over at once.
            with suppress(TimeoutError):
                await asyncio.wait_for(self.lifespan.shutdown(), ENDING)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket at an address, bound. Raises `ConfigError` where it is not to be had."""
    if not 0 <= port < 65536:
        # The system would take its last 16 bits.
        raise ConfigError(f"port {port} is none; there is 1 to 65535, and --port 0, a free one")
    bound: socket.socket | None = None
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, proto)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        if bound is not None:
            bound.close()
        raise ConfigError(
            f"cannot listen at {host}:{port}: {error}; --port 0 takes a free port"
        ) from error
    return bound
