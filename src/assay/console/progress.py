"""Progress of a run: a bar with rate and time left on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Show", "progress"]

EVERY = 15.0
"""Seconds between lines where there is no terminal."""


class Show(Protocol):
    """Told how far a run is."""

    def __call__(self, done: int, note: str) -> None:
        """`done` of the total, and what to say beside it."""
        ...


@contextmanager
def progress(what: str, total: int | None, *, start: int = 0, on: bool = True) -> Iterator[Show]:
    """Show progress from `start` to `total`, or without end, on standard error."""
    if not on:
        yield lambda done, note: None
    elif sys.stderr.isatty():
        with _bar(what, total, start) as show:
            yield show
    else:
        yield _lines(what, total, start)


@contextmanager
def _bar(what: str, total: int | None, start: int) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, completed=start, note="")

        def show(done: int, note: str) -> None:
            bar.update(task, completed=done, note=note)

        yield show


def _lines(what: str, total: int | None, start: int) -> Show:
    began = said = time.monotonic()
    ended = False

    def show(done: int, note: str) -> None:
        nonlocal said, ended
        now = time.monotonic()
        # The end is said at once, and not again each second while other work goes on.
        if now - said < EVERY and (done != total or ended):
            return
        said, ended = now, done == total
        each = (now - began) / max(done - start, 1)
        left = "" if total is None else f"/{total}, {each * (total - done):.0f} s left"
        print(f"{what}: {done}{left}, {note}", file=sys.stderr, flush=True)

    return show
