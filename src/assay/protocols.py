"""The verbs. Anything with the right method fits; nothing has to be subclassed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar, runtime_checkable

from assay.errors import ConfigError
from assay.questions import Comparison, Distribution, Question
from assay.types import (
    Group,
    Message,
    Preference,
    Prompt,
    Ranking,
    Record,
    Response,
    Score,
    StepLabels,
    Unscored,
)

if TYPE_CHECKING:
    from torch import Tensor

    from assay.stats import Estimate

__all__ = [
    "Answerer",
    "Benchmark",
    "AuxiliaryHeadLoss",
    "Environment",
    "Format",
    "Generator",
    "Judge",
    "Loss",
    "Metered",
    "Prefix",
    "Reaction",
    "Sampling",
    "Scheduled",
    "Scorer",
    "Splitter",
    "Streaming",
    "Verifier",
]

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a generator samples."""

    n: int = 1
    """Responses per prefix."""
    max_tokens: int = 256
    """Longest response, in tokens."""
    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    """Keep the smallest set of tokens with this probability."""
    seed: int = 0
    """Seed of the sampler."""
    stop: tuple[str, ...] = ()
    """Texts at which a sample ends; the stop stays part of it, and the response is unfinished."""

    def __post_init__(self) -> None:
        if self.n < 1 or self.max_tokens < 1:
            raise ConfigError(
                f"n is {self.n} and max_tokens {self.max_tokens}; both must be at least 1"
            )
        if not all(self.stop):
            raise ConfigError(
                "a stop is an empty text, which every text has; give texts to stop at, or none"
            )
        if not 0 <= self.temperature < math.inf or not 0 < self.top_p <= 1:
            raise ConfigError(
                f"temperature is {self.temperature} and top_p {self.top_p}; they must be >= 0 and"
                " in (0, 1]"
            )
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; it must be 0 or more")


Splitter = Callable[[str], Sequence[str]]
"""A text's steps; their concatenation is the text."""


@dataclass(frozen=True)
class Prefix:
    """Where generation starts: a prompt and the steps written so far."""

    prompt: Prompt
    steps: tuple[str, ...] = ()
    first: int = 0
    """Number of its first sample. With a seed, a sample is a function of prefix and number: asking
    for numbers 8 to 15 later gives what asking for 0 to 15 at once would have given."""


@runtime_checkable
class Scorer(Protocol):
    """Reward models, ensembles, verifiers, rules and remote servers are all this."""

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response of each group, in order."""
        ...


@runtime_checkable
class Scheduled(Protocol):
    """A scorer that differs from one step of training to the next; without a step, it is the one to
    evaluate with."""

    def at(self, step: int) -> Scorer:
        """The scorer of a step, a function of the step alone: runs that resume ask again."""
        ...


@runtime_checkable
class Metered(Protocol):
    """A scorer that counts the tokens it reads."""

    @property
    def tokens_read(self) -> int | None:
        """Tokens that went through the model so far; what was computed once for several responses
        counts once. None where it wraps a scorer that does not count."""
        ...


@runtime_checkable
class Generator(Protocol):
    """Anything that writes responses."""

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        """`sampling.n` responses for each prefix, in order; a response includes its prefix's
        steps."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A generator that hands over what is finished while the rest is under way."""

    def stream(
        self, prefixes: Sequence[Prefix], sampling: Sampling
    ) -> Iterator[tuple[int, list[Response] | Unscored]]:
        """For each prefix, in any order: its index and its `sampling.n` responses, or why there are
        none.

        A response's `meta` holds under "tokens" how many were written for it, where that is known.
        Raises `BackendError` where going on is of no use, after handing over what was finished.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """What an environment makes of an assistant's turn."""

    turn: Message
    """The turn, with the calls that stand in its text."""
    answers: tuple[Message, ...] = ()
    """What the assistant reads next, such as the tool's results; none ends the trajectory."""
    reward: float | None = None
    """The turn's reward; None = none is given, which is not 0."""


@runtime_checkable
class Environment(Protocol):
    """What answers an assistant that calls tools.

    It may have attributes: `tools`, definitions that prompts without any are given, and `stop`,
    texts at which a turn ends; otherwise turns end with the policy's end token.
    """

    def react(self, prompt: Prompt, turns: Sequence[Message]) -> Reaction:
        """React to the last of the turns, the assistant's, whose content is all that it wrote.

        It depends on its arguments alone: runs that resume ask again.
        """
        ...


@runtime_checkable
class Verifier(Protocol):
    """A program that checks a final answer against a reference."""

    def extract(self, text: str) -> str | None:
        """The final answer that the text gives; None when it gives none."""
        ...

    def canonical(self, answer: str) -> str:
        """A key that equal answers share: what a vote counts."""
        ...

    def verify(self, text: str, reference: str) -> Score | Unscored:
        """1 = right, 0 = wrong; `Unscored` when it cannot be decided."""
        ...


@runtime_checkable
class Answerer(Protocol):
    """What answers questions with a closed set of answers: a language model read at its labels or
    in its words, a decision server, a reward model's head."""

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        """Answer each state's own questions, in order.

        states: conversations, of which the last message is from the user and ends with what is
        judged. The question is put behind its text, after a blank line; one whose text is empty is
        asked there already, and its options' names are the labels that the text tells to write.
        """
        ...


@runtime_checkable
class Judge(Protocol):
    """What compares two responses to one prompt."""

    def compare(self, pairs: Sequence[Group]) -> list[Comparison | Unscored]:
        """One comparison per group of two responses, in order."""
        ...


class Loss(Protocol):
    """A masked loss over the values a reward model reads.

    Shapes: G groups in the batch, R responses a group, S read positions a response (one a step, or
    one a token).
    """

    consumes: ClassVar[type[Preference] | type[Ranking] | type[StepLabels]]
    """The records it learns from."""
    trains: ClassVar[Literal["preference", "outcome", "process"]]
    """The read-out that its values fit: rewards, the answer's probability, or a probability a
    step."""

    @property
    def reads(self) -> Literal["steps", "tokens"]:
        """Where values are read: at the end of every step, or at every token of the response."""
        ...

    def terms(self, targets: Tensor, mask: Tensor) -> int:
        """How many terms the mean is over: what weights the parts of a batch so that they add up to
        the whole."""
        ...

    def __call__(self, values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """The mean loss, a scalar; 0 where there is no term.

        values: (G, R, S) logits. mask: (G, R, S) bool, True at positions that exist. targets:

        * Preference: (G, 2), [probability that the first is better, margin (0 where none is
        stated)];
        * Ranking: (G, R) grades; a response absent from a group has an all-False mask;
        * StepLabels: (G, R, S) labels in [0, 1], NaN where a position is not supervised (R is 1).
        """
        ...


@runtime_checkable
class AuxiliaryHeadLoss(Loss, Protocol):
    """A loss over preferences that trains a second head on the same states, to take up what a
    feature explains.

    Its values are the sums of both heads', and its targets have a column more for each response:
    the feature. Batch-level regularisation is returned by `regularizer`, not by `__call__`. The
    second head is thrown away in the end: the first is saved and scores.
    """

    min_batch: ClassVar[int]
    """Fewest records per step."""

    def feature_of(self, prompt: Prompt, response: Response) -> float:
        """The feature that the first head's reward should not correlate with, as a number."""
        ...

    def regularizer(self, rewards: Tensor, features: Tensor, heads: Tensor) -> Tensor:
        """A scalar that is added to the mean loss.

        rewards: (2, G, 2), of each head, group and response. features: (G, 2). heads: (2, D)
        weights. G is all records of a step, whatever goes through the model at a time. Raises
        `ConfigError` where they are too few.
        """
        ...


class Benchmark(Protocol[R]):
    """Records whose answers are known, and what is measured on a scorer's scores of them."""

    headline: ClassVar[str]
    """The metric that the benchmark is quoted by; 1 for the gold labels."""

    def records(self) -> Sequence[R]:
        """The records, each with an id of its own."""
        ...

    def metrics(
        self, records: Sequence[R], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """Every metric of scores given as one group a record, one score a response. Needs no
        model."""
        ...

    def baselines(self, records: Sequence[R]) -> dict[str, Estimate]:
        """The same metrics of what needs no model, as "metric/baseline"."""
        ...

    def validate(self, records: Sequence[R] | None = None) -> None:
        """Raises `DataError` unless the gold labels score 1 and planted wrong ones less."""
        ...


class Format(Protocol):
    """One public layout of rows, read into records and written back."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row looks like this format; formats are told apart by their columns."""
        ...

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """The records of a row. Raises `DataError` naming the field when the row is malformed."""
        ...

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Rows holding the records. Raises `DataError` when the format cannot express one."""
        ...
