"""Take the effect of an option's position out of answers, by asking every rotation of the
options."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.errors import DataError
from assay.fingerprint import ByContent
from assay.protocols import Answerer
from assay.questions import Distribution, Question, log_mean
from assay.types import Prompt, Unscored

__all__ = ["RotatedAnswerer"]


@dataclass(frozen=True)
class RotatedAnswerer:
    """An `Answerer` that asks a choice of n options n times, so that each option stands at each
    place once, and averages log-probabilities.

    An effect of the place that is additive in logits is then gone exactly; of an average of
    probabilities it would not be. Rotation r is a request of its own, with the choices of more than
    r options. Other questions, and those that the state itself asks, are asked once. A question is
    `Unscored` where one of its rotations is: the others alone would keep a part of the effect.
    """

    answerer: Answerer
    fingerprint = ByContent()

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        """Answer each state's own questions, in order, as the answerer does."""
        rounds = [
            (i, by)
            for i, asked in enumerate(questions)
            for by in range(max(map(_turns, asked), default=0))
        ]
        places = [[j for j, q in enumerate(questions[i]) if by < _turns(q)] for i, by in rounds]
        rotated = [
            [questions[i][j].rotated(by) if by else questions[i][j] for j in there]
            for (i, by), there in zip(rounds, places, strict=True)
        ]
        found = self.answerer.answer([states[i] for i, _ in rounds], rotated)
        turned: list[list[list[Distribution | Unscored]]] = [[[] for _ in q] for q in questions]
        for (i, by), there, answers in zip(rounds, places, found, strict=True):
            for j, answer in zip(there, answers, strict=True):
                back = answer if isinstance(answer, Unscored) else answer.rotated(-by)
                turned[i][j].append(back)
        return [[_averaged(one) for one in each] for each in turned]


def _turns(question: Question) -> int:
    """How often a question is asked."""
    return len(question.options) if question.kind == "choice" and question.text else 1


def _averaged(turned: Sequence[Distribution | Unscored]) -> Distribution | Unscored:
    good = [one for one in turned if not isinstance(one, Unscored)]
    if len(good) < len(turned):
        return next(one for one in turned if isinstance(one, Unscored))
    if len(good) == 1:
        return good[0]
    try:
        return log_mean(good)
    except DataError as error:
        return Unscored(reason=str(error))
