"""A policy whose chance to finish right from each prefix is known, and a checker of what it
writes."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from assay.labelling.ledger import Ledger
from assay.labelling.rollouts import Rollouts
from assay.protocols import Prefix, Sampling
from assay.types import Prompt, Response, Score, Unscored


@dataclass
class Coin:
    """Sample k of a prefix is right where a number drawn from seed, prefix and k is below the
    prefix's value."""

    value: Callable[[tuple[str, ...]], float]
    fails: Callable[[tuple[str, ...]], bool] = lambda steps: False
    asked: list[tuple[tuple[str, ...], int, int]] = field(default_factory=list, compare=False)

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        return [self.sample(prefix, sampling) for prefix in prefixes]

    def sample(self, prefix: Prefix, sampling: Sampling) -> list[Response]:
        self.asked.append((prefix.steps, prefix.first, sampling.n))
        return [self.one(prefix, sampling.seed, prefix.first + k) for k in range(sampling.n)]

    def one(self, prefix: Prefix, seed: int, number: int) -> Response:
        digest = hashlib.sha256(
            repr((seed, prefix.prompt.text, prefix.steps, number)).encode()
        ).digest()
        right = int.from_bytes(digest[:8]) / 2**64 < self.value(prefix.steps)
        return Response(steps=(*prefix.steps, "so ", "11" if right else "1"), meta={"tokens": 2})


class Stream(Coin):
    """The same, one prefix at a time, in reverse; some prefixes get nothing."""

    def stream(
        self, prefixes: Sequence[Prefix], sampling: Sampling
    ) -> Iterator[tuple[int, list[Response] | Unscored]]:
        for i in reversed(range(len(prefixes))):
            if self.fails(prefixes[i].steps):
                yield i, Unscored(reason="the server is tired")
            else:
                yield i, self.sample(prefixes[i], sampling)


@dataclass(frozen=True)
class LastWord:
    """The answer is what follows "so ": all of it, so that 1 is not 11."""

    def extract(self, text: str) -> str | None:
        return text.rpartition("so ")[2] if "so " in text else None

    def canonical(self, answer: str) -> str:
        return answer

    def verify(self, text: str, reference: str) -> Score | Unscored:
        answer = self.extract(text)
        return (
            Unscored(reason="no answer")
            if answer in (None, "?")
            else Score(value=float(answer == reference))
        )


PROMPT = Prompt.of("How many?", reference="11")


def rollouts(generator: Coin, ledger: Ledger | None = None, **settings: object) -> Rollouts:
    return Rollouts(
        generator=generator,
        verifier=LastWord(),
        sampling=Sampling(seed=3),
        name="coin",
        ledger=ledger or Ledger(),
        **settings,  # type: ignore[arg-type]
    )


def solution(marks: str, answer: str = "1", prompt: Prompt = PROMPT) -> tuple[Prompt, Response]:
    """A response with a step a mark, "+" or "-", then the answer's."""
    return prompt, Response(steps=(*(f"{mark} " for mark in marks), f"so {answer}"))


def first_error(steps: Sequence[str]) -> bool:
    """Whether a prefix has a step marked wrong."""
    return any(step.startswith("-") for step in steps)
