"""Run a stranger's Python so that it can compute and nothing else.

Every program gets a fresh process, forked from one that has never run any; an empty folder in
memory; no network, no other process in sight, no file of yours; limits on time, memory, disk,
threads and output. `levels` says what each level of isolation is made of and does not stop,
`inside` what happens on the other side of the wall.

    with Sandbox() as sandbox:
        body = {"code": "print(input()[::-1])", "stdin": "abc"}
        (ended,) = sandbox.run(Job("program", body, Limits(), speaks=True))
        ended.stdout  # b"cba\\n"
"""

import atexit
import contextlib
import logging
import os
import platform
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from assay.errors import BackendError, ConfigError, MissingExtra
from assay.sandbox.launch import interpreter, open_python
from assay.sandbox.levels import LEVELS, Level, describe
from assay.sandbox.probe import SandboxUnavailable, explain, probe
from assay.sandbox.process import Ended, ForkServer, Job, Limits, SetUpFailed

__all__ = [
    "Ended",
    "Job",
    "Level",
    "Limits",
    "Sandbox",
    "SandboxUnavailable",
    "SetUpFailed",
    "availability",
    "refusal",
]

log = logging.getLogger(__name__)

TRIES = 3


class Sandbox:
    """Up to `workers` programs (or pairs of programs) at a time. Threads may share it.

    Raises `SandboxUnavailable` when the level asked for is not to be had here: it is tried out
    first.
    """

    def __init__(
        self,
        level: Level = "namespaces",
        *,
        workers: int = 2,
        python: Path | None = None,
        packages: Sequence[Path] = (),
        preload: Sequence[str] = (),
    ) -> None:
        if level not in LEVELS:
            raise ConfigError(
                f"no level of isolation is called {level!r}; there is {', '.join(LEVELS)}"
            )
        if workers < 1:
            raise ConfigError(f"workers is {workers}; it must be at least 1")
        if missing := [folder for folder in packages if not folder.is_dir()]:
            raise ConfigError(
                f"{missing[0]} is no folder; give folders of packages, such as a site-packages"
            )
        if shut := [
            folder
            for folder in packages
            if os.getuid() == 0 and folder.stat().st_mode & 0o005 != 0o005
        ]:
            raise ConfigError(
                f"programs run as another user, who may not read {shut[0]}; chmod o+rx it"
            )
        self.level = level
        self._start = (
            level,
            interpreter(python),
            tuple(p.resolve() for p in packages),
            tuple(preload),
        )
        self._workers = workers
        self._servers: dict[int, ForkServer] = {}
        self._begin()
        if level != "namespaces":
            log.warning("%s", describe(level))
        try:
            if platform.system() != "Linux":
                raise BackendError(
                    f"it needs Linux, and this is {platform.system()}; a remote service may serve"
                )
            with self._slot() as slot:
                probe(self._server(slot), level)
        except (BackendError, MissingExtra, OSError) as error:
            self.close()
            raise explain(level, self._start[1], error) from error
        atexit.register(self.close)

    def run(self, *jobs: Job) -> list[Ended]:
        """Run one job, or two that talk to each other, of which the first decides when both end.

        Raises `BackendError` when the sandbox itself fails, after three tries: that says nothing
        about the program.
        """
        with self._slot() as slot:
            for left in reversed(range(TRIES)):
                try:
                    return self._server(slot).run(*jobs)
                except BackendError:
                    self._drop(slot)
                    if not left:
                        raise
                except BaseException:
                    self._drop(slot)
                    raise
        raise AssertionError

    def close(self) -> None:
        """End its processes. In a fork of the process that made it, it does nothing: they are not
        its own."""
        if os.getpid() == self._owner:
            for slot in list(self._servers):
                self._drop(slot)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> None:
        """Start anew, without any process: at first, and in a fork, where they are not one's
        own."""
        for server in self._servers.values():
            server.forget()
        self._servers = {}
        self._free = list(range(self._workers))
        self._changed = threading.Condition()
        self._owner = os.getpid()

    def _server(self, slot: int) -> ForkServer:
        if slot not in self._servers:
            self._servers[slot] = ForkServer(*self._start)
        return self._servers[slot]

    def _drop(self, slot: int) -> None:
        if server := self._servers.pop(slot, None):
            server.close()

    @contextlib.contextmanager
    def _slot(self) -> Iterator[int]:
        if os.getpid() != self._owner:
            self._begin()
        with self._changed:
            self._changed.wait_for(lambda: self._free)
            slot = self._free.pop()
        try:
            yield slot
        finally:
            with self._changed:
                self._free.append(slot)
                self._changed.notify()


def refusal(level: Level, python: Path | None = None) -> str | None:
    """Return why a level is not to be had here, with this Python or another; None where it is."""
    try:
        Sandbox(level, workers=1, python=python).close()
    except BackendError as error:
        return str(error)
    return None


def availability(level: Level, python: Path | None = None) -> str:
    """Say whether a level is available here, or with which other Python it would be."""
    why = refusal(level, python)
    if why is None:
        return "available here"
    other = None if python is not None else open_python()
    if other is not None and refusal(level, other) is None:
        return f"available here with --python {other}; with this Python not: {why}"
    return f"not here: {why}"
