"""Training by several processes: who this one is, what it takes of a step, and what all agree on.

`torchrun` starts the processes and tells each its rank; nothing else launches or wraps them. Every
process holds all examples, takes its share of each batch (`split`), and adds its gradient to the
others'. All go through as many passes, those without work of their own through idle ones that weigh
nothing, for a pass gathers weights from everybody. Rank 0, the leader, prints and writes.

`ALONE`, one process, is the identity: it asks nobody, and changes nothing.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore

from assay.errors import AssayError, BackendError, ConfigError
from assay.models.device import device_of
from assay.training.collate import Example

__all__ = [
    "ALONE",
    "World",
    "check",
    "check_same",
    "deal",
    "joined",
    "leads",
    "split",
    "spread",
]

P = TypeVar("P")
T = TypeVar("T")

NAMES: Final = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells every process."""
TIMEOUT: Final = "ASSAY_WORLD_TIMEOUT"
"""Seconds that a process waits for the others; half an hour unless it is set."""
PATIENCE: Final = timedelta(seconds=10)
"""How long a process that failed waits for the leader to say that it failed as well."""
LOST: Final = re.compile(
    r"gloo|nccl|connection (closed|reset|refused)|broken pipe|timed out|timeout|store", re.I
)
"""What errors say where a process waited for another in vain."""


@dataclass(frozen=True)
class World:
    """The processes that train together, as one of them sees them."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    """Where this process computes."""
    root: Any = None
    """Module through which every pass goes, for it gathers the weights; None where they are
    whole."""

    @property
    def leader(self) -> bool:
        """Return whether this process prints and writes."""
        return self.rank == 0

    def run(self, compute: Callable[[], T]) -> T:
        """What a pass computes, with the weights at hand."""
        if self.root is None:
            return compute()
        found: T = self.root(compute)
        if not torch.is_grad_enabled():
            # No backward pass will let the weights go.
            self.root.reshard()
        return found

    def total(self, count: int) -> int:
        """The sum of everybody's counts."""
        return count if self.size == 1 else sum(self.everybodys(count))

    def summed(self, values: Tensor) -> Tensor:
        """The sum of everybody's values, added in the order of ranks: the same for all."""
        if self.size == 1:
            return values
        rows = torch.tensor(self.everybodys(values.double().tolist()), dtype=torch.float64)
        return rows.sum(0).to(values)

    def everybodys(self, value: T) -> list[T]:
        """Everybody's value, by rank."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def agreed(self, work: Callable[[], T]) -> list[T]:
        """Everybody's result of work that asks no other process, by rank.

        What fails on one with an `AssayError` fails on all, so that all stand at the same place.
        """
        if self.size == 1:
            return [work()]
        mine: Any = None
        failed: AssayError | None = None
        try:
            mine = work()
        except AssayError as error:
            failed = error
        found = self.everybodys((mine, None if failed is None else str(failed)))
        if failed is not None:
            raise failed
        for rank, (_, why) in enumerate(found):
            if why is not None:
                raise BackendError(f"process {rank}: {why}")
        return [result for result, _ in found]

    def told(self, value: T) -> T:
        """The leader's value."""
        if self.size == 1:
            return value
        found: list[Any] = [value]
        dist.broadcast_object_list(found, src=0)
        return found[0]  # type: ignore[no-any-return]

    def even(self, parts: Sequence[P], spare: Callable[[], P]) -> tuple[list[P], int]:
        """The parts and as many idle ones after them as others have more, and how many are idle.

        spare: gives an idle part where there is none of one's own.
        """
        most = max(self.everybodys(len(parts)))
        idle = most - len(parts)
        return [*parts, *[parts[-1] if parts else spare()] * idle] if idle else [*parts], idle


ALONE: Final = World()
"""One process."""


def _several() -> bool:
    """Return whether torchrun started several: a cluster may name ranks of machines, without it."""
    return os.environ.get("WORLD_SIZE", "1") != "1" and "LOCAL_RANK" in os.environ


def leads() -> bool:
    """Return whether this process prints and writes, before any world is joined."""
    return not _several() or os.environ.get("RANK", "0") == "0"


def refuse(command: str) -> None:
    """Raise `ConfigError` where torchrun started several processes of what runs in one."""
    if _several():
        raise ConfigError(
            f"{command} runs in one process, and torchrun started {os.environ['WORLD_SIZE']};"
            " start it by itself (`assay train`, `sft`, `rl` and `score` run in several; a model"
            " that is large for one GPU is read by --device map, or by a server that cuts its"
            " layers)"
        )


@contextmanager
def joined(device: str = "auto") -> Iterator[World]:
    """The world that torchrun describes in the environment; `ALONE` on the device without it.

    While it lasts, only the leader is heard. What fails everywhere is said once, by the leader.
    Raises `ConfigError` where the environment contradicts itself or the device is not there,
    `BackendError` where another process is lost.
    """
    if not _several():
        yield World(device=device_of(device))
        return
    world, store = _join(device)
    with open(os.devnull, "w") as nowhere:
        out, err = (sys.stdout, sys.stderr) if world.leader else (nowhere, nowhere)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                yield world
        except KeyboardInterrupt:
            if world.leader:
                raise
            # A terminal interrupts all of them, and one says so.
            raise SystemExit(130) from None
        except Exception as error:  # noqa: BLE001
            failed: Exception = error
        else:
            dist.destroy_process_group()
            return
    _fail(world, store, failed)


def _join(device: str) -> tuple[World, Any]:
    """Meet the other processes; the world, and what all of them can read and write."""
    missing = [name for name in NAMES if not os.environ.get(name)]
    if missing:
        raise ConfigError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']} and {', '.join(missing)} not set; start"
            " several processes by torchrun --nproc-per-node N -m assay ..."
        )
    rank, local, size = (int(os.environ[name]) for name in NAMES[:3])
    kind = device_of(device).partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise ConfigError(f"several processes train on cpu or cuda, and the device is {kind}")
    where = device_of(f"cuda:{local}") if kind == "cuda" else "cpu"
    if kind == "cuda":
        torch.cuda.set_device(local)
    wait = timedelta(seconds=float(os.environ.get(TIMEOUT, "1800")))
    store, rank, size = next(iter(dist.rendezvous("env://", rank, size, timeout=wait)))  # type: ignore[attr-defined]
    store = PrefixStore(f"assay/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo",
        store=PrefixStore("group", store),
        rank=rank,
        world_size=size,
        timeout=wait,
    )
    if dist.get_world_size() != int(os.environ["WORLD_SIZE"]) or dist.get_rank() != rank:
        raise BackendError(
            f"torchrun says rank {rank} of {size}, and the process group"
            f" {dist.get_rank()} of {dist.get_world_size()}"
        )
    return World(rank, size, where), store


def _fail(world: World, store: Any, error: Exception) -> NoReturn:
    """Raise a process's error, or leave silently where the leader says the same."""
    lost = (
        isinstance(error, RuntimeError)
        and not isinstance(error, BackendError)
        and LOST.search(f"{type(error).__name__} {error}") is not None
    )
    if world.leader or not lost:
        _tell(store, world.rank, str(error))
    if lost and world.leader:
        told = [(r, _heard(store, r, timedelta(seconds=1))) for r in range(1, world.size)]
        why = next((f"process {r} stopped: {line}" for r, line in told if line), None)
        raise BackendError(
            (why or f"another of the {world.size} processes was lost")
            + "; the same command again goes on from the last checkpoint"
        ) from error
    if not world.leader:
        began = time.monotonic()
        heard = _heard(store, 0, PATIENCE) is not None
        # What cannot be asked at all is gone with the leader, and what failed was not its loss.
        gone = time.monotonic() - began < PATIENCE.total_seconds()
        if heard or (not lost and gone):
            raise SystemExit(2) from error
    if lost:
        raise BackendError(
            f"process {world.rank} of {world.size} lost the leader; the same command again goes on"
            " from the last checkpoint"
        ) from error
    raise error


def _tell(store: Any, rank: int, line: str) -> None:
    """Say how a process ends, unless who holds what all write to is gone."""
    with suppress(RuntimeError):
        store.set(f"failed/{rank}", line)


def _heard(store: Any, rank: int, wait: timedelta) -> str | None:
    """What a process said of its end; None where it said nothing."""
    try:
        store.wait([f"failed/{rank}"], wait)
        return str(store.get(f"failed/{rank}").decode())
    except RuntimeError:
        return None


def check(world: World, prints: Mapping[str, str], out: Path, examples: int, batch: int) -> None:
    """Raise `ConfigError` where processes are more than the records of a step, or what `check_same`
    refuses."""
    if world.size == 1:
        return
    step = examples // -(-examples // batch)
    if world.size > step:
        raise ConfigError(
            f"{world.size} processes, and a step has {step} records (batch_size {batch},"
            f" {examples} records); start fewer, or raise the batch size"
        )
    check_same(world, prints, out)


def check_same(world: World, prints: Mapping[str, str], out: Path) -> None:
    """Raise `ConfigError` where processes differ in what they learn from or how, or see different
    folders.

    prints: hashes of everything that decides how the run goes, by name.
    """
    if world.size == 1:
        return
    everybodys = world.everybodys(dict(prints))
    for rank, theirs in enumerate(everybodys):
        different = [name for name, value in everybodys[0].items() if theirs.get(name) != value]
        if different:
            raise ConfigError(
                f"process {rank} has other {', '.join(different)} than process 0; give every node"
                " the same data, model and settings"
            )
    mark = out / ".joined"
    if world.leader:
        out.mkdir(parents=True, exist_ok=True)
        mark.touch()
    world.told(None)
    seen = world.everybodys(mark.exists())
    if world.leader:
        mark.unlink(missing_ok=True)
    if not all(seen):
        raise ConfigError(
            f"process {seen.index(False)} does not see what process 0 writes in {out}; give a"
            " folder that all nodes share"
        )


def split(examples: Sequence[Example], ranks: int) -> list[list[Example]]:
    """The examples of a step by rank: together they are the step's, in every world.

    Those of one prompt stay on one rank, unless they are more than its fair share of the tokens.
    """
    costs = [example.length * len(example.ids) for example in examples]
    fair = -(-sum(costs) // ranks)
    order = sorted(range(len(examples)), key=lambda i: examples[i].prompt)
    pieces: list[list[int]] = []
    for _, together in groupby(order, key=lambda i: examples[i].prompt):
        cost = fair + 1
        for i in together:
            if cost + costs[i] > fair:
                pieces.append([])
                cost = 0
            pieces[-1].append(i)
            cost += costs[i]
    return [[examples[i] for i in own] for own in _dealt(pieces, costs, ranks)]


def deal(costs: Sequence[int], keys: Sequence[Hashable], ranks: int) -> list[list[int]]:
    """Indices by rank, in their order: all of one key on one rank, however many they are."""
    pieces: dict[Hashable, list[int]] = {}
    for i, key in enumerate(keys):
        pieces.setdefault(key, []).append(i)
    return _dealt([*pieces.values()], costs, ranks)


def _dealt(pieces: Sequence[list[int]], costs: Sequence[int], ranks: int) -> list[list[int]]:
    """Pieces by rank, their indices in order: the costliest first, each to who has least."""
    found: list[list[int]] = [[] for _ in range(ranks)]
    held = [0] * ranks
    for piece in sorted(pieces, key=lambda piece: -sum(costs[i] for i in piece)):
        rank = held.index(min(held))
        found[rank] += piece
        held[rank] += sum(costs[i] for i in piece)
    return [sorted(own) for own in found]


def spread(
    world: World,
    items: Sequence[P],
    keys: Callable[[], Sequence[Hashable]],
    work: Callable[[Sequence[P]], Sequence[T]],
) -> list[T]:
    """What work gives of each item, in their order, done by one process each.

    keys: one per item; those of one key go to one process, in their order. work: gives one result
    per item, and asks no other process.
    """
    if world.size == 1:
        return [*work(items)]
    shares = deal([1] * len(items), keys(), world.size)
    own = shares[world.rank]
    results = world.agreed(lambda: work([items[i] for i in own]) if own else [])
    found = dict(zip(chain.from_iterable(shares), chain.from_iterable(results), strict=True))
    return [found[i] for i in range(len(items))]
