"""The driver: takes the plans of many prompts forward together, pays for what they ask, and keeps
the books."""

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from assay.data.records import all_responses
from assay.errors import BackendError, ConfigError
from assay.protocols import (
    Generator,
    Prefix,
    Sampling,
    Scorer,
    Streaming,
)
from assay.search._plan import (
    Account,
    Budget,
    Extend,
    Found,
    Node,
    Plan,
    Rate,
    Request,
    Scored,
    Search,
    SearchResult,
    Steps,
)
from assay.search._record import Record
from assay.types import Group, Prompt, Response, Unscored

__all__ = ["STEP", "run"]

STEP = ("\n\n",)
"""Default text that ends a step."""
TOGETHER = 64
"""Prompts under way at once."""

Show = Callable[[int, str], None]
"""Told how many prompts are done, and what to say beside it."""


def run(
    search: Search,
    prompts: Sequence[Prompt],
    generator: Generator,
    scorer: Scorer | None = None,
    *,
    sampling: Sampling | None = None,
    step: Sampling | None = None,
    budget: Budget | None = None,
    record: Record | None = None,
    together: int = TOGETHER,
    show: Show = lambda done, note: None,
) -> list[SearchResult]:
    """Return one result per prompt, in order.

    sampling: of whole responses. step: of one step, which ends at its `stop`; by default a blank
    line. Their `n` is not used. budget: of each prompt. record: where samples and scores are kept,
    and taken from when they are there: to resume is to run again; it goes by the fingerprints of
    generator and scorer, unless it was given names. Raises `ConfigError` where a scorer is needed
    and there is none, and where generator or scorer break their promises; what was paid for is in
    the record before.
    """
    sampling = sampling or Sampling()
    step = step or replace(sampling, stop=STEP)
    if not step.stop:
        raise ConfigError(
            "a step ends at a text, and none is given; set `step.stop`, for instance to a blank"
            " line"
        )
    if together < 1:
        raise ConfigError(f"together is {together}; at least 1 prompt must be under way")
    greedy = replace(step, temperature=0.0, top_p=1.0)
    if record is None:
        record = Record()
    else:
        record.name(generator, scorer)
    desk = _Desk(generator, scorer, {"whole": sampling, "step": step, "greedy": greedy}, record)
    waiting = iter(enumerate(prompts))
    results: dict[int, SearchResult] = {}
    live: list[_Prompt] = []

    def fill() -> None:
        while len(live) < together and (item := next(waiting, None)) is not None:
            live.append(_Prompt.start(*item, search, budget or Budget()))

    fill()
    while live:
        asking = [one for one in live if one.request is not None]
        desk.serve(asking)
        for one in asking:
            one.go_on()
        for one in [one for one in live if one.found is not None]:
            results[one.index] = one.result()
            live.remove(one)
            show(len(results), f"{desk.samples:,} samples")
        fill()
    return [results[i] for i in range(len(results))]


@dataclass(eq=False)
class _Prompt:
    """One prompt under way."""

    index: int
    prompt: Prompt
    account: Account
    plan: Plan[Found]
    request: Request | None = None
    answer: Any = None
    found: Found | None = None
    numbers: Counter[tuple[Steps, str]] = field(default_factory=Counter)
    """How many samples each prefix has had."""
    rated: set[tuple[Steps, bool]] = field(default_factory=set)
    """Texts whose scores it has paid for."""
    tree: "_Tree" = field(default_factory=lambda: _Tree())
    failed: list[str] = field(default_factory=list)
    """Why it got no samples, once for each request that failed."""
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, index: int, prompt: Prompt, search: Search, budget: Budget) -> "_Prompt":
        account = Account(budget)
        one = cls(index, prompt, account, search.plan(prompt, account))
        one._next(lambda: next(one.plan))
        return one

    def go_on(self) -> None:
        self._next(lambda: self.plan.send(self.answer))

    def _next(self, step: Callable[[], Request]) -> None:
        self.spend(seconds=time.monotonic() - self.started - self.account.spent.seconds)
        try:
            self.request = step()
        except StopIteration as stop:
            self.request, self.found = None, stop.value

    def spend(self, **more: float | None) -> None:
        """Add to what was paid; what is unknown makes the sum unknown."""
        spent = self.account.spent
        sums = {}
        for name, amount in more.items():
            before = getattr(spent, name)
            sums[name] = None if before is None or amount is None else before + amount
        self.account.spent = replace(spent, **sums)  # type: ignore[arg-type]

    def result(self) -> SearchResult:
        found = self.found
        assert found is not None
        return SearchResult(
            group=Group(prompt=self.prompt, responses=found.candidates),
            scores=found.scores,
            choice=found.choice,
            kept=found.kept,
            stopped=found.stopped,
            spent=replace(self.account.spent, saved=found.saved),
            nodes=tuple(self.tree.nodes),
            failed=tuple(self.failed),
        )


@dataclass
class _Desk:
    """Answers requests, those of a round in one call to generator and scorer."""

    generator: Generator
    scorer: Scorer | None
    sampling: dict[str, Sampling]
    record: Record
    samples: int = 0

    def serve(self, asking: Sequence[_Prompt]) -> None:
        """Give every prompt the answer to its request."""
        extending = [one for one in asking if not isinstance(one.request, Rate)]
        rating = [one for one in asking if isinstance(one.request, Rate)]
        self._extend(extending)
        self._rate(rating)

    def _extend(self, asking: Sequence[_Prompt]) -> None:
        # By conversation, steps and number: of equal prompts, each gets the same samples, and is
        # charged for them.
        calls: dict[Sampling, dict[Any, tuple[Prefix, list[tuple[_Prompt, int]]]]] = defaultdict(
            dict
        )
        for one in asking:
            asks = one.request
            assert isinstance(asks, tuple)
            one.answer = [[] for _ in asks]
            for k, ask in enumerate(asks):
                if ask.n < 1:
                    raise ConfigError(
                        f"a strategy asked for {ask.n} continuations; at least 1 is needed"
                    )
                sampling = replace(self.sampling[ask.how], n=ask.n)
                first = one.numbers[ask.steps, ask.how]
                one.numbers[ask.steps, ask.how] += ask.n
                prefix = Prefix(one.prompt, ask.steps, first)
                known = self.record.known(prefix, sampling)[: ask.n]
                one.answer[k] += known
                if len(known) < ask.n:
                    rest = Prefix(one.prompt, ask.steps, first + len(known))
                    same = calls[replace(sampling, n=ask.n - len(known))]
                    same.setdefault((one.prompt.shown, rest.steps, rest.first), (rest, []))[
                        1
                    ].append((one, k))
        for sampling, items in calls.items():
            wanted = [*items.values()]
            for i, new in self._write([prefix for prefix, _ in wanted], sampling):
                prefix, askers = wanted[i]
                if isinstance(new, Unscored):
                    for one, _ in askers:
                        one.failed.append(new.reason)
                    continue
                if new:
                    self.record.add(prefix, sampling, new)
                for one, k in askers:
                    one.answer[k] += new
        for one in asking:
            self._book(one)

    def _write(
        self, prefixes: Sequence[Prefix], sampling: Sampling
    ) -> Iterator[tuple[int, list[Response] | Unscored]]:
        """New samples of each prefix; the reason where they could not be had."""
        found: Iterator[tuple[int, list[Response] | Unscored]]
        if isinstance(self.generator, Streaming):
            found = self.generator.stream(prefixes, sampling)
        else:
            answers = self.generator.generate(prefixes, sampling)
            if len(answers) != len(prefixes):
                raise BackendError(
                    f"{type(self.generator).__name__} answered {len(answers)} of {len(prefixes)}"
                    " prefixes"
                )
            found = enumerate(answers)
        for i, new in found:
            if isinstance(new, Unscored):
                yield i, new
                continue
            depth = len(prefixes[i].steps)
            if len(new) > sampling.n or any(r.steps[:depth] != prefixes[i].steps for r in new):
                raise BackendError(
                    f"{type(self.generator).__name__} gave {len(new)} responses where {sampling.n}"
                    " were asked for, or some that do not begin with their prefix"
                )
            yield i, list(new)

    def _book(self, one: _Prompt) -> None:
        """Charge a prompt for its samples, and hang them in its tree."""
        asks = one.request
        assert isinstance(asks, tuple)
        for k, ask in enumerate(asks):
            new = one.answer[k]
            tokens = [response.meta.get("tokens") for response in new]
            known = all(isinstance(count, int) for count in tokens)
            one.spend(
                samples=len(new),
                generated_tokens=sum(tokens) if known else None,
                missing=ask.n - len(new),
            )
            self.samples += len(new)
            one.answer[k] = [_tidy(response) for response in new]
            one.tree.grow(ask, one.answer[k])

    def _rate(self, asking: Sequence[_Prompt]) -> None:
        groups: list[Group] = []
        for one in asking:
            request = one.request
            assert isinstance(request, Rate)
            new = {
                (r.steps, r.finished): r
                for r in request.responses
                if self.record.score(one.prompt, r) is None
            }
            if new:
                groups.append(Group(prompt=one.prompt, responses=tuple(new.values())))
        if groups:
            for group, (scores, tokens) in zip(groups, self._scored(groups), strict=True):
                self.record.add_scores(group.prompt, group.responses, scores, tokens)
        for one in asking:
            request = one.request
            assert isinstance(request, Rate)
            one.answer = [self.record.score(one.prompt, response) for response in request.responses]
            for response in request.responses:
                if (key := (response.steps, response.finished)) not in one.rated:
                    one.rated.add(key)
                    one.spend(scored_tokens=self.record.tokens(one.prompt, response))
            one.tree.rate(request.responses, one.answer)

    @property
    def _read(self) -> int | None:
        return getattr(self.scorer, "tokens_read", None)

    def _scored(self, groups: Sequence[Group]) -> list[tuple[list[Scored], list[int | None]]]:
        """Each group's scores, and each one's share of the tokens that went through the scorer, by
        its characters."""
        if self.scorer is None:
            raise ConfigError("this search asks for scores, and there is no scorer; give one")
        before = self._read
        scores = self.scorer.score(groups)
        if [len(row) for row in scores] != [len(group.responses) for group in groups]:
            wanted = [len(group.responses) for group in groups]
            raise ConfigError(
                f"{type(self.scorer).__name__} gave {[len(row) for row in scores]} scores for"
                f" groups of {wanted} responses; it must give one a response"
            )
        after = self._read
        if before is None or after is None:
            return [(row, [None] * len(row)) for row in scores]
        sizes = [len(response.text) + 1 for response in all_responses(groups)]
        ends = [
            (after - before) * end // sum(sizes) for end in itertools.accumulate(sizes, initial=0)
        ]
        shares = iter(end - start for start, end in itertools.pairwise(ends))
        return [(row, [next(shares) for _ in row]) for row in scores]


def _tidy(response: Response) -> Response:
    """Without empty steps, which a scorer would read where the step before ends; blank ones are
    part of that one."""
    if all(step.strip() for step in response.steps):
        return response
    steps: list[str] = []
    for step in response.steps:
        if steps and not (step.strip() and steps[-1].strip()):
            steps[-1] += step
        elif step:
            steps.append(step)
    return response.model_copy(update={"steps": tuple(steps)})


class _Tree:
    """All that was written for a prompt."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._at: dict[tuple[str, bool], int] = {}

    def grow(self, ask: Extend, responses: Sequence[Response]) -> None:
        """Hang continuations below their prefix."""
        text = "".join(ask.steps)
        parent = self._at.get((text, False), -1)
        ahead = ask.how == "greedy"
        if parent >= 0 and not ahead:
            self.nodes[parent] = replace(self.nodes[parent], expanded=True)
        for response in responses:
            key = response.text, response.finished
            if (there := self._at.get(key)) is not None:
                node = self.nodes[there]
                self.nodes[there] = replace(
                    node, count=node.count + 1, lookahead=node.lookahead and ahead
                )
                continue
            self._at[key] = len(self.nodes)
            self.nodes.append(
                Node(parent, response.text[len(text) :], response.finished, lookahead=ahead)
            )

    def rate(self, responses: Sequence[Response], scores: Sequence[Scored]) -> None:
        """Note what the scorer said."""
        for response, score in zip(responses, scores, strict=True):
            if (there := self._at.get((response.text, response.finished))) is not None:
                self.nodes[there] = replace(self.nodes[there], score=score)
