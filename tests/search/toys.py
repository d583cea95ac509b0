"""Policies whose every sample is known beforehand, and scorers that know what they wrote."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from assay.protocols import Prefix, Sampling
from assay.search import Search, SearchResult, Steps
from assay.search.beam import Beam
from assay.search.best_first import BestFirst
from assay.search.best_of_n import BestOfN
from assay.search.best_of_poisson import BestOfPoisson
from assay.search.dvts import Dvts
from assay.search.majority import Majority
from assay.search.mcts import Mcts
from assay.search.pessimism import Pessimism
from assay.search.regularised_best_of_n import RegularisedBestOfN
from assay.search.rejection import Rejection
from assay.search.soft_best_of_n import SoftBestOfN
from assay.search.step_rejection import StepRejection
from assay.search.weighted_majority import WeightedMajority
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.labelling.planted import LastWord

ANSWER = LastWord()
GONE = Unscored(reason="test")
WHOLE = Sampling(max_tokens=64)

SMALL: dict[str, Search] = {
    "beam": Beam(n=4, width=2, answers=ANSWER),
    "beam, looking ahead": Beam(n=4, width=2, lookahead=1, pick="weighted", answers=ANSWER),
    "best-first": BestFirst(each=2, expansions=6, finished=2, answers=ANSWER),
    "best-of-n": BestOfN(n=4),
    "best-of-n, until enough": BestOfN(n=6, enough=1.0, chunk=2),
    "best-of-poisson": BestOfPoisson(mu=3.0),
    "dvts": Dvts(n=4, width=2, answers=ANSWER),
    "majority": Majority(n=6, chunk=2, answers=ANSWER),
    "mcts": Mcts(simulations=5, each=2, answers=ANSWER),
    "pessimism": Pessimism(n=4),
    "regularised-best-of-n": RegularisedBestOfN(n=4),
    "rejection": Rejection(n=4),
    "soft-best-of-n": SoftBestOfN(n=4),
    "step-rejection": StepRejection(n=2, tries=2, answers=ANSWER),
    "weighted-majority": WeightedMajority(n=4, answers=ANSWER),
}
"""Every strategy, with settings that cost little."""

Asked = tuple[str, Steps, int, str]
"""Prompt, prefix, number and way (whole, step or greedy) of a sample."""


def way(sampling: Sampling) -> str:
    return "greedy" if sampling.temperature == 0 else "step" if sampling.stop else "whole"


@dataclass
class Written:
    """A generator by a function of prefix, number and settings, which notes what it was asked for,
    one by one."""

    asked: list[Asked] = field(default_factory=list, kw_only=True)

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        return [self.samples(prefix, sampling) for prefix in prefixes]

    def samples(self, prefix: Prefix, sampling: Sampling) -> list[Response]:
        numbers = range(prefix.first, prefix.first + sampling.n)
        self.asked += [
            (prefix.prompt.text, prefix.steps, number, way(sampling)) for number in numbers
        ]
        return [self.one(prefix, number, sampling) for number in numbers]

    def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
        raise NotImplementedError


@dataclass
class Tree(Written):
    """Sample k of a prefix is its child k, and k + branching again; whole, it is the k-th leaf
    below."""

    branching: int = 2
    depth: int = 3

    def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
        left = self.depth - len(prefix.steps)
        new = 1 if sampling.stop else left
        digits = [str(number // self.branching**i % self.branching) for i in reversed(range(new))]
        steps = (*prefix.steps, *(f"{digit} " for digit in digits))
        return Response(steps=steps, finished=new == left, meta={"tokens": new})

    @property
    def inner(self) -> int:
        """Texts that can be continued."""
        return sum(self.branching**d for d in range(self.depth))

    def leaves(self) -> list[str]:
        """The finished texts."""
        names = [f"{i} " for i in range(self.branching)]
        return ["".join(path) for path in itertools.product(names, repeat=self.depth)]


@dataclass
class Policy(Written):
    """Writes steps "+1234 " with a chance of `right`, else "-1234 "; after `depth` of them the
    answer, 11 where all are "+" and 1 where not. No two texts are the same."""

    right: float = 0.7
    depth: int = 3
    seed: int = 0

    def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
        likely = sampling.temperature == 0
        draw = "likeliest" if likely else number
        rng = random.Random(
            repr((self.seed, sampling.seed, prefix.prompt.text, prefix.steps, draw, way(sampling)))
        )
        steps = list(prefix.steps)
        while True:
            good = self.right >= 0.5 if likely else rng.random() < self.right
            steps.append(f"{'+' if good else '-'}{rng.randrange(10**9)} ")
            if len(steps) == self.depth:
                steps[-1] += f"so {'11' if still_right(steps) else '1'}"
                break
            if sampling.stop:
                break
        meta = {"tokens": len(steps) - len(prefix.steps)}
        return Response(steps=tuple(steps), finished=len(steps) == self.depth, meta=meta)


@dataclass
class Drawn(Written):
    """Sample k of each prompt is `texts[k]`, in one step."""

    texts: Sequence[str] = ()

    def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
        return Response(steps=(*prefix.steps, self.texts[number]), meta={"tokens": 1})


def still_right(steps: Sequence[str]) -> bool:
    return not any(step.startswith("-") for step in steps)


@dataclass
class Reads:
    """Scores by a rule, and counts a text's characters and one more as the tokens that it reads."""

    rule: Callable[[Prompt, Response], float | None] = lambda _, response: float(
        still_right(response.steps)
    )
    tokens_read: int = 0
    asked: list[tuple[str, Response]] = field(default_factory=list)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        found: list[list[Score | Unscored]] = []
        for group in groups:
            found.append([])
            for response in group.responses:
                self.tokens_read += len(response.text) + 1
                self.asked.append((group.prompt.text, response))
                value = self.rule(group.prompt, response)
                found[-1].append(GONE if value is None else Score(value=value))
        return found


def noisy(_: Prompt, response: Response) -> float:
    """A number from 0 to 1 that the text decides; a right one gets more, most often."""
    noise = random.Random(response.text).random()
    return (noise + 0.7 * still_right(response.steps)) / 1.7


class Broken(Exception):
    """What a power cut is to a test."""


@dataclass
class Fails:
    """A generator or scorer that works, but for its call number `at`."""

    inner: Any
    at: int
    calls: int = 0

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        self.count()
        found: list[list[Response]] = self.inner.generate(prefixes, sampling)
        return found

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        self.count()
        found: list[list[Score | Unscored]] = self.inner.score(groups)
        return found

    @property
    def tokens_read(self) -> int:
        read: int = self.inner.tokens_read
        return read

    def count(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise Broken


@dataclass
class Backwards:
    """A generator that hands over its prefixes' samples one by one, the last first; where `fails`
    says so, none."""

    inner: Written
    fails: Callable[[Prefix], bool] = lambda _: False

    def stream(
        self, prefixes: Sequence[Prefix], sampling: Sampling
    ) -> Iterator[tuple[int, list[Response] | Unscored]]:
        for i in reversed(range(len(prefixes))):
            prefix = prefixes[i]
            yield i, GONE if self.fails(prefix) else self.inner.samples(prefix, sampling)

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        raise AssertionError("a generator that streams is asked to stream")


def prompts(n: int, reference: str = "11") -> list[Prompt]:
    return [Prompt.of(f"question {i}", reference=reference) for i in range(n)]


def timeless(results: Sequence[SearchResult]) -> list[dict[str, Any]]:
    """All that a search found and paid, but for its seconds and the notes on its responses."""
    return [
        {
            "responses": [(r.steps, r.finished) for r in one.group.responses],
            "prompt": one.group.prompt,
            "scores": one.scores,
            "choice": one.choice,
            "kept": one.kept,
            "stopped": one.stopped,
            "spent": replace(one.spent, seconds=0.0),
            "nodes": one.nodes,
        }
        for one in results
    ]


def text(result: SearchResult) -> str | None:
    """What was chosen."""
    return None if result.response is None else result.response.text
