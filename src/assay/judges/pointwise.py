"""Rate responses one at a time, by the mean of the levels that an answerer gives."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

from assay.errors import ConfigError
from assay.fingerprint import ByContent
from assay.judges.ask import ask, shown, written
from assay.judges.fencing import JudgePrompt, prompt, response_of
from assay.protocols import Answerer
from assay.questions import Distribution, Option, Question
from assay.types import Group, Score, Unscored

__all__ = ["PointProtocol", "Pointwise", "rated", "rating"]


def rating(levels: int = 10) -> Question:
    """Ask for one of the levels 1, 2, ..., worst first, each worth its number."""
    if levels < 2:
        raise ConfigError(f"levels is {levels}; a rating needs 2 or more")
    said = {1: "wrong or useless", levels: "nothing could be better"}
    return Question.score(
        "How good is the response?",
        [
            Option(name=str(level), value=level, description=said.get(level, ""))
            for level in range(1, levels + 1)
        ],
    )


_RATING: Final = rating()


@dataclass(frozen=True, kw_only=True)
class PointProtocol:
    """How one response is shown, and what is asked."""

    prompt: str | Path | JudgePrompt = "pointwise"
    """Name or file of the prompt; with {reference} in it, prompts without one are `Unscored`."""
    question: Question = _RATING
    """A score's levels, or a predicate: then the rating is p(True)."""


class Pointwise:
    """A `Scorer` that asks an answerer how good each response is.

    A score's value is Σ p v over the levels, and its std the root of Σ p (v - value)². A response
    without an answer is `Unscored`.
    prompt: instead of the protocol's. levels: those of the rating, where no protocol is given.
    """

    fingerprint = ByContent()

    def __init__(
        self,
        answerer: Answerer,
        prompt: str | Path | JudgePrompt | None = None,
        *,
        levels: int = 10,
        protocol: PointProtocol | None = None,
    ) -> None:
        base = protocol or PointProtocol(question=rating(levels))
        self.answerer = answerer
        self.prompt = _loaded(prompt or base.prompt)
        self.protocol = replace(base, prompt=self.prompt)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Return one score per response of each group, in order."""
        question = self.protocol.question
        states = [
            [
                shown(self.prompt, group, {"response": response_of(response)})
                for response in group.responses
            ]
            for group in groups
        ]
        answers = iter(ask(self.answerer, [*chain.from_iterable(states)], question))
        return [[rated(next(answers), question) for _ in row] for row in states]


def _loaded(given: str | Path | JudgePrompt) -> JudgePrompt:
    return prompt(given, needs=("question", "response"), may=("reference",))


def rated(answer: Distribution | Unscored, question: Question) -> Score | Unscored:
    """Return an answer's mean level, with the standard deviation and what was written."""
    if isinstance(answer, Unscored):
        return answer
    return Score(
        value=answer.expectation(question),
        std=math.sqrt(max(0.0, answer.variance(question))),
        critique=written([("", answer)]),
    )
