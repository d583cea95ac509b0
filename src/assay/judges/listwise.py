"""Choose the best of several responses shown at once, in every place once."""

import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from assay.errors import ConfigError, DataError
from assay.fingerprint import ByContent
from assay.judges.ask import ask, shown
from assay.judges.fencing import JudgePrompt, prompt, response_of
from assay.protocols import Answerer
from assay.questions import Distribution, Question, log_mean
from assay.types import Group, Prompt, Score, Unscored

__all__ = ["Listwise"]

MOST: Final = 26
"""Responses that can be told apart by letters."""


class Listwise:
    """A `Scorer` of groups: the probability that a response is the best of its group.

    The responses are rotated through the places, and log-probabilities averaged over the rotations,
    which over all of them takes out every effect of a place that is additive in logits; of repeated
    verdicts the shares are averaged. Scores say nothing across groups. A rotation without an answer
    leaves its group `Unscored`, as does having one response only.
    rotations: how many of a group's rotations are asked, evenly spaced; None = all.
    """

    fingerprint = ByContent()

    def __init__(
        self,
        answerer: Answerer,
        prompt: str | Path | JudgePrompt = "listwise",
        *,
        rotations: int | None = None,
    ) -> None:
        if rotations is not None and rotations < 1:
            raise ConfigError(f"rotations is {rotations}; it must be at least 1")
        self.answerer = answerer
        self.prompt = _loaded(prompt)
        self.rotations = rotations

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Return one score per response of each group, in order.

        Raises `DataError` for a group of more than 26 responses, before anything is asked.
        """
        for group in groups:
            if len(group.responses) > MOST:
                raise DataError(
                    f"prompt {group.prompt.id!r} has {len(group.responses)} responses, and {MOST}"
                    " can be shown at once; compare more by assay.judges.tournament"
                )
        found: list[list[Score | Unscored]] = [
            [Unscored(reason="a single response has nothing to be compared with")]
            * len(group.responses)
            for group in groups
        ]
        # One question has one number of options: groups of one size are asked together.
        for size in sorted({len(group.responses) for group in groups} - {0, 1}):
            places = [i for i, group in enumerate(groups) if len(group.responses) == size]
            for i, scores in zip(places, self._scores([groups[i] for i in places]), strict=True):
                found[i] = scores
        return found

    def _scores(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Scores of groups of one size."""
        n = len(groups[0].responses)
        question = Question.choice(
            "Which response is the best?", [f"Response {i + 1}" for i in range(n)]
        )
        turns = min(n, self.rotations or n)
        shifts = [turn * n // turns for turn in range(turns)]
        states = [[self._state(group, shift) for shift in shifts] for group in groups]
        answers = iter(ask(self.answerer, [*chain.from_iterable(states)], question))
        return [_together([next(answers) for _ in shifts], shifts, n) for _ in groups]

    def _state(self, group: Group, shift: int) -> Prompt | Unscored:
        rotated = [*group.responses[shift:], *group.responses[:shift]]
        texts = {f"Response {i}:": response_of(one) for i, one in enumerate(rotated, start=1)}
        return shown(self.prompt, group, {"responses": texts})


def _loaded(given: str | Path | JudgePrompt) -> JudgePrompt:
    return prompt(given, needs=("question", "responses"), may=("reference",))


def _together(
    answers: Sequence[Distribution | Unscored], shifts: Sequence[int], n: int
) -> list[Score | Unscored]:
    """One score per response, from the answers to its group's rotations."""
    turned: list[Distribution] = []
    for answer, shift in zip(answers, shifts, strict=True):
        if isinstance(answer, Unscored):
            return [answer] * n
        p = answer.probabilities
        turned.append(answer.model_copy(update={"probabilities": p[n - shift :] + p[: n - shift]}))
    if any(one.verdicts is not None for one in turned):
        each = zip(*(one.probabilities for one in turned), strict=True)
        return [Score(value=math.fsum(shares) / len(turned)) for shares in each]
    try:
        mean = log_mean(turned)
    except DataError as error:
        return [Unscored(reason=str(error))] * n
    return [Score(value=p) for p in mean.probabilities]
