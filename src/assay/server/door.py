"""What every request passes: its id, its key, its count, a line in the log, an answer to any error.

Requests with an `Origin` come from a page in a browser, and are refused: no page of any site may
have a server on this machine compute, or read its answers.
"""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.errors import AssayError
from assay.server.dialects import Refused
from assay.server.keys import Access, Spent
from assay.server.metrics import Metrics

__all__ = ["Door", "refusal"]

log = logging.getLogger(__name__)

OPEN: Final = ("/health", "/health/live", "/health/ready")
"""Paths that need no key."""
SKIPPED: Final = 32 * 2**20
SKIPPED_S: Final = 2.0
"""Most of a refused request's body that is read, in bytes and seconds."""


def refusal(error: Refused) -> JSONResponse:
    """Return what a refused request is answered."""
    headers = {"Retry-After": f"{error.seconds:.0f}"} if isinstance(error, Spent) else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    detail = {"message": str(error), "field": error.field}
    return JSONResponse({"error": detail}, error.status, headers)


@dataclass
class _Body:
    """What is still to come of a request's body."""

    receive: Receive
    ended: bool

    async def __call__(self) -> Message:
        message = await self.receive()
        self.ended = self.ended or not message.get("more_body", False)
        return message

    async def skip(self) -> None:
        """Read on for a while: a client that still writes would not see why it is refused."""
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(SKIPPED_S):
                while not self.ended and size < SKIPPED:
                    size += len((await self()).get("body", b""))


@dataclass
class Door:
    """The outermost layer of the application.

    slow_s: a request that takes longer is logged as a warning.
    """

    app: ASGIApp
    access: Access
    metrics: Metrics
    slow_s: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and whatever happens answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, headers = time.perf_counter(), Headers(scope=scope)
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        number = state["id"] = _id(headers)
        state["client"] = scope["client"][0] if scope.get("client") else ""
        status, body = 0, _Body(receive, ended=not _has_body(headers))

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = MutableHeaders(scope=message)
                own["X-Request-Id"] = number
                own["Server-Timing"] = f"total;dur={(time.perf_counter() - start) * 1e3:.1f}"
                if not body.ended:
                    own["Connection"] = "close"
            await send(message)

        with self.metrics.running.track_inprogress():
            try:
                if "origin" in headers:
                    raise Refused("origin", "pages in browsers may not ask this server", status=403)
                if scope["path"] in OPEN:
                    await self.app(scope, body, sending)
                else:
                    with self.access.of(headers) as name:
                        state["client"] = name or state["client"]
                        await self.app(scope, body, sending)
            except Refused as error:
                if "expect" not in headers:
                    await body.skip()
                await refusal(error)(scope, body, sending)
            except Exception as error:
                # A line for what is known, and for a bug the traceback.
                known = isinstance(error, AssayError)
                words = f"{type(error).__name__}: {error}"
                log.error(words, exc_info=not known, extra={"request": number})
                if not status:
                    words = f"the server failed; its log tells more of request {number}"
                    answer = JSONResponse({"error": {"message": words}}, 500)
                    await answer(scope, body, sending)
        self._count(scope, status, time.perf_counter() - start)

    def _count(self, scope: Mapping[str, Any], status: int, seconds: float) -> None:
        # Not the path that was asked for: anybody may make up any number of those.
        path = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(path, status).inc()
        self.metrics.seconds.labels(path).observe(seconds)
        level = logging.INFO
        if status >= 500 or seconds > self.slow_s:
            level = logging.WARNING
        if log.isEnabledFor(level):
            about = {
                "request": scope["state"]["id"],
                "path": path,
                "status": status,
                "ms": round(seconds * 1e3, 1),
                **{k: v for k, v in scope["state"].items() if k != "id"},
            }
            words = "slow request" if seconds > self.slow_s else "request"
            log.log(level, words, extra=about)


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _id(headers: Headers) -> str:
    """The id that the client gave, where it is one that a log can hold, or a new one."""
    own = headers.get("x-request-id", "")
    return own if re.fullmatch(r"[\w.:-]{1,128}", own, re.ASCII) else uuid.uuid4().hex
