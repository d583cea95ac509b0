"""Answerers whose answers are known: functions of what they are shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from assay.questions import Distribution, Question
from assay.types import Group, Prompt, Response, Unscored

Said = Sequence[float] | Distribution | Unscored


@dataclass
class Planted:
    """Answers by a function of the last message's text; keeps what it was shown."""

    say: Callable[[str, Question], Said]
    states: list[Prompt] = field(default_factory=list)
    calls: int = 0

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        self.calls += 1
        self.states += states
        return [
            [self._one(state, question) for question in asked]
            for state, asked in zip(states, questions, strict=True)
        ]

    def _one(self, state: Prompt, question: Question) -> Distribution | Unscored:
        said = self.say(state.messages[-1].content, question)
        if isinstance(said, Distribution | Unscored):
            return said
        return Distribution(probabilities=tuple(said))


def group(*texts: str, question: str = "What is 2 + 2?", reference: str | None = None) -> Group:
    return Group(
        prompt=Prompt.of(question, reference=reference), responses=tuple(map(Response.of, texts))
    )
