"""What a strategy asks for, and what it returns: the plan of one prompt.

A plan is a generator function. It yields a request, is sent the answer, and returns what it found;
it holds no model and no file. So one driver (`_run`) takes the plans of many prompts forward
together, a round's requests in one call each, and everything that every strategy needs (budget,
record, replay, the tree) is written once.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeVar

from assay.errors import ConfigError
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = [
    "Budget",
    "Node",
    "Search",
    "SearchResult",
    "Spent",
    "Account",
    "Extend",
    "Found",
    "Plan",
    "Rate",
    "Rated",
    "Request",
    "Scored",
    "Steps",
    "best_of_drawn",
    "distinct",
    "draw",
    "extend",
    "rate",
]

SHARED: Final = ("seed", "answers")
"""Settings of a strategy that a command sets for it: the seed, and the verifier."""

T = TypeVar("T")
Steps = tuple[str, ...]
Scored = Score | Unscored
Rated = tuple[Response, Scored]
"""A text, and what the scorer said of it."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a search has paid for one prompt."""

    samples: int = 0
    """Continuations that were written: whole responses, or steps."""
    generated_tokens: int | None = 0
    """Tokens written; None where the generator does not count them."""
    scored_tokens: int | None = 0
    """Tokens that went through the scorer (see `Metered`); None where it does not count them."""
    seconds: float = 0.0
    """Wall-clock time from the prompt's first request to its last answer, beside other prompts."""
    saved: int = 0
    """Samples that were not drawn because the result could not change any more, or was sure
    enough."""
    missing: int = 0
    """Samples that were asked for and not to be had: the generator failed, or a record has no
    more."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a search may pay for one prompt; None = no limit. It starts no request once a limit is
    reached."""

    samples: int | None = None
    """Continuations written."""
    generated_tokens: int | None = None
    """Tokens written; needs a generator that counts them."""
    scored_tokens: int | None = None
    """Tokens through the scorer; needs a scorer that counts them."""
    seconds: float | None = None
    """Wall-clock time."""

    def __post_init__(self) -> None:
        for name in ("samples", "generated_tokens", "scored_tokens", "seconds"):
            if (limit := getattr(self, name)) is not None and not limit > 0:
                raise ConfigError(
                    f"a budget of {limit} {name.replace('_', ' ')}; give a positive one, or none"
                )

    def over(self, spent: Spent) -> bool:
        """Return whether a limit is reached. Raises `ConfigError` where one is set on what nobody
        counts."""
        for name in ("samples", "generated_tokens", "scored_tokens", "seconds"):
            limit, used = getattr(self, name), getattr(spent, name)
            if limit is None:
                continue
            if used is None:
                who = "generator" if name == "generated_tokens" else "scorer"
                raise ConfigError(
                    f"the budget limits {name.replace('_', ' ')}, which this {who} does not count"
                )
            if used >= limit:
                return True
        return False


@dataclass(frozen=True)
class Node:
    """One text of a search's tree."""

    parent: int
    """Index of the node it continues; -1 for the prompt."""
    text: str
    """What it adds to its parent; nothing where the policy only ended the response."""
    finished: bool
    """Whether the policy ended it."""
    score: Score | Unscored | None = None
    """What the scorer said of the text so far; None where it was not asked."""
    count: int = 1
    """Samples that came to this text."""
    expanded: bool = False
    """Whether it was continued, other than to look ahead. What was not, and is not finished, was
    pruned."""
    lookahead: bool = False
    """Written to be scored alone."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search did for one prompt."""

    group: Group
    """The candidates that it chose from."""
    scores: tuple[Score | Unscored | None, ...]
    """One a candidate; None where the strategy did not ask."""
    choice: int | None
    """Index of the chosen candidate; None when no candidate could be chosen."""
    kept: tuple[int, ...] = ()
    """Every candidate that passes, where the strategy keeps more than one."""
    stopped: str = ""
    """Why it ended early: "decided" (nothing could change the result), "confident" (a policy), or
    "budget"."""
    spent: Spent = field(default_factory=Spent)
    """What it paid."""
    nodes: tuple[Node, ...] = ()
    """All that was written, as a tree."""
    failed: tuple[str, ...] = ()
    """Why a request for continuations got none, once for each that the generator failed at."""

    @property
    def response(self) -> Response | None:
        """The chosen candidate."""
        return None if self.choice is None else self.group.responses[self.choice]


@dataclass(frozen=True)
class Extend:
    """Continuations of a prefix that the plan has not had yet; the answer is a list of at most n
    responses."""

    steps: Steps = ()
    """The response so far."""
    n: int = 1
    how: Literal["step", "whole", "greedy"] = "step"
    """One more step; to the end of the response; or one step of the likeliest tokens, to look
    ahead."""


@dataclass(frozen=True)
class Rate:
    """Scores of texts, finished or not; the answer is one a text."""

    responses: tuple[Response, ...]


Request = tuple[Extend, ...] | Rate
Plan = Generator[Request, Any, T]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a plan returns."""

    candidates: tuple[Response, ...]
    scores: tuple[Scored | None, ...]
    choice: int | None
    kept: tuple[int, ...] = ()
    stopped: str = ""
    saved: int = 0


@dataclass
class Account:
    """Cost of a prompt so far, kept by the driver."""

    budget: Budget = field(default_factory=Budget)
    spent: Spent = field(default_factory=Spent)

    @property
    def over(self) -> bool:
        """Return whether the budget is used up: no further request should be made."""
        return self.budget.over(self.spent)


def extend(*asks: Extend) -> Plan[list[list[Response]]]:
    """The continuations of several prefixes, in one request."""
    answer: list[list[Response]] = yield asks
    return answer


def rate(responses: Sequence[Response]) -> Plan[list[Rated]]:
    """Texts with their scores."""
    if not responses:
        return []
    scores: list[Scored] = yield Rate(tuple(responses))
    return list(zip(responses, scores, strict=True))


def distinct(responses: Sequence[Response]) -> list[Response]:
    """Each text once: a search that wrote one twice has one branch there, and one vote."""
    return list({(r.text, r.finished): r for r in responses}.values())


Enough = Callable[[list[Response], Sequence[Scored | None]], str]
"""Why no further sample is needed; "" where one is."""


def draw(
    n: int,
    account: Account,
    *,
    rated: bool = True,
    chunk: int = 0,
    enough: Enough = lambda _, __: "",
) -> Plan[tuple[list[Response], list[Scored | None], str]]:
    """n whole responses, their scores (None where they are not rated), and why there are fewer.

    chunk: samples between two looks at whether they are enough; 0 = all at once. A sample is a
    function of its number, so that how they are asked for changes none of them.
    """
    if n < 1 or chunk < 0:
        raise ConfigError(
            f"n is {n} and chunk {chunk}; n must be at least 1, and chunk not negative"
        )
    responses: list[Response] = []
    scores: list[Scored | None] = []
    limited = account.budget != Budget()
    size = chunk or (max(1, n // 16) if limited else n)
    while len(responses) < n:
        if account.over:
            return responses, scores, "budget"
        wanted = min(size, n - len(responses))
        (new,) = yield from extend(Extend(n=wanted, how="whole"))
        responses += new
        if rated:
            scores += [score for _, score in (yield from rate(new))]
        else:
            scores += [None] * len(new)
        if len(new) < wanted:
            break
        if len(responses) < n and (why := enough(responses, scores)):
            return responses, scores, why
    return responses, scores, ""


Choose = Callable[[Group, Sequence[Scored | None]], int | None]


def best_of_drawn(
    prompt: Prompt,
    account: Account,
    n: int,
    choose: Choose,
    *,
    rated: bool = True,
    chunk: int = 0,
    enough: Enough = lambda _, __: "",
) -> Plan[Found]:
    """Draw n whole responses and choose one: the whole plan of the strategies that do no more."""
    responses, scores, stopped = yield from draw(
        n, account, rated=rated, chunk=chunk, enough=enough
    )
    return Found(
        candidates=tuple(responses),
        scores=tuple(scores),
        choice=choose(Group(prompt=prompt, responses=tuple(responses)), scores),
        stopped=stopped,
        saved=n - len(responses) if stopped not in ("", "budget") else 0,
    )


class Search(Protocol):
    """A test-time strategy: how to spend samples and scores on one prompt, and what to choose in
    the end."""

    def plan(self, prompt: Prompt, account: Account) -> Plan[Found]:
        """Yields what it needs next, goes on with the answers, and returns what it found; see
        `assay.search`.

        `account` tells what was paid so far.
        """
        ...
