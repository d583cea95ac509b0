"""Warm worker processes that answer within a deadline or are killed and replaced.

Plain pipes and `python -m`, rather than `multiprocessing`: nothing is forked from a process that
holds torch, callers need no `if __name__ == "__main__"` guard, threads may share a pool, and the
deadline is a wait on a pipe and a SIGKILL, which work off the main thread and against C code, where
`signal.alarm` does neither. Workers are in a session of their
own: a Ctrl-C in a terminal is the caller's alone, who leaves the loop over the replies, and with it
they end.

The caller's own thread drives all workers. Each has a few requests waiting in its pipe, so that it
is never idle while the caller reads a text; the deadline is that of the request at its head.
"""

import atexit
import contextlib
import itertools
import json
import math
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from assay.errors import BackendError

__all__ = ["Pool", "Reply", "Request"]

START_SECONDS: Final = 120.0
RECYCLE_AFTER: Final = 20_000
RECYCLE_MEGABYTES: Final = 500
"""Requests, and memory, after which a worker is replaced: SymPy's caches only grow. A new one is
slow at first."""
AHEAD: Final = 8
AHEAD_BYTES: Final = 12_000
"""Requests, and their bytes, that wait in a worker's pipe: too few to fill it, for then the caller
would wait."""
TRIES: Final = 2
COMPUTED: Final = 0.2
"""Share of the deadline that a worker has to have computed for the answer to be at fault, and not a
busy machine."""

Request = dict[str, Any]
Reply = dict[str, Any]
T = TypeVar("T")


class Pool:
    """At most `size` workers that run `module`, each started when it is first needed."""

    def __init__(self, module: str, size: int) -> None:
        self._module = module
        self._slots = threading.BoundedSemaphore(size)
        self._idle: list[_Worker] = []
        self._owner = os.getpid()
        atexit.register(self.close)

    def ask(self, request: Request, seconds: float) -> Reply:
        """The worker's reply, see `ask_all`."""
        ((_, reply),) = self.ask_all([(None, request)], seconds)
        return reply

    def ask_all(
        self, requests: Iterable[tuple[T, Request]], seconds: float
    ) -> Generator[tuple[T, Reply], None, None]:
        """The replies as they come, each with what its request came with; requests are taken as
        there is room for them.

        A request that takes longer than `seconds`, or that two workers die of, gets "undecided", or
        "wrong" where its reference had been read as a plain number: then that is the answer's
        fault. Waiting for a free worker and starting one are not on the clock. Raises
        `BackendError` when none can start. Left early, it kills what runs.
        """
        errand = _Errand(self, requests, seconds)
        try:
            yield from errand.replies()
        finally:
            errand.end()

    def pids(self) -> list[int]:
        """Process ids of the idle workers."""
        return [worker.pid for worker in self._idle]

    def close(self) -> None:
        """End the idle workers. In a fork of the process that started them it does nothing: they
        are not its own."""
        while self._idle and os.getpid() == self._owner:
            self._idle.pop().kill()

    def take(self, wait: bool) -> "_Worker | None":
        """A worker; None when all are busy and the caller does not want to wait."""
        if not self._slots.acquire(blocking=wait):
            return None
        try:
            return self._idle.pop() if self._idle else _Worker(self._module)
        except BaseException:
            self._slots.release()
            raise

    def give_back(self, worker: "_Worker") -> None:
        """Keep a worker for the next caller; one that has something to do still, or has done
        enough, is ended."""
        if worker.waiting or worker.starting or worker.worn:
            worker.kill()
        else:
            self._idle.append(worker)
        self._slots.release()


@dataclass
class _Waiting:
    """A request on its way, and what it came with."""

    tag: Any
    request: Request
    tries: int = 0
    number: int = 0
    size: int = 0


class _Errand:
    """One caller's requests, and the workers that are busy with them."""

    def __init__(self, pool: Pool, requests: Iterable[tuple[Any, Request]], seconds: float) -> None:
        self._pool = pool
        self._requests = (_Waiting(tag, request) for tag, request in requests)
        self._again = deque[_Waiting]()
        self._seconds = seconds
        self._workers: list[_Worker] = []

    def replies(self) -> Iterator[tuple[Any, Reply]]:
        """Hand out and read until nothing is left."""
        while True:
            self._feed()
            busy = [worker for worker in self._workers if worker.waiting]
            if not busy:
                return
            ends = min(worker.deadline for worker in busy)
            ready, _, _ = select.select(busy, [], [], max(0.0, ends - time.monotonic()))
            for worker in ready:
                yield from self._read(worker)
            now = time.monotonic()
            for worker in busy:
                if worker not in ready and now >= worker.deadline:
                    yield self._late(worker)

    def end(self) -> None:
        """Let go of the workers."""
        while self._workers:
            self._pool.give_back(self._workers.pop())

    def _feed(self) -> None:
        """Hand out requests until each worker has enough of them, or there are no more."""
        while not self._workers or any(worker.has_room for worker in self._workers):
            given = self._again.popleft() if self._again else next(self._requests, None)
            if given is None:
                return
            self._least_busy().send(given, self._seconds)

    def _least_busy(self) -> "_Worker":
        """One with room that has least to do; another one where all have something to do."""
        free = [worker for worker in self._workers if worker.has_room]
        best = min(free, key=lambda worker: len(worker.waiting), default=None)
        if best is None or best.waiting:
            another = self._pool.take(wait=best is None)
            if another is not None:
                self._workers.append(another)
                return another
        assert best is not None
        return best

    def _read(self, worker: "_Worker") -> Iterator[tuple[Any, Reply]]:
        try:
            for waiting, reply in worker.receive(self._seconds):
                yield waiting.tag, reply
        except EOFError:
            yield from self._lost(worker)
        else:
            if worker.worn and not worker.waiting:
                self._drop(worker)

    def _late(self, worker: "_Worker") -> tuple[Any, Reply]:
        worker.must_have_started()
        reply = _failed(
            "timeout",
            f"not decided within {self._seconds:g} s",
            worker.blames_answer(self._seconds),
        )
        return self._without_head(worker).tag, reply

    def _lost(self, worker: "_Worker") -> Iterator[tuple[Any, Reply]]:
        """A second worker is asked what the first one died of: it may have been killed while it was
        idle."""
        worker.must_have_started()
        blames_answer = worker.blames_answer(0.0)
        head = self._without_head(worker)
        head.tries += 1
        if head.tries < TRIES:
            self._again.appendleft(head)
        else:
            yield head.tag, _failed("died", "the checker's process died of it", blames_answer)

    def _without_head(self, worker: "_Worker") -> _Waiting:
        """The request at the head of a worker that is given up; those behind it are asked again."""
        head, *rest = worker.waiting
        self._again.extendleft(reversed(rest))
        self._drop(worker)
        return head

    def _drop(self, worker: "_Worker") -> None:
        self._workers.remove(worker)
        worker.worn = True
        self._pool.give_back(worker)


def _failed(stage: str, reason: str, by_answer: bool) -> Reply:
    if by_answer:
        return {"outcome": "wrong", "stage": stage, "reason": f"{reason}, beside a plain number"}
    return {"outcome": "undecided", "stage": stage, "reason": reason}


class _Worker:
    """One process, and the requests in its pipe."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._note = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed in `kill`
        # -P: a file called math.py or json.py in the current folder must not be imported.
        command = [sys.executable, "-P", "-m", module, str(self._note.fileno())]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pass_fds=[self._note.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            self._note.close()
            raise BackendError(f"the checker's process cannot be started: {error}") from error
        self.pid = self._process.pid
        self.waiting = deque[_Waiting]()
        self.starting = True
        self.worn = False
        self.deadline = time.monotonic() + START_SECONDS
        self._served = 0
        self._unread = b""
        self._numbers = itertools.count(1)

    @property
    def has_room(self) -> bool:
        """Return whether another request may be sent, without a wait for the pipe."""
        size = sum(waiting.size for waiting in self.waiting)
        return not self.worn and len(self.waiting) < AHEAD and (not size or size < AHEAD_BYTES)

    def fileno(self) -> int:
        """Return what to wait on for replies."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def send(self, waiting: _Waiting, seconds: float) -> None:
        """Put a request into its pipe. That it is gone shows when it is read from."""
        waiting.number = next(self._numbers)
        line = (
            json.dumps({**waiting.request, "id": waiting.number, "seconds": seconds}).encode()
            + b"\n"
        )
        waiting.size = len(line)
        if not self.waiting and not self.starting:
            self.deadline = time.monotonic() + seconds
        self.waiting.append(waiting)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            while line:
                line = line[self._process.stdin.write(line) :]

    def receive(self, seconds: float) -> Iterator[tuple[_Waiting, Reply]]:
        """The replies that have come. Raises `EOFError` when it is gone, or answers what it was not
        asked."""
        chunk = os.read(self.fileno(), 1 << 16)
        if not chunk:
            raise EOFError
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        for line in lines:
            self.deadline = time.monotonic() + seconds
            if self.starting:
                self.starting = False
                continue
            reply: Reply = json.loads(line)
            if not self.waiting or reply.pop("id", None) != self.waiting[0].number:
                raise EOFError("the reply is to another request")
            self._served += 1
            megabytes = reply.pop("megabytes", 0)
            self.worn = self._served >= RECYCLE_AFTER or megabytes >= RECYCLE_MEGABYTES
            yield self.waiting.popleft(), reply

    def must_have_started(self) -> None:
        """Raises `BackendError` when it has not."""
        if self.starting:
            raise BackendError(
                f"the checker's process does not start; see why with: python -m {self._module}"
            )

    def blames_answer(self, seconds: float) -> bool:
        """Return whether it had read the reference of its first request, as a plain number, and
        then computed so long.

        A process that was not given the processor has not computed: that is no fault of the answer.
        """
        note = os.pread(self._note.fileno(), 64, 0).split()
        if not note or not self.waiting or int(note[0]) != self.waiting[0].number:
            return False
        return seconds == 0.0 or _processor_seconds(self.pid) - float(note[1]) >= COMPUTED * seconds

    def kill(self) -> None:
        """End it now; a worker holds nothing that would need a farewell."""
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._note):
            assert file is not None
            file.close()


def _processor_seconds(pid: int) -> float:
    """Return what a process has used; without end where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.inf
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
