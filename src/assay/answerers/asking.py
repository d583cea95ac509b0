"""Ask a server many things at once, and keep every answer before it is used.

All answerers behind a server share this: `ask_all` looks into the ledger first, asks for what is
missing through the one HTTP client, and writes each answer down as it comes. A request that failed
in the end is not kept: the next run asks it again.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from assay.answerers.ledger import Entry, Ledger, Usage
from assay.errors import BackendError, ConfigError
from assay.http.background import gathered
from assay.http.client import Client, Failure, Pace
from assay.types import Unscored

__all__ = ["Asked", "Prices", "Server", "ask_all"]

IN_A_ROW = 3
"""Requests in a row that use up their tries before anything was answered: the server is down."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Money per million tokens."""

    tokens_in: float = 0.0
    tokens_out: float = 0.0
    tokens_cached: float | None = None
    """None = as those read."""

    def of(self, usage: Usage) -> float | None:
        """Return what so many tokens cost; None where a number that has a price is not known."""
        if (self.tokens_in and usage.tokens_in is None) or (
            self.tokens_out and usage.tokens_out is None
        ):
            return None
        cached = usage.tokens_cached or 0
        at = self.tokens_in if self.tokens_cached is None else self.tokens_cached
        read = max(0, (usage.tokens_in or 0) - cached)
        paid = read * self.tokens_in + cached * at + (usage.tokens_out or 0) * self.tokens_out
        return paid / 1e6


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where requests go, and how patiently. None of it changes an answer."""

    base_url: str
    """Such as http://localhost:8000/v1."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key."""
    concurrency: int = 16
    """Requests under way at once."""
    requests_per_minute: int | None = None
    tries: int = 6
    """Tries per request."""
    timeout_s: float = 120.0
    backoff_s: float = 1.0
    prices: Prices | None = None

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigError(f"{self.base_url!r} is no server's address; give http://HOST:PORT/v1")
        if min(self.concurrency, self.tries, self.requests_per_minute or 1) < 1:
            raise ConfigError("concurrency, tries and requests_per_minute must be at least 1")

    def client(self, path: str, pace: Pace) -> Client:
        """Return a client of one of its paths."""
        return Client(
            f"{self.base_url.rstrip('/')}/{path}",
            pace,
            key=os.environ.get(self.key_variable, "").strip(),
            key_variable=self.key_variable,
            concurrency=self.concurrency,
            tries=self.tries,
            timeout_s=self.timeout_s,
            backoff_s=self.backoff_s,
        )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request."""

    key: str
    """Fingerprint of all that changes the answer: model, body, and what the server is."""
    repeat: int = 0
    body: Mapping[str, Any] = field(repr=False)


def ask_all(
    server: Server,
    path: str,
    asked: Sequence[Asked],
    read: Callable[[Any], tuple[Any, Usage]],
    *,
    ledger: Ledger,
    pace: Pace,
) -> list[Any | Unscored]:
    """Return what is kept of the answer to each request, or why there is none, in order.

    read: takes an answer's JSON apart: what to keep of it, as JSON, and what it cost. It raises
    `DataError` where the answer is not what was asked for, and is then asked again. Equal keys and
    repeats are asked once. Raises `BackendError` where going on is of no use.
    """
    known = {(one.key, one.repeat): ledger.get(one.key, one.repeat) for one in asked}
    missing = {(one.key, one.repeat): one for one in asked if known[one.key, one.repeat] is None}
    found: dict[tuple[str, int], Any] = {
        place: entry.answer for place, entry in known.items() if entry is not None
    }
    if missing:
        made = partial(
            _produce, server, path, [*missing.values()], read, pace, known_to_answer=bool(found)
        )
        for some in gathered(made):
            found |= {(one.key, one.repeat): answer for one, answer, _ in some}
            entries = ledger.put(
                Entry(key=one.key, repeat=one.repeat, answer=answer, usage=usage)
                for one, answer, usage in some
                if not isinstance(answer, Unscored)
            )
            found |= {(entry.key, entry.repeat): entry.answer for entry in entries}
    return [found[one.key, one.repeat] for one in asked]


async def _produce(
    server: Server,
    path: str,
    asked: Sequence[Asked],
    read: Callable[[Any], tuple[Any, Usage]],
    pace: Pace,
    put: Callable[[tuple[Asked, Any | Unscored, Usage]], None],
    *,
    known_to_answer: bool,
) -> None:
    """Hand over each answer as it comes. known_to_answer: whether the server answered others of the
    kind before, so that one that fails says nothing of the server."""
    left = iter(asked)
    in_a_row = 0

    async def work(client: Client) -> None:
        nonlocal in_a_row
        for one in left:
            start = time.perf_counter()
            answer = await client.ask(one.body, read)
            seconds = time.perf_counter() - start
            if isinstance(answer, Failure):
                in_a_row = 0 if answer.refused else in_a_row + 1
                put((one, Unscored(reason=answer.reason), Usage()))
                at_first = not pace.answered and not known_to_answer
                most = min(IN_A_ROW, len(asked)) if at_first else 2 * server.concurrency + IN_A_ROW
                if in_a_row >= most:
                    raise BackendError(
                        f"{client.url} answers nothing: {answer.reason}; look whether the server"
                        " runs, or give another address. What was answered is kept"
                    )
                continue
            in_a_row = 0
            kept, usage = answer
            spent: dict[str, float | None] = {"requests": usage.requests or 1, "seconds": seconds}
            if server.prices is not None:
                spent["money"] = server.prices.of(usage)
            put((one, kept, usage.model_copy(update=spent)))

    async with server.client(path, pace) as client:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(server.concurrency, len(asked))):
                    group.create_task(work(client))
        except BaseExceptionGroup as error:
            raise error.exceptions[0] from None
