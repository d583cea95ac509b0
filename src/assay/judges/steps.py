"""Find the first wrong step of a solution: a critic of steps as a scorer.

What is asked is where the first mistake is, and the answer is a distribution over the steps and
"none". A step's score is the probability that no step up to it is wrong, 1 - P(first wrong <= t),
and the response's that none is: what a process reward model scores.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Final, Literal, NamedTuple

from assay.data.records import all_pairs
from assay.errors import ConfigError
from assay.fingerprint import ByContent
from assay.judges.answers import answers_of
from assay.judges.ask import shown, written
from assay.judges.fencing import JudgePrompt, prompt
from assay.protocols import Answerer
from assay.questions import Distribution, Option, Question
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["Asks", "StepCritic"]

Asks = Literal["first", "number", "each"]
"""first = which step is the first wrong one, by labels of one digit (a long solution in pieces, and
then within each); number = the same as one question of any length, for answerers that write; each =
of each step whether it is right, those before it taken as given."""

DIGITS: Final = 9
"""Most steps, or pieces of a solution, that a digit each tells apart, beside 0."""
NUMBER: Final = (
    "Which step is the first wrong one? Give your reasons first. Then end with a line of its own"
    ' that reads "Verdict: N", with the number of the first wrong step in place of N, or 0 if no'
    " step is wrong."
)


class _Asked(NamedTuple):
    """A question about some steps of a solution, and the steps that each option stands for."""

    about: range
    question: Question
    options: tuple[range, ...]
    """An empty one: no step is wrong."""


@dataclass(frozen=True)
class StepCritic:
    """A `Scorer` of steps that asks an answerer for the first wrong one.

    prompt: name or file of a text with {question} and {steps}, and with {count} and {reference}
    where it wants them. decides: whether scores are probabilities, or those of the likeliest answer
    alone, 1 before the step and 0 from it on: with repeated verdicts the majority of ProcessBench
    (arXiv:2412.06559). Of equals it is that none is wrong, or else the earliest step.
    """

    answerer: Answerer
    prompt: str | Path | JudgePrompt = "steps"
    asks: Asks = "first"
    decides: Literal["probability", "majority"] = "probability"

    fingerprint = ByContent()

    def __post_init__(self) -> None:
        if self.asks not in ("first", "number", "each"):
            raise ConfigError(f"asks is {self.asks!r}; there is first, number, each")
        if self.decides not in ("probability", "majority"):
            raise ConfigError(f"decides is {self.decides!r}; there is probability, majority")
        made = prompt(self.prompt, needs=("question", "steps"), may=("count", "reference"))
        object.__setattr__(self, "prompt", made)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Score every response and its steps, in [0, 1], in order.

        `Unscored` where a question that the scores rest on has no answer.
        """
        pairs = all_pairs(groups)
        states = [self._state(asked, response) for asked, response in pairs]
        questions = [_questions(len(response.steps), self.asks) for _, response in pairs]
        there = [i for i, state in enumerate(states) if isinstance(state, Prompt)]
        answers = answers_of(
            self.answerer,
            [state for state in states if isinstance(state, Prompt)],
            [[one.question for one in questions[i]] for i in there],
        )
        found = dict(zip(there, answers, strict=True))
        scores = iter(
            state if isinstance(state, Unscored) else self._score(questions[i], found[i])
            for i, state in enumerate(states)
        )
        return [[*islice(scores, len(group.responses))] for group in groups]

    def _state(self, asked: Prompt, response: Response) -> Prompt | Unscored:
        """The solution in the critic's prompt, or why it cannot be shown."""
        if not response.steps:
            return Unscored(reason="the response has no steps")
        assert isinstance(self.prompt, JudgePrompt)
        texts: dict[str, str | Mapping[str, str]] = {
            "steps": _steps(response),
            "count": str(len(response.steps)),
        }
        state = shown(self.prompt, Group(prompt=asked, responses=(response,)), texts)
        if self.asks != "number" or isinstance(state, Unscored):
            return state
        last = state.messages[-1]
        asking = last.model_copy(update={"content": f"{last.content}\n\n{NUMBER}"})
        return state.model_copy(update={"messages": (*state.messages[:-1], asking)})

    def _score(
        self, asked: Sequence[_Asked], answers: Sequence[Distribution | Unscored]
    ) -> Score | Unscored:
        """What the answers say of each step."""
        read = _each if self.asks == "each" else _first_wrong
        chances = read(asked, answers)
        if isinstance(chances, Unscored):
            return chances
        if self.decides == "majority":
            # Of equals, that none is wrong, or else the earliest step.
            places = [len(chances) - 1, *range(len(chances) - 1)]
            likeliest = max(places, key=chances.__getitem__)
            chances = [float(t == likeliest) for t in range(len(chances))]
        steps = tuple(min(1.0, max(0.0, 1.0 - wrong)) for wrong in accumulate(chances[:-1]))
        names = (_named(one.about) if len(asked) > 1 else "" for one in asked)
        critique = written(zip(names, answers, strict=True))
        return Score(value=steps[-1], steps=steps, critique=critique)


def _steps(response: Response) -> dict[str, str]:
    """Each step under its number, with what a trajectory's tools and users said after it."""
    if not response.turns:
        return {f"Step {t}:": step.strip("\n") for t, step in enumerate(response.steps, start=1)}
    said, t = dict[str, str](), 0
    for place, turn in enumerate(response.turns):
        t += turn.role == "assistant"
        title = f"Step {t}:" if turn.role == "assistant" else f"{turn.role} ({place + 1}):"
        said[title] = turn.text
    return said


def _questions(steps: int, asks: Asks) -> list[_Asked]:
    """Everything to ask of a solution of so many steps; a question comes after those that it
    hangs on."""
    whole = range(steps)
    if asks == "each":
        return [_whether_right(t) for t in whole]
    if asks == "number":
        names = [Option(name=str(t)) for t in range(steps + 1)]
        question = Question.choice("", names).model_copy(update={"form": "Verdict: {}"})
        return [_Asked(whole, question, (range(0), *(range(t, t + 1) for t in whole)))]
    return [*_pieces(whole, none=True)] if steps else []


def _whether_right(t: int) -> _Asked:
    text = f"Is step {t + 1} right? Take the steps before it as given."
    return _Asked(range(t, t + 1), Question.predicate(text), (range(0), range(t, t + 1)))


def _pieces(steps: range, *, none: bool) -> Iterator[_Asked]:
    """Ask where among some steps the first wrong one is, and then within each piece of several."""
    size = math.ceil(len(steps) / DIGITS)
    pieces = [steps[start : start + size] for start in range(0, len(steps), size)]
    options = [Option(name="0", description="no step is wrong")] if none else []
    options += [
        Option(name=str(number), description=_named(piece))
        for number, piece in enumerate(pieces, start=1)
    ]
    text = "Which step is the first wrong one?" if size == 1 else "Where is the first wrong step?"
    if not none:
        text = f"Suppose that the first wrong step is one of {_named(steps)}. {text}"
    kept = (range(0), *pieces) if none else tuple(pieces)
    yield _Asked(steps, Question.choice(text, options), kept)
    for piece in pieces:
        if len(piece) > 1:
            yield from _pieces(piece, none=False)


def _named(steps: range) -> str:
    first, last = steps[0] + 1, steps[-1] + 1
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _first_wrong(
    asked: Sequence[_Asked], answers: Sequence[Distribution | Unscored]
) -> list[float] | Unscored:
    """P(first wrong = t) of each step, and at the end that none is: the product along the way to
    it."""
    reached = {asked[0].about: 1.0}
    for one, answer in zip(asked, answers, strict=True):
        before = reached[one.about]
        if isinstance(answer, Unscored):
            if before > 0:
                return answer
            # What has no chance need not be known.
            reached |= dict.fromkeys(one.options, 0.0)
            continue
        for steps, p in zip(one.options, answer.probabilities, strict=True):
            reached[steps] = before * p
    chances = [reached.get(range(t, t + 1), 0.0) for t in asked[0].about]
    return [*chances, reached[range(0)]]


def _each(
    asked: Sequence[_Asked], answers: Sequence[Distribution | Unscored]
) -> list[float] | Unscored:
    """The same of answers q_t whether each step is right: (1 - q_t) Π_{s < t} q_s."""
    chances, right = [], 1.0
    for answer in answers:
        if isinstance(answer, Unscored):
            return answer
        chances.append(right * answer.probabilities[1])
        right *= answer.probabilities[0]
    return [*chances, right]
