"""Fakes that need no model, for our tests and for yours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from assay.protocols import Prefix, Sampling
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["FakeGenerator", "FakeScorer"]


@dataclass(frozen=True)
class FakeScorer:
    """Scores by a rule; the default is the text's length. A rule that returns None leaves the
    response unscored."""

    rule: Callable[[Prompt, Response], float | None] = lambda _, response: float(len(response.text))

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, by the rule."""
        return [
            [self._one(group.prompt, response) for response in group.responses] for group in groups
        ]

    def _one(self, prompt: Prompt, response: Response) -> Score | Unscored:
        value = self.rule(prompt, response)
        return Unscored(reason="the rule gave None") if value is None else Score(value=value)


@dataclass(frozen=True)
class FakeGenerator:
    """Writes the given texts in turn, whatever it is asked; by default "x", "xx", "xxx", ..."""

    texts: Sequence[str] = field(default_factory=lambda: tuple("x" * i for i in range(1, 65)))

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        """`sampling.n` responses a prefix."""
        chosen = [self.texts[i % len(self.texts)] for i in range(sampling.n)]
        return [[Response(steps=(*prefix.steps, text)) for text in chosen] for prefix in prefixes]
