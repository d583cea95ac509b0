"""Iterate, in plain synchronous code, over what a coroutine hands over.

The coroutine runs on an event loop of its own, in a thread of its own: a caller may be inside a
running loop (a notebook, a server), where a second one could not be started.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["iterate"]

T = TypeVar("T")


class _End:
    """Comes after the last item."""


def iterate(produce: Callable[[Callable[[T], None]], Coroutine[Any, Any, None]]) -> Iterator[T]:
    """The items that `produce` gives to the function it is called with, each as soon as it is
    there.

    Raises what `produce` raises, after the items before. Closing the iterator cancels `produce` and
    waits for its end.
    """
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
    thread = threading.Thread(target=thread_main, name="assay-requests", daemon=True)
    thread.start()
    loop, task = started.result()
    try:
        while not isinstance(item := items.get(), _End):
            yield item
    finally:
        with suppress(RuntimeError):  # The loop is closed: there is nothing left to cancel.
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
        failure = None if task.cancelled() else task.exception()
    if failure is not None:
        raise failure
