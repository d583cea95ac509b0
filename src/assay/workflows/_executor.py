"""Where the rows of a job are worked on: in this process, or by the actors of a Ray cluster.

Whatever dies, the truth is this process's journal of rows: append-only, a line a row under a hash
of its content, on disk before it is used. What is in it is not asked again.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from assay.answerers.ledger import Entry, Ledger, Usage
from assay.cluster.actors import Actors, Cluster, connected
from assay.errors import BackendError, ConfigError
from assay.protocols import Generator, Prefix, Sampling, Scorer, Streaming
from assay.runs.journal import Journal
from assay.specs.words import built, cut, parse
from assay.types import Group, Record, Response, Score, Unscored

__all__ = [
    "SpreadGenerator",
    "SpreadJudge",
    "SpreadScorer",
    "asked",
    "key_of",
    "spread",
    "spread_judge",
]

P = TypeVar("P")
R = TypeVar("R")
Row = list[Score | Unscored]
ROW: Final = TypeAdapter[Row](Row)

PREFIXES: Final = 16
"""Prefixes that an actor continues at once."""


@contextmanager
def spread(executor: str, make: Callable[[], object]) -> Iterator[Actors | None]:
    """Start actors that each hold what `make` makes; None where the work is done here.

    executor: local, ray or ray:ADDRESS, with settings of `Cluster` behind it. Raises `ConfigError`
    for another word.
    """
    if (cluster := _cluster_of(executor)) is None:
        yield None
        return
    with connected(cluster.address) as ray, Actors(ray, cluster, make) as held:
        yield held


def _cluster_of(executor: str) -> Cluster | None:
    word = parse(executor)
    kind, address = cut(word.what, ":")
    if executor == "local":
        return None
    if kind != "ray":
        raise ConfigError(f"no executor is called {executor!r}; there is local, ray, ray:ADDRESS")
    given = (*word.settings, *([("address", address)] if address else []))
    cluster: Cluster = built(Cluster, "ray", given)
    return cluster


def key_of(by: str, item: Record) -> str:
    """Return the hash that a row is kept under: who says something, and of what."""
    text = json.dumps([by, item.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def asked(
    scorer: Scorer, groups: Iterable[Group], size: int, kept: Path | None = None
) -> Iterator[tuple[Sequence[Group], list[Row]]]:
    """Yield groups with their scores, `size` of them at a time, in order.

    kept: journal of what actors score, which is read first.
    """
    left = iter(groups)
    chunks = iter(lambda: [*islice(left, size)], [])
    if isinstance(scorer, SpreadScorer):
        yield from scorer.each(chunks, kept)
    else:
        yield from ((some, scorer.score(some)) for some in chunks)


@dataclass(frozen=True)
class SpreadScorer:
    """A `Scorer` whose groups are scored by actors, each holding the same scorer."""

    actors: Actors

    @property
    def fingerprint(self) -> str:
        """The scorer's own: where it runs changes no score."""
        return self.actors.fingerprint

    def score(self, groups: Sequence[Group]) -> list[Row]:
        """One score per response of each group, in order."""
        return list(chain.from_iterable(rows for _, rows in self.each([groups])))

    def each(
        self, chunks: Iterable[Sequence[Group]], kept: Path | None = None
    ) -> Iterator[tuple[Sequence[Group], list[Row]]]:
        """Yield chunks with their scores, in order; each chunk is asked of one actor, but for what
        is kept. kept: journal of the groups, a line each; none keeps them in memory alone."""
        known: dict[str, Row] = {}

        def take(body: dict[str, Any]) -> None:
            known[body["key"]] = ROW.validate_python(body["scores"])

        held: dict[int, _Chunk] = {}

        def missing() -> Iterator[tuple[int, list[Group]]]:
            for place, groups in enumerate(chunks):
                keys = [key_of(self.fingerprint, group) for group in groups]
                held[place] = _Chunk(
                    groups, keys, {key: known[key] for key in keys if key in known}
                )
                if left := held[place].missing:
                    yield place, [*left.values()]

        opened = nullcontext() if kept is None else closing(Journal(kept, take))
        with opened as journal:
            for place, rows in self.actors.each(_score, missing()):
                made = dict(zip(held[place].missing, rows, strict=True))
                held[place].rows.update(made)
                if journal is not None:
                    # As in all that is kept, what has no score is asked again by the next run.
                    journal.append(
                        *({"key": key, "scores": ROW.dump_python(row, mode="json")}
                          for key, row in made.items() if all(isinstance(x, Score) for x in row))
                    )  # fmt: skip
                yield from _in_order(held)
            yield from _in_order(held)


@dataclass
class _Chunk:
    """Groups that are scored together, and what is known of them."""

    groups: Sequence[Group]
    keys: Sequence[str]
    rows: dict[str, Row]

    @property
    def missing(self) -> dict[str, Group]:
        """The groups without scores, by key."""
        pairs = zip(self.keys, self.groups, strict=True)
        return {key: group for key, group in pairs if key not in self.rows}


def _in_order(held: dict[int, _Chunk]) -> Iterator[tuple[Sequence[Group], list[Row]]]:
    """Take out the oldest chunks as far as they are done."""
    while held and not (first := held[min(held)]).missing:
        del held[min(held)]
        yield first.groups, [first.rows[key] for key in first.keys]


def _score(scorer: Scorer, groups: Sequence[Group]) -> list[Row]:
    return scorer.score(groups)


@dataclass(frozen=True)
class SpreadGenerator:
    """A `Streaming` generator whose prefixes are continued by actors, each holding the same one.

    A sample is a function of its prefix and number, so that it does not matter which actor writes
    it, or with which others.
    """

    actors: Actors

    @property
    def fingerprint(self) -> str:
        """The generator's own."""
        return self.actors.fingerprint

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        """`sampling.n` responses for each prefix, in order. Raises `BackendError` where one has
        none."""
        found = dict(self.stream(prefixes, sampling))
        rows = [found[i] for i in range(len(prefixes))]
        if (failed := next((row for row in rows if isinstance(row, Unscored)), None)) is not None:
            raise BackendError(f"a prefix has no response: {failed.reason}")
        return [row for row in rows if not isinstance(row, Unscored)]

    def stream(
        self, prefixes: Sequence[Prefix], sampling: Sampling
    ) -> Iterator[tuple[int, list[Response] | Unscored]]:
        """For each prefix, in any order: its index and its responses, or why there are none."""
        starts = range(0, len(prefixes), PREFIXES)
        parts = (prefixes[start : start + PREFIXES] for start in starts)
        write = partial(_written, sampling=sampling)
        for place, (found, failure) in self.actors.each(write, enumerate(parts)):
            yield from ((place * PREFIXES + i, answer) for i, answer in found)
            if failure:
                raise BackendError(failure)


def _written(
    generator: Generator, prefixes: Sequence[Prefix], sampling: Sampling
) -> tuple[list[tuple[int, list[Response] | Unscored]], str]:
    """What was written, and why not the rest: what is paid for is handed over all the same."""
    if not isinstance(generator, Streaming):
        return [*enumerate(generator.generate(prefixes, sampling))], ""
    found = []
    try:
        for one in generator.stream(prefixes, sampling):
            found.append(one)  # noqa: PERF402  what came before an error is kept
    except BackendError as error:
        return found, str(error)
    return found, ""


@contextmanager
def spread_judge(
    executor: str, make: Callable[[Any], object], ledger: Ledger
) -> "Iterator[SpreadJudge | None]":
    """Start actors that each hold what `make` makes with a ledger, whose answers come into this
    one; None where the work is done here."""
    if (cluster := _cluster_of(executor)) is None:
        yield None
        return
    if ledger.path is None:
        raise ConfigError("what actors pay for is kept in a file; give out, or ledger")
    with connected(cluster.address) as ray:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as Here

        # The file is on this machine, whose loss ends the run in any case.
        here = Here(ray.get_runtime_context().get_node_id(), soft=False)
        paid = ray.remote(num_cpus=0, scheduling_strategy=here)(Ledger).remote(ledger.path)
        try:
            with Actors(ray, cluster, partial(make, FarLedger(paid))) as held:
                yield SpreadJudge(held, FarLedger(paid), ledger)
        finally:
            ray.kill(paid)


@dataclass(frozen=True)
class SpreadJudge:
    """Actors that each hold the same judge, and the ledger that all of them pay into."""

    actors: Actors
    far: "FarLedger"
    ledger: Ledger

    def each(
        self, call: Callable[[Any, P], R], parts: Iterable[tuple[int, P]]
    ) -> Iterator[tuple[int, R]]:
        """As `Actors.each`; what was paid is on the ledger's bill by then."""
        for place, said in self.actors.each(call, parts):
            paid, saved, retried = self.far.asked(_billed)
            self.ledger.paid += paid
            self.ledger.saved += saved
            self.ledger.retried += retried
            yield place, said


class FarLedger:
    """A `Ledger` in another process, for answerers: an answer is on its disk before it is used."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger

    def get(self, key: str, repeat: int = 0) -> Entry | None:
        """Return an answer; None where it was not paid for yet."""
        return self.asked(lambda ledger: ledger.get(key, repeat))

    def put(self, entries: Iterable[Entry]) -> list[Entry]:
        """Keep answers, and return what is kept under their names."""
        new = list(entries)
        return self.asked(lambda ledger: ledger.put(new))

    @property
    def retried(self) -> int:
        """0, so that what is added to it is added over there."""
        return 0

    @retried.setter
    def retried(self, more: int) -> None:
        self.asked(lambda ledger: setattr(ledger, "retried", ledger.retried + more))

    def asked(self, work: Callable[[Ledger], R]) -> R:
        """What a function gives of the ledger."""
        import ray

        found: R = ray.get(self._ledger.__ray_call__.remote(work))
        return found


def _billed(ledger: Ledger) -> tuple[Usage, Usage, int]:
    """What is on the bill, which begins anew."""
    found = ledger.paid, ledger.saved, ledger.retried
    ledger.paid, ledger.saved, ledger.retried = Usage(), Usage(), 0
    return found
