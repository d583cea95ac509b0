"""Warm worker processes that answer within a deadline or are killed and replaced.

Plain pipes and `python -m`, rather than `multiprocessing`: nothing is forked from a process that holds torch, callers
need no `if __name__ == "__main__"` guard, threads may share a pool, and the deadline is a wait on a pipe and a SIGKILL,
which work off the main thread and against C code, where `signal.alarm` does neither.
"""

import atexit
import itertools
import json
import os
import select
import subprocess
import sys
import threading
import time
from typing import Any, Final

from assay.errors import BackendError

__all__ = ["Pool"]

START_SECONDS: Final = 120.0
RECYCLE_AFTER: Final = 20_000
RECYCLE_MEGABYTES: Final = 500
"""Requests, and memory, after which a worker is replaced: SymPy's caches only grow. A new one is slow at first."""


class Pool:
    """At most `size` workers that run `module`, each started when it is first needed."""

    def __init__(self, module: str, size: int) -> None:
        self._module = module
        self._slots = threading.BoundedSemaphore(size)
        self._idle: list[_Worker] = []
        self._owner = os.getpid()
        atexit.register(self.close)

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The worker's reply; "undecided" when it took longer than `seconds` or died of the request.

        Waiting for a free worker and starting one are not on the clock. Raises `BackendError` when none can start.
        """
        with self._slots:
            for _ in range(2):
                worker = self._take()
                try:
                    reply = worker.ask(request, seconds)
                except TimeoutError:
                    worker.kill()
                    return _undecided("timeout", f"not decided within {seconds:g} s")
                except (EOFError, BrokenPipeError):
                    # It may have been killed while idle; whether the request did it, a second worker tells.
                    worker.kill()
                except BaseException:
                    worker.kill()
                    raise
                else:
                    self._give_back(worker)
                    return reply
        return _undecided("died", "the checker's process died of it")

    def pids(self) -> list[int]:
        """Process ids of the idle workers."""
        return [worker.pid for worker in self._idle]

    def close(self) -> None:
        """End the idle workers. In a fork of the process that started them it does nothing: they are not its own."""
        while self._idle and os.getpid() == self._owner:
            self._idle.pop().kill()

    def _take(self) -> "_Worker":
        try:
            return self._idle.pop()
        except IndexError:
            return _Worker(self._module)

    def _give_back(self, worker: "_Worker") -> None:
        if worker.served < RECYCLE_AFTER and worker.megabytes < RECYCLE_MEGABYTES:
            self._idle.append(worker)
        else:
            worker.kill()


def _undecided(stage: str, reason: str) -> dict[str, Any]:
    return {"outcome": "undecided", "stage": stage, "reason": reason}


class _Worker:
    """One process, one request at a time."""

    def __init__(self, module: str) -> None:
        # -P: a file called math.py or json.py in the current folder must not be imported.
        command = [sys.executable, "-P", "-m", module]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
            )
        except OSError as error:
            raise BackendError(f"the checker's process cannot be started: {error}") from error
        self.pid = self._process.pid
        self.served = 0
        self.megabytes = 0
        self._pending = b""
        self._ids = itertools.count(1)
        try:
            self._read(START_SECONDS)
        except (EOFError, TimeoutError) as error:
            self.kill()
            raise BackendError(f"the checker's process does not start; see why with: python -m {module}") from error

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Raises `TimeoutError` past the deadline, `EOFError` or `BrokenPipeError` when the process is gone."""
        self.served += 1
        body = {**request, "id": next(self._ids), "seconds": seconds}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(body).encode() + b"\n")
        reply = self._read(seconds)
        if reply.get("id") != body["id"]:
            raise EOFError(f"the reply is not to request {body['id']}")
        self.megabytes = reply.get("megabytes", 0)
        return reply

    def kill(self) -> None:
        """End it now; a worker holds nothing that would need a farewell."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _read(self, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._pending:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                raise EOFError
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply
