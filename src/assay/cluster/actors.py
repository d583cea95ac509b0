"""Hold a thing in each of many Ray actors, and ask them side by side.

Plain actors, not Ray Data: there a block of rows is what is retried, handed over and checkpointed,
and a job that dies takes unfinished blocks with it. Here a part is handed over when it is done, so
that the caller's own journal has it, and a part whose actor or node died is asked of another. Nodes
are added and taken away by Ray: an actor that finds no room waits until there is some.
"""

import logging
import math
import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Generic, Self, TypeVar

from assay.errors import AssayError, BackendError, ConfigError, DataError, MissingExtra
from assay.fingerprint import fingerprint

__all__ = ["Actors", "Cluster", "connected"]

log = logging.getLogger(__name__)

P = TypeVar("P")
R = TypeVar("R")

DEPTH: Final = 2
"""Parts under way per actor: the next is there when one is done."""
AHEAD: Final = 8
"""Parts per actor that may be done before an older one is; more wait, and so does the reader."""
TRIES: Final = 5
"""Actors that may die of one part, or in a row before any part is done."""
CONNECT_S: Final = 5.0
SETTINGS: Final = 4
"""Kind of the frame that both sides of HTTP/2 begin with (RFC 9113), which Ray's head speaks."""
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, SETTINGS, 0, 0, 0, 0, 0))
SAY_EVERY_S: Final = 30.0
KINDS: Final = {kind.__name__: kind for kind in (DataError, ConfigError, BackendError)}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Ray cluster, and what each actor takes of it."""

    address: str = ""
    """HOST:PORT of its head; without one, the cluster that this machine is part of, or one started
    for the run."""
    actors: int = 0
    """Actors; 0 = as many as there is room for at the start. With more than that, Ray's autoscaler
    is asked for nodes."""
    cpus: float = 1.0
    """CPUs per actor."""
    gpus: float = 0.0
    """GPUs per actor."""

    def __post_init__(self) -> None:
        if min(self.actors, self.cpus, self.gpus) < 0 or not self.cpus + self.gpus:
            raise ConfigError("actors, cpus and gpus of ray must be at least 0, not both of them 0")


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to a cluster, as far as this process is not; yield the module ray.

    Raises `MissingExtra` without ray, `BackendError` where the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("ray", "scale") from error
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address)
    there = ray.get_runtime_context().gcs_address
    if not ours and address not in ("", "auto", there):
        raise ConfigError(f"this process is connected to the Ray cluster at {there}; give that one")
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


@dataclass(frozen=True)
class _Part(Generic[P]):
    """Some of the work."""

    place: int
    what: P
    deaths: int = 0
    """Actors that died of it."""


@dataclass
class _Todo(Generic[P]):
    """Parts that no actor has."""

    parts: Iterator[tuple[int, P]]
    ahead: int
    """Places that may be between the oldest part that is not done and the newest that is begun."""
    again: "deque[_Part[P]]" = field(default_factory=deque)
    ended: bool = False
    newest: int = -1

    def next(self, oldest: float) -> "_Part[P] | None":
        """Return what to do next; None where there is nothing, or where it would be too far ahead
        of the oldest place under way."""
        if self.again:
            return self.again.popleft()
        if self.ended or self.newest - oldest >= self.ahead:
            return None
        if (found := next(self.parts, None)) is None:
            self.ended = True
            return None
        self.newest = found[0]
        return _Part(*found)


class Actors:
    """Actors of one cluster that each hold what `make` makes there, all of one fingerprint; a
    context that ends them.

    Raises `ConfigError` where `make` cannot be sent to other processes.
    """

    def __init__(self, ray: Any, cluster: Cluster, make: Callable[[], object]) -> None:
        self._ray = ray
        try:
            self._make = ray.put(make)
        except Exception as error:
            raise ConfigError(
                f"this cannot be sent to other processes, give it as a word: {error}"
            ) from error
        # Another one is begun in its place, which is asked what it holds, too.
        needs = {"num_cpus": cluster.cpus, "num_gpus": cluster.gpus, "max_restarts": 0}
        self._new = ray.remote(**needs)(_Holder).remote
        self._needs = f"{cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs"
        self.count = cluster.actors or _room(ray.cluster_resources(), cluster)
        self._ready: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._name: str | None = None
        self._lost = 0
        """Actors that died since a part was done."""
        for _ in range(self.count):
            self._start()

    @cached_property
    def fingerprint(self) -> str:
        """What all hold, by content. Raises what making it raised."""
        while self._name is None:
            self._wait([])
        return self._name

    def check(self, name: str) -> None:
        """Raise `BackendError` where they hold something of another fingerprint."""
        if self.fingerprint != name:
            raise BackendError(
                f"what one node opens has the fingerprint {name}, and what another does"
                f" {self.fingerprint}; put the same files and code on all nodes"
            )

    def each(
        self, call: Callable[[Any, P], R], parts: Iterable[tuple[int, P]]
    ) -> Iterator[tuple[int, R]]:
        """Yield the place of each part and what `call` gives of an actor's thing and of it, in the
        order in which they are done.

        parts: with their places, from 0 on; read as actors are free for them. Each is yielded once,
        however many actors die. Raises what `call` raises, and `BackendError` where `TRIES` actors
        die of one part.
        """
        todo = _Todo(iter(parts), ahead=AHEAD * self.count)
        under: dict[Any, tuple[Any, _Part[P]]] = {}
        while True:
            while (actor := self._free(under)) is not None:
                places = [one.place for one in (*(part for _, part in under.values()), *todo.again)]
                if (part := todo.next(min(places, default=math.inf))) is None:
                    break
                under[actor.call.remote(call, part.what)] = actor, part
            if not under and not todo.again and todo.ended:
                return
            for ref in self._wait(under):
                actor, part = under.pop(ref)
                try:
                    result = self._got(ref)
                except self._ray.exceptions.RayError as error:
                    self._died(actor, error)
                    if part.deaths + 1 == TRIES:
                        raise BackendError(f"{TRIES} actors died of one part: {error}") from error
                    todo.again.append(_Part(part.place, part.what, part.deaths + 1))
                    continue
                self._lost = 0
                yield part.place, result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in [*self._ready, *self._starting.values()]:
            self._ray.kill(actor)

    def _start(self) -> None:
        actor = self._new(self._make)
        self._starting[actor.start.remote()] = actor

    def _free(self, under: dict[Any, tuple[Any, Any]]) -> Any:
        """The actor with the fewest parts; None where all have enough."""
        load = Counter(actor for actor, _ in under.values())
        actor = min(self._ready, key=lambda one: load[one], default=None)
        return None if actor is None or load[actor] >= DEPTH else actor

    def _wait(self, under: Iterable[Any]) -> list[Any]:
        """Those of the calls that are done; waits for one, or for an actor to start."""
        waited = [*under, *self._starting]
        done, _ = self._ray.wait(waited, timeout=SAY_EVERY_S)
        if not done and not self._ready:
            there = self._ray.cluster_resources()
            log.warning(
                "no actor could start so far: each takes %s, and the cluster has %g CPUs and %g"
                " GPUs", self._needs, there.get("CPU", 0), there.get("GPU", 0),
            )  # fmt: skip
        for ref in done:
            if (actor := self._starting.pop(ref, None)) is not None:
                self._begun(ref, actor)
                return []
        return list(done)

    def _begun(self, ref: Any, actor: Any) -> None:
        """Take an actor that has opened its thing."""
        self._ready.append(actor)
        try:
            name = self._got(ref)
        except self._ray.exceptions.RayError as error:
            self._died(actor, error)
            return
        if self._name is None:
            self._name = name
        if name != self._name:
            self.check(name)

    def _died(self, actor: Any, error: Exception) -> None:
        """Begin another actor. One that only cannot be reached may live on: it is ended."""
        if actor not in self._ready:
            return
        self._ready.remove(actor)
        self._ray.kill(actor)
        self._lost += 1
        log.warning("an actor is lost, another is begun: %s", str(error).splitlines()[0])
        if self._lost >= TRIES * self.count:
            raise BackendError(f"{self._lost} actors died, and no part was done: {error}")
        self._start()

    def _got(self, ref: Any) -> Any:
        """What a call gives. Raises what it raised, and a `RayError` where it was lost."""
        try:
            result, failure = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            # A bug, with the traceback of there; all other errors of Ray are of actors and nodes.
            raise RuntimeError(str(error)) from error
        if failure is not None:
            raise KINDS[failure[0]](failure[1])
        return result


class _Holder:
    """The actor: a thing, and calls that are given it."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    def start(self) -> Any:
        return _told(self._open)

    def call(self, function: Callable[[Any, Any], Any], part: Any) -> Any:
        return _told(lambda: function(self._thing, part))

    def _open(self) -> str:
        self._thing = self._make()
        return fingerprint(self._thing)


def _told(work: Callable[[], R]) -> tuple[R | None, tuple[str, str] | None]:
    """A result, or the kind and the words of an error raised on purpose, without its traceback."""
    try:
        return work(), None
    except AssayError as error:
        kinds = (name for name, kind in KINDS.items() if isinstance(error, kind))
        return None, (next(kinds, BackendError.__name__), str(error))


def _room(there: dict[str, float], cluster: Cluster) -> int:
    """How many actors the cluster has room for; at least one, which may have to wait."""
    wanted = {"CPU": cluster.cpus, "GPU": cluster.gpus}
    return max(1, min(int(there.get(key, 0) // n) for key, n in wanted.items() if n))


def _connect(ray: Any, address: str) -> None:
    """Connect to the cluster at an address, or to this machine's, or start one."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address and address != "auto":
        _check_reachable(address)
    try:
        ray.init(address=address or None, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BackendError(
            f"no Ray cluster to be had at {address or 'this machine'}: {error}"
        ) from (error)


def _check_reachable(address: str) -> None:
    """Ray itself would try for over a minute."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise ConfigError(f"{address!r} is no address of a Ray cluster; give ray:HOST:PORT")
    try:
        with socket.create_connection((host, int(port)), CONNECT_S) as there:
            said = _first_frame(there)
    except OSError as error:
        raise BackendError(
            f"no Ray cluster answers at {address} ({error}); start one with `ray start --head`, or"
            " give another address"
        ) from error
    if said[3:4] != bytes((SETTINGS,)):
        raise BackendError(
            f"something answers at {address}, and it is no Ray cluster's head; give the address"
            " that `ray start --head` printed"
        )


def _first_frame(there: socket.socket) -> bytes:
    """The nine bytes that a server of HTTP/2 begins with; nothing where it says none in time."""
    try:
        there.sendall(PREFACE)
        return there.recv(9, socket.MSG_WAITALL)
    except OSError:
        return b""
