"""Trajectories to learn from, with errors planted where we know, and their labels."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from assay.types import Message, Response, StepLabels
from assay.worlds.calculator.environment import Calculator, label
from assay.worlds.calculator.task import Problem, boxed, call, prompt_of
from assay.worlds.calculator.tokenizer import PATTERN

__all__ = ["demonstrate", "trajectories"]


def demonstrate(
    problems: Iterable[Problem],
    rng: np.random.Generator,
    *,
    alone: float = 0.5,
    hasty: float = 0.2,
    slip: float = 0.15,
    broken: float = 0.0,
) -> list[Response]:
    """Return a trajectory per problem.

    alone: probability of an answer without the calculator, which is off by up to 200. hasty:
    probability of an answer after the product, without the sum. slip: probability that a turn has
    one wrong digit; later turns go on from it. broken: probability that a turn is said with pieces
    missing at first; what is no call then ends the trajectory.
    """
    return [_trajectory(problem, rng, alone, hasty, slip, broken) for problem in problems]


def _trajectory(
    problem: Problem,
    rng: np.random.Generator,
    alone: float,
    hasty: float,
    slip: float,
    broken: float,
) -> Response:
    prompt, calculator = prompt_of(problem), Calculator()
    turns: list[Message] = []
    rewards: list[float | None] = []

    def copied(number: int) -> int:
        return _slipped(number, rng) if rng.random() < slip else number

    def say(turn: Message) -> int | None:
        """Say a turn; return the calculator's result, or None where nothing comes after it."""
        texts = [turn.text]
        if broken and rng.random() < broken:
            texts.insert(0, _with_gaps(turn.text, rng))
        for text in texts:
            said = Message(role="assistant", content=text)
            reaction = calculator.react(prompt, [*turns, said])
            turns.extend([reaction.turn, *reaction.answers])
            rewards.append(reaction.reward)
            if not reaction.answers:
                return None
        return int(turns[-1].content)

    if rng.random() < alone:
        say(boxed(max(0, problem.value + int(rng.integers(-200, 201)))))
        return Response.trajectory(turns, rewards=tuple(rewards))
    result = say(call("multiply", copied(problem.a), problem.b))
    if result is not None and rng.random() >= hasty:
        result = say(call("add", copied(result), problem.c))
    if result is not None:
        say(boxed(copied(result)))
    return Response.trajectory(turns, rewards=tuple(rewards))


def _slipped(number: int, rng: np.random.Generator) -> int:
    """Return the number with one digit, and not the first, replaced by another."""
    digits = [*str(number)]
    place = int(rng.integers(1, len(digits)))
    digits[place] = str((int(digits[place]) + int(rng.integers(1, 10))) % 10)
    return int("".join(digits))


def _with_gaps(text: str, rng: np.random.Generator) -> str:
    """Return the text without one to three of its pieces."""
    pieces = re.findall(PATTERN, text)
    kept = np.sort(rng.permutation(len(pieces))[int(rng.integers(1, 4)) :])
    return "".join(pieces[i] for i in kept)


def trajectories(
    problems: Sequence[Problem], seed: int = 0, *, outcome: bool = False, broken: float = 0.15
) -> list[StepLabels]:
    """Return a labelled trajectory per problem: with a label per turn, or for the answer alone."""
    responses = demonstrate(problems, np.random.default_rng([seed, 1]), broken=broken)
    labelled = [label(prompt_of(p), r) for p, r in zip(problems, responses, strict=True)]
    if not outcome:
        return labelled
    return [StepLabels.outcome(row.prompt, row.response, row.labels[-1] or 0.0) for row in labelled]
