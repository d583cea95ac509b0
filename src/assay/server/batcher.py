"""One thread runs the model; what all clients ask for meanwhile goes through it together.

A request waits for company for `wait_s` at most, or while the model is busy. Then a batch is made:
the clients take turns, and whose turn it is brings all waiting requests of the same key along, so
that a group of samples that arrives as many requests computes its prompt once.
"""

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from assay.errors import BackendError

__all__ = ["Batch", "Batcher", "Full", "Stopped", "Work", "estimated_tokens"]

log = logging.getLogger(__name__)

CHARACTERS: Final = 3
"""Characters per token, to estimate a request's size: the model's own budget bounds its memory."""
SLOW: Final = 10_000.0
"""Tokens a second, before any batch has run."""

Run = Callable[[Sequence[Sequence[Any]]], Sequence[Sequence[Any]]]
"""Takes the items of each key, and gives a result per item."""


def estimated_tokens(characters: int) -> int:
    """Return the size of so long a text."""
    return 1 + characters // CHARACTERS


class Full(Exception):
    """The queue has no room; it may have some in so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the queue is full; try again in {seconds:.0f} s")
        self.seconds = seconds


class Stopped(Exception):
    """The server takes no more requests."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Items of one request that share a key, such as responses to one prompt."""

    key: str
    """Works of one key go through the model together."""
    items: tuple[Any, ...]
    tokens: int
    """Size, estimated."""


@dataclass(eq=False)
class _Ticket:
    """One work of one request, in the queue."""

    work: Work
    client: str
    arrived: float
    done: "asyncio.Future[Sequence[Any]]"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What went through the model together."""

    works: int
    keys: int
    items: int
    tokens: int
    queued: float
    """Longest time in the queue, in seconds."""
    seconds: float
    failed: int = 0
    """Works that ended in an error."""


class Batcher:
    """A queue before one model, used from one event loop.

    run: called in a thread of its own, never twice at once. batch_tokens: most tokens of a batch; a
    larger work goes alone. wait_s: longest wait for company. queue_tokens: most tokens that wait;
    with more, requests are refused as `Full`. watch: told of each batch, in that thread.
    """

    def __init__(
        self,
        run: Run,
        *,
        batch_tokens: int = 32_768,
        wait_s: float = 0.005,
        queue_tokens: int = 4_000_000,
        watch: Callable[[Batch], None] = lambda batch: None,
    ) -> None:
        self._run = run
        self._watch = watch
        self.batch_tokens, self.wait_s, self.queue_tokens = batch_tokens, wait_s, queue_tokens
        self._changed = threading.Condition()
        # Clients in turn, each with its tickets in order; and the tickets of each key.
        self._clients: OrderedDict[str, OrderedDict[_Ticket, None]] = OrderedDict()
        self._keys: dict[str, dict[_Ticket, None]] = {}
        self._waiting = 0
        self._stopping = False
        self._rate = SLOW
        self._thread = threading.Thread(target=self._work, name="assay-model", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Tokens that wait, estimated."""
        return self._waiting

    @property
    def alive(self) -> bool:
        """Whether the model's thread runs."""
        return self._thread.is_alive()

    async def ask(self, works: Sequence[Work], client: str = "") -> list[Sequence[Any]]:
        """Return one result per item of each work, in order.

        Raises what the model raised at this work, `Full` where the queue has no room, and `Stopped`
        where the server ends. Where the caller is cancelled, what only it asked for is not run.
        """
        loop, now = asyncio.get_running_loop(), time.monotonic()
        tickets = [_Ticket(work, client, now, loop.create_future()) for work in works]
        size = sum(work.tokens for work in works)
        with self._changed:
            if self._stopping or not self.alive:
                raise Stopped
            if self._waiting and self._waiting + size > self.queue_tokens:
                raise Full(max(1.0, self._waiting / self._rate))
            for ticket in tickets:
                self._clients.setdefault(client, OrderedDict())[ticket] = None
                self._keys.setdefault(ticket.work.key, {})[ticket] = None
            self._waiting += size
            self._changed.notify()
        try:
            return list(await asyncio.gather(*(ticket.done for ticket in tickets)))
        except BaseException:
            with self._changed:
                for ticket in tickets:
                    if ticket in self._clients.get(client, ()):
                        self._remove(ticket)
            raise

    async def drain(self) -> None:
        """Take no more, and return when all that waits is done."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            if batch:
                self._do(batch)

    def _next(self) -> list[_Ticket] | None:
        """The next batch; None at the end."""
        with self._changed:
            while not self._clients:
                if self._stopping:
                    return None
                self._changed.wait()
            first = min(next(iter(own)).arrived for own in self._clients.values())
            while (left := first + self.wait_s - time.monotonic()) > 0:
                if self._waiting >= self.batch_tokens or self._stopping:
                    break
                self._changed.wait(left)
            return self._taken()

    def _taken(self) -> list[_Ticket]:
        """Take a batch off the queue: clients in turn, each time with all of the same key."""
        batch: list[_Ticket] = []
        room = self.batch_tokens
        while self._clients and (room > 0 or not batch):
            client, own = next(iter(self._clients.items()))
            alike = self._keys[next(iter(own)).work.key]
            # Its own first: a turn serves the client that has it.
            mine = [ticket for ticket in alike if ticket.client == client]
            for ticket in [*mine, *(ticket for ticket in alike if ticket.client != client)]:
                if batch and ticket.work.tokens > room:
                    return batch
                self._remove(ticket)
                batch.append(ticket)
                room -= ticket.work.tokens
                # It has had its turn, also where its key does not fit whole.
                if client in self._clients:
                    self._clients.move_to_end(client)
        return batch

    def _remove(self, ticket: _Ticket) -> None:
        client, key = ticket.client, ticket.work.key
        self._waiting -= ticket.work.tokens
        del self._clients[client][ticket], self._keys[key][ticket]
        if not self._clients[client]:
            del self._clients[client]
        if not self._keys[key]:
            del self._keys[key]

    def _do(self, batch: Sequence[_Ticket]) -> None:
        """Run a batch, and hand each request its own results."""
        start = time.monotonic()
        together: dict[str, list[_Ticket]] = {}
        for ticket in batch:
            together.setdefault(ticket.work.key, []).append(ticket)
        failed = 0
        for ticket, found in self._results(list(together.values())):
            failed += isinstance(found, Exception)
            _hand_over(ticket, found)
        seconds = time.monotonic() - start
        size = sum(ticket.work.tokens for ticket in batch)
        self._rate = 0.8 * self._rate + 0.2 * size / max(seconds, 1e-3)
        told = Batch(
            works=len(batch),
            keys=len(together),
            items=sum(len(ticket.work.items) for ticket in batch),
            tokens=size,
            queued=start - min(ticket.arrived for ticket in batch),
            seconds=seconds,
            failed=failed,
        )
        try:
            self._watch(told)
        except Exception:
            # Who counts must not stop who scores.
            log.exception("a batch was not counted")

    def _results(
        self, together: Sequence[Sequence[_Ticket]]
    ) -> Iterator[tuple[_Ticket, Sequence[Any] | Exception]]:
        """The results of each work; where the batch fails each key goes alone, and where a key
        fails each of its works, so that one request takes no other down."""
        items = [[item for ticket in own for item in ticket.work.items] for own in together]
        try:
            rows = _checked(self._run, items)
        except BaseException as raised:  # noqa: BLE001 - whatever a model raises
            error = _bearable(raised)
            parts = [[own] for own in together]
            if len(parts) == 1:
                parts = [[[ticket]] for ticket in together[0]]
            if len(parts) == 1:
                yield together[0][0], error
                return
            log.warning("a batch failed, and goes in parts: %s: %s", type(error).__name__, error)
            for part in parts:
                yield from self._results(part)
            return
        for own, row in zip(together, rows, strict=True):
            left = iter(row)
            for ticket in own:
                yield ticket, [*islice(left, len(ticket.work.items))]


def _checked(run: Run, items: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    found = run(items)
    if [len(row) for row in found] != [len(row) for row in items]:
        raise BackendError("the model gave another number of results than there are items")
    return found


def _bearable(error: BaseException) -> Exception:
    """An error as one that a future can hold: an exit is the scorer's, not the server's, and who
    asked must not wait for it for ever."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return BackendError(f"the model raised {type(error).__name__}: {error}")


def _hand_over(ticket: _Ticket, result: Sequence[Any] | Exception) -> None:
    def give() -> None:
        if ticket.done.done():
            return
        if isinstance(result, Exception):
            ticket.done.set_exception(result)
        else:
            ticket.done.set_result(result)

    with suppress(RuntimeError):  # The loop has ended: nobody waits.
        ticket.done.get_loop().call_soon_threadsafe(give)
