"""Ask an HTTP server for JSON, and ask again where that may help.

* Asked again, up to `tries` times: 408, 409, 425, 429, 5xx, a connection that fails or is cut, no
  answer in time, and an answer that is not what was asked for. The wait after try k = 1, 2, ... is
  uniform on [0, min(60, backoff_s 2^(k-1))] seconds (exponential back-off with full jitter), or
  what the headers Retry-After or retry-after-ms say and at most `backoff_s` more.
* Before a server has answered anything, no connection, 5xx and malformed answers are tried
  `FIRST_TRIES` times at most: a wrong address or a server that is not there should not cost a
  minute.
* A rate limit (429, or a 503 with Retry-After) holds back all requests, not only the one that met
it.
* Refused: 400, 422 and their like say that this request will never do; others may.
* Hopeless: no key or a wrong one, no money, no such model or address, nothing that the model can do
(501), a wait of over ten minutes: `BackendError`.
"""

import asyncio
import itertools
import json
import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from assay.errors import BackendError, DataError, MissingExtra

if TYPE_CHECKING:
    import httpx2

__all__ = [
    "HOPELESS",
    "Client",
    "Failure",
    "Pace",
    "asked_wait",
    "models_named",
    "retry_after",
    "shorten",
]

log = logging.getLogger(__name__)

T = TypeVar("T")

AGAIN = frozenset({408, 409, 425, 429})
"""Statuses below 500 that may pass."""
HOPELESS = {
    401: "set the environment variable {key_variable} to a valid key",
    402: "the account has no money",
    403: "the key in the environment variable {key_variable} may not do this",
    404: "check the model's name and the address{end}",
    405: "check the address{end}",
    501: "the server cannot do this with the model that it runs",
}
"""Statuses that every other request would get too, and what to do."""
HOPELESS_CODES = {
    "insufficient_quota": "the account's quota is used up",
    "invalid_api_key": HOPELESS[401],
    "model_not_found": HOPELESS[404],
}
"""The same, by the code in an error's body, which servers send with several statuses."""
FIRST_TRIES = 4
"""Tries of a request at most, until the server has answered one."""
LONGEST_BACKOFF_S = 60.0
LONGEST_RETRY_AFTER_S = 600.0
SAY_EVERY_S = 60.0
CONNECT_S = 10.0
IDLE_S = 2.0
"""Seconds that an idle connection is kept: less than servers do, lest one is used as it is
closed."""

_NAMED: ContextVar[set[str] | None] = ContextVar("named", default=None)


@contextmanager
def models_named() -> Iterator[set[str]]:
    """Collect the names of the models that servers say they answered with, of all requests
    within."""
    found: set[str] = set()
    before = _NAMED.set(found)
    try:
        yield found
    finally:
        _NAMED.reset(before)


@dataclass(frozen=True)
class Failure:
    """Why a request has no answer."""

    reason: str
    refused: bool
    """Whether the server refused the request, rather than failed at it in every try."""


@dataclass(frozen=True)
class _Again:
    """Why a try is worth another, and how long the server asks to wait, in seconds."""

    kind: str
    """What log lines are counted by."""
    reason: str
    wait: float | None = None
    everybody: bool = False
    """Whether it holds back all requests."""
    patient: bool = False
    """Whether a server that has answered nothing yet may be in the middle of starting, or slow."""


@dataclass
class Pace:
    """When the next request may go. One engine has one, so that a limit holds over all that it is
    asked."""

    per_minute: int | None = None
    paused_until: float = 0.0
    """In seconds of `time.monotonic`, as all times here."""
    next_slot: float = 0.0
    said: dict[str, float] = field(default_factory=dict)
    """When each kind of failure was last logged."""
    unsaid: dict[str, int] = field(default_factory=dict)
    """How many of each kind came since."""
    answered: bool = False
    """Whether the server has answered any request, if only to refuse it."""
    proof: tuple[Mapping[str, Any], Callable[[Any], Any]] | None = None
    """A request that was answered, and what read the answer: asked again to tell a server that is
    down from one that fails at some requests."""

    async def turn(self) -> None:
        """Wait until a request may go; with a limit, requests are evenly spaced."""
        while (wait := max(self.paused_until, self.next_slot) - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        if self.per_minute is not None:
            self.next_slot = time.monotonic() + 60 / self.per_minute

    def pause(self, seconds: float) -> None:
        """Let no request go before that."""
        self.paused_until = max(self.paused_until, time.monotonic() + seconds)

    def say(self, kind: str, line: str) -> None:
        """Log a line, at most one a minute of each kind."""
        now = time.monotonic()
        if now - self.said.get(kind, -math.inf) < SAY_EVERY_S:
            self.unsaid[kind] = self.unsaid.get(kind, 0) + 1
            return
        more = self.unsaid.pop(kind, 0)
        self.said[kind] = now
        log.warning("%s%s", line, f" ({more} more like it before)" if more else "")


class Client:
    """Asks one address, within an `async with`. Raises `MissingExtra` without httpx2.

    key: sent as bearer token where there is one; it is in no message. key_variable: where it came
    from, for messages.
    concurrency: connections at most. tries, timeout_s, backoff_s: of each request.
    """

    def __init__(
        self,
        url: str,
        pace: Pace,
        *,
        key: str = "",
        key_variable: str = "",
        concurrency: int,
        tries: int,
        timeout_s: float,
        backoff_s: float,
    ) -> None:
        self.url = url
        self.pace = pace
        self.key_variable = key_variable
        self.tries = tries
        self.timeout_s = timeout_s
        self.backoff_s = backoff_s
        self._key = key
        self._concurrency = concurrency
        self._jitter = (
            random.Random()
        )  # Its own, lest a program's random numbers depend on a server's mood.
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            import httpx2
        except ImportError as error:
            raise MissingExtra("asking an OpenAI-compatible server", "openai") from error
        self._failed = httpx2.RequestError
        self._http = await self._stack.enter_async_context(
            httpx2.AsyncClient(
                headers={
                    "Content-Type": "application/json",
                    **({"Authorization": f"Bearer {self._key}"} if self._key else {}),
                },
                # The whole request is timed below.
                timeout=httpx2.Timeout(None, connect=min(CONNECT_S, self.timeout_s)),
                limits=httpx2.Limits(max_connections=self._concurrency, keepalive_expiry=IDLE_S),
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def ask(
        self, body: Mapping[str, Any], read: Callable[[Any], T], *, tries: int | None = None
    ) -> T | Failure:
        """Return what `read` makes of the JSON that comes back, or why there is none. tries: fewer
        than the client's.

        `read` raises `DataError` where that is not what was asked for. Raises `BackendError` where
        no other request would fare better.
        """
        payload = json.dumps(body).encode()
        most = tries or self.tries
        for attempt in itertools.count(1):
            await self.pace.turn()
            outcome = await self._once(payload, read)
            if not isinstance(outcome, _Again):
                self.pace.answered = True
                return outcome
            wait = self._jitter.uniform(
                0, min(LONGEST_BACKOFF_S, self.backoff_s * 2 ** (attempt - 1))
            )
            if outcome.wait is not None:
                wait = outcome.wait + min(wait, self.backoff_s)
            if outcome.everybody:
                self.pace.pause(wait)
            if attempt >= (
                most if self.pace.answered or outcome.patient else min(most, FIRST_TRIES)
            ):
                return Failure(
                    f"{outcome.reason} ({attempt} {'try' if attempt == 1 else 'tries'})",
                    refused=False,
                )
            self.pace.say(
                outcome.kind, f"{self.url}: {outcome.reason}; trying again in {wait:.1f} s"
            )
            await asyncio.sleep(wait)
        raise AssertionError("unreachable: the count of tries does not end")

    async def _once(self, payload: bytes, read: Callable[[Any], T]) -> T | Failure | _Again:
        try:
            async with asyncio.timeout(self.timeout_s):
                response = await self._http.post(self.url, content=payload)
        except TimeoutError:
            return _Again("timeout", f"no answer within {self.timeout_s:g} s", patient=True)
        except self._failed as error:
            name = type(error).__name__
            return _Again(name, f"no answer: {self._clean(f'{name}: {error}')}")
        if not response.is_success:
            return self._not_ok(response)
        try:
            answer = _json(response.content)
            found = read(answer)
        except DataError as error:
            return _Again("malformed", f"malformed answer: {self._clean(str(error))}")
        named, seen = _NAMED.get(), answer.get("model") if isinstance(answer, dict) else None
        if named is not None and isinstance(seen, str):
            named.add(shorten(seen))
        return found

    def _not_ok(self, response: "httpx2.Response") -> Failure | _Again:
        status = response.status_code
        message, code = _error(response.content)
        reason = f"{status} {response.reason_phrase}".strip() + (
            f": {self._clean(message)}" if message else ""
        )
        if status < 400:
            elsewhere = self._clean(response.headers.get("location", "elsewhere"))
            raise BackendError(
                f"{self.url} answers {reason}; give the base URL that it points to: {elsewhere}"
            )
        if (advice := HOPELESS_CODES.get(code) or HOPELESS.get(status)) is not None:
            end = "" if "/v1/" in self.url else ", which usually ends in /v1"
            told = advice.format(key_variable=self.key_variable, end=end)
            raise BackendError(f"{self.url} answers {reason}; {told}")
        if status not in AGAIN and status < 500:
            return Failure(f"refused: {reason}", refused=True)
        wait = asked_wait(response.headers, datetime.now(UTC))
        if wait is not None and wait > LONGEST_RETRY_AFTER_S:
            raise BackendError(
                f"{self.url} answers {reason}, and asks to wait {wait:,.0f} s; go on after that"
            )
        everybody = status == 429 or (status == 503 and wait is not None)
        return _Again(str(status), reason, wait, everybody, patient=everybody or status < 500)

    def _clean(self, text: str) -> str:
        return shorten(text.replace(self._key, "***") if self._key else text)


def asked_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the headers ask to wait: retry-after-ms where it is a number, else
    Retry-After."""
    try:
        seconds = float(headers.get("retry-after-ms", "")) / 1000
    except ValueError:
        seconds = math.nan
    if math.isfinite(seconds) and seconds >= 0:
        return seconds
    return retry_after(headers.get("retry-after"), now)


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, written as seconds or as an HTTP date; None where
    it says nothing."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            then = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = ((then if then.tzinfo else then.replace(tzinfo=UTC)) - now).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def shorten(text: str, length: int = 200) -> str:
    """A server's words on one line, printable, and not too many."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= length else f"{line[: length - 3]}..."


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON ({error})") from error


def _error(content: bytes) -> tuple[str, str]:
    """Message and code of an error's body, in the forms that servers send it in."""
    try:
        body = _json(content)
    except DataError:
        return content.decode(errors="replace"), ""
    error = body
    if isinstance(body, dict):
        several = body.get("errors")
        error = body.get("error") or (several[0] if isinstance(several, list) and several else body)
    if not isinstance(error, dict):
        return str(error), ""
    return _message(error), str(error.get("code") or "")


def _message(error: Mapping[str, Any]) -> str:
    """The message of an error, or of its detail: a text, an object with a message, or a list of
    what is wrong with each field."""
    said = error.get("message") or error.get("detail") or error
    if isinstance(said, dict):
        return str(said.get("message") or said)
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        return str(said)
    places = [".".join(map(str, one["loc"])) if "loc" in one else "" for one in said]
    texts = [str(one.get("msg") or one) for one in said]
    return "; ".join(
        f"{place}: {text}" if place else text for place, text in zip(places, texts, strict=True)
    )
