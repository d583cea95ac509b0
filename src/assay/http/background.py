"""Iterate, in plain synchronous code, over what a coroutine hands over.

The coroutine runs on an event loop of its own, in a thread of its own: a caller may be inside a
running loop (a notebook, a server), where a second one could not be started.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from contextlib import closing, suppress
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["gathered", "iterate"]

T = TypeVar("T")


class _End:
    """Comes after the last item."""


Produce = Callable[[Callable[[T], None]], Coroutine[Any, Any, None]]


def iterate(produce: Produce[T]) -> Iterator[T]:
    """The items that `produce` gives to the function it is called with, each as soon as it is
    there.

    Raises what `produce` raises, after the items before. Closing the iterator cancels `produce` and
    waits for its end.
    """
    with closing(gathered(produce)) as lists:
        for some in lists:
            yield from some


def gathered(produce: Produce[T]) -> Generator[list[T]]:
    """The same, all that has come since together: what is slow is done once for many."""
    items: SimpleQueue[T | _End] = SimpleQueue()
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()

    async def run() -> None:
        task = asyncio.create_task(produce(items.put))
        started.set_result((asyncio.get_running_loop(), task))
        await asyncio.wait([task])

    def thread_main() -> None:
        try:
            asyncio.run(run())
        finally:
            started.cancel()
            items.put(_End())

    # A daemon, so that an iterator that nobody closed does not keep the program from ending.
    run_there = copy_context().run
    thread = threading.Thread(
        target=run_there, args=(thread_main,), name="assay-requests", daemon=True
    )
    thread.start()
    loop, task = started.result()
    try:
        ended = False
        while not ended:
            some = [items.get()]
            while not items.empty():
                some.append(items.get())
            ended = isinstance(some[-1], _End)
            if new := [item for item in some if not isinstance(item, _End)]:
                yield new
    finally:
        with suppress(RuntimeError):  # The loop is closed: there is nothing left to cancel.
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
        failure = None if task.cancelled() else task.exception()
    if failure is not None:
        raise failure
