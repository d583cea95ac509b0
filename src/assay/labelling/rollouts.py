"""Rollouts on demand: the k-th completion of a prefix, checked, and paid for once.

A prefix's rollouts are a sequence, numbered from 0; a labeller says how many of it it wants to see,
and sees the same ones whether they were made now, an hour ago, or by a run that was killed. A
labeller is therefore a function of the rollouts alone: to resume is to run it again. Several plans
(one a solution, or one a tree) go on in rounds, so that a round's rollouts are asked for together.

A rollout that failed is not wrong, and one whose answer the verifier cannot judge is neither right
nor wrong: both are counted, and a label rests on the others.
"""

import functools
import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeVar

from assay import protocols
from assay.errors import ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.labelling.ledger import Ledger, Rollout, RolloutBatch
from assay.protocols import Prefix, Sampling, Streaming, Verifier
from assay.types import Prompt, Response, Score, Unscored

__all__ = [
    "Ask",
    "Cost",
    "Guard",
    "Plan",
    "Rollouts",
    "Show",
    "Tally",
    "has_reference",
    "need_references",
    "run_plans",
]

T = TypeVar("T")
Guard = Callable[[Prefix, Rollout], bool]
"""Whether a rollout is no evidence for its prefix, e.g. because it repairs what the prefix got
wrong."""
Show = Callable[[int, str], None]
"""Told how many rollouts are there, and what to say beside it."""

CHUNK = 64
"""Prefixes a call, where a generator hands over everything at its end."""


@dataclass(frozen=True)
class Tally:
    """What the rollouts of one prefix say."""

    right: int
    judged: int
    """Those that were right or wrong."""


@dataclass
class Cost:
    """What was paid."""

    prefixes: int = 0
    """Prefixes that were asked for, each once."""
    rollouts: int = 0
    """Rollouts made now."""
    known: int = 0
    """Rollouts that a ledger had already."""
    tokens: int = 0
    """Tokens of the rollouts made now, where the generator counts them."""
    seconds: float = 0.0
    """Wall-clock time spent waiting for them."""
    undecided: int = 0
    """Rollouts used that the verifier could not judge."""
    guarded: int = 0
    """Rollouts used that the guard set aside."""
    cut_off: int = 0
    """Rollouts used that did not come to their end."""
    empty: int = 0
    """Rollouts used that add no text to their prefix: the policy ended there."""
    failed: Counter[str] = field(default_factory=Counter)
    """Prefixes that got no rollouts when asked, by reason."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "failed": dict(self.failed), "seconds": round(self.seconds, 1)}


@dataclass(kw_only=True)
class Rollouts:
    """A generator, a verifier, and a ledger of what they have done."""

    generator: protocols.Generator
    verifier: Verifier
    sampling: Sampling
    """How a rollout is sampled; its `n` is not used."""
    name: str = ""
    """Which generator this is, by its fingerprint where none is given. Rollouts of another name,
    sampling or verifier are never taken for these."""
    ledger: Ledger = field(default_factory=Ledger)
    cut_off: Literal["wrong", "undecided"] = "wrong"
    """What a rollout counts as that reached `max_tokens`: as not having got there, or as not
    known."""
    guard: Guard | None = None
    show: Show = lambda done, note: None
    cost: Cost = field(default_factory=Cost)
    _counted: dict[str, int] = field(default_factory=dict, repr=False)
    _given_up: set[str] = field(default_factory=set, repr=False)

    def want(self, wants: Sequence[tuple[Prefix, int]]) -> None:
        """Make what is missing of the first n rollouts of each prefix.

        Raises `DataError` where a prompt has no reference to check against.
        """
        asks: dict[int, dict[tuple[str, int], Prefix]] = defaultdict(dict)
        most: dict[str, tuple[Prefix, int]] = {}
        need_references(prefix.prompt for prefix, _ in wants)
        for prefix, count in wants:
            key = self.key(prefix)
            if count > most.get(key, (prefix, 0))[1]:
                most[key] = prefix, count
        for key, (prefix, count) in most.items():
            found = self.ledger.of(key)
            if key not in self._given_up:
                for first, n in _gaps(found, count):
                    asks[n][key, first] = Prefix(prefix.prompt, prefix.steps, first)
            self.cost.prefixes += key not in self._counted
            self.cost.known += sum(self._counted.get(key, 0) <= number < count for number in found)
        for n, parts in asks.items():
            self._make(list(parts.values()), n)
        for key, (prefix, count) in most.items():
            self._count(key, prefix, count)

    def of(self, prefix: Prefix, count: int) -> list[Rollout]:
        """Those of the first `count` rollouts that there are."""
        found = self.ledger.of(self.key(prefix))
        return [found[number] for number in range(count) if number in found]

    def asked(self, prefix: Prefix) -> int:
        """Return how many rollouts of a prefix were asked for, there or not."""
        return self._counted.get(self.key(prefix), 0)

    def tally(self, prefix: Prefix, count: int) -> Tally:
        """Return how many of the first `count` rollouts are right, of those that are evidence."""
        verdicts = [
            v
            for rollout in self.of(prefix, count)
            if (v := self.verdict(prefix, rollout)) is not None
        ]
        return Tally(sum(verdicts), len(verdicts))

    def judged_one(self, prefix: Prefix, count: int) -> bool:
        """Return whether any of the first `count` rollouts came to an end that could be judged."""
        return any(
            r.finished and self.verdict(prefix, r) is not None for r in self.of(prefix, count)
        )

    def verdict(self, prefix: Prefix, rollout: Rollout) -> bool | None:
        """Right or wrong; None where a rollout is no evidence."""
        if self.guard is not None and self.guard(prefix, rollout):
            return None
        if not rollout.finished:
            return None if self.cut_off == "undecided" else False
        return rollout.right

    def check(self, prefix: Prefix, response: Response) -> Rollout:
        """Return the rollout of a prefix that a response is. Raises `DataError` where the prompt
        has no reference."""
        need_references([prefix.prompt])
        assert prefix.prompt.reference is not None
        verdict = self.verifier.verify(response.answer, prefix.prompt.reference)
        tokens = response.meta.get("tokens")
        return Rollout(
            steps=response.steps[len(prefix.steps) :],
            right=None if isinstance(verdict, Unscored) else verdict.value > 0.5,
            reason="" if isinstance(verdict, Score) else verdict.reason,
            finished=response.finished,
            tokens=tokens if isinstance(tokens, int) else None,
        )

    def _make(self, prefixes: Sequence[Prefix], n: int) -> None:
        sampling = replace(self.sampling, n=n)
        start = time.monotonic()
        for i, answer in self._stream(prefixes, sampling):
            seconds = time.monotonic() - start
            key = self.key(prefixes[i])
            if isinstance(answer, Unscored):
                # Asked again by the next run, not by this one.
                self._given_up.add(key)
                self.cost.failed[answer.reason] += 1
                continue
            if len(answer) != n:
                raise ConfigError(
                    f"the generator gave {len(answer)} responses where {n} were asked for"
                )
            rollouts = tuple(self.check(prefixes[i], response) for response in answer)
            self.ledger.append(
                RolloutBatch(
                    prefix=key,
                    first=prefixes[i].first,
                    rollouts=rollouts,
                    seconds=round(seconds, 3),
                )
            )
            self.cost.rollouts += n
            self.cost.tokens += sum(r.tokens or 0 for r in rollouts)
            self.show(
                self.cost.rollouts, f"{self.cost.tokens:,} tokens, {self.cost.known:,} known before"
            )
        self.cost.seconds += time.monotonic() - start

    def _stream(
        self, prefixes: Sequence[Prefix], sampling: Sampling
    ) -> Iterator[tuple[int, list[Response] | Unscored]]:
        if isinstance(self.generator, Streaming):
            yield from self.generator.stream(prefixes, sampling)
            return
        for start in range(0, len(prefixes), CHUNK):
            yield from enumerate(
                self.generator.generate(prefixes[start : start + CHUNK], sampling), start
            )

    def _count(self, key: str, prefix: Prefix, count: int) -> None:
        """Note what is used for the first time."""
        found = self.ledger.of(key)
        before = self._counted.get(key, 0)
        for number in range(before, count):
            if (rollout := found.get(number)) is None:
                continue
            guarded = self.guard is not None and self.guard(prefix, rollout)
            self.cost.guarded += guarded
            self.cost.cut_off += not rollout.finished
            self.cost.empty += not rollout.steps
            self.cost.undecided += not guarded and rollout.finished and rollout.right is None
        self._counted[key] = max(count, before)

    @functools.cached_property
    def _names(self) -> tuple[str, str]:
        """Names of the generator and of the verifier."""
        return self.name or fingerprint(self.generator), fingerprint(self.verifier)

    def key(self, prefix: Prefix) -> str:
        """Hash of all that a rollout depends on but its number."""
        s = self.sampling
        how = [s.max_tokens, s.temperature, s.top_p, s.seed, s.stop]
        messages = [m.model_dump(mode="json") for m in prefix.prompt.messages]
        shown = [messages, prefix.prompt.tools] if prefix.prompt.tools else messages
        body = [*self._names, how, shown, prefix.prompt.reference, prefix.steps]
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:32]


def need_references(prompts: Iterable[Prompt]) -> None:
    """Raise `DataError` where a prompt has no reference answer, before anything is paid for."""
    for prompt in prompts:
        if not has_reference(prompt):
            raise DataError(
                f"the prompt {prompt.text[:60]!r} has no reference answer, and rollouts cannot be"
                " checked without; give one a prompt"
            )


def has_reference(prompt: Prompt) -> bool:
    """Return whether there is anything to check an answer against."""
    return bool(prompt.reference and prompt.reference.strip())


def _gaps(found: Mapping[int, Rollout], count: int) -> Iterator[tuple[int, int]]:
    """Runs of numbers below `count` that are missing: the first of each, and how many."""
    first = 0
    while first < count:
        if first in found:
            first += 1
            continue
        end = first + 1
        while end < count and end not in found:
            end += 1
        yield first, end - first
        first = end


Ask = Sequence[tuple[Prefix, int]]
"""Prefixes, and how many of each one's rollouts are to be there."""
Plan = Generator[Ask, None, T]
"""Yields what it needs next, goes on when that is there, and returns its result."""


def run_plans(plans: Sequence[Plan[T]], rollouts: Rollouts) -> list[T]:
    """Every plan's result: the plans go on together, round by round, each round's rollouts in one
    request."""
    results: dict[int, T] = {}
    waiting = dict(enumerate(plans))
    while waiting:
        asks: list[tuple[Prefix, int]] = []
        for i, plan in list(waiting.items()):
            try:
                asks += next(plan)
            except StopIteration as stop:
                results[i] = stop.value
                del waiting[i]
        rollouts.want(asks)
    return [results[i] for i in range(len(plans))]
