"""One fork server and the processes it makes: started, fed, read within limits, killed."""

import base64
import contextlib
import json
import os
import secrets
import select
import selectors
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from assay.errors import BackendError, ConfigError
from assay.sandbox import filter as calls
from assay.sandbox.launch import ENVIRONMENT, THREADS, Interpreter, command
from assay.sandbox.levels import Level
from assay.sandbox.side_by_side import Stopped, stop_file

__all__ = ["Ended", "ForkServer", "Job", "Limits", "SetUpFailed"]

START_SECONDS: Final = 60.0
PRELOAD: Final = """
    bisect collections copy datetime decimal fractions functools hashlib heapq io itertools json
    math operator random re statistics string traceback typing
""".split()
"""Imported before the fork, so that a program that imports them pays nothing."""
CHUNK: Final = 1 << 16
# Users that nobody has: above those of people, of services and of containers' maps, below the
# kernel's last.
FIRST_UID: Final = 2_000_000_000


class SetUpFailed(BackendError):
    """The process could not be locked down, so it ran nothing: no word on the program."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a program may use."""

    seconds: int = 5
    """Processor time; past it the kernel kills."""
    wall: float | None = None
    """Seconds on the clock; None is twice the processor time and a second, so that a busy machine
    condemns nobody."""
    memory: int = 1 << 30
    """Bytes of address space of a process."""
    output: int = 1 << 20
    """Bytes that are read of each output; a program that writes more is killed."""
    disk: int = 16 << 20
    """Bytes in its folder."""
    threads: int = 16
    """Threads, the first included. Without root or namespaces they are limited by their memory
    alone."""
    files: int = 64
    """Open files."""

    def __post_init__(self) -> None:
        low = {
            "seconds": 1,
            "memory": 64 << 20,
            "output": 1 << 10,
            "disk": 1 << 12,
            "threads": 1,
            "files": 16,
        }
        for name, least in low.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if not 0 < self.clock <= 86_400:
            raise ConfigError(f"wall is {self.clock} seconds; it must be above 0 and at most a day")

    @property
    def clock(self) -> float:
        """Seconds on the clock."""
        return 2.0 * self.seconds + 1.0 if self.wall is None else self.wall

    def to_json(self) -> dict[str, int]:
        """Return what the kernel enforces."""
        disk, threads = self.disk, self.threads
        return {
            "cpu": self.seconds,
            "memory": self.memory,
            "disk": disk,
            "threads": threads,
            "files": self.files,
        }


@dataclass(frozen=True)
class Job:
    """One process: what it is to do, and the data for it."""

    role: str
    body: Mapping[str, Any]
    limits: Limits
    speaks: bool = False
    """Whether its standard output and error are read; else they go nowhere."""


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it wrote."""

    result: bytes
    """What came over its own pipe, after the word that it is locked down."""
    stdout: bytes
    stderr: bytes
    status: int
    """Exit status; minus the signal's number where a signal ended it."""
    stopped: str
    """Why it was stopped from outside: "time", "output", "done" (the other process of its pair
    ended) or ""."""
    seconds: float
    """Processor time used."""
    memory: int
    """Peak resident memory, in bytes."""


class ForkServer:
    """A running fork server. One thread at a time may use it."""

    def __init__(
        self, level: Level, python: Interpreter, packages: Sequence[Path], preload: Sequence[str]
    ) -> None:
        self._level = level
        self._uid = FIRST_UID + 2 * secrets.randbelow(1 << 26) if os.getuid() == 0 else None
        # The kernel counts threads by user; only one of its own, or of its own namespace, has none
        # elsewhere.
        self._counts_threads = self._uid is not None or (
            level == "namespaces" and _kernel() >= (5, 14)
        )
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed in `close`
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with theirs:
                line, seen = command(level, python, packages, theirs.fileno())
                self._process = subprocess.Popen(
                    line,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    pass_fds=[theirs.fileno()],
                    env={**ENVIRONMENT, **THREADS},
                    start_new_session=True,
                    cwd="/",
                )
            self._hello(self._process, seen, preload)
        except OSError as error:
            self.close()
            raise BackendError(f"the sandbox does not start: {error}") from error
        except BaseException:
            self.close()
            raise

    def run(self, *jobs: Job) -> list[Ended]:
        """Run one process, or two that talk to each other; they are gone when this returns.

        Of two, the first decides: when it ends, the second is stopped. Raises `SetUpFailed` when
        one could not be locked down, `BackendError` when the fork server is gone.
        """
        running: list[_Running] = []
        links = _links(len(jobs))
        folders = [tempfile.mkdtemp(prefix="assay-") for _ in jobs if self._level != "namespaces"]
        try:
            for index, job in enumerate(jobs):
                folder = folders[index] if folders else "/tmp"
                running.append(self._spawn(job, index, links[index], folder))
            for link in links:
                _close(link)
            reasons = _watch(running, min(job.limits.clock for job in jobs))
        finally:
            for link in links:
                _close(link)
            for process in running:
                process.stop()
            try:
                statuses = [self._reap(process.pid) for process in running]
            finally:
                if folders:  # by rm, which is not put off by a thousand folders in each other
                    subprocess.run(
                        ["rm", "-rf", "--", *folders], check=False, stderr=subprocess.DEVNULL
                    )
        return [
            each.ended(reason, status)
            for each, reason, status in zip(running, reasons, statuses, strict=True)
        ]

    def forget(self) -> None:
        """Let go of it, in a fork of the process that started it."""
        self._control.close()
        self._errors.close()

    def close(self) -> None:
        """End it, and with it whatever it made."""
        self.forget()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _hello(
        self, process: subprocess.Popen[bytes], seen: Mapping[str, str], preload: Sequence[str]
    ) -> None:
        """Send what it needs to know, and wait until it has imported what programs use."""
        from assay.sandbox.launch import DEVICES, SYSTEM

        packages = [path for name, path in seen.items() if name.startswith("packages")]
        devices = [device for device in DEVICES if Path(device).exists()]
        system = [folder for folder in SYSTEM if Path(folder).is_dir()]
        locked = self._level != "trust-the-code"
        settings = {
            "namespaces": self._level == "namespaces",
            "landlock": self._level in ("namespaces", "landlock"),
            "filter": base64.b64encode(calls.program() if locked else b"").decode(),
            "readable": [*system, *devices, seen["prefix"], seen["inside"], *packages],
            "path": packages,
            "preload": [*PRELOAD, *preload],
        }
        try:
            self._control.send(json.dumps(settings).encode())
            self._receive(START_SECONDS)
        except OSError as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5.0)  # so that it has said why
            raise BackendError(
                f"the sandbox does not start{self._said() or f': {error}'}"
            ) from error

    def _spawn(self, job: Job, index: int, link: dict[str, int], folder: str) -> "_Running":
        ours, theirs = _pipes(job.speaks)
        uid = None if self._uid is None else self._uid + index
        if self._level != "namespaces" and uid is not None:
            os.chown(folder, uid, uid)
        given = theirs | link
        spawn = {
            "role": job.role,
            "uid": uid,
            "folder": folder,
            "limits": job.limits.to_json() | ({} if self._counts_threads else {"threads": None}),
            "places": list(given),
        }
        try:
            socket.send_fds(
                self._control, [json.dumps({"spawn": spawn}).encode()], list(given.values())
            )
            reply, handles = self._receive(START_SECONDS)
        except OSError as error:
            _close(ours)
            raise BackendError(
                f"the sandbox's fork server is gone ({error}){self._said()}"
            ) from error
        except BaseException:
            _close(ours)
            raise
        finally:
            _close(theirs)
        if "error" in reply:
            _close(ours)
            raise SetUpFailed(f"the sandbox could not make a process: {reply['error']}")
        return _Running(job, reply["pid"], handles[0], ours)

    def _reap(self, pid: int) -> dict[str, Any]:
        """Return how a process ended, and what it used."""
        try:
            self._control.send(json.dumps({"reap": pid}).encode())
            return self._receive(START_SECONDS)[0]
        except OSError as error:
            raise BackendError(
                f"the sandbox's fork server is gone ({error}){self._said()}"
            ) from error

    def _receive(self, seconds: float) -> tuple[dict[str, Any], list[int]]:
        stop = stop_file()
        watched: list[Any] = [self._control] if stop is None else [self._control, stop]
        ready, _, _ = select.select(watched, [], [], seconds)
        message, handles = b"", list[int]()
        if stop in ready:
            raise Stopped
        if ready:
            message, handles, _, _ = socket.recv_fds(self._control, CHUNK, 4)
        if not message:
            raise BackendError(f"the sandbox's fork server does not answer{self._said()}")
        return json.loads(message), handles

    def _said(self) -> str:
        self._errors.seek(0)
        words = self._errors.read(2000).decode(errors="replace").strip()
        return f": {words}" if words else ""


class _Running:
    """One process while it runs."""

    def __init__(self, job: Job, pid: int, handle: int, pipes: dict[str, int]) -> None:
        self.job, self.pid, self.handle = job, pid, handle
        self.to_write = memoryview(json.dumps(job.body).encode())
        self.job_pipe: int | None = pipes.pop("job")
        self.pipes = pipes
        self.read = {name: bytearray() for name in ("result", "stdout", "stderr")}
        for pipe in (self.job_pipe, *pipes.values()):
            os.set_blocking(pipe, False)

    def feed(self) -> None:
        """Write what the pipe takes of the job; close it at the end, or when nobody reads."""
        assert self.job_pipe is not None
        try:
            self.to_write = self.to_write[os.write(self.job_pipe, self.to_write[: 1 << 20]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self.to_write = self.to_write[:0]
        if not self.to_write:
            os.close(self.job_pipe)
            self.job_pipe = None

    def take(self, name: str) -> bool:
        """Read what is there of one output; False at its end."""
        try:
            chunk = os.read(self.pipes[name], CHUNK)
        except BlockingIOError:
            return True
        self.read[name] += chunk
        return bool(chunk)

    @property
    def too_much(self) -> bool:
        """Return whether an output is over its limit."""
        return any(len(read) > self.job.limits.output for read in self.read.values())

    def stop(self) -> None:
        """Kill it, and with it what is in its namespace; close what is open."""
        with contextlib.suppress(ProcessLookupError):  # it has ended
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        os.close(self.handle)
        if self.job_pipe is not None:
            os.close(self.job_pipe)
            self.job_pipe = None
        _close(self.pipes)

    def ended(self, reason: str, status: Mapping[str, Any]) -> Ended:
        """Return what came of it. Raises `SetUpFailed` when it never said that it is locked
        down."""
        first, _, rest = bytes(self.read["result"]).partition(b"\n")
        if first != b'{"ready": 1}':
            said = first.decode(errors="replace") or f"it ended with status {status['status']}"
            raise SetUpFailed(f"the sandbox could not lock a process down: {said}")
        limit = self.job.limits.output
        out, err = bytes(self.read["stdout"][:limit]), bytes(self.read["stderr"][:limit])
        return Ended(rest, out, err, status["status"], reason, status["seconds"], status["memory"])


def _watch(running: Sequence[_Running], seconds: float) -> list[str]:
    """Feed and read until the first process has closed its outputs, or a limit is reached; why each
    was stopped."""
    deadline = time.monotonic() + seconds
    reasons = [""] + ["done"] * (len(running) - 1)
    with selectors.DefaultSelector() as selector:
        if (stop := stop_file()) is not None:
            selector.register(stop, selectors.EVENT_READ)
        for process in running:
            assert process.job_pipe is not None
            selector.register(process.job_pipe, selectors.EVENT_WRITE, (process, "job"))
            for name, pipe in process.pipes.items():
                selector.register(pipe, selectors.EVENT_READ, (process, name))
        open_outputs = len(running[0].pipes)
        while open_outputs:
            events = selector.select(max(0.0, deadline - time.monotonic()))
            if not events and time.monotonic() >= deadline:
                return ["time"] * len(running)
            for key, _ in events:
                if key.fileobj == stop:
                    raise Stopped
                process, name = key.data
                if name == "job":
                    process.feed()
                    if process.job_pipe is None:
                        selector.unregister(key.fileobj)
                elif not process.take(name):
                    selector.unregister(key.fileobj)
                    open_outputs -= process is running[0]
                elif process.too_much:
                    reasons[running.index(process)] = "output"
                    return reasons
    return reasons


def _kernel() -> tuple[int, int]:
    major, minor, *_ = os.uname().release.split(".")
    return int(major), int(minor)


def _pipes(speaks: bool) -> tuple[dict[str, int], dict[str, int]]:
    """Our ends by name, and theirs by the number they get over there."""
    job_out, job_in = os.pipe()
    result_out, result_in = os.pipe()
    ours, theirs = {"job": job_in, "result": result_out}, {"3": job_out, "4": result_in}
    if speaks:
        for name, number in (("stdout", "1"), ("stderr", "2")):
            ours[name], theirs[number] = os.pipe()
    return ours, theirs


def _links(processes: int) -> list[dict[str, int]]:
    """Pipes between two processes, by the number they get over there; none for one."""
    if processes == 1:
        return [{}]
    calls_out, calls_in = os.pipe()
    answers_out, answers_in = os.pipe()
    return [{"5": answers_out, "6": calls_in}, {"5": calls_out, "6": answers_in}]


def _close(descriptors: dict[str, int]) -> None:
    """Close them and forget their numbers, which another thread may get the next moment."""
    while descriptors:
        os.close(descriptors.popitem()[1])
