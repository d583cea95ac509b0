"""A server that ends in order, however often it is told to."""

import asyncio
import signal
import socket
from contextlib import suppress
from types import FrameType
from typing import Final

import uvicorn

__all__ = ["Server"]

ENDING: Final = 5.0
"""Seconds for the application to end, once nobody's answer is waited for any more."""


class Server(uvicorn.Server):
    """Uvicorn's, in which a second Ctrl-C leaves running requests, and still ends the application.

    Uvicorn's own leaves the application where it is, whose wait for the end is then cut off with a
    traceback.
    """

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
