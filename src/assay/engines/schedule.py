"""Which request goes when: the samples of many prefixes, a few requests at once, each prefix handed
over when whole."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from assay.engines.choices import Choice
from assay.errors import BackendError
from assay.http.client import Client, Failure
from assay.protocols import Prefix
from assay.types import Response, Unscored

__all__ = ["Put", "Schedule", "firsts"]

log = logging.getLogger(__name__)

Put = Callable[[tuple[int, list[Response] | Unscored]], None]
"""Given a prefix's index and its responses, or why there are none."""

IN_A_ROW = 3
"""Prefixes in a row that use up their tries before anything was answered: the server is down."""
ALIKE = 5
"""Prefixes whose samples are all the same, before any other's differ: the server does not
sample."""


@dataclass(frozen=True)
class _Job:
    """Samples that are asked for together: `count` of a prefix's, from its `start`-th (counted from
    0) on."""

    prefix: int
    start: int
    count: int


@dataclass
class Schedule:
    """The requests for `n` samples of each prefix."""

    prefixes: Sequence[Prefix]
    n: int
    client: Client = field(kw_only=True)
    concurrency: int = field(kw_only=True)
    """Requests under way at once."""
    per_request: int = field(kw_only=True)
    """Samples a request."""
    request: Callable[[Prefix, int, int], Mapping[str, Any]] = field(kw_only=True)
    """The body that asks for a prefix's samples: number of the first, and how many."""
    read: Callable[[Prefix, int, Any], Sequence[Choice | Unscored]] = field(kw_only=True)
    """Reads the answer for a prefix: 1 to so many choices. Raises `DataError` where it is none."""
    response: Callable[[Prefix, Choice], Response] = field(kw_only=True)
    put: Put = field(kw_only=True)
    varied: bool = field(kw_only=True)
    """Whether a prefix's samples may be expected to differ."""
    _found: dict[int, dict[int, Response]] = field(default_factory=dict, init=False)
    _given_up: set[int] = field(default_factory=set, init=False)
    _exhausted: list[Failure] = field(default_factory=list, init=False)
    """Consecutive prefixes that used up their tries."""
    _succeeded: bool = field(default=False, init=False)
    """Whether any request of this call was answered."""
    _alike: float = field(default=0, init=False)
    """Prefixes whose samples are all the same; minus infinity once some differed."""

    async def run(self) -> None:
        """Make every request. Raises `BackendError` where the rest is of no use."""
        jobs = self._jobs()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.concurrency):
                    group.create_task(self._work(jobs))
            await self._see_whether_down(IN_A_ROW if self._succeeded else 1)
        except BaseExceptionGroup as error:
            raise error.exceptions[0] from None

    def _jobs(self) -> Iterator[tuple[_Job, int]]:
        """Every request to make with its first sample's number, those that share a prompt and steps
        next to each
        other: servers keep what they computed for a while."""
        numbers = firsts(self.prefixes, self.n)
        prompts = {
            shown: i for i, shown in enumerate(dict.fromkeys(p.prompt.shown for p in self.prefixes))
        }
        order = sorted(
            range(len(numbers)),
            key=lambda i: (
                prompts[self.prefixes[i].prompt.shown],
                self.prefixes[i].steps,
                numbers[i],
            ),
        )
        for i in order:
            for start in range(0, self.n, self.per_request):
                yield _Job(i, start, min(self.per_request, self.n - start)), numbers[i] + start

    async def _work(self, jobs: Iterator[tuple[_Job, int]]) -> None:
        """Take jobs until there are none left."""
        for job, number in jobs:
            await self._do(job, number)

    async def _do(self, job: _Job, number: int) -> None:
        prefix, done = self.prefixes[job.prefix], 0
        while done < job.count and job.prefix not in self._given_up:
            count = job.count - done
            body = self.request(prefix, number + done, count)
            read = partial(self.read, prefix, count)
            answer = await self.client.ask(body, read)
            if isinstance(answer, Failure):
                self._give_up(job.prefix, answer)
                await self._see_whether_down(
                    IN_A_ROW if self.client.pace.proof is None else self._many
                )
                return
            self._succeeded, self._exhausted, self.client.pace.proof = True, [], (body, read)
            for choice in answer:
                self._take(job.prefix, job.start + done, choice)
                done += 1

    def _take(self, i: int, k: int, choice: Choice | Unscored) -> None:
        """Keep the k-th sample of a prefix, and hand over the prefix when it is whole."""
        if isinstance(choice, Unscored):
            self._give_up(i, Failure(choice.reason, refused=True))
        if i in self._given_up:
            return
        assert isinstance(choice, Choice)
        found = self._found.setdefault(i, {})
        found[k] = self.response(self.prefixes[i], choice)
        if len(found) == self.n:
            del self._found[i]
            self.put((i, [found[k] for k in range(self.n)]))
            if self.varied:
                self._watch([response.text for response in found.values()])

    def _watch(self, texts: Sequence[str]) -> None:
        """Warn of a server that does not sample: equal samples look like many, and are one."""
        self._alike = self._alike + 1 if len(set(texts)) == 1 else -math.inf
        if self._alike == ALIKE:
            log.warning(
                "%s: all %d samples of each of the first %d prefixes are the same; does the server"
                " sample, and heed seeds? Some need a setting for it, which goes into `extra`",
                self.client.url,
                self.n,
                ALIKE,
            )

    def _give_up(self, i: int, failure: Failure) -> None:
        """Hand over a prefix without responses; what has come for it is dropped."""
        if i in self._given_up:
            return
        self._given_up.add(i)
        self._found.pop(i, None)
        self.put((i, Unscored(reason=failure.reason)))
        if not failure.refused:
            self._exhausted.append(failure)

    @property
    def _many(self) -> int:
        return max(IN_A_ROW, self.concurrency)

    async def _see_whether_down(self, least: int) -> None:
        """Raise `BackendError` where so many requests in a row got nothing, and neither does a
        request that was answered before: some prefixes may be more than a server can do, and that
        is no reason to leave the others."""
        if len(self._exhausted) < least:
            return
        failures, self._exhausted = self._exhausted, []
        if (proof := self.client.pace.proof) is not None:
            answer = await self.client.ask(*proof, tries=1)
            if not isinstance(answer, Failure) or answer.refused:
                return
        count = f"{len(failures)} requests in a row" if len(failures) > 1 else "A request"
        raise BackendError(
            f"{count} got nothing from {self.client.url}: {failures[-1].reason}. Is the server"
            " running, is this its address, and what are its limits? See to it, then run this"
            " again"
        )


def firsts(prefixes: Sequence[Prefix], n: int) -> list[int]:
    """Number of each prefix's first sample; one that comes again goes on where it left off."""
    before: Counter[Any] = Counter()
    numbers = []
    for prefix in prefixes:
        key = prefix.prompt.shown, prefix.steps, prefix.first
        numbers.append(prefix.first + before[key])
        before[key] += n
    return numbers
