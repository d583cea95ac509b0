"""An answer with what was read for it, for those who count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from assay.protocols import Answerer
from assay.questions import Distribution, Question
from assay.types import Prompt, Unscored

__all__ = ["Answered", "Counting", "answered"]


@dataclass(frozen=True)
class Answered:
    """One question's answer."""

    answer: Distribution | Unscored
    tokens: int | None = None
    """Tokens of the state with the question, in every order of its options that was asked; None
    where they are not known."""


@runtime_checkable
class Counting(Protocol):
    """An answerer that knows the tokens of what it reads."""

    def answered(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Answered]]:
        """Answer as `Answerer.answer` does, with the tokens of each question."""
        ...


def answered(
    answerer: Answerer, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
) -> list[list[Answered]]:
    """Ask any answerer, with the tokens where it knows them."""
    if isinstance(answerer, Counting):
        return answerer.answered(states, questions)
    return [[Answered(one) for one in each] for each in answerer.answer(states, questions)]
