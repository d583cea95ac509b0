"""Ask several servers of one thing: each request goes where the fewest are under way."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from assay.errors import BackendError, ConfigError
from assay.http.background import iterate
from assay.http.client import Client, Failure, Pace

__all__ = ["Servers"]

log = logging.getLogger(__name__)

T = TypeVar("T")

IN_A_ROW: Final = 3
"""Requests in a row that fail: the server rests, and is down where it has not answered any."""
REST_S: Final = 10.0
"""Seconds for which a server that fails is passed over, where others are up."""


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Addresses that answer alike, and how patiently they are asked. None of it changes an
    answer."""

    urls: tuple[str, ...]
    """Such as http://localhost:8000, each without the path."""
    key_variable: str = "ASSAY_API_KEY"
    """Environment variable that holds the key."""
    concurrency: int = 16
    """Requests under way at once at each."""
    tries: int = 6
    """Tries per request at one server."""
    timeout_s: float = 600.0
    backoff_s: float = 1.0
    paces: Mapping[str, Pace] = field(default_factory=dict, repr=False, compare=False)
    """What is known of each address; filled as they are asked."""

    def __post_init__(self) -> None:
        for url in self.urls:
            if not _address(url):
                raise ConfigError(f"{url!r} is no server's address; give http://HOST:PORT")
        if not self.urls:
            raise ConfigError("no server is given; give http://HOST:PORT")
        if min(self.concurrency, self.tries) < 1:
            raise ConfigError("concurrency and tries must be at least 1")
        paces = {url: self.paces.get(url, Pace()) for url in self.urls}
        object.__setattr__(self, "paces", paces)

    @property
    def key(self) -> str:
        """The key, or nothing."""
        return os.environ.get(self.key_variable, "").strip()

    def ask(
        self, path: str, bodies: Sequence[Mapping[str, Any]], read: Callable[[Any], T]
    ) -> list[T | Failure]:
        """Return what `read` makes of the answer to each body, or why there is none, in order.

        What one server fails at is asked of the others; what it refuses is not. Raises
        `BackendError` where no server is left that answers.
        """
        found = dict(iterate(partial(self._produce, path, bodies, read))) if bodies else {}
        return [found[i] for i in range(len(bodies))]

    async def _produce(
        self,
        path: str,
        bodies: Sequence[Mapping[str, Any]],
        read: Callable[[Any], T],
        put: Callable[[tuple[int, T | Failure]], None],
    ) -> None:
        left = iter(enumerate(bodies))
        async with AsyncExitStack() as stack:
            load = [
                _Load(await stack.enter_async_context(self._client(u, path))) for u in self.urls
            ]

            async def work() -> None:
                for i, body in left:
                    put((i, await _ask_one(load, body, read)))

            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(self.concurrency * len(load), len(bodies))):
                        group.create_task(work())
            except BaseExceptionGroup as error:
                raise error.exceptions[0] from None

    def _client(self, url: str, path: str) -> Client:
        return Client(
            f"{url.rstrip('/')}/{path.lstrip('/')}",
            self.paces[url],
            key=self.key,
            key_variable=self.key_variable,
            concurrency=self.concurrency,
            tries=self.tries,
            timeout_s=self.timeout_s,
            backoff_s=self.backoff_s,
        )


def _address(url: str) -> bool:
    """Whether a URL has a host, and a port that there is or none."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@dataclass
class _Load:
    """A server and what it is at."""

    client: Client
    under_way: int = 0
    failed: int = 0
    """Requests in a row."""
    rests_until: float = 0.0
    """Till when it is passed over, in seconds of `time.monotonic`."""
    down: str = ""
    """Why it is asked no more; empty where it is."""


async def _ask_one(
    load: Sequence[_Load], body: Mapping[str, Any], read: Callable[[Any], T]
) -> T | Failure:
    """Ask the least loaded server that is up, and where it fails the next: first each once, lest a
    request waits for a server that has just died, then each with all patience."""
    failure: Failure | None = None
    for patient in (False, True) if len(load) > 1 else (True,):
        asked: list[_Load] = []
        while (one := _next(load, asked, patient)) is not None:
            asked.append(one)
            try:
                answer = await _ask(one, body, read, patient)
            except BackendError as error:
                if len(load) > 1 and not one.down:
                    log.warning("%s", error)
                one.down = str(error)
                continue
            if not isinstance(answer, Failure) or answer.refused:
                return answer
            failure = answer
    if all(one.down for one in load):
        reasons = "; ".join(one.down for one in load)
        raise BackendError(f"{reasons}; look whether the server runs, or give another address")
    return failure or Failure("no server was left to ask", refused=False)


def _next(load: Sequence[_Load], asked: Sequence[_Load], patient: bool) -> _Load | None:
    """The least loaded of those to ask yet; those that rest are last, and asked with patience
    alone."""
    now = time.monotonic()
    there = [one for one in load if not one.down and one not in asked]
    there = [one for one in there if patient or one.rests_until <= now]
    one = min(there, key=lambda each: (each.rests_until > now, each.under_way), default=None)
    if one is not None and one.failed >= IN_A_ROW:
        # One request finds out whether it is back; the others pass it over.
        one.rests_until = now + REST_S
    return one


async def _ask(
    one: _Load, body: Mapping[str, Any], read: Callable[[Any], T], patient: bool
) -> T | Failure:
    """What a server says; noted is what that says of it."""
    one.under_way += 1
    try:
        answer = await one.client.ask(body, read, tries=None if patient else 1)
    finally:
        one.under_way -= 1
    if not isinstance(answer, Failure) or answer.refused:
        one.failed, one.rests_until = 0, 0.0
        return answer
    one.failed += 1
    if one.failed >= IN_A_ROW:
        one.rests_until = time.monotonic() + REST_S
        if patient and not one.client.pace.answered:
            one.down = f"{one.client.url} answers nothing: {answer.reason}"
    return answer
