"""Work in threads whose results are handed over as they are reached, and that ends at once when it
is interrupted.

`concurrent.futures` waits for everything that was begun, at the latest when Python ends, and a
Ctrl-C with it. Here what waits is dropped and what runs is told: whatever it waits for, it waits
for the file of `stop_file` too, which becomes readable, and raises `Stopped` then.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Final, TypeVar

__all__ = ["Stopped", "side_by_side", "stop_file"]

GRACE: Final = 0.5
"""Seconds in which what runs has to have ended; then it is left alone."""

T = TypeVar("T")
R = TypeVar("R")

_stop_file: ContextVar[int | None] = ContextVar("stop_file", default=None)


class Stopped(BaseException):
    """The caller has no use for the result any more. Not an `Exception`: nobody is to make a
    verdict of it."""


def stop_file() -> int | None:
    """The descriptor that becomes readable when this thread is to stop; None where nobody will ask
    it to."""
    return _stop_file.get()


def side_by_side(
    work: Callable[[T], R], items: Iterable[T], threads: int, take: Callable[[T, R], None]
) -> None:
    """Do the work of all items, so many at a time; `take` gets each with its result, here in the
    caller's thread.

    When the work or `take` raises, or the caller is interrupted, what runs is stopped, `take` gets
    the results that are there, and the exception goes on.
    """
    waiting = deque(items)
    results = deque[tuple[T, R]]()
    errors = list[BaseException]()
    news = threading.Semaphore(0)
    when_to_stop, stop = os.pipe()

    def run() -> None:
        _stop_file.set(when_to_stop)
        with contextlib.suppress(IndexError):  # no item waits any more
            while True:
                item = waiting.popleft()
                try:
                    results.append((item, work(item)))
                except Stopped:
                    break
                except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
                    errors.append(error)
                    break
                news.release()
        running.pop()
        news.release()

    def hand_over() -> None:
        while results:
            take(*results[0])
            results.popleft()  # only now: an interrupt in between may repeat one, but loses none

    crew = [threading.Thread(target=run, daemon=True) for _ in range(min(threads, len(waiting)))]
    running = crew.copy()
    for thread in crew:
        thread.start()
    try:
        while running and not errors:
            news.acquire()
            hand_over()
        if errors:
            raise errors[0]
    finally:
        waiting.clear()
        os.close(stop)
        for thread in crew:
            thread.join(GRACE)
        hand_over()
        if not running:
            os.close(when_to_stop)
